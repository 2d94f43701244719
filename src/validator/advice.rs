//! What a person should know about a build: why it may fail here and nowhere else, and what of the code
//! it did not look at.

use std::collections::BTreeSet;
use std::path::Path;

use crate::repository::Repository;

/// How many files and folders are looked at.
const MAX_ENTRIES: usize = 50_000;

/// What to do about a package that does not build as it stands. What the repository leaves out or does
/// not hold is the likeliest reason where it builds for its people.
pub(super) fn to_make_it_build(repository: &Repository, said: &str) -> String {
    let root = repository.root();
    let missing =
        ["no required module", "cannot find", "is not in std", "not in GOROOT", "no Go files", "undefined:"];
    if missing.iter().any(|sign| said.contains(sign)) {
        if let Some(work) = work_file_above(root) {
            return format!(
                "{} joins it with modules outside of --repo, so give --repo {} instead",
                work.display(),
                work.parent().unwrap_or(root).display()
            );
        }
        if let Some(module) = absent_module(repository, said) {
            return format!(
                "{module}, which it needs, is not in the module cache: run `go mod download` in the repository"
            );
        }
        if let Some(link) = linked_source(root) {
            return format!(
                "{} is a symbolic link, which is never followed: put the file itself there",
                link.display()
            );
        }
    }
    "make it build".to_owned()
}

/// The module that the repository requires, and whose package a build misses.
fn absent_module(repository: &Repository, said: &str) -> Option<String> {
    let (_, missing) = said.split_once("no required module provides package ")?;
    repository.requirement_for(missing.split([';', ' ', '\n']).next()?)
}

/// The work file of a folder above the repository.
fn work_file_above(root: &Path) -> Option<std::path::PathBuf> {
    root.ancestors().skip(1).map(|folder| folder.join("go.work")).find(|work| work.is_file())
}

/// A Go file, or a folder, that is a symbolic link.
fn linked_source(root: &Path) -> Option<std::path::PathBuf> {
    let mut folders = vec![root.to_owned()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).ok().into_iter().flatten().flatten() {
            seen += 1;
            if seen > MAX_ENTRIES {
                return None;
            }
            let (Ok(kind), path) = (entry.file_type(), entry.path()) else { continue };
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if kind.is_symlink() && (path.extension().is_some_and(|end| end == "go") || path.is_dir()) {
                return path.strip_prefix(root).ok().map(Path::to_owned);
            }
            if kind.is_dir() && !hidden {
                folders.push(path);
            }
        }
    }
    None
}

/// The files of the changed packages that need cgo, in words for the evidence: cgo is off in the sandbox,
/// so nothing was compiled of them.
pub(super) fn left_out_by_cgo(repository: &Repository, folders: &BTreeSet<String>) -> String {
    let files: Vec<String> = folders
        .iter()
        .flat_map(|folder| repository.go_files_in(folder))
        .filter(|file| file.imports.iter().any(|import| import.path == "C"))
        .map(|file| file.path.to_string())
        .collect();
    match files.as_slice() {
        [] => String::new(),
        [one] => format!("; {one} uses cgo, which is off in the sandbox, and was not compiled"),
        [first, rest @ ..] => format!(
            "; {first} and {} more use cgo, which is off in the sandbox, and were not compiled",
            rest.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_outside_of_the_repository_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let service = root.join("svc");
        std::fs::create_dir_all(service.join("lib")).unwrap();
        let said = "main.go:3:8: no required module provides package ex.com/m/lib; to add it:";
        let to_make_it_build = |said| to_make_it_build(&Repository::open(&service).unwrap(), said);
        std::fs::write(service.join("go.mod"), "module ex.com/svc\n\nrequire ex.com/n v1.0.0\n").unwrap();
        assert_eq!(to_make_it_build(said), "make it build");
        let absent = said.replace("ex.com/m/lib", "ex.com/n/lib");
        assert!(
            to_make_it_build(&absent).starts_with("ex.com/n, which it needs, is not in the module cache")
        );
        std::fs::write(root.join("outside.go"), "package lib\n").unwrap();
        std::os::unix::fs::symlink(root.join("outside.go"), service.join("lib/lib.go")).unwrap();
        assert!(to_make_it_build(said).starts_with("lib/lib.go is a symbolic link"));
        std::fs::write(root.join("go.work"), "go 1.21\n").unwrap();
        let advice = to_make_it_build(said);
        assert!(advice.contains(&format!("give --repo {}", root.display())), "{advice}");
        // A plain mistake has nothing to do with either.
        assert_eq!(to_make_it_build("a.go:3:1: syntax error"), "make it build");
    }

    #[test]
    fn files_that_were_not_compiled_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("go.mod", "module m\n"),
            ("lib/c.go", "package lib\n\nimport \"C\"\n"),
            ("lib/l.go", "package lib\n\nimport \"fmt\"\n"),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let repository = Repository::open(folder.path()).unwrap();
        let told = left_out_by_cgo(&repository, &BTreeSet::from(["lib".to_owned()]));
        assert!(told.contains("lib/c.go uses cgo") && !told.contains("l.go uses"), "{told}");
        assert_eq!(left_out_by_cgo(&repository, &BTreeSet::from([String::new()])), "");
    }
}
