//! Which paths the globs lead to, right now.
//!
//! A glob is walked from its last folder without a wildcard, and only into folders that its components
//! match. Symbolic links to files are followed always, links to folders only by globs without `**`, whose
//! depth bounds the walk. A folder that is not there yet, or may not be read, gives no paths.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use walkdir::{DirEntry, WalkDir};

use crate::collector::identity::{is_absence, is_exhaustion};

/// A path that a glob leads to, and what lies there.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) meta: Metadata,
}

/// Where a walk came by.
pub(super) struct Walked {
    /// The folders in which it looked.
    pub(super) folders: HashSet<PathBuf>,
    /// Whether none was passed over for want of handles. Otherwise what was not given may be there all the same.
    pub(super) is_whole: bool,
}

/// Globs and what they exclude, compiled.
#[derive(Debug, Clone)]
pub(super) struct Discovery {
    globs: Vec<Walk>,
    exclude: GlobSet,
}

#[derive(Debug, Clone)]
struct Walk {
    /// The folder to start from, or the file itself where there is no wildcard.
    base: PathBuf,
    /// What a path must match as a whole.
    whole: GlobMatcher,
    /// What each component below the base must match; `None` where `**` or a `/` in braces makes the depth
    /// unknown.
    components: Option<Vec<GlobMatcher>>,
}

impl Discovery {
    /// Compiles globs; relative ones start from the current folder.
    pub(super) fn new(globs: &[String], exclude: &[String]) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for glob in exclude {
            // A name alone excludes it in every folder.
            let glob = if glob.contains('/') { absolute(glob) } else { format!("**/{glob}") };
            set.add(GlobBuilder::new(&glob).literal_separator(true).build()?);
        }
        Ok(Self {
            globs: globs.iter().map(|glob| Walk::new(glob)).collect::<Result<_, _>>()?,
            exclude: set.build()?,
        })
    }

    /// Paths without a wildcard: they can be watched before there is a file.
    pub(super) fn literal_paths(&self) -> impl Iterator<Item = &Path> {
        let literal = |walk: &&Walk| walk.components.as_ref().is_some_and(Vec::is_empty);
        self.globs.iter().filter(literal).map(|walk| walk.base.as_path())
    }

    /// Whether the globs lead to a path, if something lies there.
    pub(super) fn leads_to(&self, path: &Path) -> bool {
        self.globs.iter().any(|walk| walk.whole.is_match(path)) && !self.excludes(path)
    }

    /// Whether a path is to be left alone, even if it was once followed.
    pub(super) fn excludes(&self, path: &Path) -> bool {
        self.exclude.is_match(path)
    }

    /// Gives every path that is there, and what lies there: files, but also what only looks like one by its
    /// name. A path that two globs lead to is given twice.
    pub(super) fn walk(&self, mut give: impl FnMut(Found)) -> Walked {
        let mut walked = Walked { folders: HashSet::new(), is_whole: true };
        for walk in &self.globs {
            for entry in walk.entries() {
                let entry = match entry {
                    Ok(entry) => entry,
                    // What cannot be read now may be readable at the next look.
                    Err(error) => {
                        walked.is_whole &= !error.io_error().is_some_and(is_exhaustion);
                        continue;
                    }
                };
                let path = entry.path();
                if walk.is_on_the_way(&entry) {
                    walked.folders.insert(path.to_path_buf());
                }
                if !walk.whole.is_match(path) || self.exclude.is_match(path) {
                    continue;
                }
                if let Ok(meta) = path.metadata() {
                    // A folder that a `**` passes is on the way, not meant.
                    if !meta.is_dir() || walk.components.is_some() {
                        give(Found { path: entry.into_path(), meta });
                    }
                }
            }
        }
        walked
    }
}

impl Walk {
    fn new(glob: &str) -> Result<Self, globset::Error> {
        let glob = absolute(glob);
        let compile = |text: &str| {
            GlobBuilder::new(text).literal_separator(true).build().map(|glob| glob.compile_matcher())
        };
        let parts: Vec<&str> = glob.split('/').collect();
        let literal = parts.iter().take_while(|part| !part.contains(['*', '?', '[', '{', '\\'])).count();
        let base = PathBuf::from(format!("/{}", parts[..literal].join("/").trim_start_matches('/')));
        let rest = &parts[literal..];
        let opened = |part: &&str| part.contains('{') != part.contains('}') || part.contains("**");
        let components = if rest.iter().any(opened) {
            None
        } else {
            Some(rest.iter().map(|part| compile(part)).collect::<Result<_, _>>()?)
        };
        Ok(Self { base, whole: compile(&glob)?, components })
    }

    /// Whether the walk goes into this.
    fn is_on_the_way(&self, entry: &DirEntry) -> bool {
        let may_go = self.components.as_ref().is_none_or(|components| entry.depth() < components.len());
        may_go && entry.file_type().is_dir()
    }

    fn entries(&self) -> impl Iterator<Item = walkdir::Result<DirEntry>> {
        let walker = match &self.components {
            Some(components) => WalkDir::new(&self.base).follow_links(true).max_depth(components.len()),
            None => WalkDir::new(&self.base),
        };
        let on_the_way = move |entry: &DirEntry| match (&self.components, entry.depth()) {
            (Some(components), depth @ 1..) => components
                .get(depth - 1)
                .is_some_and(|matcher| matcher.is_match(Path::new(entry.file_name()))),
            _ => true,
        };
        walker.into_iter().filter_entry(on_the_way)
    }
}

/// The glob from the root, without `.` and `..` at its beginning, and without `/` at its end.
fn absolute(glob: &str) -> String {
    if glob.starts_with('/') {
        return format!("/{}", glob.trim_matches('/'));
    }
    let glob = glob.trim_end_matches('/');
    let mut base = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut rest = glob;
    loop {
        match rest.split_once('/') {
            Some((".", tail)) => rest = tail,
            Some(("..", tail)) => {
                base.pop();
                rest = tail;
            }
            _ => break,
        }
    }
    let base: String = base
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .map(|part| format!("/{}", globset::escape(&part.as_os_str().to_string_lossy())))
        .collect();
    format!("{base}/{rest}")
}

/// What lies in the folder of a file: where to look for it after a rename. A folder that is gone holds nothing.
pub(super) fn siblings(real_path: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(folder) = real_path.parent() else { return Ok(Vec::new()) };
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if is_absence(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whether a name is that of a compressed file, which no reader of lines can use.
pub(super) fn is_compressed(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| ["gz", "bz2", "xz", "zst", "zip", "lz4", "br"].contains(&extension))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in
            ["a.log", "b.log", "b.log.gz", "app/x/1.log", "app/y/2.log", "app/y/deep/3.log", "[odd]/4.log"]
        {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        symlink(folder.path().join("a.log"), folder.path().join("link.log")).unwrap();
        symlink(folder.path().join("app/y"), folder.path().join("app/z")).unwrap();
        symlink(folder.path(), folder.path().join("app/loop")).unwrap();
        symlink(folder.path().join("none"), folder.path().join("broken.log")).unwrap();
        folder
    }

    fn found(folder: &Path, globs: &[&str], exclude: &[&str]) -> Vec<String> {
        let base = folder.to_str().unwrap();
        let globs: Vec<_> = globs.iter().map(|glob| format!("{base}/{glob}")).collect();
        let exclude: Vec<_> = exclude.iter().map(|&glob| glob.to_owned()).collect();
        let mut paths = Vec::new();
        Discovery::new(&globs, &exclude).unwrap().walk(|found| {
            paths.push(found.path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
        });
        paths.sort();
        paths
    }

    #[test]
    fn globs_lead_to_files() {
        let folder = tree();
        let folder = folder.path();
        assert_eq!(found(folder, &["*.log"], &[]), ["a.log", "b.log", "link.log"]);
        assert_eq!(found(folder, &["a.log"], &[]), ["a.log"]);
        assert_eq!(found(folder, &["none.log", "none/*.log"], &[]), Vec::<String>::new());
        assert_eq!(
            found(folder, &["app/*/*.log"], &[]),
            [
                "app/loop/a.log",
                "app/loop/b.log",
                "app/loop/link.log",
                "app/x/1.log",
                "app/y/2.log",
                "app/z/2.log"
            ]
        );
        assert_eq!(found(folder, &["app/**/*.log"], &[]), ["app/x/1.log", "app/y/2.log", "app/y/deep/3.log"]);
        assert_eq!(found(folder, &["app/{x,y/deep}/*.log"], &[]), ["app/x/1.log", "app/y/deep/3.log"]);
        assert_eq!(found(folder, &["{a,b}.log*"], &["*.gz"]), ["a.log", "b.log"]);
        assert_eq!(found(folder, &["\\[odd\\]/*"], &[]), ["[odd]/4.log"]);
        assert_eq!(found(folder, &["app"], &[]), ["app"]);
        assert_eq!(found(folder, &["app//"], &[]), ["app"]);
    }

    #[test]
    fn a_path_need_not_be_utf8() {
        let folder = tempfile::tempdir().unwrap();
        let name = OsStr::from_bytes(b"caf\xe9.log");
        std::fs::write(folder.path().join(name), "x").unwrap();
        let mut paths = Vec::new();
        let glob = format!("{}/*.log", folder.path().display());
        Discovery::new(&[glob], &[]).unwrap().walk(|found| paths.push(found.path));
        assert_eq!(paths, [folder.path().join(name)]);
    }

    #[test]
    fn relative_globs_start_here() {
        let here = std::env::current_dir().unwrap();
        let here = globset::escape(here.to_str().unwrap());
        assert_eq!(absolute("./logs/*.log"), format!("{here}/logs/*.log"));
        assert_eq!(absolute("*.log"), format!("{here}/*.log"));
        assert_eq!(absolute("/x/*.log"), "/x/*.log");
    }
}
