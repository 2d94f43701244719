//! Fixes that a person approved, made anew for a failure of the same shape: in another function, another package or
//! another repository, where every name may be another.
//!
//! A fix is taken apart into the operation that failed and the region that was changed ([`template`]). The operation
//! is laid over the one that fails now, which tells what each name of then is called now ([`unify`]); the region is
//! looked for around it under those names and written with them ([`instance`]). Only code that is similar when names
//! and literals are left out counts ([`likeness`]). What comes out is a candidate like any other: it is judged anew.
//!
//! Deliberately absent: fixes that span several functions or files, and those that change a signature. They say
//! little about code that is only similar.

mod instance;
mod likeness;
mod template;
#[cfg(test)]
mod tests;
mod unify;

use std::cmp::Reverse;

use tree_sitter::Node;

use crate::domain::{Class, Fault, FileChange, FixCandidate, Location, Provenance};
use crate::generator::repair::case::{Case, Signatures};
use crate::generator::repair::doubt::of_several;
use crate::generator::repair::exit::foreign_error;
use crate::generator::repair::told::{caution, spoken_of};
use crate::repository::Repository;
use crate::repository::go::{File, Symbol};

use likeness::likeness;
use template::{Template, failing_operations};

/// The most candidates: each costs a build.
const MAX_CANDIDATES: usize = 4;
/// The most expressions of one line that are looked at.
const MAX_OPERATIONS: usize = 16;
/// How alike the statements around both failures must be at least, of 1.
const LEAST_LIKENESS: f64 = 0.5;

/// A fix that was proven and that a person approved.
#[derive(Debug, Clone, PartialEq)]
pub struct Precedent {
    /// Its id in knowledge.
    pub id: String,
    /// What kind of failure it mended.
    pub class: Class,
    /// The statements of that failure, as the repository was before the change.
    pub locations: Vec<Location>,
    /// The change.
    pub changes: Vec<FileChange>,
    /// What it does and why.
    pub explanation: String,
}

/// How well a fix fits, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// How alike the places are, of 1,000.
    alike: Reverse<u32>,
    /// How many parts of what failed have another form.
    others: usize,
}

impl Fit {
    /// The very place that was mended.
    const WHOLE: Self = Self { alike: Reverse(1_000), others: 0 };
}

/// What precedents have for a fault, what is most alike first. They are to be given with the newest first.
#[must_use]
pub fn recall(fault: &Fault, repository: &Repository, precedents: &[Precedent]) -> Vec<FixCandidate> {
    let case = Case::new(fault, repository, Signatures::Stay);
    let mut found: Vec<(Fit, FixCandidate)> = Vec::new();
    for precedent in precedents.iter().filter(|precedent| precedent.class == fault.class) {
        let is_here =
            precedent.locations.iter().any(|then| fault.stack.iter().any(|now| same_function(then, now)));
        let made = match is_here && is_as_before(&precedent.changes, repository) {
            true => vec![(Fit::WHOLE, candidate(precedent, precedent.changes.clone()))],
            false => anew(&case, precedent, repository),
        };
        for (fit, candidate) in made {
            if found.iter().all(|(_, known)| known.changes != candidate.changes) {
                found.push((fit, candidate));
            }
        }
    }
    found.sort_by_key(|(fit, _)| *fit);
    found.truncate(MAX_CANDIDATES);
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

fn same_function(a: &Location, b: &Location) -> bool {
    a.file == b.file && Symbol::declared(&a.function) == Symbol::declared(&b.function)
}

fn candidate(precedent: &Precedent, changes: Vec<FileChange>) -> FixCandidate {
    let Precedent { id, explanation, .. } = precedent;
    FixCandidate {
        provenance: Provenance::Recalled { fix: id.clone() },
        explanation: format!("As in {id}, which a person approved. There: {explanation}"),
        changes,
        masks: false,
        unsettled: None,
    }
}

/// The candidate for other code, with the doubts that a rule would have: what was settled there need not be here.
fn for_other_code(
    case: &Case<'_>,
    depth: usize,
    precedent: &Precedent,
    (changes, repository): (Vec<FileChange>, &Repository),
) -> FixCandidate {
    let unsettled = match precedent.class {
        Class::ReflectMisuse
        | Class::Uncomparable
        | Class::ConcurrentMapAccess
        | Class::DataRace
        | Class::SendOnClosedChannel => Some(
            "what was right for other code need not be right here, and no single call can show it".to_owned(),
        ),
        _ => of_several(&case.fault.facts).or_else(|| foreign_error(&changes, repository)),
    };
    let mut candidate = FixCandidate { unsettled, ..candidate(precedent, changes) };
    if let Some(sentence) = spoken_of(case, depth) {
        candidate.masks = true;
        candidate.explanation.push_str(&caution(&sentence));
    }
    candidate
}

/// Whether the files which a fix changes are as they were when it was made.
#[must_use]
pub fn is_as_before(changes: &[FileChange], repository: &Repository) -> bool {
    let is =
        |change: &FileChange| repository.go_file(&change.path).is_ok_and(|file| file.text == change.before);
    !changes.is_empty() && changes.iter().all(is)
}

/// The fix as it would be for the fault, with how alike both places are.
fn anew(case: &Case<'_>, precedent: &Precedent, repository: &Repository) -> Vec<(Fit, FixCandidate)> {
    let [change] = precedent.changes.as_slice() else { return Vec::new() };
    let parse = |text: &str| File::parse(change.path.clone(), text.to_owned());
    let (before, after) = (parse(&change.before), parse(&change.after));
    let Some(template) = Template::new(&before, &after, precedent) else { return Vec::new() };
    let mut made = Vec::new();
    for (depth, frame) in case.frames.iter().enumerate().take(template.depths()) {
        let operations =
            failing_operations(&frame.file, &frame.range, frame.line, precedent.class, depth).into_iter();
        for operation in operations.take(MAX_OPERATIONS) {
            if is_another_index(&frame.file, operation, case.fault) {
                continue;
            }
            let alike = likeness(&before, template.operation, &frame.file, operation);
            if alike < LEAST_LIKENESS {
                continue;
            }
            let Some((changes, others)) = instance::write(case, depth, &template, operation) else {
                continue;
            };
            let fit = Fit { alike: Reverse(permille(alike)), others };
            made.push((fit, for_other_code(case, depth, precedent, (changes, repository))));
        }
    }
    made
}

/// Whether an index is written out, and not the one that failed.
fn is_another_index(file: &File, operation: Node<'_>, fault: &Fault) -> bool {
    let written =
        operation.child_by_field_name("index").and_then(|index| file.text_of(index).parse::<i64>().ok());
    written.zip(fault.facts.index).is_some_and(|(written, failed)| written != failed)
}

/// A share in steps that can be ordered.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share lies between 0 and 1")]
fn permille(share: f64) -> u32 {
    (share * 1e3).round() as u32
}
