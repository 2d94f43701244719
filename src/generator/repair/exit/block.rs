//! Leaving as other checks of the function do that give back no error: by statements that note it where the caller
//! looks (`p.fail("…")`, `run.err = newError(node, "…")`), and a return, with another message.

use std::sync::Arc;

use tree_sitter::Node;

use super::failure::Failure;
use super::maker::Maker;
use crate::generator::repair::case::Case;
use crate::generator::repair::scope::in_scope_before;
use crate::generator::repair::syntax::{nodes_of, statement_of, statements_in};
use crate::repository::go::File;

/// The most statements of a way out that are taken over.
const MAX_STATEMENTS: usize = 4;

impl Case<'_> {
    /// The statements of the nearest such way out, where all that they name is at hand.
    pub(super) fn own_block(
        &self,
        file: &Arc<File>,
        function: Node<'_>,
        at: Node<'_>,
        failure: &Failure,
    ) -> Option<Vec<String>> {
        let statement = statement_of(at).filter(|_| failure.said.is_none() && failure.cause.is_none())?;
        let checks = nodes_of(function, |node| node.kind() == "if_statement").into_iter();
        let blocks = checks
            .filter(|check| file.enclosing_function(*check) == Some(function))
            .filter_map(|check| check.child_by_field_name("consequence"))
            .filter(|block| !block.byte_range().contains(&statement.start_byte()))
            .map(statements_in)
            .filter(|block| (2..=MAX_STATEMENTS).contains(&block.len()))
            .filter(|block| block.last().is_some_and(|last| last.kind() == "return_statement"))
            .filter(|block| block.iter().all(|statement| !file.text_of(*statement).contains('\n')));
        let usable = blocks.filter_map(|block| {
            let noted: Vec<(usize, Maker<'_>)> = block
                .iter()
                .enumerate()
                .filter_map(|(at, statement)| Some((at, self.noting(file, function, *statement)?)))
                .collect();
            let [(noting, maker)] = <[_; 1]>::try_from(noted).ok()?;
            let others = block.iter().enumerate().filter(|(at, _)| *at != noting);
            let named = others.flat_map(|(_, node)| nodes_of(*node, |node| node.kind() == "identifier"));
            let mut named = named.filter(|name| file.binding(*name, file.text_of(*name)).is_some());
            let is_known = named.all(|name| in_scope_before(file, name, statement));
            (is_known && self.is_at_hand(file, &maker, statement)).then_some((block, noting, maker))
        });
        let (block, noting, maker) =
            usable.min_by_key(|(block, ..)| block[0].start_byte().abs_diff(statement.start_byte()))?;
        let said = maker.say(file, "", failure)?;
        let line = |(at, node): (usize, &Node<'_>)| match at == noting {
            true => file.text_of(*node).replacen(file.text_of(maker.made), &said, 1),
            false => file.text_of(*node).to_owned(),
        };
        Some(block.iter().enumerate().map(line).collect())
    }

    /// What a statement makes an error with, and notes it by.
    fn noting<'t>(&self, file: &Arc<File>, function: Node<'_>, statement: Node<'t>) -> Option<Maker<'t>> {
        match statement.kind() {
            "expression_statement" => self.maker(file, function, statement.named_child(0)?, 0),
            "assignment_statement" => {
                let left = file.text_of(statement.child_by_field_name("left")?);
                matches!(left.rsplit('.').next(), Some("err" | "error")).then_some(())?;
                self.maker(file, function, statement.child_by_field_name("right")?.named_child(0)?, 1)
            }
            _ => None,
        }
    }
}
