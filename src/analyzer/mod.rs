//! Bytes of a log → error events: found, parsed, named.
//!
//! One line's way: the [`gate`] runs one automaton over whole buffers and proposes lines; a proposed line
//! is unwrapped and parsed ([`parse`]); [`judge`] decides whether it is an event; a failure of several
//! lines is put together by [`stream`] with the line machine of [`go`]; [`fingerprint`] names it;
//! [`Groups`] counts, and [`Aggregator`] makes of a storm a first event and a count. No IO, no clock, no threads: any way of cutting the input gives the same events.

mod aggregate;
mod config;
mod event;
mod fingerprint;
mod gate;
pub mod go;
mod groups;
mod judge;
mod level;
mod mask;
mod operational;
mod parse;
mod stream;
mod words;

use std::sync::Arc;

use regex_automata::meta::Regex;

use crate::domain::Severity;
use gate::{Gate, automaton};

pub use aggregate::{Aggregator, Outlook, Pace};
pub use config::{Config, ErrorPattern};
pub use fingerprint::keys as fingerprint;
pub(crate) use gate::automaton::{PatternError, check as check_pattern};
pub use groups::{Grain, Groups};
pub use stream::{Stats, StreamAnalyzer};

/// Why an analyzer could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A user's pattern is refused.
    #[error(
        "analyzer.error_patterns[{index}]: the pattern {pattern:?} cannot be used: {reason}; \
         correct it or remove it (the syntax is that of Rust's regex crate)"
    )]
    Pattern {
        /// Its place in the list, from 0.
        index: usize,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// All patterns together are too large.
    #[error(
        "analyzer.error_patterns: {reason}; use fewer or simpler patterns, without large counted repeats"
    )]
    TooLarge {
        /// What is wrong.
        reason: String,
    },
    /// A limit is out of range.
    #[error("analyzer.{key} is {value}: it must be at least {least}")]
    Limit {
        /// The key.
        key: &'static str,
        /// Its value.
        value: usize,
        /// The least that works.
        least: usize,
    },
    /// The binary is damaged.
    #[error("{reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
}

/// How many patterns are built in.
#[must_use]
pub const fn built_in_patterns() -> usize {
    gate::patterns::BUILT_IN.len()
}

/// Finds error events. Built once from a configuration, shared by any number of streams.
#[derive(Clone)]
pub struct Analyzer {
    shared: Arc<Shared>,
}

/// What all streams of an analyzer share.
pub(crate) struct Shared {
    gate: Gate,
    user: Option<UserPatterns>,
    config: Config,
}

/// A user's patterns, to ask a proposed line which of them it matches.
struct UserPatterns {
    regex: Regex,
    severities: Vec<Severity>,
}

impl Shared {
    /// The worst severity that a user's pattern gives a line.
    fn asked(&self, line: &str) -> Option<Severity> {
        let user = self.user.as_ref()?;
        let mut set = regex_automata::PatternSet::new(user.severities.len());
        user.regex.which_overlapping_matches(&regex_automata::Input::new(line), &mut set);
        set.iter().filter_map(|id| user.severities.get(id.as_usize()).copied()).max()
    }
}

impl Analyzer {
    /// Builds an analyzer.
    ///
    /// # Errors
    /// When a pattern of the configuration is no regular expression or can match no single line, when the
    /// patterns together are too large, or when a limit is too small to work with.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let limits = [
            ("max_stack_depth", config.max_stack_depth, 1),
            ("max_line_bytes", config.max_line_bytes, 256),
            ("max_event_bytes", config.max_event_bytes, 256),
            ("max_groups", config.max_groups, 1),
        ];
        if let Some(&(key, value, least)) = limits.iter().find(|(_, value, least)| value < least) {
            return Err(Error::Limit { key, value, least });
        }
        let mut patterns = Vec::new();
        for (index, entry) in config.error_patterns.iter().enumerate() {
            let parsed = automaton::check(&entry.pattern).map_err(|error| Error::Pattern {
                index,
                pattern: entry.pattern.clone(),
                reason: error.to_string(),
            })?;
            patterns.push(parsed);
        }
        let gate = Gate::new(&patterns).map_err(|error| match error {
            gate::GateError::TooLarge(_) => Error::TooLarge { reason: error.to_string() },
            gate::GateError::Damaged => Error::Damaged { reason: error.to_string() },
        })?;
        let user = if patterns.is_empty() {
            None
        } else {
            let regex = Regex::builder()
                .configure(
                    Regex::config().utf8_empty(false).nfa_size_limit(Some(automaton::TABLE_LIMIT_BYTES)),
                )
                .build_many_from_hir(&patterns)
                .map_err(|error| Error::TooLarge { reason: error.to_string() })?;
            Some(UserPatterns {
                regex,
                severities: config.error_patterns.iter().map(|entry| entry.severity).collect(),
            })
        };
        tracing::debug!(gate = gate.describe(), "analyzer ready");
        Ok(Self { shared: Arc::new(Shared { gate, user, config: config.clone() }) })
    }

    /// Starts on a new source.
    #[must_use]
    pub fn stream(&self) -> StreamAnalyzer {
        self.stream_from(0, &[])
    }

    /// Starts in the middle of a source, at an offset that [`StreamAnalyzer::resume_offset`] told.
    /// `before` are the bytes just before it, [`StreamAnalyzer::BEFORE_BYTES`] of them where there are as
    /// many: the line before may announce what begins there. Offsets are those of the source.
    ///
    /// Where `before` does not end a line, the rest of that line is passed over.
    #[must_use]
    pub fn stream_from(&self, offset: u64, before: &[u8]) -> StreamAnalyzer {
        StreamAnalyzer::new(Arc::clone(&self.shared), offset, before)
    }

    /// Most bytes of memory that one stream can come to hold, whatever it is fed: for as many programs as
    /// may fail at once a failure of the longest lines, with a stack of the longest names.
    #[must_use]
    pub fn stream_limit_bytes(&self) -> usize {
        stream::limit_bytes(&self.shared.config)
    }

    /// Starts an empty collection of groups, as large as the configuration allows.
    #[must_use]
    pub fn groups(&self, grain: Grain) -> Groups {
        Groups::new(self.shared.config.max_groups, grain)
    }
}

/// The beginning of a text, at most `limit` bytes, cut between characters.
fn clipped(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

impl std::fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Analyzer").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
