//! Edits of Go files that keep the text around them, and come out as gofmt would print them.

mod import;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Node;

use crate::domain::{FileChange, RepoPath};
use crate::repository::go::File;

/// What is to change, file by file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edits {
    files: BTreeMap<RepoPath, FileEdits>,
    joined: usize,
}

#[derive(Debug, Clone)]
struct FileEdits {
    file: Arc<File>,
    replacements: Vec<(Range<usize>, String)>,
    imports: BTreeSet<String>,
}

impl Edits {
    fn of(&mut self, file: &Arc<File>) -> &mut FileEdits {
        self.files.entry(file.path.clone()).or_insert_with(|| FileEdits {
            file: Arc::clone(file),
            replacements: Vec::new(),
            imports: BTreeSet::new(),
        })
    }

    /// Puts a text in the place of a range.
    pub(crate) fn replace(&mut self, file: &Arc<File>, range: Range<usize>, text: impl Into<String>) {
        self.of(file).replacements.push((range, text.into()));
    }

    /// Puts lines before a statement and the comments that belong to it, indented alike. None where
    /// the statement shares its line in a way that cannot be taken apart.
    pub(crate) fn insert_before(
        &mut self,
        file: &Arc<File>,
        statement: Node<'_>,
        lines: &[String],
    ) -> Option<()> {
        if let Some(indent) = indent_of(file, statement) {
            let mut first = statement;
            while let Some(comment) = first.prev_sibling().filter(|node| belongs_to(file, *node, first)) {
                first = comment;
            }
            let text: String = lines.iter().map(|line| format!("{line}\n{indent}")).collect();
            self.replace(file, first.start_byte()..first.start_byte(), reindent(&text, &indent));
            return Some(());
        }
        let (open, close, indent) = one_line_block(file, statement)?;
        let text: String = lines.iter().map(|line| format!("\n{indent}\t{line}")).collect();
        self.replace(file, open..statement.start_byte(), format!("{text}\n{indent}\t"));
        self.replace(file, statement.end_byte()..close, format!("\n{indent}"));
        Some(())
    }

    /// Puts lines after a statement that ends its line, indented as it is.
    pub(crate) fn insert_after(
        &mut self,
        file: &Arc<File>,
        statement: Node<'_>,
        lines: &[String],
    ) -> Option<()> {
        let indent = indent_of(file, statement)?;
        let end = statement.end_byte();
        let rest = rest_of_line(file, end)?;
        let comment = rest.trim_start();
        if !comment.is_empty() && !comment.starts_with("//") {
            return None;
        }
        let end = end + rest.len();
        let text: String = lines.iter().map(|line| format!("\n{indent}{line}")).collect();
        self.replace(file, end..end, reindent(&text, &indent));
        Some(())
    }

    /// Puts lines at the start of a function's body.
    pub(crate) fn insert_first(&mut self, file: &Arc<File>, body: Node<'_>, lines: &[String]) -> Option<()> {
        let list = body.named_child(0).filter(|node| node.kind() == "statement_list")?;
        self.insert_before(file, list.named_child(0)?, lines)
    }

    /// Puts lines in the place of a statement, indented as it is.
    pub(crate) fn replace_statement(
        &mut self,
        file: &Arc<File>,
        statement: Node<'_>,
        lines: &[String],
    ) -> Option<()> {
        let indent = indent_of(file, statement)?;
        self.replace(file, statement.byte_range(), lines.join(&format!("\n{indent}")));
        Some(())
    }

    /// Takes a statement out with its line.
    pub(crate) fn remove_line(&mut self, file: &Arc<File>, statement: Node<'_>) -> Option<()> {
        let from = statement.start_byte() - indent_of(file, statement)?.len();
        let rest = file.text.get(statement.end_byte()..)?;
        let end = rest.find('\n')?;
        if !rest.get(..end)?.trim().is_empty() {
            return None;
        }
        self.replace(file, from..statement.end_byte() + end + 1, "");
        Some(())
    }

    /// Sees to it that a package is imported, and tells the identifier it is used by.
    pub(crate) fn import(&mut self, file: &Arc<File>, path: &str) -> String {
        let known = file
            .imports
            .iter()
            .find(|import| import.path == path && !matches!(import.name.as_deref(), Some("_" | ".")));
        if let Some(import) = known {
            return import.identifier().to_owned();
        }
        self.of(file).imports.insert(path.to_owned());
        path.rsplit('/').next().unwrap_or(path).to_owned()
    }

    /// Makes the changes of another as well; what both change alike once.
    pub(crate) fn join(&mut self, other: Self) {
        self.joined += 1;
        for edits in other.files.into_values() {
            let own = self.of(&edits.file);
            for replacement in edits.replacements {
                if !own.replacements.contains(&replacement) {
                    own.replacements.push(replacement);
                }
            }
            own.imports.extend(edits.imports);
        }
    }

    /// How many others' changes it makes as well.
    pub(crate) const fn joined(&self) -> usize {
        self.joined
    }

    /// How many bytes of new text there are: small changes are tried first.
    pub(crate) fn size(&self) -> usize {
        self.files
            .values()
            .flat_map(|edits| &edits.replacements)
            .map(|(range, text)| text.len().max(range.len()))
            .sum()
    }

    /// The new texts. None when edits overlap, when a file may not be changed, when nothing changes,
    /// or when a file that parsed before does not parse any more.
    pub(crate) fn finish(self) -> Option<Vec<FileChange>> {
        let mut changes = Vec::new();
        for (path, edits) in self.files {
            if !is_repairable(&edits.file) {
                return None;
            }
            let after = edits.apply()?;
            let before = edits.file.text.clone();
            if after == before {
                continue;
            }
            let reparsed = File::parse(path.clone(), after);
            if edits.file.parses() && !reparsed.parses() {
                return None;
            }
            let after = import::without_unused(&edits.file, &reparsed);
            changes.push(FileChange { path, before, after });
        }
        (!changes.is_empty()).then_some(changes)
    }
}

impl FileEdits {
    fn apply(&self) -> Option<String> {
        let mut replacements = self.replacements.clone();
        replacements.extend(import::additions(&self.file, &self.imports));
        replacements.sort_by_key(|(range, _)| (range.start, range.end));
        let text = &self.file.text;
        let dos = ends_lines_as_dos(text);
        let mut after = String::with_capacity(text.len() + 512);
        let mut at = 0;
        for (range, new) in replacements {
            after.push_str(text.get(at..range.start)?);
            match dos {
                true => after.push_str(&new.replace("\r\n", "\n").replace('\n', "\r\n")),
                false => after.push_str(&new),
            }
            at = range.end;
        }
        after.push_str(text.get(at..)?);
        Some(after)
    }
}

/// Whether the lines of a text end in CR LF: what is added to it then does so too.
fn ends_lines_as_dos(text: &str) -> bool {
    text.split_once('\n').is_some_and(|(first, _)| first.ends_with('\r'))
}

/// What stands between a place and the end of its line.
pub(crate) fn rest_of_line(file: &File, from: usize) -> Option<&str> {
    let rest = file.text.get(from..)?.split('\n').next()?;
    Some(rest.strip_suffix('\r').unwrap_or(rest))
}

/// Whether a rule may change a file: no test, nothing generated, nothing of others.
pub(crate) fn is_repairable(file: &File) -> bool {
    let foreign =
        file.path.as_str().split('/').any(|part| matches!(part, "vendor" | "testdata" | "third_party"));
    !foreign && !file.is_test() && !file.is_generated()
}

/// The text of an expression as gofmt prints it on its own: operators that were written without spaces
/// inside another expression get them.
pub(crate) fn spaced(file: &File, node: Node<'_>) -> String {
    let part = |field: &str| node.child_by_field_name(field);
    let (Some(left), Some(operator), Some(right)) = (part("left"), part("operator"), part("right")) else {
        return file.text_of(node).to_owned();
    };
    let rank =
        |node: Node<'_>| node.child_by_field_name("operator").map(|sign| precedence(file.text_of(sign)));
    let same = left.kind() == "binary_expression" && rank(left) == rank(node);
    let left = if same { spaced(file, left) } else { file.text_of(left).to_owned() };
    format!("{left} {} {}", file.text_of(operator), file.text_of(right))
}

fn precedence(operator: &str) -> u8 {
    match operator {
        "*" | "/" | "%" | "<<" | ">>" | "&" | "&^" => 5,
        "+" | "-" | "|" | "^" => 4,
        "&&" => 2,
        "||" => 1,
        _ => 3,
    }
}

/// The white space before a statement; none when something else stands before it on its line.
pub(crate) fn indent_of(file: &File, statement: Node<'_>) -> Option<String> {
    let head = file.text.get(..statement.start_byte())?;
    let line = head.rsplit('\n').next()?;
    line.chars().all(char::is_whitespace).then(|| line.to_owned())
}

/// Lines inside a text that are empty carry no white space.
fn reindent(text: &str, indent: &str) -> String {
    text.replace(&format!("\n{indent}\n"), "\n\n")
}

/// Whether a comment stands alone on the line right above a node.
fn belongs_to(file: &File, comment: Node<'_>, node: Node<'_>) -> bool {
    comment.kind() == "comment"
        && comment.end_position().row + 1 == node.start_position().row
        && indent_of(file, comment).is_some()
}

/// The ends of the text between the braces of a block written on one line, whose only statement is
/// given, and the indentation of that line.
fn one_line_block(file: &File, statement: Node<'_>) -> Option<(usize, usize, String)> {
    let list = statement.parent().filter(|list| list.named_child_count() == 1)?;
    let block = list.parent().filter(|block| block.kind() == "block")?;
    if block.start_position().row != block.end_position().row {
        return None;
    }
    let head = file.text.get(..block.start_byte())?;
    let line = head.rsplit('\n').next()?;
    let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    Some((block.start_byte() + 1, block.end_byte() - 1, indent))
}
