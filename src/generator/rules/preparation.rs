//! Something is used before the method that makes it was called.
//!
//! Evidence: what is nil is a field of the receiver, another method of the type makes it where it asks whether it is
//! nil, and further methods call that one before they use the field (`c.lazyInit()`,
//! `if _, err := c.Discover(ctx); err != nil`). Edit: the outermost method of the receiver on the stack does so, too,
//! and leaves with the error where there is one.
//!
//! Nothing is proposed where a lock is in play (the call may belong behind it), where the receiver is a copy, where
//! a method sets the field to nil, and where the maker would have to be told more than a context.
//!
//! Risk: what the call costs, where the field would have been set by a path that was forgotten.

use std::sync::Arc;

use tree_sitter::Node;

use crate::domain::Class;
use crate::generator::repair::asked::is_asked;
use crate::generator::repair::case::Case;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::naming::words;
use crate::generator::repair::suspect::{dereferenced, is_receiver};
use crate::generator::repair::syntax::{lines, nodes_in};
use crate::repository::go::{File, Function};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some((file, line)) = case.frames.first().map(|frame| (&frame.file, frame.line)) else {
        return Vec::new();
    };
    let mut fields: Vec<&str> = Vec::new();
    for node in case.raisers(0, |file, node| used_field(case, file, node).is_some()) {
        // Where nothing on the line can be it, nobody knows what was nil.
        let used = used_field(case, file, node).filter(|_| lines(node).contains(&line));
        let Some(used) = used else { continue };
        let name = used.child_by_field_name("field").map(|name| file.text_of(name)).unwrap_or_default();
        if !fields.contains(&name) {
            fields.push(name);
        }
    }
    fields.into_iter().flat_map(|field| for_field(case, file, field)).collect()
}

/// The field of the receiver that a node dereferences, calls, or writes to as a map.
fn used_field<'t>(case: &Case<'_>, file: &Arc<File>, node: Node<'t>) -> Option<Node<'t>> {
    let value = match case.fault.class {
        Class::NilMapWrite if node.kind() == "index_expression" => node.child_by_field_name("operand")?,
        Class::NilMapWrite => return None,
        _ => dereferenced(case, file, node)?,
    };
    let operand = value.child_by_field_name("operand").filter(|_| value.kind() == "selector_expression")?;
    is_receiver(file, operand).then_some(value)
}

/// A method of the type that failed, which is not on the stack.
struct Method {
    file: Arc<File>,
    function: Function,
    /// What it calls its receiver.
    receiver: String,
}

fn for_field(case: &Case<'_>, file: &Arc<File>, field: &str) -> Vec<Draft> {
    let Some((owner, _)) = receiver(case, 0) else { return Vec::new() };
    let on_stack = |function: &Function| {
        let mut known = case.frames.iter().filter_map(|frame| frame.function.as_ref());
        known.any(|known| known.name == function.name)
    };
    let mut methods = Vec::new();
    for file in case.resolver.package_of(file) {
        for function in file.functions.iter().filter(|function| !on_stack(function)) {
            let its = function.receiver.as_ref().filter(|its| its.type_name == owner && its.pointer);
            if let Some(its) = its {
                let (function, receiver) = (function.clone(), its.name.clone());
                methods.push(Method { file: Arc::clone(&file), function, receiver });
            }
        }
    }
    // What is taken away on purpose is not to come back by itself.
    if methods.iter().any(|method| takes_away(method, field)) {
        return Vec::new();
    }
    let makers = methods.iter().filter(|method| makes(method, field));
    makers.filter_map(|maker| call_first(case, &methods, maker, field)).collect()
}

/// The type of a frame's receiver, and what the receiver is called; none where it is a copy.
fn receiver<'c>(case: &'c Case<'_>, depth: usize) -> Option<(&'c str, &'c str)> {
    let receiver = case.frames.get(depth)?.function.as_ref()?.receiver.as_ref()?;
    let is_told = !receiver.name.is_empty() && receiver.pointer;
    is_told.then_some((receiver.type_name.as_str(), receiver.name.as_str()))
}

/// The statements of a method that set its receiver's field, and it alone.
fn assignments<'m>(method: &'m Method, field: &str) -> Vec<Node<'m>> {
    let target = format!("{}.{field}", method.receiver);
    nodes_in(&method.file, &method.function.range, |node| {
        let left = node.child_by_field_name("left").map(|left| method.file.text_of(left));
        node.kind() == "assignment_statement" && left == Some(target.as_str())
    })
}

fn value_of<'f>(file: &'f File, assignment: Node<'_>) -> Option<&'f str> {
    assignment.child_by_field_name("right").map(|right| file.text_of(right))
}

/// Whether a method sets its receiver's field to nil.
fn takes_away(method: &Method, field: &str) -> bool {
    assignments(method, field).into_iter().any(|node| value_of(&method.file, node) == Some("nil"))
}

/// Whether a method gives its receiver's field a value where that is nil, and only there.
fn makes(method: &Method, field: &str) -> bool {
    let (file, target) = (&method.file, format!("{}.{field}", method.receiver));
    let assigns = assignments(method, field);
    let (is_there, is_nil) = (format!("{target} != nil"), format!("{target} == nil"));
    let is_guarded =
        |node: &Node<'_>| value_of(file, *node) != Some("nil") && is_asked(file, *node, &is_there, &is_nil);
    !assigns.is_empty() && assigns.iter().all(is_guarded)
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
        let same = receiver(case, outer).is_some_and(|(ty, name)| {
            receiver(case, 0).is_some_and(|(own, _)| own == ty) && on == Some(name)
        });
        if !same {
            break;
        }
        depth = outer;
    }
    depth
}

/// How another method calls the maker before it uses the field: the arguments, its name, and the line.
fn example(
    methods: &[Method],
    maker: &Method,
    target: &Function,
    field: &str,
) -> Option<(String, String, usize)> {
    let is_context = |function: &Function, argument: &str| {
        function.params.iter().any(|param| param.name == argument && param.ty == "context.Context")
    };
    methods.iter().filter(|method| method.function.name != maker.function.name).find_map(|method| {
        let file = &method.file;
        let on = format!("{}.{}", method.receiver, maker.function.identifier);
        let used = format!("{}.{field}", method.receiver);
        let calls = nodes_in(file, &method.function.range, |node| node.kind() == "call_expression");
        calls.into_iter().find_map(|call| {
            let function = call.child_by_field_name("function")?;
            let list = call.child_by_field_name("arguments")?;
            let mut cursor = list.walk();
            let arguments: Vec<&str> =
                list.named_children(&mut cursor).map(|node| file.text_of(node)).collect();
            let fits =
                |argument: &&str| is_context(target, argument) && is_context(&method.function, argument);
            let before = file.text.get(method.function.body.start..call.start_byte())?;
            let is_first = !before.contains(&used) && !before.contains("Lock()");
            (file.text_of(function) == on && is_first && arguments.iter().all(fits)).then(|| {
                let line = call.start_position().row + 1;
                (arguments.join(", "), method.function.identifier.clone(), line)
            })
        })
    })
}

/// Whether a method calls a function that is on the stack.
fn calls_back(case: &Case<'_>, method: &Method) -> bool {
    let mut frames = case.frames.iter().filter_map(|frame| Some((&frame.file, frame.function.as_ref()?)));
    frames.any(|(home, function)| {
        !case.calls_in(&method.file, &method.function.body, home, function).is_empty()
    })
}

fn call_first(case: &Case<'_>, methods: &[Method], maker: &Method, field: &str) -> Option<Draft> {
    let depth = outermost(case);
    let file = case.file(depth).filter(|file| is_repairable(file))?;
    let target = case.frames.get(depth)?.function.as_ref()?;
    let (_, receiver) = receiver(case, depth)?;
    let name = &maker.function.identifier;
    let calls = case.calls_in(file, &target.range, &maker.file, &maker.function);
    let locks = file.text.get(target.body.clone()).is_none_or(|text| text.contains("Lock()"));
    if !calls.is_empty() || locks || calls_back(case, maker) {
        return None;
    }
    let (arguments, other, line) = example(methods, maker, target, field)?;
    let body = file.node_at(target.range.clone())?.child_by_field_name("body")?;
    let first = body.named_child(0).filter(|list| list.kind() == "statement_list")?.named_child(0)?;
    let call = format!("{receiver}.{name}({arguments})");
    let mut edits = Edits::default();
    let mut reports = true;
    match maker.function.results.split_last() {
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
