//! One pass over existing logs: events on the way, groups and figures at the end.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::parts;
use crate::analyzer::{self, Analyzer, Grain, Groups, StreamAnalyzer};
use crate::collector::{self, Doubt, Source};
use crate::config::Config;
use crate::domain::{ErrorEvent, ErrorGroup};

/// A pass over logs that is ready to run.
#[derive(Debug)]
pub struct Scan {
    analyzer: Analyzer,
    sources: Vec<Source>,
    /// The service that the configuration names.
    service: String,
    step_bytes: usize,
    grain: Grain,
}

/// What happens on the way.
#[derive(Debug)]
pub enum Step<'a> {
    /// Bytes were read, and every event that ends in them was given.
    Read {
        /// Where they begin in their log: 0 for the first of each.
        start: u64,
        /// What was read.
        bytes: &'a [u8],
    },
    /// An event was found.
    Event {
        /// The log it is from; its span counts in there.
        source: &'a str,
        /// The event.
        event: &'a ErrorEvent,
        /// Whether it is the first of its group.
        first: bool,
    },
    /// A log begins like something that holds no lines to read. It is read nevertheless.
    Doubtful {
        /// The log.
        source: &'a str,
        /// What it looks like, and what to do.
        doubt: Doubt,
    },
    /// A log could not be read, or not to its end; the pass goes on with the next.
    Unreadable(collector::Error),
}

/// Figures of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScanStats {
    /// Bytes read.
    pub bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Lines longer than the limit, whose rest was passed over.
    pub truncated_lines: u64,
    /// Events found.
    pub events: u64,
    /// Events whose group found no room any more.
    pub overflowed: u64,
    /// Logs that could not be read, or not to their end.
    pub unreadable: u64,
}

/// What a pass found.
#[derive(Debug)]
pub struct Scanned {
    /// The groups, worst first.
    pub groups: Vec<ErrorGroup>,
    /// Figures.
    pub stats: ScanStats,
}

impl Scan {
    /// A pass over files; `-` is standard input.
    ///
    /// # Errors
    /// When the configured patterns cannot be used.
    pub fn new(config: &Config, paths: &[PathBuf]) -> Result<Self, analyzer::Error> {
        let analyzer = Analyzer::new(&parts::analyzer(config))?;
        let sources = paths.iter().map(|path| Source::named(path)).collect();
        let service = config.service_name.clone();
        Ok(Self { analyzer, sources, service, step_bytes: usize::MAX, grain: Grain::Site })
    }

    /// The same pass in steps of so many bytes at the most: an event is given near to where it was read.
    #[must_use]
    pub(super) fn in_steps_of(self, step_bytes: usize) -> Self {
        Self { step_bytes, ..self }
    }

    /// The same pass with groups of another grain.
    #[must_use]
    pub(super) fn grouped_by(self, grain: Grain) -> Self {
        Self { grain, ..self }
    }

    /// How many logs there are.
    #[must_use]
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// Bytes to be read in all, where every size is known.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.sources.iter().map(Source::size_bytes).sum()
    }

    /// Runs. `on` may break off.
    pub fn run(&self, on: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>) -> Scanned {
        let mut groups = self.analyzer.groups(self.grain);
        let mut stats = ScanStats::default();
        for source in &self.sources {
            let name = source.to_string();
            let mut start = 0;
            let service = parts::service_of(&self.service, source.container().as_ref());
            let mut stream = self.analyzer.stream().of_service(&service);
            let mut flow = ControlFlow::Continue(());
            let read = collector::read(source, |chunk| {
                if start == 0
                    && let Some(doubt) = Doubt::about(chunk)
                {
                    flow = on(Step::Doubtful { source: &name, doubt });
                }
                for bytes in chunk.chunks(self.step_bytes) {
                    stream.push(bytes, &mut |event| flow = deliver(event, &name, &mut groups, flow, on));
                    flow?;
                    flow = on(Step::Read { start, bytes });
                    start += bytes.len() as u64;
                }
                flow
            });
            stream.finish(&mut |event| flow = deliver(event, &name, &mut groups, flow, on));
            stats.add(&stream);
            if let Err(error) = read {
                stats.unreadable += 1;
                flow = on(Step::Unreadable(error));
            }
            if flow.is_break() {
                break;
            }
        }
        stats.overflowed = groups.overflowed();
        Scanned { groups: groups.into_sorted(), stats }
    }
}

/// Shows an event and counts it, unless the pass was broken off.
fn deliver(
    event: ErrorEvent,
    source: &str,
    groups: &mut Groups,
    flow: ControlFlow<()>,
    on: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    flow?;
    let first = groups.would_add_group(&event);
    let flow = on(Step::Event { source, event: &event, first });
    groups.add(event);
    flow
}

impl ScanStats {
    fn add(&mut self, stream: &StreamAnalyzer) {
        let seen = stream.stats();
        self.bytes += seen.bytes;
        self.lines += seen.lines;
        self.truncated_lines += seen.truncated_lines;
        self.events += seen.events;
    }
}
