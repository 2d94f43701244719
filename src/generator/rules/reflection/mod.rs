//! A call of the reflect package on a value that does not allow it.
//!
//! Evidence: the message of the panic, which tells the method and what it was called on, and the call of that
//! method on the failing line. Edits, in order: the accessor of the kind that came, where its number is
//! converted anyway; a conversion to the type that is wanted; the question that `reflect` offers (`IsValid`,
//! `CanSet`, `Kind`, …) beside the call, or before it with an early exit; and where what came in cannot be
//! worked on at all, the question that `encoding/json` asks of its argument, in the outermost function that
//! takes it.
//!
//! The messages are those of `reflect/value.go` and `reflect/type.go` of Go 1.26.
//!
//! Risk: a conversion of a type that cannot be converted panics as well; the ladder sees it only if the
//! reproducer does that.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::check::Check;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::naming::phrase;
use crate::generator::repair::scope::fresh;
use crate::generator::repair::syntax::{
    called_name, converted, method_call, nodes_of, noun, operator_of, within_function,
};
use crate::repository::go::{File, Function};

/// What the message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Misuse<'m> {
    /// `call of reflect.Value.Len on int Value`: the kind as it is written in Go.
    Kind(&'m str),
    /// The zero Value: there is nothing.
    Nothing,
    /// What is not a variable was to be set: at the root of it stands a copy.
    Copied,
    /// A field that is not exported was to be set.
    Hidden,
    /// A field that is not exported was to be read.
    Unexported,
    /// A value of another type was to be put somewhere.
    Unassignable {
        /// Whether it is a text, of which a conversion loses nothing.
        text: bool,
    },
    /// A function was called with too few arguments, or too many.
    Arguments,
}

/// The kinds as messages spell them.
const KINDS: [&str; 27] = [
    "zero",
    "bool",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "uintptr",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "array",
    "chan",
    "func",
    "interface",
    "map",
    "ptr",
    "slice",
    "string",
    "struct",
    "unsafe.Pointer",
];

/// `Len` of `reflect.Value.Len`.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or_default()
}

/// The method that the message names, and what is wrong with the call.
fn misuse(message: &str) -> Option<(&str, Misuse<'_>)> {
    if let Some(rest) = message.strip_prefix("reflect: call of ") {
        let (call, kind) = rest.split_once(" on ")?;
        let kind = kind.strip_suffix(" Value")?;
        // What is written into code comes from a list, not from a log.
        let kind = KINDS.iter().find(|known| **known == kind)?;
        return Some((last(call), if *kind == "zero" { Misuse::Nothing } else { Misuse::Kind(kind) }));
    }
    if let Some((call, types)) = message.split_once(": value of type ") {
        let (from, to) = types.split_once(" is not assignable to type ")?;
        // Of two types of Go itself that differ, one is no other name of the other.
        let named = from.contains('.') || to.contains('.');
        return named.then_some((last(call), Misuse::Unassignable { text: from == "string" }));
    }
    if message.contains("arguments") && message.contains("Call with too ") {
        return Some(("Call", Misuse::Arguments));
    }
    if let Some((call, _)) = message.split_once(": cannot return value obtained from unexported field") {
        return Some((last(call), Misuse::Unexported));
    }
    [
        (" using unaddressable value", Misuse::Copied),
        (" of unaddressable value", Misuse::Copied),
        (" using value obtained using unexported field", Misuse::Hidden),
    ]
    .into_iter()
    .find_map(|(words, misuse)| Some((last(message.split_once(words)?.0), misuse)))
}

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some((method, misuse)) = misuse(&case.fault.message) else { return Vec::new() };
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let Some(reflect) = package_name(file) else { return Vec::new() };
    let mut drafts = Vec::new();
    for call in case.raisers(0, |file, node| is_call_of(file, node, method)) {
        if let Some(draft) = never_nil(file, call, misuse, reflect) {
            drafts.push(draft);
            continue;
        }
        drafts.extend(other_accessor(file, call, misuse));
        drafts.extend(assigned(file, call, misuse));
        if let Some(check) = check(file, call, method, misuse, reflect) {
            drafts.extend(case.check(&check));
        }
    }
    if matches!(misuse, Misuse::Nothing | Misuse::Copied) {
        drafts.extend(refused_at_entry(case, misuse));
    }
    drafts
}

/// What a file calls the package.
fn package_name(file: &File) -> Option<&str> {
    file.imports.iter().find(|import| import.path == "reflect").map(|import| import.identifier())
}

/// `value.Method(…)`.
fn is_call_of(file: &File, node: Node<'_>, method: &str) -> bool {
    method_call(node).is_some_and(|(_, field)| file.text_of(field) == method)
}

fn operand(call: Node<'_>) -> Option<Node<'_>> {
    method_call(call).map(|(operand, _)| operand)
}

fn arguments(call: Node<'_>) -> Vec<Node<'_>> {
    let Some(list) = call.child_by_field_name("arguments") else { return Vec::new() };
    let mut cursor = list.walk();
    list.named_children(&mut cursor).collect()
}

/// Whether an expression may be written twice: it calls nothing but what only looks.
fn only_looks(file: &File, expression: Node<'_>) -> bool {
    const LOOKING: [&str; 11] = [
        "ValueOf",
        "TypeOf",
        "Indirect",
        "Elem",
        "Field",
        "FieldByName",
        "Index",
        "MapIndex",
        "Type",
        "Key",
        "len",
    ];
    nodes_of(expression, |node| node.kind() == "call_expression")
        .into_iter()
        .all(|call| LOOKING.contains(&called_name(file, call)))
}

/// The constant of a kind as a message spells it.
fn constant(kind: &str) -> String {
    match kind {
        "unsafe.Pointer" => "UnsafePointer".to_owned(),
        _ => kind.chars().take(1).flat_map(char::to_uppercase).chain(kind.chars().skip(1)).collect(),
    }
}

/// The method that reads a value of a kind.
fn accessor(kind: &str) -> Option<&'static str> {
    Some(match kind.trim_end_matches(char::is_numeric) {
        "int" => "Int",
        "uint" | "uintptr" => "Uint",
        "float" => "Float",
        _ => return None,
    })
}

/// What is of a kind that cannot be nil is not nil.
fn never_nil(file: &Arc<File>, call: Node<'_>, misuse: Misuse<'_>, reflect: &str) -> Option<Draft> {
    let Misuse::Kind(kind) = misuse else { return None };
    let value =
        operand(call).filter(|operand| called_name(file, call) == "IsNil" && only_looks(file, *operand))?;
    let asked =
        format!("{}.Kind() != {reflect}.{} && {}", file.text_of(value), constant(kind), file.text_of(call));
    let alone = call.parent().is_none_or(|parent| match parent.kind() {
        "unary_expression" => false,
        "binary_expression" => matches!(operator_of(file, parent), Some("&&" | "||")),
        _ => true,
    });
    let mut edits = Edits::default();
    edits.replace(file, call.byte_range(), if alone { asked } else { format!("({asked})") });
    let explanation = format!("What is of kind {kind} cannot be nil, and is not asked for it.");
    Some(Draft::cause(0, explanation, edits))
}

/// `uint64(v.Uint())` of a signed number becomes `uint64(v.Int())`.
fn other_accessor(file: &Arc<File>, call: Node<'_>, misuse: Misuse<'_>) -> Option<Draft> {
    let Misuse::Kind(kind) = misuse else { return None };
    let (right, (_, field)) = (accessor(kind)?, method_call(call)?);
    accessor(&file.text_of(field).to_ascii_lowercase())?;
    let around = call.parent()?.parent()?;
    (around.kind() == "call_expression" && converted(file, around) == Some(call)).then_some(())?;
    let mut edits = Edits::default();
    edits.replace(file, field.byte_range(), right);
    let explanation = format!(
        "The value is of kind {kind}, which `{}` does not read: `{right}` does, and its number is converted anyway.",
        file.text_of(field)
    );
    Some(Draft::cause(0, explanation, edits))
}

/// What is put somewhere is converted to the type that stands there.
fn assigned(file: &Arc<File>, call: Node<'_>, misuse: Misuse<'_>) -> Vec<Draft> {
    let Misuse::Unassignable { text } = misuse else { return Vec::new() };
    let Some(operand) = operand(call).filter(|operand| only_looks(file, *operand)) else { return Vec::new() };
    let types: &[&str] = match called_name(file, call) {
        "MapIndex" => &[".Type().Key()"],
        "SetMapIndex" => &[".Type().Key()", ".Type().Elem()"],
        "Set" => &[".Type()"],
        "Send" | "TrySend" => &[".Type().Elem()"],
        _ => &[],
    };
    let holder = file.text_of(operand);
    let convert = |(argument, ty): (Node<'_>, &&str)| {
        let mut edits = Edits::default();
        let value = file.text_of(argument);
        edits.replace(file, argument.byte_range(), format!("{value}.Convert({holder}{ty})"));
        let explanation = format!("`{value}` is of another type than what it is put into: it is converted.");
        // A number may not fit.
        let tier = if text { Tier::Cause } else { Tier::Mask };
        Draft { tier, depth: 0, explanation, masks: !text, open: None, edits }
    };
    arguments(call).into_iter().zip(types).map(convert).collect()
}

/// The question to ask before a call.
fn check<'c>(
    file: &Arc<File>,
    call: Node<'c>,
    method: &str,
    misuse: Misuse<'_>,
    reflect: &str,
) -> Option<Check<'c>> {
    let subject = operand(call).filter(|operand| only_looks(file, *operand))?;
    let value = file.text_of(subject);
    let name = noun(file, subject);
    let name = if name.chars().count() < 2 { "value".to_owned() } else { name };
    let what = phrase(&name);
    let kind = format!("{value}.Kind()");
    let (bad, good, says, with) = match misuse {
        Misuse::Nothing => {
            let is_bound = within_function(call).any(|node| node.kind() == "for_clause");
            let good = if is_bound { String::new() } else { format!("{value}.IsValid()") };
            (format!("!{value}.IsValid()"), good, format!("no {what}"), None)
        }
        Misuse::Kind(actual) => {
            let (bad, good) = of_kind(&kind, method, actual, reflect);
            (bad, good, format!("unsupported {what}"), Some((format!("unsupported {what} of kind %s"), kind)))
        }
        Misuse::Copied | Misuse::Hidden => {
            let can = if method == "Addr" { "CanAddr" } else { "CanSet" };
            let ty = Some((format!("{what} of type %s cannot be set"), format!("{value}.Type()")));
            (format!("!{value}.{can}()"), format!("{value}.{can}()"), format!("{what} cannot be set"), ty)
        }
        Misuse::Unexported => (
            format!("!{value}.CanInterface()"),
            format!("{value}.CanInterface()"),
            format!("{what} is not exported"),
            None,
        ),
        Misuse::Arguments => {
            let given = *arguments(call).first().filter(|given| only_looks(file, **given))?;
            let given = file.text_of(given);
            let bad = format!("!{value}.Type().IsVariadic() && len({given}) != {value}.Type().NumIn()");
            let count = Some(("wrong number of arguments: %d".to_owned(), format!("len({given})")));
            (bad, String::new(), "wrong number of arguments".to_owned(), count)
        }
        Misuse::Unassignable { .. } => return None,
    };
    let mut failure = Failure::new(Blame::Malformed, says).about(name);
    if let Some((format, argument)) = with {
        failure = failure.with(format, vec![argument]);
    }
    let explanation =
        format!("`{}` does not allow `{method}` of whatever comes: that is asked first.", value);
    Some(Check { depth: 0, at: call, bad, good, subject, failure, explanation })
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

/// The outermost function that takes something of any type, and can report, refuses what nothing can be done
/// with.
fn refused_at_entry(case: &Case<'_>, misuse: Misuse<'_>) -> Option<Draft> {
    let takes = |function: &Function| {
        let any = |ty: &str| matches!(ty.replace(' ', "").as_str(), "any" | "interface{}");
        function
            .params
            .iter()
            .find(|param| any(&param.ty) && !matches!(param.name.as_str(), "" | "_"))
            .cloned()
    };
    let taking = |(depth, frame): (usize, &crate::generator::repair::case::Frame)| {
        let function = frame.function.as_ref().filter(|_| is_repairable(&frame.file))?;
        Some((depth, Arc::clone(&frame.file), takes(function)?, function.body.clone()))
    };
    let (depth, file, param, body) = case.frames.iter().enumerate().rev().find_map(taking)?;
    let first = file.node_at(body)?.named_child(0).and_then(|list| list.named_child(0))?;
    let mut edits = Edits::default();
    let reflect = edits.import(&file, "reflect");
    let value = fresh(&file, first, &["value", "val", "rv"])?;
    let (no_pointer, is_nil) = (format!("{value}.Kind() != {reflect}.Ptr"), format!("{value}.IsNil()"));
    let (questions, tier) = match misuse {
        // Elsewhere a nil may be what is meant.
        Misuse::Nothing => {
            let nothing = format!("!{value}.IsValid() || {value}.Kind() == {reflect}.Ptr && {is_nil}");
            (vec![(nothing, "nil value of type %T")], Tier::Check)
        }
        _ => (vec![(no_pointer, "non-pointer type %T"), (is_nil, "nil %T")], Tier::Cause),
    };
    let mut lines = vec![format!("{value} := {reflect}.ValueOf({})", param.name)];
    for (bad, says) in questions {
        let failure = Failure::new(Blame::Malformed, "invalid value").with(says, vec![param.name.clone()]);
        let exit = case.leave(&mut edits, &file, first, &failure);
        exit.reports.then_some(())?;
        lines.extend(exit.guarded(&bad));
    }
    edits.insert_before(&file, first, &lines)?;
    let explanation =
        format!("Nothing can be done with such a `{}`: it is refused where it comes in.", param.name);
    Some(Draft { tier, depth, explanation, masks: false, open: None, edits })
}

#[cfg(test)]
mod tests {
    use super::{Misuse, misuse};

    #[test]
    fn messages_of_reflect_are_understood() {
        for (message, told) in [
            ("reflect: call of reflect.Value.NumField on zero Value", ("NumField", Misuse::Nothing)),
            ("reflect: call of reflect.Value.IsNil on array Value", ("IsNil", Misuse::Kind("array"))),
            ("reflect: reflect.Value.SetInt using unaddressable value", ("SetInt", Misuse::Copied)),
            ("reflect.Value.Addr of unaddressable value", ("Addr", Misuse::Copied)),
            (
                "reflect: reflect.Value.Set using value obtained using unexported field",
                ("Set", Misuse::Hidden),
            ),
            (
                "reflect.Value.Interface: cannot return value obtained from unexported field or method",
                ("Interface", Misuse::Unexported),
            ),
            (
                "reflect.Value.MapIndex: value of type string is not assignable to type main.Key",
                ("MapIndex", Misuse::Unassignable { text: true }),
            ),
            (
                "reflect.Set: value of type int is not assignable to type m.Port",
                ("Set", Misuse::Unassignable { text: false }),
            ),
            ("reflect: Call with too few input arguments", ("Call", Misuse::Arguments)),
        ] {
            assert_eq!(misuse(message), Some(told), "{message}");
        }
        for message in [
            "reflect: indirection through nil pointer to embedded struct",
            "reflect: ",
            "reflect.",
            "",
            "reflect.Set: value of type int is not assignable to type string",
            "reflect: call of reflect.Value.IsNil on array && os.Exit(1) Value",
        ] {
            assert_eq!(misuse(message), None, "{message}");
        }
    }
}
