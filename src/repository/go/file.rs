//! One parsed Go file.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;
use tree_sitter::{Language, Node, Parser, Tree};

use super::function::{Function, line_of, text_of};
use crate::domain::RepoPath;

/// How many parts a node of a function may have, and how deep nodes may lie in each other, where a tree is to be
/// worked on. To find the parent of a node, or the one before it, the tree is searched from its root each time: on
/// what is made for that, whoever asks for many of them would never end. No person writes such a function; tables
/// of data are another matter.
const MOST_PARTS: usize = 5_000;
const DEEPEST: usize = 1_000;

static GO: LazyLock<Language> = LazyLock::new(|| tree_sitter_go::LANGUAGE.into());

/// One import of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The name it is given, where one is written (`_` and `.` included).
    pub name: Option<String>,
    /// The import path.
    pub path: String,
}

impl Import {
    /// The identifier it is used by: the given name, else the last part of the path that is no
    /// version (`gopkg.in/yaml.v3` and `x/y/v2` are guessed the way people name them).
    #[must_use]
    pub fn identifier(&self) -> &str {
        if let Some(name) = &self.name {
            return name;
        }
        let version = |part: &&str| {
            part.strip_prefix('v')
                .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
        };
        let part = self.path.rsplit('/').find(|part| !version(part)).unwrap_or(&self.path);
        part.split(".v").next().unwrap_or(part).trim_start_matches("go-")
    }
}

/// One parsed Go file. A file with syntax errors is parsed as far as it goes.
#[derive(Debug)]
pub struct File {
    /// Where it stands.
    pub path: RepoPath,
    /// Its text.
    pub text: String,
    /// Its syntax tree.
    pub tree: Tree,
    /// The name in its package clause; empty where it has none.
    pub package: String,
    /// Its imports.
    pub imports: Vec<Import>,
    /// Its functions and methods, in order.
    pub functions: Vec<Function>,
}

impl File {
    /// Parses a text.
    #[must_use]
    pub fn parse(path: RepoPath, text: String) -> Self {
        let tree = parse(&text);
        let root = tree.root_node();
        let mut file = Self {
            path,
            package: String::new(),
            imports: Vec::new(),
            functions: Vec::new(),
            text,
            tree: tree.clone(),
        };
        let mut cursor = root.walk();
        for node in root.named_children(&mut cursor) {
            match node.kind() {
                "package_clause" => {
                    file.package = node
                        .named_child(0)
                        .map(|name| text_of(name, &file.text).to_owned())
                        .unwrap_or_default();
                }
                "import_declaration" => read_imports(node, &file.text, &mut file.imports),
                "function_declaration" | "method_declaration" => {
                    file.functions.extend(Function::read(node, &file.text));
                }
                _ => {}
            }
        }
        file
    }

    /// Whether it holds tests.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.path.as_str().ends_with("_test.go")
    }

    /// Whether a generator wrote it, by the convention of `go help generate`.
    #[must_use]
    pub fn is_generated(&self) -> bool {
        self.text
            .lines()
            .take_while(|line| !line.starts_with("package "))
            .any(|line| line.starts_with("// Code generated ") && line.ends_with(" DO NOT EDIT."))
    }

    /// Whether the text has no syntax error.
    #[must_use]
    pub fn parses(&self) -> bool {
        !self.tree.root_node().has_error()
    }

    /// Whether it lists or nests so much that nobody can work on its tree in time.
    #[must_use]
    pub fn is_unwieldy(&self) -> bool {
        let (mut cursor, mut depth) = (self.tree.walk(), 0);
        // How deep the outermost function lies that is being walked.
        let mut function = None;
        loop {
            let node = cursor.node();
            if matches!(node.kind(), "function_declaration" | "method_declaration" | "func_literal") {
                function = function.or(Some(depth));
            }
            let counts = depth == 0 || function.is_some();
            if depth > DEEPEST || counts && node.named_child_count() > MOST_PARTS {
                return true;
            }
            if cursor.goto_first_child() {
                depth += 1;
                continue;
            }
            loop {
                function = function.filter(|at| *at < depth);
                if cursor.goto_next_sibling() {
                    break;
                }
                if !cursor.goto_parent() {
                    return false;
                }
                depth -= 1;
            }
        }
    }

    /// The function whose declaration covers a line.
    #[must_use]
    pub fn function_at(&self, line: u32) -> Option<&Function> {
        self.functions.iter().find(|function| function.lines.contains(&line))
    }

    /// The function of a name, as a trace prints it.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// The smallest named node that covers a range of bytes.
    #[must_use]
    pub fn node_at(&self, range: std::ops::Range<usize>) -> Option<Node<'_>> {
        self.tree.root_node().named_descendant_for_byte_range(range.start, range.end)
    }

    /// The text of a node.
    #[must_use]
    pub fn text_of(&self, node: Node<'_>) -> &str {
        text_of(node, &self.text)
    }

    /// The bytes of a line, counted from 1.
    #[must_use]
    pub fn bytes_of_line(&self, line: u32) -> Option<std::ops::Range<usize>> {
        let before = usize::try_from(line).ok()?.checked_sub(1)?;
        let mut starts =
            std::iter::once(0).chain(memchr::memchr_iter(b'\n', self.text.as_bytes()).map(|at| at + 1));
        let start = starts.nth(before)?;
        Some(start..starts.next().unwrap_or(self.text.len()))
    }

    /// The line of a byte, from 1.
    #[must_use]
    pub fn line_at(&self, byte: usize) -> u32 {
        line_of(self.text.as_bytes().iter().take(byte).filter(|byte| **byte == b'\n').count())
    }
}

/// Parses Go; text that is no Go gives a tree of errors.
fn parse(text: &str) -> Tree {
    let mut parser = Parser::new();
    let text = with_plain_indexes(text);
    let parsed = parser.set_language(&GO).ok().and_then(|()| parser.parse(text.as_ref(), None));
    // Parsing fails only for a foreign grammar version, a time limit or a cancellation; the grammar is
    // linked in, and neither limit nor cancellation is set.
    #[allow(clippy::expect_used)]
    parsed.expect("the linked grammar parses any text")
}

/// The text with `a[p.Y][p.X]` as `a[p_Y][p.X]`, so that every place stays where it is: the grammar takes the
/// former for a generic type with its arguments, which can have no further ones.
fn with_plain_indexes(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let word_before = |end: usize| end - bytes[..end].iter().rev().take_while(|byte| is_word(byte)).count();
    let mut plain: Option<Vec<u8>> = None;
    for end in memmem::find_iter(bytes, b"][") {
        let name = word_before(end);
        let Some(dot) = name.checked_sub(1).filter(|dot| name < end && bytes[*dot] == b'.') else { continue };
        let owner = word_before(dot);
        let Some(open) = owner.checked_sub(1).filter(|open| owner < dot && bytes[*open] == b'[') else {
            continue;
        };
        let indexed = &bytes[word_before(open)..open];
        let is_indexed =
            !indexed.is_empty() && indexed != b"map" || open > 0 && matches!(bytes[open - 1], b']' | b')');
        // `[]` behind it begins a type.
        if is_indexed && bytes.get(end + 2) != Some(&b']') {
            plain.get_or_insert_with(|| bytes.to_vec())[dot] = b'_';
        }
    }
    plain.and_then(|plain| String::from_utf8(plain).ok()).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn read_imports(node: Node<'_>, text: &str, imports: &mut Vec<Import>) {
    let mut cursor = node.walk();
    for child in node.named_children(&mut cursor) {
        match child.kind() {
            "import_spec_list" => read_imports(child, text, imports),
            "import_spec" => {
                let Some(path) = child.child_by_field_name("path") else { continue };
                imports.push(Import {
                    name: child.child_by_field_name("name").map(|name| text_of(name, text).to_owned()),
                    path: text_of(path, text).trim_matches(['"', '`']).to_owned(),
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::File;
    use crate::domain::RepoPath;

    fn parse(text: &str) -> File {
        File::parse(RepoPath::new("a.go").unwrap(), text.to_owned())
    }

    #[test]
    fn what_lists_or_nests_beyond_measure_is_told_apart() {
        let (open, close, lines) = ("(".repeat(1_001), ")".repeat(1_001), "\tx++\n".repeat(5_001));
        for (text, unwieldy) in [
            (String::new(), false),
            (format!("package p\n\nvar x = {}1{}\n", &open[500..], &close[500..]), false),
            (format!("package p\n\nvar x = {open}1{close}\n\nvar y = 1\n"), true),
            (format!("package p\n\nfunc f(x int) {{\n{}}}\n", &lines[1_000..]), false),
            (format!("package p\n\nfunc f(x int) {{\n{lines}}}\n\nfunc g() {{}}\n"), true),
            (format!("package p\n{}", "var _ = 1\n".repeat(5_001)), true),
            (
                format!(
                    "package p\n\nvar t = []int{{{}}}\n\nfunc f(x int) {{\n\tx++\n}}\n",
                    "1, ".repeat(5_001)
                ),
                false,
            ),
            (
                format!("package p\n\nvar f = func() []int {{ return []int{{{}}} }}\n", "1, ".repeat(5_001)),
                true,
            ),
        ] {
            assert_eq!(parse(&text).is_unwieldy(), unwieldy, "{}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn fields_of_a_point_index_a_grid() {
        let file = parse(
            "package p\n\nfunc f() int {\n\tvar sizes [n.Rows][n.Columns]int\n\treturn g.cells[p.Y][p.X] + len(map[k.A][]int{})\n}\n",
        );
        let tree = file.tree.root_node().to_sexp();
        assert!(file.parses() && !tree.contains("type_instantiation"), "{tree}");
        let index = file.text.find("p.Y").unwrap();
        assert_eq!(file.text_of(file.node_at(index..index + 3).unwrap()), "p.Y");
    }

    #[test]
    fn functions_carry_the_names_traces_print() {
        let file = parse(
            "package p\n\nimport (\n\t\"fmt\"\n\ty \"gopkg.in/yaml.v3\"\n)\n\nfunc F(a, b int, c ...string) (n int, err error) { return }\n\nfunc (t *T) M() {}\nfunc (T) V(_ string) error { return nil }\nfunc (l *List[K]) Push(k K) {}\nfunc Map[T any](in []T) []T { return in }\n",
        );
        let names: Vec<_> = file.functions.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["F", "(*T).M", "T.V", "(*List).Push", "Map"]);
        let f = &file.functions[0];
        assert_eq!(
            f.params.iter().map(|p| format!("{} {}", p.name, p.ty)).collect::<Vec<_>>(),
            ["a int", "b int", "c ...string"]
        );
        assert!(f.returns_error() && f.is_exported() && !f.generic);
        assert!(file.functions[3].generic && file.functions[4].generic);
        assert_eq!(file.function_at(10).map(|f| f.name.as_str()), Some("(*T).M"));
        assert_eq!(file.imports.iter().map(|i| i.identifier()).collect::<Vec<_>>(), ["fmt", "y"]);
    }

    #[test]
    fn broken_source_is_parsed_as_far_as_it_goes() {
        let file = parse("package p\n\nfunc F( {\n\nfunc G() {}\n");
        assert!(!file.parses());
        assert_eq!(parse("").package, "");
        assert_eq!(parse("\u{0}\u{feff}§").functions.len(), 0);
    }
}
