//! A fix written with the names of other code.

use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Node;

use super::template::{Region, Template, is_own};
use super::unify::{Bindings, Space, is_expression, is_foreign, is_literal, is_type, unify};
use crate::domain::FileChange;
use crate::generator::repair::case::Case;
use crate::generator::repair::edit::{Edits, indent_of, is_repairable};
use crate::generator::repair::exit::{Blame, Failure};
use crate::generator::repair::scope::soften_later;
use crate::generator::repair::syntax::{is_listed, nodes_in, nodes_of, results_of, statement_of};
use crate::repository::go::File;

/// The template's change around an operation of a frame; none where its code has another form, or where a name of
/// the change means nothing there. With it, how many parts of the operation have another form.
pub(super) fn write(
    case: &Case<'_>,
    depth: usize,
    template: &Template<'_>,
    operation: Node<'_>,
) -> Option<(Vec<FileChange>, usize)> {
    let frame = case.frames.get(depth)?;
    let file = &frame.file;
    if !is_repairable(file) {
        return None;
    }
    let mut bindings = Bindings::default();
    let other = laid_over(template, file, operation, &mut bindings)?;
    let others = bindings.others();
    learn_around(&mut bindings, template, file, other);
    let mut edits = Edits::default();
    match &template.region {
        Region::Insertion { levels, new } => {
            let statement = above(other, *levels)?;
            let mut lines = Vec::new();
            for node in new {
                let writer = Writer { case, template, file, at: statement, bindings: &bindings };
                lines.extend(writer.statement(&mut edits, *node)?);
            }
            make_room(&mut edits, (template, &bindings), file, statement)?;
            edits.insert_before(file, statement, &lines)?;
        }
        Region::Replacement { old, new } => {
            let found = place(template, file, &frame.range, (old, other), &mut bindings)?;
            let (first, last) = (*found.first()?, *found.last()?);
            let writer = Writer { case, template, file, at: first, bindings: &bindings };
            let range = first.start_byte()..last.end_byte();
            if is_listed(first) {
                let mut lines = Vec::new();
                for node in new {
                    lines.extend(writer.statement(&mut edits, *node)?);
                }
                make_room(&mut edits, (template, &bindings), file, last)?;
                let indent = indent_of(file, first)?;
                edits.replace(file, range, lines.join(&format!("\n{indent}")));
            } else {
                let [new] = new.as_slice() else { return None };
                let text = writer.text(&mut edits, *new)?;
                edits.replace(file, range, text);
            }
        }
    }
    Some((edits.finish()?, others))
}

/// The part of the other statement that has the form of the template's operation.
fn laid_over<'t>(
    template: &Template<'_>,
    file: &File,
    operation: Node<'t>,
    bindings: &mut Bindings,
) -> Option<Node<'t>> {
    let candidates = std::iter::successors(Some(operation), Node::parent);
    for other in candidates {
        let mut trial = Bindings::default();
        if unify(&mut trial, (template.before, template.operation), (file, other)) {
            *bindings = trial;
            return Some(other);
        }
        if is_listed(other) {
            break;
        }
    }
    None
}

/// Names that the signatures of both functions tell, and the statements above and below.
fn learn_around(bindings: &mut Bindings, template: &Template<'_>, file: &File, other: Node<'_>) {
    let signature = |file: &File, node, part: &str| file.enclosing_function(node)?.child_by_field_name(part);
    let old = (template.before, template.operation);
    for part in ["receiver", "parameters"] {
        if let (Some(one), Some(another)) = (signature(old.0, old.1, part), signature(file, other, part)) {
            bindings.learn((old.0, one), (file, another));
        }
    }
    let (Some(one), Some(another)) = (statement_of(old.1), statement_of(other)) else { return };
    let above = one.prev_named_sibling().zip(another.prev_named_sibling());
    let below = one.next_named_sibling().zip(another.next_named_sibling());
    for (one, another) in above.into_iter().chain(below) {
        bindings.learn((old.0, one), (file, another));
    }
}

/// The statement that stands so many blocks above that of a node.
fn above(node: Node<'_>, levels: usize) -> Option<Node<'_>> {
    let mut statement = statement_of(node)?;
    for _ in 0..levels {
        statement = statement_of(statement.parent()?)?;
    }
    Some(statement)
}

/// The siblings that have the form of those which were replaced, the nearest to what failed.
fn place<'t>(
    template: &Template<'_>,
    file: &'t File,
    function: &Range<usize>,
    (old, failed): (&[Node<'_>], Node<'t>),
    bindings: &mut Bindings,
) -> Option<Vec<Node<'t>>> {
    let kind = old.first()?.kind();
    let mut starts = nodes_in(file, function, |node| node.kind() == kind);
    starts.sort_by_key(|node| {
        let holds = node.start_byte() <= failed.start_byte() && failed.end_byte() <= node.end_byte();
        (!holds, node.start_byte().abs_diff(failed.start_byte()))
    });
    for start in starts {
        let siblings = std::iter::successors(Some(start), |node| node.next_named_sibling());
        let siblings: Vec<_> = siblings.filter(|node| node.kind() != "comment").take(old.len()).collect();
        let mut trial = bindings.clone();
        let fits = siblings.len() == old.len()
            && old
                .iter()
                .zip(&siblings)
                .all(|(old, other)| unify(&mut trial, (template.before, *old), (file, *other)));
        if fits {
            *bindings = trial;
            return Some(siblings);
        }
    }
    None
}

/// Later declarations of the names that the new statements declare become assignments where they must.
fn make_room(
    edits: &mut Edits,
    (template, bindings): (&Template<'_>, &Bindings),
    file: &Arc<File>,
    statement: Node<'_>,
) -> Option<()> {
    for node in template.new_nodes().iter().filter(|node| node.kind() == "short_var_declaration") {
        let left = node.child_by_field_name("left")?;
        for name in nodes_of(left, |node| node.kind() == "identifier") {
            let name = template.after.text_of(name);
            if name != "_" && bindings.name(Space::Value, name).is_none() {
                soften_later(edits, file, statement, name)?;
            }
        }
    }
    Some(())
}

/// Writes nodes of the template under the names of another place.
struct Writer<'w> {
    case: &'w Case<'w>,
    template: &'w Template<'w>,
    file: &'w Arc<File>,
    /// Where it is to stand.
    at: Node<'w>,
    bindings: &'w Bindings,
}

impl Writer<'_> {
    /// A statement as lines without the indentation of their place. One that checks and leaves leaves as the function
    /// does in which it will stand, where it cannot leave as it did.
    fn statement(&self, edits: &mut Edits, node: Node<'_>) -> Option<Vec<String>> {
        let mut trial = edits.clone();
        if (self.leaves_alike() || !returns(node))
            && let Some(text) = self.text(&mut trial, node)
        {
            *edits = trial;
            let indent = indent_of(self.template.after, node).unwrap_or_default();
            let outdented = |line: &str| line.strip_prefix(indent.as_str()).unwrap_or(line).to_owned();
            return Some(text.lines().map(outdented).collect());
        }
        self.check(edits, node)
    }

    /// Whether both functions give back the same.
    fn leaves_alike(&self) -> bool {
        let results = |file: &File, node: Node<'_>| Some(results_of(file, file.enclosing_function(node)?));
        let Some(old) = results(self.template.before, self.template.operation) else { return false };
        let Some(new) = results(self.file, self.at) else { return false };
        let named =
            |ty: &String| self.bindings.name(Space::Type, ty.trim_start_matches('*')).map(str::to_owned);
        let can_be_nil =
            |ty: &str| ["*", "[]", "map[", "chan ", "func("].iter().any(|head| ty.starts_with(head));
        let same = |(old, new): (&String, &String)| {
            old == new
                || can_be_nil(old) && can_be_nil(new)
                || named(old).is_some_and(|named| named == new.trim_start_matches('*'))
        };
        old.len() == new.len() && old.iter().zip(&new).all(same)
    }

    /// `if condition { leave }`, with the condition of the template and the function's own way to leave.
    fn check(&self, edits: &mut Edits, node: Node<'_>) -> Option<Vec<String>> {
        let part = |field| node.child_by_field_name(field).filter(|_| node.kind() == "if_statement");
        let (condition, body) = (part("condition")?, part("consequence")?);
        if part("alternative").is_some() || part("initializer").is_some() || !returns(body) {
            return None;
        }
        let condition = self.text(edits, condition)?;
        let failure = self.failure(edits, body);
        let exit = self.case.leave(edits, self.file, self.at, &failure);
        exit.reports.then(|| exit.guarded(&condition))
    }

    /// What the template's exit says, in the words of the other place: with the values that it told, where they
    /// mean something here.
    fn failure(&self, edits: &mut Edits, body: Node<'_>) -> Failure {
        let literals = nodes_of(body, |node| node.kind() == "interpreted_string_literal");
        let longest = literals.into_iter().max_by_key(|literal| literal.byte_range().len());
        let said = longest.map(|literal| self.words(self.template.after.text_of(literal)));
        let said = said.unwrap_or_else(|| "unexpected value".to_owned());
        let said = said.trim_matches('"');
        let pieces = said.split(": ").flat_map(|piece| {
            let words: Vec<&str> = piece.split(' ').collect();
            words.split(|word| word.contains('%')).map(|words| words.join(" ")).collect::<Vec<_>>()
        });
        let plain = pieces.max_by_key(String::len).unwrap_or_default();
        let blame = match plain.as_str() {
            plain if plain.contains("not found") || plain.starts_with("unknown") => Blame::Missing,
            plain if plain.starts_with("no ") || plain.contains("empty") => Blame::Empty,
            plain if plain.contains("closed") => Blame::Ended,
            _ => Blame::Malformed,
        };
        let failure = Failure::new(blame, plain);
        let values = longest.and_then(|format| self.values_behind(edits, format));
        match values.filter(|values| !values.is_empty() && values.len() == said.matches('%').count()) {
            Some(values) => failure.with(said, values),
            None => failure,
        }
    }

    /// The arguments behind a format, none where one of them means nothing here.
    fn values_behind(&self, edits: &mut Edits, format: Node<'_>) -> Option<Vec<String>> {
        let behind = std::iter::successors(format.next_named_sibling(), |node| node.next_named_sibling());
        behind.map(|value| self.text(edits, value)).collect()
    }

    /// The text of a node.
    fn text(&self, edits: &mut Edits, node: Node<'_>) -> Option<String> {
        let mut text = String::new();
        self.write(edits, node, &mut text)?;
        Some(text)
    }

    fn write(&self, edits: &mut Edits, node: Node<'_>, out: &mut String) -> Option<()> {
        let after = self.template.after;
        let own = after.text_of(node);
        if (is_expression(node) || is_type(node))
            && (!is_literal(node) || self.speaks_of_place(node))
            && let Some(part) = self.bindings.part(own)
        {
            out.push_str(part);
            return Some(());
        }
        if let Some(space) = Space::of(node) {
            out.push_str(&self.name(edits, node, space)?);
        } else if node.kind() == "package_identifier" {
            out.push_str(&self.package(edits, own)?);
        } else if is_literal(node) {
            out.push_str(&self.literal(node)?);
        } else if node.child_count() == 0 || node.kind() == "comment" {
            out.push_str(own);
        } else {
            let mut at = node.start_byte();
            let mut cursor = node.walk();
            for child in node.children(&mut cursor) {
                out.push_str(after.text.get(at..child.start_byte())?);
                self.write(edits, child, out)?;
                at = child.end_byte();
            }
            out.push_str(after.text.get(at..node.end_byte())?);
        }
        Some(())
    }

    fn name(&self, edits: &mut Edits, node: Node<'_>, space: Space) -> Option<String> {
        let after = self.template.after;
        let name = after.text_of(node);
        let is_own = |node| is_own(after, self.template.new_nodes(), node);
        if node.kind() == "identifier"
            && is_foreign(after, node)
            && after.imports.iter().any(|it| it.identifier() == name)
        {
            return self.package(edits, name);
        }
        if is_foreign(after, node) {
            return Some(name.to_owned());
        }
        if let Some(bound) = self.bindings.name(space, name) {
            return Some(bound.to_owned());
        }
        if node.kind() == "identifier" && is_own(node) {
            return Some(name.to_owned());
        }
        // A method of what the new code itself has made of something foreign, as of an error.
        let operand = node.parent().and_then(|parent| parent.child_by_field_name("operand"));
        (space == Space::Member && operand.is_some_and(is_own)).then(|| name.to_owned())
    }

    fn package(&self, edits: &mut Edits, identifier: &str) -> Option<String> {
        let import = self.template.after.imports.iter().find(|import| import.identifier() == identifier)?;
        Some(edits.import(self.file, &import.path))
    }

    /// Whether a literal is one of the place that failed: compared with a length, an index or a bound, or the very
    /// thing that is asked for. What is returned is none.
    fn speaks_of_place(&self, node: Node<'_>) -> bool {
        let outer = std::iter::successors(node.parent(), Node::parent);
        let mut within =
            outer.take_while(|outer| !matches!(outer.kind(), "return_statement" | "statement_list"));
        within.any(|outer| match outer.kind() {
            "binary_expression" => {
                node.kind() != "int_literal" || self.template.after.text_of(outer).contains("len(")
            }
            "index_expression" | "slice_expression" => true,
            _ => false,
        })
    }

    /// A literal: as what stands for it there; a number as far from it as it was; words in the names of there.
    fn literal(&self, node: Node<'_>) -> Option<String> {
        let text = self.template.after.text_of(node);
        match node.kind() {
            "int_literal" if self.speaks_of_place(node) => {
                let number: Option<i64> = text.parse().ok();
                let mut near = self.bindings.numbers().filter_map(|(from, to)| {
                    let away = number?.checked_sub(from)?;
                    (from != to && (-1..=1).contains(&away)).then(|| to.checked_add(away)).flatten()
                });
                Some(near.next().map_or_else(|| text.to_owned(), |number| number.to_string()))
            }
            "interpreted_string_literal" | "raw_string_literal" if is_argument(node) => {
                Some(self.words(text))
            }
            _ => Some(text.to_owned()),
        }
    }

    /// A text in which the names of the template are those of the other place.
    fn words(&self, text: &str) -> String {
        let words = self.bindings.words();
        let mut out = String::with_capacity(text.len());
        for word in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
            let bare = word.trim_end_matches(|c: char| !c.is_alphanumeric());
            let end = word.get(bare.len()..).unwrap_or_default();
            let known = words.iter().find(|(from, _)| bare.len() > 1 && from.eq_ignore_ascii_case(bare));
            let to = known.map(|(_, to)| match bare.chars().all(char::is_lowercase) {
                true => to.to_lowercase(),
                false => (*to).to_owned(),
            });
            if let Some(to) = &to {
                agree(&mut out, to);
            }
            out.push_str(to.as_deref().unwrap_or(bare));
            out.push_str(end);
        }
        out
    }
}

/// "a" becomes "an" before a vowel, and the other way round.
fn agree(text: &mut String, word: &str) {
    let vowel = word.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    match vowel {
        true if text.ends_with(" a ") => text.insert(text.len() - 1, 'n'),
        false if text.ends_with(" an ") => drop(text.remove(text.len() - 2)),
        _ => {}
    }
}

fn is_argument(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| parent.kind() == "argument_list")
}

/// Whether a statement leaves its function, but for those of function literals.
fn returns(node: Node<'_>) -> bool {
    nodes_of(node, |node| node.kind() == "return_statement").iter().any(|leaving| {
        let mut outside =
            std::iter::successors(leaving.parent(), Node::parent).take_while(|outer| outer.id() != node.id());
        !outside.any(|outer| outer.kind() == "func_literal")
    })
}
