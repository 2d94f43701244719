//! The gate: one automaton over whole buffers that proposes the lines worth parsing.
//!
//! Built-in patterns are determinised by the build script and embedded; a user's patterns join them in
//! one automaton that is compiled at start, within limits. Beyond the limits the whole set is walked
//! by a lazy automaton, which is said in the log. A hit decides nothing: it only proposes a line.

pub(crate) mod automaton;
pub(crate) mod patterns;
mod table;
#[cfg(test)]
mod tests;

use regex_automata::Input;
use regex_automata::dfa::dense;
use regex_automata::hybrid::dfa::{Cache, DFA as LazyDfa};
use regex_automata::util::alphabet::ByteClasses;
use regex_syntax::hir::Hir;

use table::{Table, line_around};

/// Bytes at the alignment the automaton's table needs.
#[repr(C)]
struct Aligned<B: ?Sized> {
    align: [u32; 0],
    bytes: B,
}

static BUILT_IN: &Aligned<[u8]> =
    &Aligned { align: [], bytes: *include_bytes!(concat!(env!("OUT_DIR"), "/built_in.dfa")) };

/// Why a gate could not be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum GateError {
    /// Too large even for the lazy automaton.
    #[error("the patterns are too large for one automaton")]
    TooLarge(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The embedded automaton does not load.
    #[error("the embedded automaton is damaged: build the binary again")]
    Damaged,
}

/// Proposes lines worth parsing.
pub(super) enum Gate {
    /// A table, walked by several cursors at once.
    Table(Box<Table>),
    /// Too large for a table: states are made as they are met.
    Lazy(Box<LazyDfa>),
}

/// What one walk needs to keep; one for each stream.
#[derive(Default)]
pub(super) struct Scratch {
    cache: Option<Cache>,
}

impl Scratch {
    /// Bytes of memory in use.
    pub(super) fn held_bytes(&self) -> usize {
        self.cache.as_ref().map_or(0, Cache::memory_usage)
    }
}

impl Gate {
    /// The gate of the built-in patterns and a user's own.
    pub(super) fn new(user: &[Hir]) -> Result<Self, GateError> {
        if user.is_empty() {
            let (dfa, _) = dense::DFA::from_bytes(&BUILT_IN.bytes).map_err(|_| GateError::Damaged)?;
            return Table::new(&dfa, classes(dfa.byte_classes()))
                .map(|table| Self::Table(Box::new(table)))
                .ok_or(GateError::Damaged);
        }
        let mut all = Vec::new();
        for pattern in patterns::BUILT_IN {
            all.push(automaton::parse(pattern).map_err(|_| GateError::Damaged)?);
        }
        all.extend_from_slice(user);
        let nfa = automaton::nfa(&all).map_err(|error| GateError::TooLarge(error))?;
        match automaton::determinise(&nfa) {
            Ok(dfa) => match Table::new(&dfa, classes(dfa.byte_classes())) {
                Some(table) => return Ok(Self::Table(Box::new(table))),
                None => tracing::warn!("the patterns' table is too large: scanning with a lazy automaton"),
            },
            Err(error) => {
                tracing::warn!(%error, "the patterns exceed the size limit: scanning with a lazy automaton, several times slower");
            }
        }
        let lazy = LazyDfa::builder()
            .configure(
                LazyDfa::config()
                    .cache_capacity(automaton::TABLE_LIMIT_BYTES)
                    .skip_cache_capacity_check(true),
            )
            .build_from_nfa(nfa)
            .map_err(|error| GateError::TooLarge(Box::new(error)))?;
        Ok(Self::Lazy(Box::new(lazy)))
    }

    /// Appends the start of every line that hits. `block` holds whole lines: it ends with `\n`.
    pub(super) fn hits(&self, block: &[u8], scratch: &mut Scratch, found: &mut Vec<usize>) {
        match self {
            Self::Table(table) => table.hits(block, found),
            Self::Lazy(lazy) => {
                let cache = scratch.cache.get_or_insert_with(|| lazy.create_cache());
                let mut at = 0;
                while at < block.len() {
                    let input = Input::new(&block[at..]).earliest(true);
                    match lazy.try_search_fwd(cache, &input) {
                        Ok(None) => break,
                        Ok(Some(hit)) => {
                            // Patterns match at least one byte, so the byte before the end is the match's own.
                            let (line, next) = line_around(block, at + hit.offset() - 1);
                            found.push(line);
                            at = next;
                        }
                        // Only quit bytes and a full cache stop a search, and neither is configured.
                        // Losing lines is the one thing the gate must not do: propose the line instead.
                        Err(_) => {
                            let (line, next) = line_around(block, at);
                            found.push(line);
                            at = next;
                        }
                    }
                }
            }
        }
    }

    /// How it walks, for reports.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Table(table) => format!("table of {} KiB", table.size_bytes() / 1024),
            Self::Lazy(_) => "lazy automaton".to_owned(),
        }
    }
}

fn classes(classes: &ByteClasses) -> [u8; 256] {
    std::array::from_fn(|byte| u8::try_from(byte).map_or(0, |byte| classes.get(byte)))
}
