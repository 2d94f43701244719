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
use crate::domain::{ErrorGroup, Line};

/// Request lines beyond this many push out the oldest.
const MAX_REQUEST_LINES: usize = 400;
/// Longer lines are cut: what seeds a search stands near their beginning.
const MAX_SEED_BYTES: usize = 2 << 10;
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
    let mut requests = Requests::new()?;
    for log in logs {
        let mut stream = analyzer.stream();
        let mut framer = Framer::new(0, settings.max_line_bytes);
        collector::read(&Source::named(log), |chunk| {
            stream.push(chunk, &mut |event| groups.add(event));
            framer.push(chunk, |line| requests.look_at(line));
            ControlFlow::Continue(())
        })?;
        stream.finish(&mut |event| groups.add(event));
        framer.finish(|line| requests.look_at(line));
    }
    Ok(found(groups, requests))
}

fn found(groups: Groups, requests: Requests) -> Found {
    if groups.overflowed() > 0 {
        tracing::warn!(
            events = groups.overflowed(),
            "more kinds of errors than are kept: raise analyzer.max_groups"
        );
    }
    let events = groups.events();
    let groups = groups.into_sorted();
    let samples = groups.iter().map(|group| group.first.sample.clone());
    let context = samples.chain(requests.kept).collect();
    Found { events, groups, context }
}

/// The last lines that tell of a request, each once.
struct Requests {
    pattern: Regex,
    kept: VecDeque<String>,
}

impl Requests {
    fn new() -> anyhow::Result<Self> {
        let pattern = Regex::new(REQUEST).context("the built-in pattern of request lines")?;
        Ok(Self { pattern, kept: VecDeque::new() })
    }

    fn look_at(&mut self, line: Line<'_>) {
        let bytes = &line.bytes[..line.bytes.len().min(MAX_SEED_BYTES)];
        if !self.pattern.is_match(bytes) {
            return;
        }
        let text = String::from_utf8_lossy(bytes).into_owned();
        if self.kept.back() == Some(&text) {
            return;
        }
        if self.kept.len() == MAX_REQUEST_LINES {
            self.kept.pop_front();
        }
        self.kept.push_back(text);
    }
}
