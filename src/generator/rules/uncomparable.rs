//! A value that cannot be compared is a key of a map, or is compared.
//!
//! Evidence: on the failing line, an index of a map whose keys are of an interface (or of a struct that holds one), a
//! `delete` from it, or `==` and `!=` between two interfaces. Edit: `reflect.ValueOf(v).Comparable()` is asked first,
//! and the function leaves as it can; a function that cannot report hides the defect.
//!
//! Whether such a value is to be refused, or to be told apart in another way (by its text, or deeply), is not for a
//! rule to say: the fix is plausible at most. Other methods of the type that use the same map ask as well.
//!
//! Nothing is proposed where the key, or what is compared, is itself the result of a call.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::{Case, Signatures};
use crate::generator::repair::check::Check;
use crate::generator::repair::draft::Draft;
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::naming::phrase;
use crate::generator::repair::syntax::{called_name, lines, nodes_in, nodes_of, noun, operator_of};
use crate::repository::go::{File, Shape, Type};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let Some(file) = case.file(0).filter(|file| is_repairable(file)) else { return Vec::new() };
    let mut asked: Vec<&str> = Vec::new();
    let mut drafts = Vec::new();
    for node in case.raisers(0, |file, node| compared(case, file, node).is_some()) {
        let Some(subject) = compared(case, file, node) else { continue };
        let text = file.text_of(subject);
        if !asked.contains(&text) {
            asked.push(text);
            let asks = ask(case, file, node, subject);
            drafts.extend(asks.into_iter().filter_map(|draft| with_others(case, file, node, draft)));
        }
    }
    drafts
}

/// The same check where other methods of the type use the same map: what is not found there is put there next. No
/// method learns to report for that: who fills a cache may well leave out what cannot be a key.
fn with_others(case: &Case<'_>, file: &Arc<File>, node: Node<'_>, mut draft: Draft) -> Option<Draft> {
    let mut places = Vec::new();
    let others = others(case, file, node);
    if !others.is_empty() && case.signatures == Signatures::MayChange {
        return None;
    }
    for other in others {
        let there = case.elsewhere(file, other);
        let Some(subject) = compared(&there, file, other) else { continue };
        let best =
            ask(&there, file, other, subject).into_iter().min_by_key(|other| (other.masks, other.tier));
        if let Some(best) = best.filter(|_| draft.depth == 0) {
            draft.masks |= best.masks;
            draft.edits.join(best.edits);
            places.push(format!("line {}", lines(other).start()));
        }
    }
    if !places.is_empty() {
        draft.explanation.push_str(&format!(" The same holds for {}.", places.join(", ")));
    }
    Some(draft)
}

/// The first use of the same map of the receiver in each other method of the type, in the same file.
fn others<'c>(case: &Case<'_>, file: &'c Arc<File>, node: Node<'_>) -> Vec<Node<'c>> {
    let map = node.child_by_field_name("operand").filter(|map| map.kind() == "selector_expression");
    let of = file.functions.iter().find(|function| function.range.contains(&node.start_byte()));
    let owner = of.and_then(|of| of.receiver.as_ref());
    let (Some(map), Some(of), Some(owner)) = (map, of, owner) else { return Vec::new() };
    let Some(field) = file.text_of(map).strip_prefix(&format!("{}.", owner.name)) else { return Vec::new() };
    let methods = file.functions.iter().filter_map(|other| {
        let receiver = other.receiver.as_ref().filter(|its| its.type_name == owner.type_name)?;
        let same = format!("{}.{field}", receiver.name);
        let uses = nodes_in(file, &other.body, |user| {
            let used = user.child_by_field_name("operand").map(|used| file.text_of(used));
            used == Some(same.as_str()) && compared(case, file, user).is_some()
        });
        uses.into_iter().min_by_key(Node::start_byte).filter(|_| other.range != of.range)
    });
    methods.collect()
}

/// What must be comparable where a node is evaluated, as far as types do not tell it.
fn compared<'t>(case: &Case<'_>, file: &Arc<File>, node: Node<'t>) -> Option<Node<'t>> {
    let field = |name: &str| node.child_by_field_name(name);
    let hashes = case.fault.message.contains("hash of unhashable type");
    let (map, key) = match node.kind() {
        "index_expression" if hashes => (field("operand")?, field("index")?),
        "call_expression" if hashes && called_name(file, node) == "delete" => {
            let list = field("arguments")?;
            (list.named_child(0)?, list.named_child(1)?)
        }
        "binary_expression" if !hashes && matches!(operator_of(file, node), Some("==" | "!=")) => {
            let (left, right) = (field("left")?, field("right")?);
            let both = [left, right]
                .iter()
                .all(|side| case.resolver.type_of(file, *side).is_some_and(|ty| may_hold_any(case, &ty)));
            return both.then_some(left).filter(|left| is_plain(*left));
        }
        _ => return None,
    };
    let ty = case.resolver.underlying(&case.resolver.type_of(file, map)?);
    let Shape::Map(of, _) = ty.shape() else { return None };
    (may_hold_any(case, &ty.with(of)) && is_plain(key)).then_some(key)
}

/// Whether an expression does nothing but name a value.
fn is_plain(node: Node<'_>) -> bool {
    let acts = nodes_of(node, |node| {
        matches!(node.kind(), "call_expression" | "func_literal" | "composite_literal" | "nil")
    });
    acts.is_empty()
}

/// Whether values of a type can hold what cannot be compared: an interface, or a struct with a field of one.
fn may_hold_any(case: &Case<'_>, ty: &Type) -> bool {
    let is_any = |ty: &Type| case.resolver.underlying(ty).shape() == Shape::Interface && ty.text != "error";
    is_any(ty)
        || !matches!(ty.shape(), Shape::Pointer(_))
            && case.resolver.fields(ty).iter().any(|field| is_any(&field.ty))
}

fn ask(case: &Case<'_>, file: &Arc<File>, node: Node<'_>, subject: Node<'_>) -> Vec<Draft> {
    let text = file.text_of(subject);
    let reflect = Edits::default().import(file, "reflect");
    let holds = format!("{reflect}.ValueOf({text}).Comparable()");
    let what = phrase(&noun(file, subject));
    let kept = if node.kind() == "binary_expression" { "compared" } else { "looked up" };
    let check = Check {
        depth: 0,
        at: node,
        bad: format!("!{holds}"),
        good: String::new(),
        subject,
        failure: Failure::new(Blame::Malformed, format!("{what} cannot be compared"))
            .with(format!("{what} of type %T cannot be compared"), vec![text.to_owned()])
            .about(noun(file, subject)),
        explanation: format!("`{text}` may hold what cannot be compared: that is asked before it is {kept}."),
    };
    let mut drafts = case.check(&check);
    for draft in &mut drafts {
        draft.edits.import(file, "reflect");
    }
    drafts
}
