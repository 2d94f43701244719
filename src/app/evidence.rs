//! What the logs tell: the groups of errors, and text from around them that seeds the search for
//! reproducers.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context as _;
use regex_automata::meta::Regex;

use super::parts;
use crate::analyzer::{Analyzer, Groups};
use crate::collector::{self, Framer, Source};
use crate::config::Config;
use crate::domain::{ErrorEvent, ErrorGroup, Line};

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
}

/// Reads every log once.
pub(super) fn gather(logs: &[PathBuf], config: &Config) -> anyhow::Result<Found> {
    let settings = parts::analyzer(config);
    let analyzer = Analyzer::new(&settings)?;
    let mut groups = analyzer.groups();
    let mut hints = Hints::new(parts::as_usize(config.analyzer.context_lines))?;
    for log in logs {
        let mut stream = analyzer.stream();
        let mut framer = Framer::new(0, settings.max_line_bytes);
        hints.recent.clear();
        let mut take = |hints: &mut Hints, event: ErrorEvent| {
            let (known, start) = (groups.len(), event.span.start);
            groups.add(event);
            if groups.len() > known {
                hints.keep_before(start);
            }
        };
        collector::read(&Source::named(log), |chunk| {
            // Small steps, so that the lines before an event are still at hand when it is found.
            for step in chunk.chunks(STEP_BYTES) {
                framer.push(step, |line| hints.look_at(line));
                stream.push(step, &mut |event| take(&mut hints, event));
            }
            ControlFlow::Continue(())
        })?;
        stream.finish(&mut |event| take(&mut hints, event));
    }
    Ok(found(groups, hints))
}

fn found(groups: Groups, hints: Hints) -> Found {
    if groups.overflowed() > 0 {
        tracing::warn!(
            events = groups.overflowed(),
            "more kinds of errors than are kept: raise analyzer.max_groups"
        );
    }
    let events = groups.events();
    let groups = groups.into_sorted();
    let samples = groups.iter().map(|group| group.first.sample.clone());
    let context = samples.chain(hints.before).chain(hints.requests).collect();
    Found { events, groups, context }
}

/// Lines that may tell how an error came about.
struct Hints {
    /// How many lines before a first error are kept.
    context_lines: usize,
    /// The lines just read, each with where it ends.
    recent: VecDeque<(u64, String)>,
    /// Lines before first errors.
    before: Vec<String>,
    /// The last lines that tell of a request.
    requests: VecDeque<String>,
    request: Regex,
}

impl Hints {
    fn new(context_lines: usize) -> anyhow::Result<Self> {
        let request = Regex::new(REQUEST).context("the built-in pattern of request lines")?;
        Ok(Self {
            context_lines,
            recent: VecDeque::new(),
            before: Vec::new(),
            requests: VecDeque::new(),
            request,
        })
    }

    fn look_at(&mut self, line: Line<'_>) {
        let bytes = &line.bytes[..line.bytes.len().min(MAX_HINT_BYTES)];
        let text = String::from_utf8_lossy(bytes);
        if self.request.is_match(bytes) && self.requests.back().map(String::as_str) != Some(&*text) {
            push_bounded(&mut self.requests, text.clone().into_owned(), MAX_REQUEST_LINES);
        }
        push_bounded(&mut self.recent, (line.span.end, text.into_owned()), MAX_RECENT_LINES);
    }

    /// Keeps the lines that end before `start`, where a first error begins.
    fn keep_before(&mut self, start: u64) {
        let earlier = self.recent.iter().take_while(|(end, _)| *end <= start).count();
        let lines = self.recent.iter().take(earlier).skip(earlier.saturating_sub(self.context_lines));
        let room = MAX_CONTEXT_LINES.saturating_sub(self.before.len());
        self.before.extend(lines.take(room).map(|(_, text)| text.clone()));
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, limit: usize) {
    if queue.len() == limit {
        queue.pop_front();
    }
    queue.push_back(item);
}
