//! An error as the function itself makes its others: by a function of the repository (`p.errorf("…", x)`), or as a
//! literal of a type of its own (`&SyntaxError{Offset: i, Msg: "…"}`), with another message. Functions that give back no
//! `error` may have such a maker too: the next state of a lexer is one.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::Failure;
use super::manner::{begun, returned_errors};
use crate::generator::repair::case::Case;
use crate::generator::repair::scope::in_scope_before;
use crate::generator::repair::syntax::{children, last_child, nodes_of, statement_of};
use crate::repository::go::File;

/// An expression that makes an error of a message.
struct Maker<'t> {
    made: Node<'t>,
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
    ) -> Option<String> {
        let statement = statement_of(at).filter(|_| failure.said.is_none())?;
        let leaving = nodes_of(function, |node| node.kind() == "return_statement");
        let makers: Vec<Maker<'_>> = leaving
            .into_iter()
            .filter(|leaving| file.enclosing_function(*leaving) == Some(function))
            .filter_map(|leaving| self.maker(file, last_child(leaving.named_child(0)?)?))
            .collect();
        let plain = returned_errors(file, function)
            .into_iter()
            .filter(|made| !makers.iter().any(|maker| maker.made == *made));
        if makers.len() <= plain.count() {
            return None;
        }
        let beginnings: Vec<_> = makers.iter().map(|maker| begun(maker.text(file))).collect();
        let beginning =
            beginnings.first()?.clone().filter(|_| beginnings.iter().all(|one| *one == beginnings[0]));
        let usable = makers.iter().filter(|maker| maker.is_at_hand(file, statement));
        let nearest = usable.min_by_key(|maker| maker.made.start_byte().abs_diff(statement.start_byte()))?;
        nearest.say(file, &beginning.unwrap_or_default(), failure)
    }

    fn maker<'t>(&self, file: &Arc<File>, made: Node<'t>) -> Option<Maker<'t>> {
        let is_text = |node: &Node<'_>| node.kind() == "interpreted_string_literal";
        if made.kind() == "call_expression" {
            let callee = self
                .callee(file, made)
                .filter(|callee| callee.function.identifier.to_lowercase().contains("err"))
                .filter(|callee| callee.function.results.len() == 1)?;
            let arguments = children(made.child_by_field_name("arguments")?);
            let position = arguments.iter().position(is_text)?;
            let message = arguments[position];
            let rest = &arguments[position + 1..];
            let takes_more = callee.function.params.last().is_some_and(|last| last.ty.starts_with("..."));
            let formats = takes_more && position + 2 == callee.function.params.len();
            return (formats || !rest.iter().any(is_text)).then(|| Maker {
                made,
                message,
                formatted: formats.then(|| rest.to_vec()),
            });
        }
        let literal = made.child_by_field_name("operand").unwrap_or(made);
        let ty = literal.child_by_field_name("type").filter(|_| literal.kind() == "composite_literal")?;
        file.text_of(ty).to_lowercase().contains("err").then_some(())?;
        let texts = nodes_of(literal.child_by_field_name("body")?, |node| is_text(&node));
        let [message] = texts[..] else { return None };
        let field = std::iter::successors(message.parent(), Node::parent)
            .find(|node| node.kind() == "keyed_element")
            .and_then(|element| element.named_child(0))
            .map(|field| file.text_of(field).to_lowercase());
        // A text of one word may be a code, which is not ours to say.
        let says = |field: &String| MESSAGES.iter().any(|word| field.contains(word));
        let is_message = file.text_of(message).contains(' ') || field.as_ref().is_some_and(says);
        is_message.then_some(Maker { made, message, formatted: None })
    }
}

/// What fields are called that hold a message.
const MESSAGES: &[&str] = &["msg", "message", "text", "reason", "desc", "detail"];

impl Maker<'_> {
    fn text<'f>(&self, file: &'f File) -> &'f str {
        file.text_of(self.message).trim_matches('"')
    }

    /// Whether all that it is made of, but the message, means the same at a statement.
    fn is_at_hand(&self, file: &File, statement: Node<'_>) -> bool {
        let replaced = |node: &Node<'_>| {
            self.formatted.as_ref().is_some_and(|list| {
                list.iter().any(|argument| argument.byte_range().contains(&node.start_byte()))
            })
        };
        let names = nodes_of(self.made, |node| node.kind() == "identifier" && !replaced(&node));
        names.into_iter().all(|name| in_scope_before(file, name, statement))
    }

    /// The same with the words of a failure; none where they have no place in it.
    fn say(&self, file: &File, beginning: &str, failure: &Failure) -> Option<String> {
        let start = self.made.start_byte();
        let (before, after) =
            (start..self.message.start_byte(), self.message.end_byte()..self.made.end_byte());
        let before = file.text.get(before)?;
        let Some(formatted) = &self.formatted else {
            failure.cause.is_none().then_some(())?;
            let after = file.text.get(after)?;
            return Some(format!("{before}\"{beginning}{}\"{after}", failure.plain));
        };
        let end = formatted.last().map_or(self.message.end_byte(), Node::end_byte);
        let after = file.text.get(end..self.made.end_byte())?;
        let (mut format, mut arguments) = (failure.format.clone(), failure.arguments.clone());
        if let Some(cause) = &failure.cause {
            let verb = if self.text(file).contains("%w") { "%w" } else { "%v" };
            format = if format.is_empty() { verb.to_owned() } else { format!("{format}: {verb}") };
            arguments.push(cause.clone());
        }
        let given: String = arguments.iter().map(|argument| format!(", {argument}")).collect();
        Some(format!("{before}\"{beginning}{format}\"{given}{after}"))
    }
}
