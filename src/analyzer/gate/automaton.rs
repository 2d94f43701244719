//! Patterns → one dense automaton. The build script includes this file too: it determinises the
//! built-in patterns with the very code that compiles a user's patterns at start.
//!
//! Every pattern is matched against single lines, although the automaton runs over whole buffers. So
//! it is rewritten before it is compiled: no part of it can match `\n`, and its text anchors become
//! line anchors. After a `\n` the automaton is therefore always back in its start state, which is why
//! a buffer can be cut at any line break and walked from there.

use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, HirKind, Look};

/// Memory limits of determinisation: beyond them a pattern set is walked lazily instead.
pub(crate) const TABLE_LIMIT_BYTES: usize = 8 << 20;
const SCRATCH_LIMIT_BYTES: usize = 32 << 20;
/// Memory limit of one user's pattern.
const PATTERN_LIMIT_BYTES: usize = 1 << 20;

/// Why a pattern is refused.
#[derive(Debug)]
pub(crate) enum PatternError {
    /// It does not parse.
    Syntax(Box<regex_syntax::Error>),
    /// It can never match inside one line.
    SpansLines,
    /// It matches the empty string, so every line.
    MatchesEverything,
    /// Alone it takes too much memory.
    TooLarge(Box<thompson::BuildError>),
}

impl std::fmt::Display for PatternError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax(error) => error.fmt(f),
            Self::SpansLines => f.write_str("it needs a line break, but patterns are matched line by line"),
            Self::MatchesEverything => {
                f.write_str("it matches the empty string, so it would match every line")
            }
            Self::TooLarge(error) => error.fmt(f),
        }
    }
}

/// Parses one pattern and binds it to single lines.
pub(crate) fn parse(pattern: &str) -> Result<Hir, PatternError> {
    let hir = ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .multi_line(true)
        .build()
        .parse(pattern)
        .map_err(|error| PatternError::Syntax(Box::new(error)))?;
    let hir = within_line(&hir).ok_or(PatternError::SpansLines)?;
    match hir.properties().minimum_len() {
        None => Err(PatternError::SpansLines),
        Some(0) => Err(PatternError::MatchesEverything),
        Some(_) => Ok(hir),
    }
}

/// Parses a user's pattern, which has to fit alone.
pub(crate) fn check(pattern: &str) -> Result<Hir, PatternError> {
    let hir = parse(pattern)?;
    nfa_within(std::slice::from_ref(&hir), PATTERN_LIMIT_BYTES).map_err(PatternError::TooLarge)?;
    Ok(hir)
}

/// The same pattern without any way to match a line break; none when nothing is left of it.
fn within_line(hir: &Hir) -> Option<Hir> {
    Some(match hir.kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) if literal.0.contains(&b'\n') => return None,
        HirKind::Literal(literal) => Hir::literal(literal.0.clone()),
        HirKind::Class(class) => Hir::class(without_line_break(class)?),
        HirKind::Look(look) => Hir::look(line_anchor(*look)),
        HirKind::Repetition(repetition) => match within_line(&repetition.sub) {
            Some(sub) => Hir::repetition(regex_syntax::hir::Repetition {
                min: repetition.min,
                max: repetition.max,
                greedy: repetition.greedy,
                sub: Box::new(sub),
            }),
            None if repetition.min == 0 => Hir::empty(),
            None => return None,
        },
        HirKind::Capture(capture) => within_line(&capture.sub)?,
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(within_line).collect::<Option<_>>()?),
        HirKind::Alternation(parts) => {
            let parts: Vec<_> = parts.iter().filter_map(within_line).collect();
            if parts.is_empty() {
                return None;
            }
            Hir::alternation(parts)
        }
    })
}

fn without_line_break(class: &Class) -> Option<Class> {
    let line_break = ClassBytes::new([ClassBytesRange::new(b'\n', b'\n')]);
    let class = match class {
        Class::Bytes(bytes) => {
            let mut bytes = bytes.clone();
            bytes.difference(&line_break);
            Class::Bytes(bytes)
        }
        Class::Unicode(chars) => {
            let mut chars = chars.clone();
            chars.difference(&line_break.to_unicode_class()?);
            Class::Unicode(chars)
        }
    };
    (!class.is_empty()).then_some(class)
}

/// `^`, `\A` and `$`, `\z` all mean the ends of the line, whichever way it ends.
const fn line_anchor(look: Look) -> Look {
    match look {
        Look::Start | Look::StartLF | Look::StartCRLF => Look::StartLF,
        Look::End | Look::EndLF | Look::EndCRLF => Look::EndCRLF,
        other => other,
    }
}

/// The automaton's recipe for a set of patterns.
pub(crate) fn nfa(patterns: &[Hir]) -> Result<thompson::NFA, Box<thompson::BuildError>> {
    nfa_within(patterns, TABLE_LIMIT_BYTES)
}

fn nfa_within(patterns: &[Hir], limit: usize) -> Result<thompson::NFA, Box<thompson::BuildError>> {
    let config = thompson::Config::new()
        .utf8(false)
        .which_captures(thompson::WhichCaptures::None)
        .nfa_size_limit(Some(limit));
    thompson::Compiler::new().configure(config).build_many_from_hir(patterns).map_err(Box::new)
}

/// Determinises it, within the limits.
pub(crate) fn determinise(nfa: &thompson::NFA) -> Result<dense::DFA<Vec<u32>>, Box<dense::BuildError>> {
    let config = dense::Config::new()
        .accelerate(false)
        .start_kind(StartKind::Unanchored)
        .dfa_size_limit(Some(TABLE_LIMIT_BYTES))
        .determinize_size_limit(Some(SCRATCH_LIMIT_BYTES));
    dense::Builder::new().configure(config).build_from_nfa(nfa).map_err(Box::new)
}
