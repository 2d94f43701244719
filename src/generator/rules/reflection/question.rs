//! The question that `reflect` offers for each mistake.

use std::sync::Arc;

use tree_sitter::Node;

use super::mend::constant;
use super::misuse::Misuse;
use super::{arguments, only_looks};
use crate::generator::repair::syntax::{only_measures, within_function};
use crate::repository::go::File;

/// A call that is not allowed.
pub(super) struct Call<'c> {
    pub(super) file: &'c Arc<File>,
    pub(super) call: Node<'c>,
    pub(super) method: &'c str,
    /// The value that is asked about, as it is written, and in words.
    pub(super) value: &'c str,
    pub(super) what: &'c str,
}

/// What is to be asked before the call.
pub(super) struct Question {
    /// The conditions under which the call fails, and holds.
    pub(super) bad: String,
    pub(super) good: String,
    /// What is wrong, in words.
    pub(super) says: String,
    /// The same as a format, and its argument.
    pub(super) with: Option<(String, String)>,
}

impl Question {
    fn new(bad: String, good: String, says: String) -> Self {
        Self { bad, good, says, with: None }
    }

    /// A method that says of a value whether the call is allowed.
    fn whether(value: &str, can: &str, says: String) -> Self {
        Self::new(format!("!{value}.{can}()"), format!("{value}.{can}()"), says)
    }

    fn with(mut self, format: String, argument: String) -> Self {
        self.with = Some((format, argument));
        self
    }
}

pub(super) fn question(call: &Call<'_>, misuse: Misuse<'_>, reflect: &str) -> Option<Question> {
    let Call { value, what, method, .. } = *call;
    Some(match misuse {
        Misuse::Nothing => {
            let asked = Question::whether(value, "IsValid", format!("no {what}"));
            let is_bound = within_function(call.call).any(|node| node.kind() == "for_clause");
            if is_bound { Question { good: String::new(), ..asked } } else { asked }
        }
        Misuse::Kind(actual) => {
            let kind = format!("{value}.Kind()");
            let (bad, good) = of_kind(&kind, method, actual, reflect);
            let says = format!("unsupported {what}");
            Question::new(bad, good, says.clone()).with(format!("{says} of kind %s"), kind)
        }
        Misuse::Copied | Misuse::Hidden => {
            let can = if method == "Addr" { "CanAddr" } else { "CanSet" };
            Question::whether(value, can, format!("{what} cannot be set"))
                .with(format!("{what} of type %s cannot be set"), format!("{value}.Type()"))
        }
        Misuse::Unexported => Question::whether(value, "CanInterface", format!("{what} is not exported")),
        Misuse::Key => Question::whether(value, "Comparable", "unsupported key type".to_owned())
            .with("unsupported key type %s".to_owned(), value.to_owned()),
        Misuse::Arguments => {
            let given = call.argument(0, only_looks)?;
            let bad = format!("!{value}.Type().IsVariadic() && len({given}) != {value}.Type().NumIn()");
            Question::new(bad, String::new(), "wrong number of arguments".to_owned())
                .with("wrong number of arguments: %d".to_owned(), format!("len({given})"))
        }
        Misuse::Different => {
            let (one, other) =
                (format!("{value}.Type()"), format!("{}.Type()", call.argument(1, only_looks)?));
            let (bad, good) = (format!("{one} != {other}"), format!("{one} == {other}"));
            Question::new(bad, good, format!("unexpected type of {what}"))
                .with(format!("unexpected type %s of {what}"), other)
        }
        Misuse::Beyond { count } => {
            let (index, count) = (call.argument(0, only_measures)?, format!("{value}.{count}()"));
            let (bad, good) =
                (format!("{index} < 0 || {index} >= {count}"), format!("{index} >= 0 && {index} < {count}"));
            Question::new(bad, good, format!("index of {what} out of range"))
                .with(format!("index %d of {what} out of range"), index.to_owned())
        }
        Misuse::Negative => {
            let says = format!("negative {what}");
            Question::new(format!("{value} < 0"), format!("{value} >= 0"), says.clone())
                .with(format!("{says} %d"), value.to_owned())
        }
        Misuse::Unassignable { .. } => return None,
    })
}

impl<'c> Call<'c> {
    /// An argument as it is written, where it may be written twice.
    fn argument(&self, at: usize, is_repeatable: fn(&File, Node<'_>) -> bool) -> Option<&'c str> {
        let given = *arguments(self.call).get(at)?;
        is_repeatable(self.file, given).then(|| self.file.text_of(given))
    }
}

/// The conditions on a kind: what a method is for, where that is one kind alone; else what came.
fn of_kind(kind: &str, method: &str, actual: &str, reflect: &str) -> (String, String) {
    let needed = match method {
        "NumField" | "Field" | "FieldByName" | "FieldByIndex" => Some("Struct"),
        "MapIndex" | "MapKeys" | "MapRange" | "SetMapIndex" => Some("Map"),
        "Call" | "CallSlice" => Some("Func"),
        _ => None,
    };
    match needed {
        Some(needed) => (format!("{kind} != {reflect}.{needed}"), format!("{kind} == {reflect}.{needed}")),
        None => {
            let actual = constant(actual);
            (format!("{kind} == {reflect}.{actual}"), format!("{kind} != {reflect}.{actual}"))
        }
    }
}
