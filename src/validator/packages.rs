//! Which packages import which, from `go list`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use super::shown;

/// Prints one package a line: its folder, its import path, everything it or its tests import.
pub(super) const LIST_FORMAT: &str = "{{.Dir}}\t{{.ImportPath}}\t{{join .Imports \" \"}} {{join .TestImports \" \"}} {{join .XTestImports \" \"}}";

/// The import graph of a repository.
#[derive(Debug, Clone, Default)]
pub(super) struct Packages {
    /// Import path to folder, relative to the tree.
    folders: BTreeMap<String, String>,
    /// Import path to those that import it.
    importers: BTreeMap<String, BTreeSet<String>>,
}

impl Packages {
    /// Reads the output of `go list -e -f LIST_FORMAT ./...`; folders outside `tree` are left out.
    pub(super) fn read(output: &str, tree: &Path) -> Self {
        let mut packages = Self::default();
        for line in output.lines() {
            let mut fields = line.splitn(3, '\t');
            let (Some(folder), Some(path)) = (fields.next(), fields.next()) else { continue };
            let Ok(folder) = Path::new(folder).strip_prefix(tree) else { continue };
            packages.folders.insert(path.to_owned(), folder.to_string_lossy().into_owned());
            for import in fields.next().unwrap_or_default().split_whitespace() {
                packages.importers.entry(import.to_owned()).or_default().insert(path.to_owned());
            }
        }
        packages
    }

    /// Adds the packages of another module.
    pub(super) fn join(&mut self, other: &Self) {
        self.folders.extend(other.folders.clone());
        for (import, importers) in &other.importers {
            self.importers.entry(import.clone()).or_default().extend(importers.iter().cloned());
        }
    }

    /// The folders of the packages that import those in `folders`, nearest first; an error where one of
    /// these is not known: then nobody knows who imports it.
    pub(super) fn dependents(&self, folders: &BTreeSet<String>) -> Result<Vec<String>, String> {
        let known: BTreeSet<&String> = self.folders.values().collect();
        if let Some(unknown) = folders.iter().find(|folder| !known.contains(folder)) {
            let folder = shown(unknown);
            return Err(format!(
                "go list tells nothing of the package in {folder}, so nobody knows who imports it"
            ));
        }
        let mut queue: VecDeque<&String> = self
            .folders
            .iter()
            .filter(|(_, folder)| folders.contains(*folder))
            .map(|(path, _)| path)
            .collect();
        let mut seen: BTreeSet<&String> = queue.iter().copied().collect();
        let mut found = Vec::new();
        while let Some(path) = queue.pop_front() {
            for importer in self.importers.get(path).into_iter().flatten() {
                if !seen.insert(importer) {
                    continue;
                }
                queue.push_back(importer);
                found.extend(self.folders.get(importer).filter(|folder| !folders.contains(*folder)).cloned());
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::Packages;

    #[test]
    fn dependents_come_nearest_first() {
        let list =
            "/t/a\tm/a\tfmt \n/t/b\tm/b\tm/a fmt \n/t/c\tm/c\tm/b  m/c\n/t\tm\tm/c\n/elsewhere/x\tx\tm/a\n";
        let (one, other) = list.split_at(list.find("/t/c").unwrap());
        let mut packages = Packages::read(one, Path::new("/t"));
        packages.join(&Packages::read(other, Path::new("/t")));
        let dependents = |folder: &str| packages.dependents(&BTreeSet::from([folder.to_owned()]));
        assert_eq!(dependents("a").unwrap(), ["b", "c", ""]);
        // One that is not in the graph has no dependents that anybody knows of, which is not none.
        assert!(dependents("d").unwrap_err().contains("package in d"));
    }
}
