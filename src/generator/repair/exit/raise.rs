//! Leaving by a panic that is meant: parsers and encoders panic with a type of their own, which an outer
//! function recovers and returns as an error. Where such a function stands on the stack, what cannot report by
//! its results does as the code around it.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::Failure;
use crate::generator::repair::case::Case;
use crate::generator::repair::edit::Edits;
use crate::generator::repair::syntax::{called_name, last_child, nodes_of};
use crate::repository::go::{File, Function, Symbol};

/// What a function takes that panics with the recovered type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Format,
    Error,
    Text,
}

impl Case<'_> {
    /// The statement that raises a failure, where the panic is recovered as an error further out.
    pub(super) fn raise(
        &self,
        edits: &mut Edits,
        file: &Arc<File>,
        function: Node<'_>,
        failure: &Failure,
    ) -> Option<String> {
        let recovered = self.recovered_types(file);
        let own = file.function_at(file.line_at(function.start_byte()))?;
        for (raiser, takes) in self.raisers_of(file, &recovered) {
            let Some(prefix) = prefix_of(&raiser, own).filter(|_| raiser.name != own.name) else { continue };
            let given = match takes {
                Takes::Error => self.error(edits, file, function, failure),
                Takes::Format => formatted(failure, "%v"),
                Takes::Text => continue,
            };
            return Some(format!("{prefix}{}({given})", raiser.identifier));
        }
        let direct = recovered.iter().find(|ty| self.is_raised_around_error(file, ty))?;
        let error = self.error(edits, file, function, failure);
        Some(format!("panic({direct}{{{error}}})"))
    }

    /// The function that raises the recovered type and can be called in the place of another which does not.
    pub(crate) fn raiser_like(&self, file: &Arc<File>, other: &Function) -> Option<Function> {
        let wanted = takes(other)?;
        let same = |ours: &Function| {
            ours.name != other.name && takes(ours) == Some(wanted) && receiver(ours) == receiver(other)
        };
        let raisers = self.raisers_of(file, &self.recovered_types(file));
        (!raisers.iter().any(|(raiser, _)| raiser.name == other.name)).then_some(())?;
        raisers.into_iter().map(|(raiser, _)| raiser).find(same)
    }

    /// The types that functions on the stack recover and turn into the error they return.
    fn recovered_types(&self, file: &Arc<File>) -> Vec<String> {
        let on_stack =
            |name: &str| self.fault.stack.iter().any(|location| Symbol::declared(&location.function) == name);
        let mut types = Vec::new();
        for other in self.resolver.package_of(file) {
            for function in other.functions.iter().filter(|function| on_stack(&function.name)) {
                let returns = function.results.last().is_some_and(|last| last.ty == "error");
                let Some(node) = other.node_at(function.range.clone()).filter(|_| returns) else { continue };
                let recovers = |call: Node<'_>| {
                    call.kind() == "call_expression" && called_name(&other, call) == "recover"
                };
                if nodes_of(node, recovers).is_empty() {
                    continue;
                }
                for asserted in nodes_of(node, |node| node.kind() == "type_assertion_expression") {
                    let ty = asserted.child_by_field_name("type").map(|ty| other.text_of(ty).to_owned());
                    types.extend(ty.filter(|ty| ty.chars().all(|c| c.is_alphanumeric() || c == '_')));
                }
            }
        }
        types.retain(|ty| !matches!(ty.as_str(), "error" | "string"));
        types
    }

    /// The functions of the package that do nothing but panic with one of these types, and what they take.
    fn raisers_of(&self, file: &Arc<File>, types: &[String]) -> Vec<(Function, Takes)> {
        let mut found = Vec::new();
        if types.is_empty() {
            return found;
        }
        for other in self.resolver.package_of(file) {
            for function in &other.functions {
                // A logger panics with a text, whatever it is given.
                let raises = raised(&other, function, "panic").is_some_and(|raised| {
                    let ty = raised.child_by_field_name("type").or(raised.child_by_field_name("function"));
                    ty.is_some_and(|ty| types.iter().any(|known| known == other.text_of(ty)))
                });
                if raises && let Some(takes) = takes(function) {
                    found.push((function.clone(), takes));
                }
            }
        }
        found
    }

    /// Whether the package says `panic(T{err})`.
    fn is_raised_around_error(&self, file: &Arc<File>, ty: &str) -> bool {
        let start = format!("panic({ty}{{");
        self.resolver.package_of(file).iter().any(|other| {
            other.text.match_indices(&start).any(|(at, _)| {
                let inside = other.text[at + start.len()..].split('}').next().unwrap_or_default();
                matches!(inside, "err" | "e")
                    || inside.starts_with("fmt.Errorf(")
                    || inside.starts_with("errors.New(")
            })
        })
    }
}

/// What a function panics with at its end, by a call of a name.
fn raised<'f>(file: &'f File, function: &Function, name: &str) -> Option<Node<'f>> {
    let body = file.node_at(function.body.clone())?;
    let comes_back = !nodes_of(body, |node| node.kind() == "return_statement").is_empty();
    let last = last_child(body.named_child(0).filter(|_| !comes_back)?)?;
    let call = last.named_child(0).filter(|call| call.kind() == "call_expression")?;
    call.child_by_field_name("arguments")
        .filter(|_| is_panic(file, call) && called_name(file, call) == name)?
        .named_child(0)
}

/// Whether a call is the panic itself, or that of a logger, which writes a line before.
pub(crate) fn is_panic(file: &File, call: Node<'_>) -> bool {
    let is_method =
        call.child_by_field_name("function").is_some_and(|function| function.kind() == "selector_expression");
    let name = called_name(file, call);
    PANICS.contains(&name) && (name == "panic") != is_method
}

/// The panic itself, and those of loggers.
const PANICS: [&str; 4] = ["panic", "Panic", "Panicf", "Panicln"];

/// Whether a function does nothing but panic.
pub(crate) fn is_raiser(file: &File, function: &Function) -> bool {
    PANICS.iter().any(|name| raised(file, function, name).is_some())
        && takes(function).is_some()
        && function.results.is_empty()
}

fn takes(function: &Function) -> Option<Takes> {
    let types: Vec<&str> = function.params.iter().map(|param| param.ty.as_str()).collect();
    match types[..] {
        ["string", rest] if rest.starts_with("...") => Some(Takes::Format),
        ["error"] => Some(Takes::Error),
        ["string"] => Some(Takes::Text),
        _ => None,
    }
}

fn receiver(function: &Function) -> Option<&str> {
    function.receiver.as_ref().map(|receiver| receiver.type_name.as_str())
}

/// What stands before the name where a function calls another of its package.
fn prefix_of(called: &Function, caller: &Function) -> Option<String> {
    match (&called.receiver, &caller.receiver) {
        (None, _) => Some(String::new()),
        (Some(called), Some(caller)) if called.type_name == caller.type_name && !caller.name.is_empty() => {
            Some(format!("{}.", caller.name))
        }
        _ => None,
    }
}

/// The failure as a format and its arguments; its cause by a verb of its own.
pub(super) fn formatted(failure: &Failure, verb: &str) -> String {
    let (mut format, mut arguments) = (failure.format.clone(), failure.arguments.clone());
    if arguments.is_empty() {
        format = format.replace("%%", "%").replace('%', "%%");
    }
    if let Some(cause) = &failure.cause {
        format = if format.is_empty() { verb.to_owned() } else { format!("{format}: {verb}") };
        arguments.push(cause.clone());
    }
    std::iter::once(format!("\"{format}\"")).chain(arguments).collect::<Vec<_>>().join(", ")
}
