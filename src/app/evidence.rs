//! What the logs tell: the groups of errors, and text from around them that seeds the search for
//! reproducers.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context as _;
use regex_automata::meta::Regex;
use tokio_util::sync::CancellationToken;

use super::foreign::Foreign;
use super::parts;
use super::scan::{Scan, Scanned, Step};
use crate::analyzer::Grain;
use crate::collector::Framer;
use crate::config::Config;
use crate::domain::{ErrorGroup, Language};

/// How much is read between two looks at what was found.
const STEP_BYTES: usize = 16 << 10;
/// Lines at hand when an event is found; more than one step and one stack hold.
const MAX_RECENT_LINES: usize = 4_000;
/// Lines kept before first errors, in all.
const MAX_CONTEXT_LINES: usize = 2_000;
/// Request lines beyond this many push out the oldest.
const MAX_REQUEST_LINES: usize = 400;
/// Longer lines are cut: what hints at a cause stands near their beginning.
const MAX_HINT_BYTES: usize = 2 << 10;
/// Lines that tell of a request: a method, then (in any notation) a path or an address.
const REQUEST: &str = r#"\b(?:GET|POST|PUT|PATCH|DELETE)\b[^/]{0,40}/"#;

/// What the logs tell.
pub(super) struct Found {
    /// Exact number of error events.
    pub(super) events: u64,
    /// Worst first.
    pub(super) groups: Vec<ErrorGroup>,
    /// Texts from around the errors.
    pub(super) context: Vec<String>,
    /// How many errors of other languages there are, which nobody works on.
    pub(super) other_languages: BTreeMap<Language, u64>,
    /// What could not be read of the logs, and why.
    pub(super) unread: Vec<String>,
}

/// Reads every log once, or until it is told to stop: then what was found so far is all there is. A log
/// that breaks off is read up to there; one of which nothing can be read is refused before any work.
pub(super) fn gather(logs: &[PathBuf], config: &Config, stop: &CancellationToken) -> anyhow::Result<Found> {
    // Small steps, so that the lines before an event are still at hand when it is found.
    let scan = Scan::new(config, logs)?.in_steps_of(STEP_BYTES);
    // One log is of one version, so lines tell faults of one function apart: each is mended on its own.
    let scan = scan.grouped_by(Grain::Statement);
    let mut hints = Hints::new(config)?;
    let (mut unread, mut refused) = (Vec::new(), None);
    let scanned = scan.run(&mut |step| {
        match step {
            Step::Read { start, bytes } => hints.read(start, bytes),
            Step::Event { event, first: true, .. } => hints.firsts.push(event.span.start),
            Step::Event { first: false, .. } => {}
            Step::Doubtful { source, doubt } => tracing::warn!("{source} {doubt}"),
            Step::Unreadable(error) if error.read_bytes() > 0 => {
                let told = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!("{told}");
                unread.push(told);
            }
            Step::Unreadable(error) => {
                refused = Some(error);
                return ControlFlow::Break(());
            }
        }
        if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(error) = refused {
        return Err(error.into());
    }
    hints.keep_before_firsts();
    Ok(found(scanned, hints, unread))
}

fn found(scanned: Scanned, hints: Hints, unread: Vec<String>) -> Found {
    let Scanned { groups, stats } = scanned;
    if stats.overflowed > 0 {
        tracing::warn!(
            events = stats.overflowed,
            "more kinds of errors than are kept: raise analyzer.max_groups"
        );
    }
    let samples = groups.iter().map(|group| group.first.sample.clone());
    let context = samples.chain(hints.before).chain(hints.requests).collect();
    Found { events: stats.events, groups, context, other_languages: hints.foreign.counted(), unread }
}

/// Lines that may tell how an error came about.
struct Hints {
    /// How many lines before a first error are kept.
    context_lines: usize,
    max_line_bytes: usize,
    framer: Framer,
    /// The lines just read, each with where it ends.
    recent: VecDeque<(u64, String)>,
    /// Where first errors begin that were found in what is being read.
    firsts: Vec<u64>,
    /// Lines before first errors.
    before: Vec<String>,
    /// The last lines that tell of a request.
    requests: VecDeque<String>,
    request: Regex,
    foreign: Foreign,
}

impl Hints {
    fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            context_lines: parts::as_usize(config.analyzer.context_lines),
            max_line_bytes: parts::analyzer(config).max_line_bytes,
            framer: Framer::new(0, 0),
            recent: VecDeque::new(),
            firsts: Vec::new(),
            before: Vec::new(),
            requests: VecDeque::new(),
            request: Regex::new(REQUEST).context("the built-in pattern of request lines")?,
            foreign: Foreign::new().context("the built-in patterns of other languages")?,
        })
    }

    /// Takes what was read, then looks back from the first errors that were found in it.
    fn read(&mut self, start: u64, bytes: &[u8]) {
        if start == 0 {
            self.keep_before_firsts();
            self.recent.clear();
            self.framer = Framer::new(0, self.max_line_bytes);
        }
        let Self { framer, recent, requests, request, foreign, .. } = self;
        framer.push(bytes, |line| {
            let bytes = &line.bytes[..line.bytes.len().min(MAX_HINT_BYTES)];
            let text = String::from_utf8_lossy(bytes);
            foreign.read(line.bytes);
            if request.is_match(bytes) && requests.back().map(String::as_str) != Some(&*text) {
                push_bounded(requests, text.clone().into_owned(), MAX_REQUEST_LINES);
            }
            push_bounded(recent, (line.span.end, text.into_owned()), MAX_RECENT_LINES);
        });
        self.keep_before_firsts();
    }

    /// Keeps the lines that end before each first error.
    fn keep_before_firsts(&mut self) {
        for start in self.firsts.drain(..) {
            let earlier = self.recent.iter().take_while(|(end, _)| *end <= start).count();
            let lines = self.recent.iter().take(earlier).skip(earlier.saturating_sub(self.context_lines));
            let room = MAX_CONTEXT_LINES.saturating_sub(self.before.len());
            self.before.extend(lines.take(room).map(|(_, text)| text.clone()));
        }
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, limit: usize) {
    if queue.len() == limit {
        queue.pop_front();
    }
    queue.push_back(item);
}
