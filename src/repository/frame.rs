//! From a frame of a trace to a statement of the repository.

use std::sync::Arc;

use super::go::{File, Symbol};
use super::modules::tails;
use super::{Module, Repository};
use crate::domain::{Frame, Location, RepoPath};

impl Repository {
    /// The statement of the repository that a frame names; none when the frame is not of this
    /// repository. The function is found by its name, since files move and lines drift; the line is
    /// kept while it lies inside that function, else the function's first line stands for it.
    #[must_use]
    pub fn locate(&self, frame: &Frame) -> Option<Location> {
        let symbol = Symbol::parse(&frame.function)?;
        let file_name = frame.file.rsplit('/').next().unwrap_or_default();
        let mut candidates: Vec<(Arc<File>, u32)> = Vec::new();
        for folder in self.folders_of(&symbol.package, &frame.file) {
            for file in self.go_files_in(&folder) {
                let Some(function) = file.function(&symbol.function) else { continue };
                let same_file = file.path.file_name() == file_name;
                if same_file && let Some(location) = inlined_closure(&file, frame.line, &symbol) {
                    return Some(location);
                }
                let line = if same_file && function.lines.contains(&frame.line) {
                    frame.line
                } else {
                    *function.lines.start()
                };
                if same_file {
                    return Some(location(&file.path, line, &symbol));
                }
                candidates.push((file, line));
            }
        }
        let (file, line) = candidates.into_iter().next()?;
        Some(location(&file.path, line, &symbol))
    }

    /// The folders a package may stand in, best first.
    fn folders_of(&self, package: &str, printed_file: &str) -> Vec<String> {
        if package == "main" {
            return self.main_folders(printed_file);
        }
        let mut folders: Vec<String> = self
            .modules()
            .iter()
            .filter_map(|module| folder_in(module, package))
            .filter(|folder| self.has_go_files(folder))
            .collect();
        if folders.is_empty() && self.modules().iter().all(|module| !module.declared) {
            folders.extend(self.tails_of(package, printed_file));
        }
        folders.dedup();
        folders
    }

    /// Where no module is declared, its path is a guess: a package stands where the end of its path leads, the
    /// longest first, at last in the root, and there a file as the printed one. The standard library's packages
    /// name no host, and what was downloaded lies in the module cache.
    fn tails_of(&self, package: &str, printed_file: &str) -> Vec<String> {
        const MAX_PARTS: usize = 32;
        let host = package.split('/').next().unwrap_or_default();
        if !host.contains('.') || printed_file.contains("/pkg/mod/") || printed_file.contains("/vendor/") {
            return Vec::new();
        }
        let (folder, name) = printed_file.rsplit_once('/').unwrap_or(("", printed_file));
        let tails = tails(package).chain([""]).take(MAX_PARTS);
        let fits = |tail: &&str| {
            (tail.is_empty() || folder == *tail || folder.ends_with(&format!("/{tail}")))
                && RepoPath::new(if tail.is_empty() { name.to_owned() } else { format!("{tail}/{name}") })
                    .is_ok_and(|path| self.files().binary_search(&path).is_ok())
        };
        tails.filter(fits).map(str::to_owned).collect()
    }

    /// The folder that a package of the repository stands in, by its import path.
    #[must_use]
    pub fn folder_of_package(&self, package: &str) -> Option<String> {
        self.modules()
            .iter()
            .filter_map(|module| folder_in(module, package))
            .find(|folder| self.has_go_files(folder))
    }

    /// `main` says nothing of where it stands: the printed file does. Every program has a `main.main`, so the
    /// printed file must lie where it lies in its module. The folder that shares the longest tail with it comes
    /// first.
    fn main_folders(&self, printed_file: &str) -> Vec<String> {
        let mut folders: Vec<(usize, String)> = self
            .files()
            .iter()
            .filter(|path| path.as_str().ends_with(".go"))
            .filter_map(|path| {
                let shared = shared_tail(path.as_str(), printed_file);
                (shared >= self.parts_in_module(path)).then_some((shared, path))
            })
            .filter(|(_, path)| self.go_file(path).is_ok_and(|file| file.package == "main"))
            .map(|(tail, path)| (tail, path.folder().to_owned()))
            .collect();
        folders.sort_by_key(|(tail, _)| std::cmp::Reverse(*tail));
        folders.into_iter().map(|(_, folder)| folder).collect()
    }

    /// How many parts the path of a file has, from the folder of its module on.
    fn parts_in_module(&self, path: &RepoPath) -> usize {
        let within = |module: &Module| {
            let rest = path.as_str().strip_prefix(module.folder.as_str())?;
            if module.folder.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
        };
        let within = self.modules().iter().filter_map(within).min_by_key(|rest| rest.len());
        within.unwrap_or(path.as_str()).split('/').count()
    }

    fn has_go_files(&self, folder: &str) -> bool {
        self.files().iter().any(|path| path.folder() == folder && path.file_name().ends_with(".go"))
    }
}

/// A closure of a function that was inlined bears both names, `F.G.func1`: it stands in `G`, where the
/// line says.
fn inlined_closure(file: &File, line: u32, symbol: &Symbol) -> Option<Location> {
    let (_, number) = symbol.closure.rsplit_once(".func")?;
    let holder = file.function_at(line).filter(|holder| holder.name != symbol.function)?;
    let named = symbol.closure.contains(&holder.identifier);
    named.then(|| Location {
        file: file.path.clone(),
        line,
        function: format!("{}.func{number}", holder.name),
    })
}

fn location(file: &RepoPath, line: u32, symbol: &Symbol) -> Location {
    Location { file: file.clone(), line, function: symbol.local() }
}

/// The folder of a package of this module.
fn folder_in(module: &Module, package: &str) -> Option<String> {
    let rest = package.strip_prefix(module.path.as_str())?;
    let rest = match rest.strip_prefix('/') {
        Some(rest) => rest,
        None if rest.is_empty() => "",
        None => return None,
    };
    Some(match (module.folder.as_str(), rest) {
        (folder, "") => folder.to_owned(),
        ("", rest) => rest.to_owned(),
        (folder, rest) => format!("{folder}/{rest}"),
    })
}

/// How many trailing parts two paths share.
fn shared_tail(path: &str, printed: &str) -> usize {
    path.rsplit('/').zip(printed.rsplit('/')).take_while(|(ours, theirs)| ours == theirs).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "package api

func (s *Server) Handler() http.Handler {
\treturn s.logged(mux)
}

func (s *Server) logged(next http.Handler) http.Handler {
\treturn http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
\t\tnext.ServeHTTP(w, r)
\t})
}
";

    #[test]
    fn the_main_function_of_another_program_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("cmd/shop")).unwrap();
        std::fs::write(folder.path().join("go.mod"), "module example.com/shop\n").unwrap();
        std::fs::write(folder.path().join("cmd/shop/main.go"), "package main\n\nfunc main() {}\n").unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        for (file, is_ours) in [
            ("/build/cmd/shop/main.go", true),
            ("example.com/shop/cmd/shop/main.go", true),
            ("/build/cmd/till/main.go", false),
            ("/src/crash/main.go", false),
        ] {
            let frame = Frame { function: "main.main".into(), file: file.into(), line: 3, in_app: true };
            assert_eq!(repository.locate(&frame).is_some(), is_ours, "{file}");
        }
    }

    #[test]
    fn frames_find_their_statements() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("go.mod", "module example.com/shop\n"),
            ("api/server.go", SERVER),
            ("tool/go.mod", "module example.com/shop/tool\n"),
            ("tool/main.go", "package main\n\nfunc main() {\n\trun()\n}\n"),
            ("cmd/shop/main.go", "package main\n\nfunc main() {\n\tserve()\n}\n"),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let repository = Repository::open(folder.path()).unwrap();
        let locate = |function: &str, file: &str, line| {
            let frame = Frame { function: function.to_owned(), file: file.to_owned(), line, in_app: true };
            let location = repository.locate(&frame)?;
            Some((location.file.to_string(), location.line, location.function))
        };
        let at = |file: &str, line, function: &str| Some((file.to_owned(), line, function.to_owned()));
        let api = "example.com/shop/api.(*Server)";
        assert_eq!(
            locate(&format!("{api}.logged.func1"), "/src/api/server.go", 9),
            at("api/server.go", 9, "(*Server).logged.func1")
        );
        // Inlined into its caller, the closure bears both names.
        let inlined = format!("{api}.Handler.(*Server).logged.func2");
        assert_eq!(locate(&inlined, "x/server.go", 9), at("api/server.go", 9, "(*Server).logged.func2"));
        // The line is of another version: the function stands for it.
        assert_eq!(
            locate(&format!("{api}.Handler"), "x/server.go", 90),
            at("api/server.go", 3, "(*Server).Handler")
        );
        // `main` is found by its file, and a nested module by its path.
        assert_eq!(locate("main.main", "/build/tool/main.go", 4), at("tool/main.go", 4, "main"));
        let shop = at("cmd/shop/main.go", 4, "main");
        assert_eq!(locate("main.main", "/build/cmd/shop/main.go", 4), shop);
        assert_eq!(locate("main.main", "example.com/shop/cmd/shop/main.go", 4), shop);
        for (function, file) in [
            ("net/http.(*conn).serve", "net/http/server.go"),
            ("example.com/shopper/api.F", "x.go"),
            ("main.gone", "main.go"),
            ("", ""),
        ] {
            assert_eq!(locate(function, file, 1), None, "{function}");
        }
    }
}
