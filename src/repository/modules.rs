//! The Go modules of a repository, and how a scratch copy of it builds where the repository alone would not:
//! code of the time before modules declares none, and what a module requires need not be on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::go::{self, File};
use super::is_below;
use crate::domain::RepoPath;

/// How many files are read to learn what the code calls itself.
const MAX_READ: usize = 2_000;
/// How many imports of a file are looked at.
const MAX_IMPORTS: usize = 200;
/// The language of code that no `go.mod` tells it of: the last one whose loops share their variable, as they
/// did when such code was written.
const BEFORE_MODULES: (u32, u32) = (1, 20);
/// What a `go.mod` without a `go` line stands for.
const UNTOLD: (u32, u32) = (1, 16);

/// One Go module of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its folder relative to the root; empty for the root.
    pub folder: String,
    /// Its module path: `example.com/shop`.
    pub path: String,
    /// The version of the language that its code is written in: major, minor.
    pub language: (u32, u32),
    /// Whether a `go.mod` declares it. Where none does, scratch copies get one.
    pub declared: bool,
}

impl Module {
    /// What a `go.mod` in a folder declares; none if it names no module.
    pub(super) fn declared(folder: &str, go_mod: &str) -> Option<Self> {
        Some(Self {
            folder: folder.to_owned(),
            path: go::module_path(go_mod)?,
            language: language(go_mod).unwrap_or(UNTOLD),
            declared: true,
        })
    }

    /// The module that a repository without any `go.mod` is: named as its code calls itself, as it lies in a
    /// GOPATH, or as its remote is called; else after its folder. None if it holds no Go code.
    pub(super) fn undeclared(
        root: &Path,
        files: &[RepoPath],
        read: impl Fn(&RepoPath) -> Option<String>,
    ) -> Option<Self> {
        let sources: Vec<&RepoPath> = files.iter().filter(|path| is_source(path)).collect();
        if sources.is_empty() {
            return None;
        }
        let path = place_in_gopath(root)
            .or_else(|| name_by_imports(files, &sources, read))
            .or_else(|| name_of_remote(root))
            .unwrap_or_else(|| name_of_folder(root));
        Some(Self { folder: String::new(), path, language: BEFORE_MODULES, declared: false })
    }
}

/// A Go file that is no other module's.
fn is_source(path: &RepoPath) -> bool {
    let foreign = |part: &str| part == "vendor" || part == "testdata" || part.starts_with(['_', '.']);
    path.file_name().ends_with(".go") && !path.as_str().split('/').any(foreign)
}

/// The version on the `go` line.
fn language(go_mod: &str) -> Option<(u32, u32)> {
    let line = go_mod.lines().find_map(|line| line.trim().strip_prefix("go "))?;
    let mut parts = line.trim().split(['.', 'r', 'b', ' ']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The import path of a folder `…/src/example.com/shop`.
fn place_in_gopath(root: &Path) -> Option<String> {
    let (_, path) = root.to_str()?.rsplit_once("/src/")?;
    is_import_path(path).then(|| path.to_owned())
}

/// Whether a path begins with the name of a host, as that of whatever can be downloaded does.
fn is_import_path(path: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || "-_.~/".contains(c);
    path.split_once('/').is_some_and(|(host, rest)| host.contains('.') && !rest.is_empty())
        && path.chars().all(is_known)
        && !path.split('/').any(|part| part.is_empty() || part.starts_with('.'))
}

/// What the code calls itself: by import comments, by imports of its own packages, and by tests that stand
/// outside of the package which they test.
fn name_by_imports(
    files: &[RepoPath],
    sources: &[&RepoPath],
    read: impl Fn(&RepoPath) -> Option<String>,
) -> Option<String> {
    let folders: BTreeSet<&str> = sources.iter().map(|path| path.folder()).collect();
    let vendored: BTreeSet<&str> =
        files.iter().filter_map(|path| path.folder().strip_prefix("vendor/")).collect();
    let mut votes: BTreeMap<String, usize> = BTreeMap::new();
    for path in sources.iter().take(MAX_READ) {
        let Some(text) = read(path) else { continue };
        let file = File::parse((*path).clone(), go::head_of(text));
        let mut vote = |import: &str, folder: &str, weight: usize| {
            let root = if folder.is_empty() { Some(import) } else { import.strip_suffix(folder) };
            let root = root.map(|root| root.trim_end_matches('/'));
            if let Some(root) = root.filter(|root| is_import_path(root)) {
                *votes.entry(root.to_owned()).or_default() += weight;
            }
        };
        if let Some(import) = import_comment(&file) {
            vote(&import, path.folder(), 1_000);
        }
        let tested = file.package.strip_suffix("_test").filter(|_| file.is_test());
        for import in file.imports.iter().take(MAX_IMPORTS) {
            if vendored.contains(import.path.as_str()) {
                continue;
            }
            if let Some(folder) = tails(&import.path).find(|tail| folders.contains(tail)) {
                vote(&import.path, folder, 1 + folder.matches('/').count());
            }
            let last = import.path.rsplit('/').next().unwrap_or_default();
            if tested.is_some_and(|tested| last.contains(tested)) {
                vote(&import.path, path.folder(), 2);
            }
        }
    }
    votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(path, _)| path)
}

/// What follows each slash of a path, the longest first.
pub(super) fn tails(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[at + 1..])
}

/// `package shop // import "example.com/shop"`.
fn import_comment(file: &File) -> Option<String> {
    let line = file.text.lines().find(|line| line.starts_with("package "))?;
    let (_, rest) = line.split_once("import \"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The import path that the remote of a Git repository stands for.
fn name_of_remote(root: &Path) -> Option<String> {
    let config = super::read_capped(&root.join(".git/config"), 1 << 20).ok()?;
    let url = config.lines().find_map(|line| line.trim().strip_prefix("url = "))?;
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest).replacen(':', "/", 1);
    let path = rest.trim_end_matches('/').trim_end_matches(".git");
    is_import_path(path).then(|| path.to_owned())
}

/// A path that nobody else has: nothing imports it, or the imports would have told its name.
fn name_of_folder(root: &Path) -> String {
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = name.trim_matches('-').to_ascii_lowercase();
    format!("gopath/{}", if name.is_empty() { "code" } else { &name })
}

/// The `go.mod` of a module without one, and the list of what its `vendor` folder holds, which Go wants to see
/// before it looks there.
pub(super) fn written_for(module: &Module, files: &[RepoPath]) -> (String, Option<String>) {
    let (major, minor) = module.language;
    let mut go_mod = format!("module {}\n\ngo {major}.{minor}\n", module.path);
    let packages: BTreeSet<&str> = files
        .iter()
        .filter(|path| path.file_name().ends_with(".go") && !path.file_name().ends_with("_test.go"))
        .filter_map(|path| path.folder().strip_prefix("vendor/"))
        .filter(|package| is_import_path(package))
        .collect();
    let mut vendored: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &packages {
        vendored.entry(module_of(package, &packages)).or_default().push(package);
    }
    let mut list = String::new();
    for (path, packages) in &vendored {
        let version = version_of(path);
        // Writing into a text cannot fail.
        writeln!(go_mod, "\nrequire {path} {version}").ok();
        writeln!(list, "# {path} {version}\n## explicit").ok();
        packages.iter().for_each(|package| list.extend([*package, "\n"]));
    }
    (go_mod, (!vendored.is_empty()).then_some(list))
}

/// What may be the module of a vendored package: the outermost package that it lies below. A path that ends in
/// `/v1`, or of `gopkg.in` without a version, is none that Go takes for a module.
fn module_of<'p>(package: &'p str, packages: &BTreeSet<&'p str>) -> &'p str {
    let above = package.match_indices('/').map(|(at, _)| &package[..at]);
    let outermost = above.into_iter().find(|above| packages.contains(above)).unwrap_or(package);
    let unusual = |path: &str| path.ends_with("/v0") || path.ends_with("/v1");
    match outermost.rsplit_once('/') {
        Some((parent, _)) if unusual(outermost) && parent.contains('/') => parent,
        _ => outermost,
    }
}

/// A version that fits a module's path: `v2.0.0` of `a.b/c/v2` and of `gopkg.in/c.v2`.
fn version_of(path: &str) -> String {
    let end = path.rsplit('/').next().unwrap_or_default();
    let number = match path.strip_prefix("gopkg.in/") {
        Some(_) => end.rsplit_once(".v").map(|(_, number)| number),
        None => end.strip_prefix('v'),
    };
    let major = number.and_then(|number| number.parse::<u32>().ok()).unwrap_or_default();
    format!("v{major}.0.0")
}

/// The module that a `go.mod` requires and that holds a package.
pub(super) fn requirement_for(go_mod: &str, package: &str) -> Option<String> {
    let paths = directives(go_mod, "require").filter_map(|(_, words)| words.first().copied());
    let holds = |path: &&str| *path == package || is_below(package, path);
    paths.filter(holds).max_by_key(|path| path.len()).map(str::to_owned)
}

/// The entries of a directive, with the number of their line, alone or in brackets.
pub(super) fn directives<'t>(
    go_mod: &'t str,
    name: &'static str,
) -> impl Iterator<Item = (usize, Vec<&'t str>)> {
    let mut inside = false;
    go_mod.lines().enumerate().filter_map(move |(number, line)| {
        let mut words: Vec<&str> = line.split("//").next().unwrap_or_default().split_whitespace().collect();
        words.iter_mut().for_each(|word| *word = word.trim_matches(['"', '`']));
        if inside {
            inside = words.first() != Some(&")");
            return (inside && !words.is_empty()).then_some((number, words));
        }
        let rest = words.strip_prefix(&[name])?;
        inside = rest == ["("];
        (!inside && !rest.is_empty()).then(|| (number, rest.to_vec()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undeclared(root: &str, files: &[(&str, &str)]) -> String {
        let paths: Vec<RepoPath> = files.iter().map(|(path, _)| RepoPath::new(path).unwrap()).collect();
        let read = |path: &RepoPath| {
            files.iter().find(|(name, _)| *name == path.as_str()).map(|(_, text)| (*text).to_owned())
        };
        Module::undeclared(Path::new(root), &paths, read).unwrap().path
    }

    #[test]
    fn code_without_a_module_tells_its_name() {
        let main = (
            "cmd/shop/main.go",
            "package main\n\nimport (\n\t\"fmt\"\n\t\"example.com/shop/store\"\n\t\"github.com/a/store\"\n)\n",
        );
        let store = ("store/store.go", "package store\n\nimport \"encoding/json\"\n");
        let (json, vendored) =
            (("json/j.go", "package json\n"), ("vendor/github.com/a/store/s.go", "package store\n"));
        assert_eq!(
            undeclared(
                "/x",
                &[
                    main,
                    store,
                    json,
                    vendored,
                    ("store/disk/d.go", "package disk\n"),
                    ("a.go", "package shop\n\nimport \"example.com/shop/store/disk\"\n")
                ]
            ),
            "example.com/shop"
        );
        assert_eq!(undeclared("/go/src/a.b/c", &[main, store]), "a.b/c");
        let comment = ("shop.go", "// Shop.\npackage shop // import \"a.b/shop\"\n");
        assert_eq!(undeclared("/x", &[main, store, comment]), "a.b/shop");
        let test =
            ("shop_test.go", "package shop_test\n\nimport (\n\t\"testing\"\n\t\"github.com/a/go-shop\"\n)\n");
        assert_eq!(undeclared("/x", &[("shop.go", "package shop\n"), test]), "github.com/a/go-shop");
        assert_eq!(undeclared("/tmp/My shop", &[("shop.go", "package shop\n")]), "gopath/my-shop");
        assert_eq!(undeclared("/tmp/__", &[("shop.go", "package shop\n")]), "gopath/code");
        assert!(
            Module::undeclared(Path::new("/x"), &[RepoPath::new("README.md").unwrap()], |_| None).is_none()
        );
    }

    #[test]
    fn the_remote_names_what_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        for (url, name) in [
            ("git@github.com:a/shop.git", "github.com/a/shop"),
            ("https://user:word@github.com/a/shop", "github.com/a/shop"),
            ("ssh://git@example.com/a/shop.git/", "example.com/a/shop.git"),
        ] {
            let config = format!("[remote \"origin\"]\n\turl = {url}\n");
            std::fs::write(folder.path().join(".git/config"), config).unwrap();
            let name = name.trim_end_matches(".git");
            assert_eq!(name_of_remote(folder.path()).as_deref(), Some(name), "{url}");
        }
        std::fs::write(folder.path().join(".git/config"), "\turl = /srv/shop\n").unwrap();
        assert_eq!(name_of_remote(folder.path()), None);
    }

    #[test]
    fn what_is_vendored_is_listed() {
        let files: Vec<RepoPath> =
            ["a.go", "vendor/x.y/b/b.go", "vendor/x.y/b/c/c.go", "vendor/x.y/bd/d.go", "vendor/x.y/b/README"]
                .map(|path| RepoPath::new(path).unwrap())
                .into();
        let module =
            Module { folder: String::new(), path: "a.b/c".into(), language: (1, 20), declared: false };
        let (go_mod, list) = written_for(&module, &files);
        assert_eq!(go_mod, "module a.b/c\n\ngo 1.20\n\nrequire x.y/b v0.0.0\n\nrequire x.y/bd v0.0.0\n");
        assert_eq!(
            list.unwrap(),
            "# x.y/b v0.0.0\n## explicit\nx.y/b\nx.y/b/c\n# x.y/bd v0.0.0\n## explicit\nx.y/bd\n"
        );
        assert_eq!(written_for(&module, &files[..1]).1, None);
        for (path, package, version) in [
            ("gopkg.in/yaml.v2", "gopkg.in/yaml.v2", "v2.0.0"),
            ("x.y/b/v3", "x.y/b/v3", "v3.0.0"),
            ("x.y/api/v1", "x.y/api", "v0.0.0"),
            ("x.y/vega", "x.y/vega", "v0.0.0"),
        ] {
            let packages = BTreeSet::from([path]);
            let module = module_of(path, &packages);
            assert_eq!((module, version_of(module).as_str()), (package, version));
        }
    }

    #[test]
    fn the_language_is_the_modules() {
        for (text, language) in [
            ("module m\n", (1, 16)),
            ("module m\ngo 1.14\n", (1, 14)),
            ("module m\n\ngo 1.22.3\n", (1, 22)),
            ("module m\ngo 1.21rc2\n", (1, 21)),
        ] {
            assert_eq!(Module::declared("", text).unwrap().language, language);
        }
        assert_eq!(Module::declared("", "go 1.2\n"), None);
    }
}
