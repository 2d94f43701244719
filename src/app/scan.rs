//! One pass over existing logs: events on the way, groups and figures at the end.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::parts;
use crate::analyzer::{self, Analyzer, Groups, StreamAnalyzer};
use crate::collector::{self, Source};
use crate::config::Config;
use crate::domain::{ErrorEvent, ErrorGroup};

/// A pass over logs that is ready to run.
#[derive(Debug)]
pub struct Scan {
    analyzer: Analyzer,
    sources: Vec<Source>,
}

/// What happens on the way.
#[derive(Debug)]
pub enum Step<'a> {
    /// So many bytes were read.
    Read(usize),
    /// An event was found.
    Event {
        /// The log it is from; its span counts in there.
        source: &'a str,
        /// The event.
        event: &'a ErrorEvent,
    },
    /// A log could not be read; the pass goes on with the next.
    Unreadable(&'a collector::Error),
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
    /// Logs that could not be read.
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
        Ok(Self { analyzer, sources: paths.iter().map(|path| Source::named(path)).collect() })
    }

    /// Bytes to be read in all, where every size is known.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.sources.iter().map(Source::size_bytes).sum()
    }

    /// Runs. `on` may break off.
    pub fn run(&self, on: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>) -> Scanned {
        let mut groups = self.analyzer.groups();
        let mut stats = ScanStats::default();
        for source in &self.sources {
            let name = source.to_string();
            let mut stream = self.analyzer.stream();
            let mut flow = ControlFlow::Continue(());
            let read = collector::read(source, |chunk| {
                stream.push(chunk, &mut |event| flow = deliver(event, &name, &mut groups, flow, on));
                if flow.is_continue() {
                    flow = on(Step::Read(chunk.len()));
                }
                flow
            });
            stream.finish(&mut |event| flow = deliver(event, &name, &mut groups, flow, on));
            stats.add(&stream);
            if let Err(error) = read {
                stats.unreadable += 1;
                flow = on(Step::Unreadable(&error));
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
    let flow = on(Step::Event { source, event: &event });
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
