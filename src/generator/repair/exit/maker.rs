//! An error as the function itself makes its others: by a function of the repository (`p.errorf("…", x)`), or as a
//! literal of a type of its own (`&SyntaxError{Offset: i, Msg: "…"}`), with another message. Functions that give back no
//! `error` may have such a maker too: the next state of a lexer is one.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::Failure;
use super::manner::begun;
use super::raise::formatted;
use crate::domain::Class;
use crate::generator::repair::case::Case;
use crate::generator::repair::naming::words;
use crate::generator::repair::scope::in_scope_before;
use crate::generator::repair::suspect::suspects;
use crate::generator::repair::syntax::{
    children, last_child, nodes_of, results_of, root_of, statement_of, unquoted,
};
use crate::repository::go::{Binding, File, Shape};

/// An error as a function makes its others.
pub(super) struct OwnError {
    pub(super) text: String,
    /// Whether it is all that is returned: one call gives every result.
    pub(super) is_all: bool,
}

/// An expression that makes an error of a message.
pub(super) struct Maker<'t> {
    pub(super) made: Node<'t>,
    /// How many results it gives.
    gives: usize,
    /// The message: the one literal text in it.
    message: Node<'t>,
    /// Where the message is a format: what is put into it.
    formatted: Option<Vec<Node<'t>>>,
}

impl Case<'_> {
    /// The error of a failure at a place, where the function makes most of its errors in its own way and all that the
    /// nearest of them is made of is at hand.
    pub(super) fn own_error(
        &self,
        file: &Arc<File>,
        function: Node<'_>,
        at: Node<'_>,
        failure: &Failure,
    ) -> Option<OwnError> {
        let statement = statement_of(at).filter(|_| failure.said.is_none())?;
        let leaving = nodes_of(function, |node| node.kind() == "return_statement");
        let results = results_of(file, function).len();
        // What is returned last, and how many results it gives: one call may give all of them.
        let given: Vec<(Node<'_>, usize)> = leaving
            .into_iter()
            .filter(|leaving| file.enclosing_function(*leaving) == Some(function))
            .filter_map(|leaving| {
                let values = leaving.named_child(0)?;
                Some((last_child(values)?, if values.named_child_count() == 1 { results } else { 1 }))
            })
            .filter(|(last, _)| !matches!(file.text_of(*last), "nil" | "err"))
            .collect();
        let makers: Vec<Maker<'_>> =
            given.iter().filter_map(|(last, gives)| self.maker(file, function, *last, *gives)).collect();
        // Where no error is declared, an answer is given back, too.
        let is_error = file
            .functions
            .iter()
            .any(|declared| declared.range == function.byte_range() && declared.returns_error());
        if makers.is_empty() || is_error && makers.len() * 2 <= given.len() {
            return None;
        }
        let beginnings: Vec<_> = makers.iter().map(|maker| begun(maker.text(file))).collect();
        let first = beginnings.first()?.clone();
        let beginning = first.filter(|_| beginnings.iter().all(|one| *one == beginnings[0]));
        let usable = makers.iter().filter(|maker| self.is_at_hand(file, maker, statement));
        let nearest = usable.min_by_key(|maker| maker.made.start_byte().abs_diff(statement.start_byte()))?;
        let text = nearest.say(file, &beginning.unwrap_or_default(), failure)?;
        Some(OwnError { text, is_all: nearest.gives > 1 })
    }

    /// An expression as a maker of so many results.
    pub(super) fn maker<'t>(
        &self,
        file: &Arc<File>,
        function: Node<'_>,
        made: Node<'t>,
        gives: usize,
    ) -> Option<Maker<'t>> {
        let is_text = |node: &Node<'_>| node.kind() == "interpreted_string_literal";
        if made.kind() == "call_expression" {
            let callee = self.callee(file, made)?;
            let (name, params) = (&callee.function.identifier, &callee.function.params);
            let makes_errors = words(name).iter().any(|word| ERRORS.contains(&word.as_str()));
            let is_own = callee.file.path == file.path && callee.function.range == function.byte_range();
            let results = &callee.function.results;
            let is_verdict = results.last().is_some_and(|last| last.ty == "bool");
            if !makes_errors || is_own || is_verdict || results.len() != gives {
                return None;
            }
            let arguments = children(made.child_by_field_name("arguments")?);
            let position = arguments.iter().position(is_text)?;
            let (message, rest) = (arguments[position], &arguments[position + 1..]);
            let takes_any =
                params.last().is_some_and(|last| matches!(last.ty.as_str(), "...any" | "...interface{}"));
            let is_format = name.ends_with('f') || file.text_of(message).contains('%');
            if takes_any && is_format && position + 2 == params.len() {
                return Some(Maker { made, gives, message, formatted: Some(rest.to_vec()) });
            }
            let says = params.get(position).is_some_and(|param| is_message(&param.name));
            let is_message = file.text_of(message).contains(' ') || says;
            let is_only = !rest.iter().any(is_text) && position < params.len();
            return (is_only && is_message).then_some(Maker { made, gives, message, formatted: None });
        }
        if gives != 1 {
            return None;
        }
        let literal = made.child_by_field_name("operand").unwrap_or(made);
        let ty = literal.child_by_field_name("type").filter(|_| literal.kind() == "composite_literal")?;
        words(file.text_of(ty)).iter().any(|word| ERRORS.contains(&word.as_str())).then_some(())?;
        let texts = nodes_of(literal.child_by_field_name("body")?, |node| is_text(&node));
        let [message] = texts[..] else { return None };
        let field = std::iter::successors(message.parent(), Node::parent)
            .find(|node| node.kind() == "keyed_element")
            .and_then(|element| element.named_child(0))
            .map(|field| file.text_of(field));
        let says = file.text_of(message).contains(' ') || field.is_some_and(is_message);
        says.then_some(Maker { made, gives, message, formatted: None })
    }

    /// Whether all that a maker is made of, but the message, means the same at a statement and can be read there.
    /// An error that was asked for is nil elsewhere, and what is indexed or followed may be what fails.
    pub(super) fn is_at_hand(&self, file: &Arc<File>, maker: &Maker<'_>, statement: Node<'_>) -> bool {
        let is_kept = |node: &Node<'_>| {
            let put_in = maker.formatted.iter().flatten();
            !put_in.into_iter().any(|given| given.byte_range().contains(&node.start_byte()))
        };
        let follows = |node: Node<'_>| {
            matches!(
                node.kind(),
                "index_expression" | "slice_expression" | "type_assertion_expression" | "func_literal"
            ) || node.kind() == "call_expression" && node != maker.made
                || node.kind() == "unary_expression" && file.text_of(node).starts_with(['*', '<'])
        };
        if nodes_of(maker.made, follows).iter().any(is_kept) {
            return false;
        }
        let nil = match self.fault.class {
            Class::NilDereference => suspects(self),
            _ => Vec::new(),
        };
        let names = nodes_of(maker.made, |node| node.kind() == "identifier" && is_kept(&node));
        names.into_iter().filter(|name| file.binding(*name, file.text_of(*name)).is_some()).all(|name| {
            let text = file.text_of(name);
            let given = matches!(file.binding(name, text), Some(Binding::Signature { .. }));
            let ty = self.resolver.type_of(file, name).map(|ty| self.resolver.underlying(&ty));
            let lasts =
                given || ty.as_ref().is_some_and(|ty| matches!(ty.shape(), Shape::Number | Shape::Text));
            let is_error = matches!(text, "err" | "e") || ty.is_some_and(|ty| ty.text == "error");
            let is_nil = nil
                .iter()
                .any(|suspect| root_of(suspect.node).is_some_and(|root| suspect.file.text_of(root) == text));
            lasts && !is_error && !is_nil && in_scope_before(file, name, statement)
        })
    }
}

/// Words of what makes an error, or of its type.
const ERRORS: &[&str] = &["err", "error", "errf", "errorf", "fail", "failf", "failure"];
/// What parameters and fields are called that hold a message. Of others a text of one word may be a code, which is not
/// ours to say.
const MESSAGES: &[&str] = &["msg", "message", "text", "reason", "description", "detail", "format"];

fn is_message(name: &str) -> bool {
    words(name).iter().any(|word| MESSAGES.contains(&word.as_str()))
}

impl Maker<'_> {
    fn text<'f>(&self, file: &'f File) -> &'f str {
        unquoted(file.text_of(self.message))
    }

    /// The same with the words of a failure; none where they have no place in it.
    pub(super) fn say(&self, file: &File, beginning: &str, failure: &Failure) -> Option<String> {
        let before = file.text.get(self.made.start_byte()..self.message.start_byte())?;
        let rest = |from: usize| file.text.get(from..self.made.end_byte());
        let Some(put_in) = &self.formatted else {
            failure.cause.is_none().then_some(())?;
            return Some(format!(
                "{before}\"{beginning}{}\"{}",
                failure.plain,
                rest(self.message.end_byte())?
            ));
        };
        let after = rest(put_in.last().map_or(self.message.end_byte(), Node::end_byte))?;
        let given = formatted(failure, if self.text(file).contains("%w") { "%w" } else { "%v" });
        Some(format!("{before}\"{beginning}{}{after}", given.strip_prefix('"')?))
    }
}
