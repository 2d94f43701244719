//! Changes that make reflection do what was meant, instead of asking whether it may.

use std::sync::Arc;

use tree_sitter::Node;

use super::misuse::Misuse;
use super::{arguments, only_looks, operand};
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::Edits;
use crate::generator::repair::loops::{rest_of_body, would_not_end};
use crate::generator::repair::scope::{fresh, in_scope_before};
use crate::generator::repair::syntax::{
    called_name, converted, in_loop, is_always_evaluated, method_call, operator_of, results_of, statement_of,
};
use crate::repository::go::File;

/// The constant of a kind as a message spells it.
pub(super) fn constant(kind: &str) -> String {
    match kind {
        "unsafe.Pointer" => "UnsafePointer".to_owned(),
        _ => kind.chars().take(1).flat_map(char::to_uppercase).chain(kind.chars().skip(1)).collect(),
    }
}

/// The method that reads a value of a kind.
pub(super) fn accessor(kind: &str) -> Option<&'static str> {
    Some(match kind.trim_end_matches(char::is_numeric) {
        "int" => "Int",
        "uint" | "uintptr" => "Uint",
        "float" => "Float",
        _ => return None,
    })
}

/// What is of a kind that cannot be nil is not nil.
pub(super) fn never_nil(
    file: &Arc<File>,
    call: Node<'_>,
    misuse: Misuse<'_>,
    reflect: &str,
) -> Option<Draft> {
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
pub(super) fn other_accessor(file: &Arc<File>, call: Node<'_>, misuse: Misuse<'_>) -> Option<Draft> {
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
pub(super) fn assigned(file: &Arc<File>, call: Node<'_>, misuse: Misuse<'_>) -> Vec<Draft> {
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

/// `v.SetInt(n)` of a value of another kind of number: what is set is converted to it.
pub(super) fn set_converted(
    file: &Arc<File>,
    call: Node<'_>,
    misuse: Misuse<'_>,
    reflect: &str,
) -> Option<Draft> {
    let Misuse::Kind(kind) = misuse else { return None };
    accessor(kind)?;
    let (value, field) = method_call(call).filter(|(value, _)| only_looks(file, *value))?;
    let [number] = arguments(call)[..] else { return None };
    matches!(file.text_of(field), "SetInt" | "SetUint" | "SetFloat").then_some(())?;
    let (value, number) = (file.text_of(value), file.text_of(number));
    let mut edits = Edits::default();
    let text = format!("{value}.Set({reflect}.ValueOf({number}).Convert({value}.Type()))");
    edits.replace(file, call.byte_range(), text);
    let explanation = format!("`{value}` may be a number of another kind: `{number}` is converted to it.");
    let open = Some("a number that does not fit is cut off".to_owned());
    Some(Draft { open, ..Draft::cause(0, explanation, edits) })
}

/// `v.Addr().Interface()` of what has no address is `v.Interface()`: only methods with a pointer receiver are missed.
pub(super) fn as_it_is(file: &Arc<File>, call: Node<'_>, misuse: Misuse<'_>) -> Option<Draft> {
    let (value, field) = method_call(call).filter(|(value, _)| only_looks(file, *value))?;
    (misuse == Misuse::Copied && file.text_of(field) == "Addr").then_some(())?;
    let taken = call.parent()?.parent().filter(|taken| {
        method_call(*taken).is_some_and(|(of, field)| of == call && file.text_of(field) == "Interface")
    })?;
    let statement = statement_of(taken).filter(|statement| {
        statement.kind() != "for_statement" && is_always_evaluated(file, taken, *statement)
    })?;
    in_scope_before(file, value, statement).then_some(())?;
    let (value, name) = (file.text_of(value), fresh(file, statement, &["value", "val", "held"])?);
    let mut edits = Edits::default();
    let lines = [
        format!("{name} := {value}.Interface()"),
        format!("if {value}.CanAddr() {{"),
        format!("\t{name} = {}", file.text_of(taken)),
        "}".to_owned(),
    ];
    edits.insert_before(file, statement, &lines)?;
    edits.replace(file, taken.byte_range(), name);
    let explanation = format!("`{value}` may have no address: then it is taken as it is.");
    Some(Draft::cause(0, explanation, edits))
}

/// Who walks over fields passes over those that are not exported, as `encoding/json` does.
pub(super) fn passed_over(file: &Arc<File>, call: Node<'_>, misuse: Misuse<'_>) -> Option<Draft> {
    let value = operand(call).filter(|value| only_looks(file, *value))?;
    let can = match misuse {
        Misuse::Hidden => "CanSet",
        Misuse::Unexported => "CanInterface",
        _ => return None,
    };
    let statement = statement_of(call)?;
    let function = file.enclosing_function(call)?;
    let results = results_of(file, function);
    let leave = match &results[..] {
        _ if in_loop(call, function) => {
            (!would_not_end(file, statement, &rest_of_body(statement))).then_some("continue")?
        }
        [] => "return",
        [only] if only == "error" => "return nil",
        _ => return None,
    };
    in_scope_before(file, value, statement).then_some(())?;
    let value = file.text_of(value);
    let mut edits = Edits::default();
    let lines = [format!("if !{value}.{can}() {{"), format!("\t{leave}"), "}".to_owned()];
    edits.insert_before(file, statement, &lines)?;
    let explanation = format!("`{value}` may come from a field that is not exported: it is passed over.");
    let draft = Draft::cause(0, explanation, edits);
    Some(Draft { tier: Tier::Condition, open: Some(LEFT_OUT.to_owned()), ..draft })
}

/// What nothing tells of a field that is passed over.
const LEFT_OUT: &str = "whether what is not exported may be left out, nothing here tells";
