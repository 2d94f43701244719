//! Something is used before the method that makes it was called.
//!
//! Evidence: what is nil is a field of the receiver, another method of the type sets it, and further methods call
//! that one before they begin (`c.lazyInit()`, `if _, err := c.Discover(ctx); err != nil`). Edit: the outermost
//! method of the receiver on the stack does so, too, and leaves with the error where there is one.
//!
//! Risk: what the call costs, where the field would have been set by a path that was forgotten.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::naming::words;
use crate::generator::repair::syntax::{called_name, nodes_in};
use crate::repository::go::{Binding, File, Function, Part};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0) else { return Vec::new() };
    let mut fields: Vec<&str> = Vec::new();
    for node in case.raisers(0, |file, node| is_of_receiver(file, node)) {
        let name = node.child_by_field_name("field").map(|field| file.text_of(field)).unwrap_or_default();
        if !fields.contains(&name) {
            fields.push(name);
        }
    }
    fields.into_iter().flat_map(|field| for_field(case, file, field)).collect()
}

/// `x.field` of a method on `x`.
fn is_of_receiver(file: &File, node: Node<'_>) -> bool {
    node.kind() == "selector_expression"
        && node.child_by_field_name("operand").is_some_and(|operand| {
            operand.kind() == "identifier"
                && matches!(
                    file.binding(operand, file.text_of(operand)),
                    Some(Binding::Signature { part: Part::Receiver, .. })
                )
        })
}

/// A method of the type that failed, which is not on the stack.
struct Method {
    file: Arc<File>,
    function: Function,
    /// What it calls its receiver.
    receiver: String,
}

fn for_field(case: &Case<'_>, file: &Arc<File>, field: &str) -> Vec<Draft> {
    let Some(owner) = receiver_type(case, 0) else { return Vec::new() };
    let on_stack = |function: &Function| {
        case.frames
            .iter()
            .any(|frame| frame.function.as_ref().is_some_and(|known| known.name == function.name))
    };
    let mut methods = Vec::new();
    for file in case.resolver.package_of(file) {
        for function in &file.functions {
            let Some(receiver) = function.receiver.as_ref().filter(|its| its.type_name == owner) else {
                continue;
            };
            if !on_stack(function) {
                let (function, receiver) = (function.clone(), receiver.name.clone());
                methods.push(Method { file: Arc::clone(&file), function, receiver });
            }
        }
    }
    let makers = methods.iter().filter(|method| sets(method, field));
    makers.filter_map(|maker| call_first(case, &methods, maker, field)).collect()
}

fn receiver_type<'c>(case: &'c Case<'_>, depth: usize) -> Option<&'c str> {
    let receiver = case.frames.get(depth)?.function.as_ref()?.receiver.as_ref()?;
    (!receiver.name.is_empty()).then_some(receiver.type_name.as_str())
}

/// Whether a method gives its receiver's field a value.
fn sets(method: &Method, field: &str) -> bool {
    let target = format!("{}.{field}", method.receiver);
    let file = &method.file;
    let assigns = nodes_in(file, &method.function.range, |node| {
        let side = |name| node.child_by_field_name(name).map(|side| file.text_of(side)).unwrap_or_default();
        node.kind() == "assignment_statement"
            && side("left").split(',').any(|left| left.trim() == target)
            && side("right") != "nil"
    });
    !assigns.is_empty()
}

/// The depth of the outermost method that was called on the same receiver, one by the other.
fn outermost(case: &Case<'_>) -> usize {
    let mut depth = 0;
    while let Some((outer, call, _)) = case.call_into(depth) {
        let on = call
            .child_by_field_name("function")
            .and_then(|function| function.child_by_field_name("operand"))
            .zip(case.file(outer))
            .map(|(operand, file)| file.text_of(operand));
        let receiver = case.frames[outer].function.as_ref().and_then(|function| function.receiver.as_ref());
        let same = receiver_type(case, outer) == receiver_type(case, 0)
            && receiver.is_some_and(|receiver| on == Some(receiver.name.as_str()));
        if !same {
            break;
        }
        depth = outer;
    }
    depth
}

/// How another method calls the maker: the arguments, and the line.
fn example(methods: &[Method], maker: &Method, target: &Function) -> Option<(String, String, u32)> {
    let known = |argument: &str| target.params.iter().any(|param| param.name == argument);
    methods.iter().filter(|method| method.function.name != maker.function.name).find_map(|method| {
        let file = &method.file;
        let on = format!("{}.{}", method.receiver, maker.function.identifier);
        nodes_in(file, &method.function.range, |node| node.kind() == "call_expression").into_iter().find_map(
            |call| {
                let function = call.child_by_field_name("function")?;
                let list = call.child_by_field_name("arguments")?;
                let mut cursor = list.walk();
                let arguments: Vec<&str> =
                    list.named_children(&mut cursor).map(|node| file.text_of(node)).collect();
                (file.text_of(function) == on && arguments.iter().all(|argument| known(argument))).then(
                    || {
                        let line = u32::try_from(call.start_position().row + 1).unwrap_or(u32::MAX);
                        (arguments.join(", "), method.function.identifier.clone(), line)
                    },
                )
            },
        )
    })
}

fn call_first(case: &Case<'_>, methods: &[Method], maker: &Method, field: &str) -> Option<Draft> {
    let depth = outermost(case);
    let file = case.file(depth).filter(|file| is_repairable(file))?;
    let target = case.frames.get(depth)?.function.as_ref()?;
    let receiver = &target.receiver.as_ref()?.name;
    let name = &maker.function.identifier;
    let calls = nodes_in(file, &target.range, |node| {
        node.kind() == "call_expression" && called_name(file, node) == name
    });
    let (arguments, other, line) = example(methods, maker, target).filter(|_| calls.is_empty())?;
    let body = file.node_at(target.range.clone())?.child_by_field_name("body")?;
    let first = body.named_child(0).filter(|list| list.kind() == "statement_list")?.named_child(0)?;
    let call = format!("{receiver}.{name}({arguments})");
    let mut edits = Edits::default();
    let mut reports = true;
    let results = &maker.function.results;
    match results.split_last() {
        None => edits.insert_before(file, first, &[call])?,
        Some((last, others)) if last.ty == "error" => {
            let mut failure = Failure::new(Blame::Internal, format!("cannot {}", words(name).join(" ")));
            failure.format = words(name).join(" ");
            let exit = case.leave(&mut edits, file, first, &failure.caused_by("err"));
            reports = exit.reports;
            let names: String = others.iter().map(|_| "_, ").collect();
            edits.insert_before(file, first, &exit.guarded(&format!("{names}err := {call}; err != nil")))?;
        }
        Some(_) => return None,
    }
    let explanation = format!(
        "`{receiver}.{field}` is made by `{name}`, which `{other}` ({}:{line}) calls first: so does `{}`.",
        maker.file.path.file_name(),
        target.identifier,
    );
    Some(Draft::leaving(Tier::Cause, reports, depth, explanation, edits))
}
