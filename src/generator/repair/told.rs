//! What the comment of a function says of the case that failed. Where it names another answer than an error (`the
//! port is 25 where none is given`), an error that a check returns need not be what is meant.

use super::case::Case;
use crate::domain::Class;

/// Words by which comments speak of the case in which a class fails.
const fn words_of(class: Class) -> &'static [&'static str] {
    match class {
        Class::NilDereference => {
            &["nil", "without", "none", "no", "optional", "absent", "missing", "unknown", "unset"]
        }
        Class::DivideByZero => &["0", "zero", "nothing", "empty", "no", "none", "unlimited"],
        Class::IndexOutOfRange | Class::SliceBounds => &[
            "none", "no", "nothing", "empty", "missing", "short", "shorter", "fewer", "without", "optional",
            "default", "further", "beyond", "behind", "until", "last",
        ],
        Class::TypeAssertion => &["default", "otherwise", "without", "none", "no", "not"],
        Class::CloseOfChannel => &["later", "second", "twice", "again", "once"],
        _ => &[],
    }
}

/// Words that speak of an error, or of what callers have to see to.
const REFUSALS: &[&str] = &["err", "fail", "invalid", "reject", "refuse", "panic", "must"];

/// Whether a sentence asks for another answer than a check of the class gives: no error, but for a second close,
/// which then gives none.
fn asks_for_another(class: Class, sentence: &str) -> bool {
    let refuses = REFUSALS.iter().any(|refusal| sentence.contains(refusal));
    refuses == (class == Class::CloseOfChannel)
}

/// The sentence of a function's comment that speaks of the case which failed; `depth` is the function's frame.
pub(crate) fn spoken_of(case: &Case<'_>, depth: usize) -> Option<String> {
    let frame = case.frames.get(depth)?;
    let function = frame.function.as_ref()?;
    let comment = comment_above(&frame.file.text, function.range.start);
    let words = words_of(case.fault.class);
    comment
        .split_inclusive(['.', ';'])
        .map(|sentence| sentence.trim().trim_end_matches(['.', ';']))
        .find(|sentence| {
            let lower = sentence.to_lowercase();
            let mut said = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
            let own = function.identifier.to_lowercase();
            said.any(|word| words.contains(&word) && word != own)
                && asks_for_another(case.fault.class, &lower)
        })
        .map(str::to_owned)
}

/// What a person is told about such a sentence, behind what else explains a change.
pub(crate) fn caution(sentence: &str) -> String {
    format!(" The comment of the function says \"{sentence}\": see whether it is answered as meant.")
}

/// The comment that ends right above a place, as running text.
fn comment_above(text: &str, at: usize) -> String {
    let mut lines: Vec<&str> = text
        .get(..at)
        .unwrap_or_default()
        .lines()
        .rev()
        .map_while(|line| line.strip_prefix("//"))
        .map(str::trim)
        .collect();
    lines.reverse();
    lines.join(" ")
}
