//! What a package offers to a caller: its functions, types and neighbours, read from the source.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tree_sitter::Node;

use crate::repository::Repository;
use crate::repository::go::{self, File, Function};

/// The most packages that are registered beside the one under test: each costs time to compile.
const MAX_NEIGHBOURS: usize = 16;
/// The most files that are looked at for them.
const MAX_FILES: usize = 2000;

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
    /// The version of the language it is written in: major, minor.
    pub(super) language: (u32, u32),
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
        let name = name_of_most(sources.iter().map(AsRef::as_ref))?;
        let sources: Vec<_> = sources.into_iter().filter(|file| file.package == name).collect();
        let import_path = import_path(repository, sources.first()?, folder)?;
        let language = repository.module_of(&sources.first()?.path)?.language;
        let types = sources.iter().flat_map(|file| types_of(file)).collect();
        Some(Self { folder: folder.to_owned(), import_path, language, name, sources, tests, types })
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

/// The package that most files of a folder belong to: a program that generates some of them may stand among
/// them, which no build looks at.
fn name_of_most<'f>(files: impl IntoIterator<Item = &'f File>) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        *counts.entry(&file.package).or_default() += 1;
    }
    counts.remove("");
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned())
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
        .take(MAX_FILES)
        .collect();
    let graph = Graph::read(repository, folders);
    let own = package.import_path.as_str();
    let below = graph.reachable(own, |member| &member.imports);
    // What depends on the package cannot be imported by its test.
    let above: BTreeSet<&str> = graph.reachable(own, |member| &member.users).into_iter().collect();
    let users = graph.0.get(own).into_iter().flat_map(|member| &member.users);
    let together = users
        .filter_map(|user| graph.0.get(user.as_str()))
        .flat_map(|member| &member.imports)
        .map(String::as_str);
    let mut seen = BTreeSet::from([own]);
    let usable = |path: &&str| !above.contains(path) && may_import(own, path) && graph.0.contains_key(*path);
    below
        .iter()
        .copied()
        .chain(together)
        .filter(|path| seen.insert(*path))
        .filter(usable)
        .filter_map(|path| Surface::read(repository, &graph.0.get(path)?.folder))
        .filter(|surface| surface.name != "main")
        .take(MAX_NEIGHBOURS)
        .collect()
}

/// Which packages import which, by import path.
struct Graph(BTreeMap<String, Member>);

/// A package among others.
#[derive(Default)]
struct Member {
    folder: String,
    imports: BTreeSet<String>,
    users: BTreeSet<String>,
}

impl Graph {
    fn read(repository: &Repository, folders: BTreeSet<&str>) -> Self {
        let mut members: BTreeMap<String, Member> = folders
            .into_iter()
            .filter_map(|folder| {
                let (path, imports) = imports_of(repository, folder)?;
                Some((path, Member { folder: folder.to_owned(), imports, users: BTreeSet::new() }))
            })
            .collect();
        let known: BTreeSet<String> = members.keys().cloned().collect();
        let mut uses: Vec<(String, String)> = Vec::new();
        for (path, member) in &mut members {
            member.imports.retain(|import| known.contains(import));
            uses.extend(member.imports.iter().map(|import| (import.clone(), path.clone())));
        }
        for (import, user) in uses {
            members.entry(import).or_default().users.insert(user);
        }
        Self(members)
    }

    /// Every package that is reached from one, nearest first.
    fn reachable(&self, from: &str, next: impl Fn(&Member) -> &BTreeSet<String>) -> Vec<&str> {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut order: Vec<&str> = Vec::new();
        let mut queue: VecDeque<&Member> = self.0.get(from).into_iter().collect();
        while let Some(member) = queue.pop_front() {
            for path in next(member) {
                if seen.insert(path) {
                    order.push(path);
                    queue.extend(self.0.get(path.as_str()));
                }
            }
        }
        order
    }
}

/// The import path of the package in a folder, and what it imports. Only the heads of its files are read:
/// most packages are looked at for nothing else.
fn imports_of(repository: &Repository, folder: &str) -> Option<(String, BTreeSet<String>)> {
    let heads: Vec<File> = repository
        .files_in(folder)
        .filter(|path| path.file_name().ends_with(".go") && !path.file_name().ends_with("_test.go"))
        .filter_map(|path| Some(File::parse(path.clone(), go::head_of(repository.read(path).ok()?))))
        .collect();
    let name = name_of_most(&heads)?;
    let own = heads.iter().filter(|file| file.package == name);
    let imports = own.clone().flat_map(|file| file.imports.iter().map(|import| import.path.clone()));
    Some((import_path(repository, own.clone().next()?, folder)?, imports.collect()))
}

/// The path by which the package of a file is imported.
fn import_path(repository: &Repository, file: &File, folder: &str) -> Option<String> {
    let module = repository.module_of(&file.path)?;
    let below = folder.strip_prefix(module.folder.as_str()).unwrap_or(folder).trim_start_matches('/');
    Some(if below.is_empty() { module.path.clone() } else { format!("{}/{below}", module.path) })
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
    fn neighbours_are_what_the_package_and_its_users_work_with() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, imports: &[&str]| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let name = if path.ends_with("main.go") { "main" } else { "p" };
            let imports: String = imports.iter().map(|path| format!("import _ \"m/{path}\"\n")).collect();
            std::fs::write(path, format!("package {name}\n\n{imports}\nfunc F() {{}}\n")).unwrap();
        };
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        write("own/p.go", &["near"]);
        write("near/p.go", &["far", "main"]);
        write("far/p.go", &[]);
        write("user/p.go", &["own", "beside", "other/internal", "upper"]);
        write("upper/p.go", &["own"]);
        write("beside/p.go", &[]);
        write("other/internal/p.go", &[]);
        write("main/main.go", &[]);
        write("stranger/p.go", &[]);
        let names = || {
            let repository = Repository::open(folder.path()).unwrap();
            let own = Surface::read(&repository, "own").unwrap();
            neighbours(&repository, &own).into_iter().map(|surface| surface.import_path).collect::<Vec<_>>()
        };
        assert_eq!(names(), ["m/near", "m/far", "m/beside"]);
        let many: Vec<String> = (0..20).map(|number| format!("many/p{number:02}")).collect();
        many.iter().for_each(|path| write(&format!("{path}/p.go"), &[]));
        write("own/p.go", &many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(names().len(), MAX_NEIGHBOURS);
    }

    #[test]
    fn internal_packages_stay_inside() {
        assert!(may_import("a.b/x/cmd", "a.b/x/internal/y"));
        assert!(may_import("a.b/x", "a.b/x/internal"));
        assert!(!may_import("a.b/z", "a.b/x/internal/y"));
        assert!(may_import("a.b/z", "a.b/x/internals"));
    }
}
