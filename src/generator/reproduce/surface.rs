//! What a package offers to a caller: its functions, types and neighbours, read from the source.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tree_sitter::Node;

use crate::repository::Repository;
use crate::repository::go::{File, Function};

/// The most packages that are registered beside the one under test: each costs time to compile.
const MAX_NEIGHBOURS: usize = 16;

/// A type declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TypeDecl {
    pub(super) name: String,
    /// How many type parameters it has.
    pub(super) parameters: usize,
}

/// A package of the repository.
#[derive(Debug)]
pub(super) struct Surface {
    pub(super) folder: String,
    pub(super) import_path: String,
    /// The name in the package clause.
    pub(super) name: String,
    pub(super) sources: Vec<Arc<File>>,
    pub(super) tests: Vec<Arc<File>>,
    pub(super) types: Vec<TypeDecl>,
}

impl Surface {
    /// Reads the package in a folder; none where no Go package stands.
    pub(super) fn read(repository: &Repository, folder: &str) -> Option<Self> {
        let files = repository.go_files_in(folder);
        let (tests, sources): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.is_test());
        let name = sources.iter().map(|file| file.package.clone()).find(|name| !name.is_empty())?;
        let sources: Vec<_> = sources.into_iter().filter(|file| file.package == name).collect();
        let module = repository.module_of(&sources.first()?.path)?;
        let below = folder.strip_prefix(module.folder.as_str()).unwrap_or(folder).trim_start_matches('/');
        let import_path =
            if below.is_empty() { module.path.clone() } else { format!("{}/{below}", module.path) };
        let types = sources.iter().flat_map(|file| types_of(file)).collect();
        Some(Self { folder: folder.to_owned(), import_path, name, sources, tests, types })
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = (&Arc<File>, &Function)> {
        self.sources.iter().flat_map(|file| file.functions.iter().map(move |function| (file, function)))
    }

    /// How many type parameters a type of the package has.
    pub(super) fn parameters_of(&self, type_name: &str) -> usize {
        self.types.iter().find(|decl| decl.name == type_name).map_or(0, |decl| decl.parameters)
    }

    /// Whether the source itself builds this type with fields set: then its zero value is no value that
    /// a caller would have.
    pub(super) fn builds(&self, type_name: &str) -> bool {
        let literal = format!("{type_name}{{");
        self.sources.iter().any(|file| {
            file.text.match_indices(&literal).any(|(at, _)| {
                let before = file.text[..at].chars().next_back();
                let inside = file.text[at + literal.len()..].trim_start();
                before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
                    && !inside.starts_with('}')
                    && inside.split(['\n', ',', '}']).next().is_some_and(|first| first.contains(':'))
            })
        })
    }

    /// Every identifier at the package's top level, tests included: what a variable must not hide and a
    /// new test must not be called.
    pub(super) fn top_level(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for file in self.sources.iter().chain(&self.tests) {
            names
                .extend(file.functions.iter().filter(|f| f.receiver.is_none()).map(|f| f.identifier.clone()));
            names.extend(types_of(file).into_iter().map(|decl| decl.name));
            names.extend(variables_of(file));
        }
        names
    }

    /// Whether a package that is imported here, directly or not, or the source itself, is this one.
    pub(super) fn imports(&self, path: &str) -> bool {
        self.sources.iter().any(|file| file.imports.iter().any(|import| import.path == path))
    }
}

/// The type arguments to try for so many parameters.
pub(super) fn instantiations(parameters: usize) -> Vec<String> {
    match parameters {
        0 => vec![String::new()],
        1 => ["string", "int", "any", "float64"].map(|ty| format!("[{ty}]")).into(),
        2 => ["string, int", "int, string", "string, string", "int, int"].map(|ty| format!("[{ty}]")).into(),
        n => vec![format!("[{}]", vec!["string"; n].join(", ")), format!("[{}]", vec!["int"; n].join(", "))],
    }
}

/// How many type parameters a function itself declares.
pub(super) fn function_parameters(file: &File, function: &Function) -> usize {
    if !function.generic {
        return 0;
    }
    let found =
        file.tree.root_node().named_descendant_for_byte_range(function.range.start, function.range.end);
    found.map_or(0, count_parameters)
}

fn count_parameters(declaration: Node<'_>) -> usize {
    let Some(list) = declaration.child_by_field_name("type_parameters") else { return 0 };
    let mut cursor = list.walk();
    list.named_children(&mut cursor)
        .map(|child| {
            let mut names = child.walk();
            child.children_by_field_name("name", &mut names).count()
        })
        .sum()
}

fn types_of(file: &File) -> Vec<TypeDecl> {
    top_level_specs(file, "type_declaration", "type_spec")
        .into_iter()
        .filter_map(|spec| {
            let name = file.text_of(spec.child_by_field_name("name")?).to_owned();
            (name != "_").then(|| TypeDecl { name, parameters: count_parameters(spec) })
        })
        .collect()
}

fn variables_of(file: &File) -> Vec<String> {
    let mut names = Vec::new();
    for (declaration, spec) in [("var_declaration", "var_spec"), ("const_declaration", "const_spec")] {
        for spec in top_level_specs(file, declaration, spec) {
            let mut cursor = spec.walk();
            names
                .extend(spec.children_by_field_name("name", &mut cursor).map(|n| file.text_of(n).to_owned()));
        }
    }
    names
}

/// The specifications of every top-level declaration of a kind, those in parentheses too.
fn top_level_specs<'t>(file: &'t File, declaration: &str, spec: &str) -> Vec<Node<'t>> {
    let root = file.tree.root_node();
    let mut cursor = root.walk();
    let mut out = Vec::new();
    for node in root.named_children(&mut cursor).filter(|node| node.kind() == declaration) {
        let mut inner = node.walk();
        for child in node.named_children(&mut inner) {
            if child.kind() == spec {
                out.push(child);
            } else if child.kind().ends_with("_spec_list") {
                let mut list = child.walk();
                out.extend(child.named_children(&mut list).filter(|node| node.kind() == spec));
            }
        }
    }
    out
}

/// The packages of the module that a test inside `package` can import: those it works with, and those
/// that others use together with it (which is where the implementations of its interfaces stand).
pub(super) fn neighbours(repository: &Repository, package: &Surface) -> Vec<Surface> {
    let Some(module) = package.sources.first().and_then(|file| repository.module_of(&file.path)) else {
        return Vec::new();
    };
    let folders: BTreeSet<&str> = repository
        .files()
        .iter()
        .filter(|path| path.file_name().ends_with(".go") && !path.file_name().ends_with("_test.go"))
        .filter(|path| repository.module_of(path) == Some(module))
        .filter(|path| {
            !path.as_str().split('/').any(|part| part == "testdata" || part.starts_with(['_', '.']))
        })
        .map(|path| path.folder())
        .take(2000)
        .collect();
    let surfaces: BTreeMap<String, Surface> = folders
        .into_iter()
        .filter_map(|folder| Surface::read(repository, folder))
        .map(|surface| (surface.import_path.clone(), surface))
        .collect();
    let graph: BTreeMap<&str, BTreeSet<&str>> =
        surfaces.values().map(|surface| (surface.import_path.as_str(), imports_of(surface))).collect();
    let below = reachable(&graph, &package.import_path);
    let together: Vec<&str> = graph
        .iter()
        .filter(|(_, imports)| imports.contains(package.import_path.as_str()))
        .flat_map(|(_, imports)| imports.iter().copied())
        .filter(|path| graph.contains_key(path) && !below.contains(path))
        .collect();
    let mut order: Vec<String> = Vec::new();
    for path in below.into_iter().chain(together) {
        let usable = path != package.import_path
            && surfaces.get(path).is_some_and(|surface| surface.name != "main")
            && !reachable(&graph, path).contains(&package.import_path.as_str())
            && may_import(&package.import_path, path);
        if usable && !order.iter().any(|known| known == path) {
            order.push(path.to_owned());
        }
    }
    order.truncate(MAX_NEIGHBOURS);
    let mut surfaces = surfaces;
    order.iter().filter_map(|path| surfaces.remove(path)).collect()
}

fn imports_of(surface: &Surface) -> BTreeSet<&str> {
    surface.sources.iter().flat_map(|file| file.imports.iter().map(|import| import.path.as_str())).collect()
}

/// Every package of the module that `from` imports, nearest first.
fn reachable<'g>(graph: &BTreeMap<&'g str, BTreeSet<&'g str>>, from: &str) -> Vec<&'g str> {
    let mut seen: Vec<&'g str> = Vec::new();
    let mut queue: VecDeque<&str> = VecDeque::from([from]);
    while let Some(path) = queue.pop_front() {
        for next in graph.get(path).into_iter().flatten() {
            if graph.contains_key(next) && !seen.contains(next) {
                seen.push(next);
                queue.push_back(next);
            }
        }
    }
    seen
}

/// Go's rule for `internal` folders.
fn may_import(from: &str, path: &str) -> bool {
    let Some(at) = format!("/{path}/").rfind("/internal/") else { return true };
    let parent = path.get(..at.saturating_sub(1)).unwrap_or_default();
    parent.is_empty() || from == parent || from.starts_with(&format!("{parent}/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepoPath;

    #[test]
    fn declarations_of_every_shape_are_seen() {
        let text = "package p\n\ntype (\n\tA struct{}\n\tB[K comparable, V any] struct{}\n)\n\ntype C = A\n\nvar x, y = 1, 2\n\nconst (\n\tz = 3\n)\n\nfunc F[T any, U, V int](t T) {}\n";
        let file = File::parse(RepoPath::new("p.go").unwrap(), text.to_owned());
        let types: Vec<_> = types_of(&file).into_iter().map(|t| (t.name, t.parameters)).collect();
        assert_eq!(types, [("A".to_owned(), 0), ("B".to_owned(), 2)]);
        assert_eq!(variables_of(&file), ["x", "y", "z"]);
        assert_eq!(function_parameters(&file, &file.functions[0]), 3);
    }

    #[test]
    fn internal_packages_stay_inside() {
        assert!(may_import("a.b/x/cmd", "a.b/x/internal/y"));
        assert!(may_import("a.b/x", "a.b/x/internal"));
        assert!(!may_import("a.b/z", "a.b/x/internal/y"));
        assert!(may_import("a.b/z", "a.b/x/internals"));
    }
}
