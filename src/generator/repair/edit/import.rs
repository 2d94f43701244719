//! Imports that an edit needs, put where gofmt keeps them.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;

use tree_sitter::Node;

use crate::generator::repair::syntax::nodes_of;
use crate::repository::go::{File, Import};

/// The insertions which add imports to a file.
pub(super) fn additions(file: &File, paths: &BTreeSet<String>) -> Vec<(Range<usize>, String)> {
    let mut wanted: Vec<&str> = paths.iter().map(String::as_str).collect();
    wanted.retain(|path| !file.imports.iter().any(|import| import.path == *path && import.name.is_none()));
    if wanted.is_empty() {
        return Vec::new();
    }
    let root = file.tree.root_node();
    let mut cursor = root.walk();
    let declarations: Vec<Node<'_>> = root
        .named_children(&mut cursor)
        .filter(|node| node.kind() == "import_declaration" && !file.text_of(*node).contains("\"C\""))
        .collect();
    let list = declarations
        .iter()
        .filter_map(|declaration| declaration.named_child(0).filter(|node| node.kind() == "import_spec_list"))
        .find(|list| list.named_child_count() > 0 && list.start_position().row < list.end_position().row);
    if let Some(list) = list {
        return into_list(file, list, &wanted);
    }
    if let [only] = declarations.as_slice()
        && let Some(spec) = only.named_child(0).filter(|node| node.kind() == "import_spec")
    {
        let present = file.text_of(spec);
        let mut lines: Vec<String> = wanted.iter().map(|path| format!("\"{path}\"")).collect();
        if is_library(path_of(present)) {
            lines.push(present.to_owned());
            lines.sort_by(|a, b| path_of(a).cmp(path_of(b)));
        } else {
            lines.push(String::new());
            lines.push(present.to_owned());
        }
        let body: String = lines
            .iter()
            .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("\t{line}\n") })
            .collect();
        return vec![(only.byte_range(), format!("import (\n{body})"))];
    }
    let mut cursor = root.walk();
    let Some(clause) = root.named_children(&mut cursor).find(|node| node.kind() == "package_clause") else {
        return Vec::new();
    };
    let text = match wanted.as_slice() {
        [one] => format!("\n\nimport \"{one}\""),
        many => {
            let body: String = many.iter().map(|path| format!("\t\"{path}\"\n")).collect();
            format!("\n\nimport (\n{body})")
        }
    };
    let end = line_end(file, clause.end_byte());
    vec![(end..end, text)]
}

/// Puts each path in order into the first group of a list that holds packages of the standard
/// library, or into a new group before all others.
fn into_list(file: &File, list: Node<'_>, wanted: &[&str]) -> Vec<(Range<usize>, String)> {
    let mut cursor = list.walk();
    let specs: Vec<Node<'_>> =
        list.named_children(&mut cursor).filter(|node| node.kind() == "import_spec").collect();
    let mut groups: Vec<Vec<Node<'_>>> = Vec::new();
    for spec in specs {
        match groups.last_mut() {
            Some(group)
                if group
                    .last()
                    .is_some_and(|last| last.end_position().row + 1 == spec.start_position().row) =>
            {
                group.push(spec);
            }
            _ => groups.push(vec![spec]),
        }
    }
    let library = groups
        .iter()
        .find(|group| group.iter().any(|spec| is_library(path_of(file.text_of(*spec)))))
        .cloned();
    let Some(group) = library else {
        let at = list.start_byte() + 1;
        let lines: String = wanted.iter().map(|path| format!("\n\t\"{path}\"")).collect();
        return vec![(at..at, format!("{lines}\n"))];
    };
    wanted
        .iter()
        .map(|path| {
            let before = group.iter().rev().find(|spec| path_of(file.text_of(**spec)) < *path);
            match (before, group.first()) {
                (Some(spec), _) => {
                    let at = line_end(file, spec.end_byte());
                    (at..at, format!("\n\t\"{path}\""))
                }
                (None, Some(first)) => (first.start_byte()..first.start_byte(), format!("\"{path}\"\n\t")),
                (None, None) => (list.end_byte()..list.end_byte(), String::new()),
            }
        })
        .collect()
}

/// In larger files not every use would be seen.
const MAX_SEARCHED: usize = 400 << 10;

/// The text of a changed file without the imports which only what was taken out had used.
pub(super) fn without_unused(before: &File, after: &File) -> String {
    if before.text.len().max(after.text.len()) > MAX_SEARCHED {
        return after.text.clone();
    }
    let (used, still) = (used(before), used(after));
    let unused = |import: &Import| {
        let name = import.identifier();
        import.path != "C" && used.contains(name) && !still.contains(name)
    };
    let root = after.tree.root_node();
    let specs = nodes_of(root, |node| node.kind() == "import_spec");
    let is_of = |spec: &Node<'_>, import: &Import| {
        let name = spec.child_by_field_name("name").map(|name| after.text_of(name));
        path_of(after.text_of(*spec)) == import.path && name == import.name.as_deref()
    };
    let gone = specs
        .into_iter()
        .filter(|spec| before.imports.iter().any(|import| unused(import) && is_of(spec, import)));
    let mut lines: Vec<Range<usize>> = gone.filter_map(|spec| lines_of(after, spec)).collect();
    if lines.is_empty() {
        return after.text.clone();
    }
    lines.sort_by_key(|range| Reverse(range.start));
    lines.dedup();
    let mut text = after.text.clone();
    lines.into_iter().for_each(|range| text.replace_range(range, ""));
    if File::parse(after.path.clone(), text.clone()).parses() { text } else { after.text.clone() }
}

/// The names by which a file speaks of packages.
fn used(file: &File) -> BTreeSet<&str> {
    nodes_of(file.tree.root_node(), |node| operand(node).is_some())
        .into_iter()
        .filter_map(operand)
        .filter(|name| matches!(name.kind(), "identifier" | "package_identifier"))
        .filter(|name| file.binding(*name, file.text_of(*name)).is_none())
        .map(|name| file.text_of(name))
        .collect()
}

/// What stands before the dot of a name.
fn operand(node: Node<'_>) -> Option<Node<'_>> {
    match node.kind() {
        "selector_expression" => node.child_by_field_name("operand"),
        "qualified_type" => node.child_by_field_name("package"),
        _ => None,
    }
}

/// The lines of an import that shares them with nothing: with its declaration where that holds no other, and with the
/// empty line behind it where none would stand between that and the one before.
fn lines_of(file: &File, spec: Node<'_>) -> Option<Range<usize>> {
    let list = spec.parent().filter(|list| list.kind() == "import_spec_list");
    let node = match list {
        Some(list) if list.named_child_count() > 1 => spec,
        Some(list) => list.parent()?,
        None => spec.parent()?,
    };
    let start = file.text.get(..node.start_byte())?.rfind('\n')? + 1;
    let mut end = node.end_byte() + file.text.get(node.end_byte()..)?.find('\n')? + 1;
    let is_blank = |range: Range<usize>| file.text.get(range).is_some_and(|text| text.trim().is_empty());
    if !is_blank(start..node.start_byte()) || !is_blank(node.end_byte()..end) {
        return None;
    }
    let is_alone = ["\n\n", "(\n", "\n\r\n", "(\r\n"].iter().any(|above| file.text[..start].ends_with(above));
    if is_alone && let Some(rest) = file.text.get(end..) {
        end += rest.len() - rest.trim_start_matches(['\r', '\n']).len();
    }
    Some(start..end)
}

fn line_end(file: &File, from: usize) -> usize {
    super::rest_of_line(file, from).map_or(file.text.len(), |rest| from + rest.len())
}

fn path_of(spec: &str) -> &str {
    spec.split(['"', '`']).nth(1).unwrap_or(spec)
}

/// The standard library's paths have no dot in their first part.
fn is_library(path: &str) -> bool {
    !path.split('/').next().unwrap_or(path).contains('.')
}
