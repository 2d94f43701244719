//! A write to a map that was never made.
//!
//! Evidence: `m[k] = v`, `m[k]++` and the like on the failing line. Edits, in order: `make` where the
//! owner of the map is made (a composite literal or `new` that leaves the field out, `var m map…`, a
//! named result, an inner map of a map); then lazily before the write. The latter mends every path,
//! also structs that are decoded or used as zero values, but leaves the constructor as it was, so it
//! counts as the second choice where a constructor exists.
//!
//! A map that its owner sets to nil when it is closed is not made anew: the write says that it was closed.
//!
//! Risk: a map that is nil on purpose, to mark another state, is not nil any more. A map that is made lazily on a
//! copy of its owner is lost with that, and the write with it: this only hides the failure.

use std::sync::Arc;

use tree_sitter::Node;

use crate::generator::repair::case::Case;
use crate::generator::repair::check::Check;
use crate::generator::repair::draft::{Draft, Tier};
use crate::generator::repair::edit::{Edits, is_repairable};
use crate::generator::repair::exit::Failure;
use crate::generator::repair::literal::{add_field, makers_without, text_in};
use crate::generator::repair::meant::is_cleared_at_end;
use crate::generator::repair::syntax::{nodes_of, statement_of, value_at};
use crate::repository::go::{Binding, Field, File, Part, Shape, Type, package_binding};

pub(super) fn drafts(case: &Case<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let Some(file) = case.file(0) else { return drafts };
    for write in case.raisers(0, |file, node| written_map(case, file, node).is_some()) {
        if let Some(map) = written_map(case, file, write) {
            drafts.extend(for_map(case, 0, file, map, write));
        }
    }
    drafts
}

fn draft(tier: Tier, depth: usize, masks: bool, explanation: String, edits: Edits) -> Draft {
    Draft { tier, depth, explanation, masks, open: None, edits }
}

/// The map expression that a statement writes to.
fn written_map<'t>(case: &Case<'_>, file: &Arc<File>, statement: Node<'t>) -> Option<Node<'t>> {
    let target = match statement.kind() {
        "assignment_statement" => {
            let left = statement.child_by_field_name("left")?;
            let mut cursor = left.walk();
            let indexes: Vec<Node<'t>> =
                left.named_children(&mut cursor).filter(|node| node.kind() == "index_expression").collect();
            indexes.into_iter().find(|target| may_be_map(case, file, *target))?
        }
        "inc_statement" | "dec_statement" => statement.named_child(0)?,
        _ => return None,
    };
    (target.kind() == "index_expression" && may_be_map(case, file, target))
        .then(|| target.child_by_field_name("operand"))?
}

fn may_be_map(case: &Case<'_>, file: &Arc<File>, index: Node<'_>) -> bool {
    let Some(operand) = index.child_by_field_name("operand") else { return false };
    case.resolver
        .type_of(file, operand)
        .is_none_or(|ty| matches!(case.resolver.underlying(&ty).shape(), Shape::Map(..) | Shape::Named(..)))
}

fn for_map(case: &Case<'_>, depth: usize, file: &Arc<File>, map: Node<'_>, write: Node<'_>) -> Vec<Draft> {
    let Some(ty) = case.resolver.type_of(file, map) else { return Vec::new() };
    let name = file.text_of(map);
    let mut drafts = match map.kind() {
        "selector_expression" => for_field(case, depth, file, map, &ty),
        "identifier" => for_variable(case, depth, file, map, &ty),
        _ => Vec::new(),
    };
    let owned = case.field_at(file, map);
    if let Some((owner, _)) = owned.filter(|(owner, field)| is_cleared_at_end(case, owner, &field.name)) {
        drafts.extend(case.check(&Check {
            depth,
            at: map,
            bad: format!("{name} == nil"),
            good: String::new(),
            subject: map,
            failure: Failure::closed(&owner.name),
            explanation: format!("`{name}` is nil once its owner was closed: this is said before the write."),
        }));
        // Making it anew would open again what was closed.
        drafts.extend(made_first(case, depth, file, map, write, &ty, Lazily::Revives));
        return drafts;
    }
    let mended = drafts.iter().any(|draft| draft.tier == Tier::Cause);
    let lazily = if mended { Lazily::BesideTheMaker } else { Lazily::Alone };
    drafts.extend(made_first(case, depth, file, map, write, &ty, lazily));
    drafts
}

/// What making a map before its first write means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lazily {
    /// Nobody else makes it.
    Alone,
    /// It leaves the maker of the struct as it was.
    BesideTheMaker,
    /// It works with what was closed.
    Revives,
}

/// `if m == nil { m = make(…) }` before the write.
fn made_first(
    case: &Case<'_>,
    depth: usize,
    file: &Arc<File>,
    map: Node<'_>,
    write: Node<'_>,
    ty: &Type,
    lazily: Lazily,
) -> Option<Draft> {
    let name = file.text_of(map);
    let statement = statement_of(write)?;
    let pure = nodes_of(map, |node| node.kind() == "call_expression").is_empty();
    let same_home = ty.home.path.folder() == file.path.folder();
    if !pure || !is_repairable(file) || !same_home {
        return None;
    }
    let mut edits = Edits::default();
    let lines = [format!("if {name} == nil {{"), format!("\t{name} = make({})", ty.text), "}".to_owned()];
    edits.insert_before(file, statement, &lines)?;
    let kept = is_kept(case, file, map);
    let loss = match (kept, lazily) {
        (false, _) => " But it hangs on a copy: what is written is lost with that.",
        (true, Lazily::Revives) => " But it is nil because its owner was closed.",
        (true, _) => "",
    };
    let explanation =
        format!("`{name}` is nil when it is written to: it is made before the first write.{loss}");
    // For an inner map this is the idiom.
    let tier = match (lazily, kept) {
        (_, false) | (Lazily::Revives, _) => Tier::Mask,
        (Lazily::BesideTheMaker, true) => Tier::Guard,
        (Lazily::Alone, true) => Tier::Cause,
    };
    Some(draft(tier, depth, lazily != Lazily::Alone || !kept, explanation, edits))
}

/// Whether a map that is made here stays: the way to it passes a pointer or an element of a slice or map, or
/// begins at a variable of the package or one that the function itself declares. A receiver, a parameter and
/// the variable of a loop are copies.
fn is_kept(case: &Case<'_>, file: &Arc<File>, place: Node<'_>) -> bool {
    let refers = |node: Node<'_>| {
        case.resolver.type_of(file, node).is_some_and(|ty| {
            let shape = case.resolver.underlying(&ty);
            matches!(shape.shape(), Shape::Pointer(_) | Shape::Slice(_) | Shape::Map(..))
        })
    };
    match place.kind() {
        "parenthesized_expression" => {
            place.named_child(0).is_some_and(|inner| refers(inner) || is_kept(case, file, inner))
        }
        "selector_expression" | "index_expression" => {
            place.child_by_field_name("operand").is_some_and(|operand| {
                case.resolver.is_package(file, operand) || refers(operand) || is_kept(case, file, operand)
            })
        }
        // `*p`
        "unary_expression" => true,
        "identifier" => match file.binding(place, file.text_of(place)) {
            None | Some(Binding::Signature { part: Part::Result(_), .. }) => true,
            Some(Binding::Var { spec, .. }) => spec.child_by_field_name("value").is_none(),
            Some(Binding::Short { statement, position }) => statement
                .child_by_field_name("right")
                .and_then(|values| value_at(values, position))
                .is_some_and(|value| value.kind() == "composite_literal"),
            _ => false,
        },
        _ => false,
    }
}

/// A field: the places that make its struct have to make the map.
fn for_field(case: &Case<'_>, depth: usize, file: &Arc<File>, map: Node<'_>, ty: &Type) -> Vec<Draft> {
    let Some((owner, Field { name: field, .. })) = case.field_at(file, map) else { return Vec::new() };
    let makers = makers_without(case, &owner, &field, file);
    let mut edits = Edits::default();
    let mut count = 0;
    for maker in &makers {
        let Some(text) = text_in(ty, &maker.file) else { continue };
        if add_field(&mut edits, maker, &field, &format!("make({text})")).is_some() {
            count += 1;
        }
    }
    if count == 0 {
        return Vec::new();
    }
    let explanation =
        format!("The map `{field}` of `{}` is never made: it is made together with its owner.", owner.name);
    vec![draft(Tier::Cause, depth, false, explanation, edits)]
}

/// A variable: its declaration, the result it names, or the argument it was passed as.
fn for_variable(case: &Case<'_>, depth: usize, file: &Arc<File>, map: Node<'_>, ty: &Type) -> Vec<Draft> {
    let name = file.text_of(map);
    let explanation =
        format!("The map `{name}` is declared but never made: it is made where it is declared.");
    let mut edits = Edits::default();
    match file.binding(map, name) {
        Some(Binding::Var { spec, .. }) if spec.child_by_field_name("value").is_none() => {
            declare(&mut edits, file, spec, name, true)
                .map(|()| vec![draft(Tier::Cause, depth, false, explanation, edits)])
                .unwrap_or_default()
        }
        Some(Binding::Signature { function, part: Part::Result(_), .. }) => {
            let body = function.child_by_field_name("body");
            let line = format!("{name} = make({})", ty.text);
            body.and_then(|body| edits.insert_first(file, body, &[line]))
                .map(|()| vec![draft(Tier::Cause, depth, false, explanation, edits)])
                .unwrap_or_default()
        }
        Some(Binding::Signature { part: Part::Parameter(position), .. }) => argument(case, depth, position)
            .map_or_else(Vec::new, |(outer, file, argument)| {
                case.resolver
                    .type_of(file, argument)
                    .map(|ty| match argument.kind() {
                        "selector_expression" => for_field(case, outer, file, argument, &ty),
                        "identifier" => for_variable(case, outer, file, argument, &ty),
                        _ => Vec::new(),
                    })
                    .unwrap_or_default()
            }),
        Some(Binding::Short { statement, position }) => from_lookup(file, statement, position, name, ty)
            .map(|edits| {
                let why = format!("`{name}` may not be in its map yet: it is made and kept there first.");
                vec![draft(Tier::Cause, depth, false, why, edits)]
            })
            .unwrap_or_default(),
        None => {
            for other in case.resolver.package_of(file).iter().filter(|file| is_repairable(file)) {
                let Some(Binding::Var { spec, .. }) = package_binding(other, name) else { continue };
                if spec.child_by_field_name("value").is_none()
                    && declare(&mut edits, other, spec, name, false).is_some()
                {
                    return vec![draft(Tier::Cause, depth, false, explanation, edits)];
                }
            }
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// `var m T` becomes `m := make(T)`, or `m = make(T)` within a group or outside functions.
fn declare(edits: &mut Edits, file: &Arc<File>, spec: Node<'_>, name: &str, local: bool) -> Option<()> {
    let mut cursor = spec.walk();
    if spec.children_by_field_name("name", &mut cursor).filter(Node::is_named).count() != 1 {
        return None;
    }
    let ty = file.text_of(spec.child_by_field_name("type")?);
    let declaration = spec.parent()?;
    if local && declaration.kind() == "var_declaration" {
        edits.replace(file, declaration.byte_range(), format!("{name} := make({ty})"));
    } else {
        edits.replace(file, spec.byte_range(), format!("{name} = make({ty})"));
    }
    Some(())
}

/// `inner := outer[key]`: a new inner map is made and kept.
fn from_lookup(
    file: &Arc<File>,
    statement: Node<'_>,
    position: usize,
    name: &str,
    ty: &Type,
) -> Option<Edits> {
    let value = value_at(statement.child_by_field_name("right")?, position)?;
    if value.kind() != "index_expression" || position != 0 || statement_of(statement) != Some(statement) {
        return None;
    }
    let mut edits = Edits::default();
    let lines = [
        format!("if {name} == nil {{"),
        format!("\t{name} = make({})", ty.text),
        format!("\t{} = {name}", file.text_of(value)),
        "}".to_owned(),
    ];
    edits.insert_after(file, statement, &lines)?;
    Some(edits)
}

/// The argument that a caller passes for a parameter.
fn argument<'c>(
    case: &'c Case<'_>,
    depth: usize,
    position: usize,
) -> Option<(usize, &'c Arc<File>, Node<'c>)> {
    let (outer, call, _) = case.call_into(depth)?;
    let arguments = call.child_by_field_name("arguments")?;
    let argument = arguments.named_child(u32::try_from(position).ok()?)?;
    Some((outer, case.file(outer)?, argument))
}
