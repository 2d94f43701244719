//! From a frame of a trace to a statement of the repository.

use std::sync::Arc;

use super::go::{File, Symbol};
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
        folders.dedup();
        folders
    }

    /// The folder that a package of the repository stands in, by its import path.
    #[must_use]
    pub fn folder_of_package(&self, package: &str) -> Option<String> {
        self.modules()
            .iter()
            .filter_map(|module| folder_in(module, package))
            .find(|folder| self.has_go_files(folder))
    }

    /// `main` says nothing of where it stands: the printed file does. The folder that shares the
    /// longest tail with it comes first.
    fn main_folders(&self, printed_file: &str) -> Vec<String> {
        let mut folders: Vec<(usize, String)> = self
            .files()
            .iter()
            .filter(|path| path.as_str().ends_with(".go"))
            .filter_map(|path| Some((shared_tail(path.as_str(), printed_file)?, path)))
            .filter(|(_, path)| self.go_file(path).is_ok_and(|file| file.package == "main"))
            .map(|(tail, path)| (tail, path.folder().to_owned()))
            .collect();
        folders.sort_by_key(|(tail, _)| std::cmp::Reverse(*tail));
        folders.into_iter().map(|(_, folder)| folder).collect()
    }

    fn has_go_files(&self, folder: &str) -> bool {
        self.files().iter().any(|path| path.folder() == folder && path.file_name().ends_with(".go"))
    }
}

fn location(file: &RepoPath, line: u32, symbol: &Symbol) -> Location {
    Location { file: file.clone(), line, function: format!("{}{}", symbol.function, symbol.closure) }
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

/// How many trailing parts two paths share; none when not even the file's name.
fn shared_tail(path: &str, printed: &str) -> Option<usize> {
    let shared =
        path.rsplit('/').zip(printed.rsplit('/')).take_while(|(ours, theirs)| ours == theirs).count();
    (shared > 0).then_some(shared)
}
