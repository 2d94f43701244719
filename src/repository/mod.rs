//! The repository under repair: what stands where, a scratch copy to work in, and a way to apply a
//! change that cannot touch anything outside.
//!
//! The repository itself is only ever read, except by [`Repository::apply`]. Builds and tests run in a
//! [`Workspace`], a copy without `.git`, symbolic links and special files, so that neither hooks nor
//! links nor a test that writes into its own folder can reach the original.

mod apply;
mod c_code;
mod crash;
mod frame;
mod generated;
pub mod go;
mod literals;
mod merge;
mod modules;
mod offline;
mod patch;
mod raisers;
mod scratch;
mod stamp;
mod work_tree;
mod workspace;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::fs::{Mode, OFlags};

use crate::domain::RepoPath;

pub use apply::ApplyError;
pub use crash::{KnownCrash, Likeness, has_drifted, same_function};
pub use generated::Generator;
pub use literals::Literal;
pub use merge::merged;
pub use modules::Module;
pub use patch::{changed_functions, unified_diff};
pub use scratch::{Folder, Scratch, sweep_scratch};
pub use stamp::{code_stamp, stamp};
pub use work_tree::work_tree_of;
pub use workspace::Workspace;

/// How much of a repository is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// The most files a repository may hold.
    pub max_files: usize,
    /// The largest file that is read as source: generated tables can be huge, and nobody repairs them.
    pub max_file_bytes: u64,
    /// The most bytes that are copied for a repair.
    pub max_copy_bytes: u64,
}

/// What can go wrong with a repository.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be used at all.
    #[error("cannot read the repository {path}: {reason}; give --repo a readable directory")]
    Unreadable {
        /// The folder as given.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is nothing to repair.
    #[error(
        "{0} holds no Go code: neither a go.mod nor a Go file was found; give --repo the root of a Go repository"
    )]
    NoGoCode(PathBuf),
    /// The repository is beyond what is copied for a repair.
    #[error("{path} is too large: more than {limit}; give --repo the folder of the one module at fault")]
    TooLarge {
        /// The folder as given.
        path: PathBuf,
        /// The limit that was passed.
        limit: String,
    },
    /// A file vanished or cannot be read.
    #[error("cannot read {path} in the repository: {source}")]
    File {
        /// The file.
        path: RepoPath,
        /// What the system said.
        source: std::io::Error,
    },
    /// The scratch copy could not be made.
    #[error("cannot make a scratch copy below {path}: {source}; free some space or set TMPDIR")]
    Scratch {
        /// Where it was tried.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self { max_files: 200_000, max_file_bytes: 4 << 20, max_copy_bytes: 2 << 30 }
    }
}

/// A repository on disk, read when it was opened and parsed on demand.
#[derive(Debug)]
pub struct Repository {
    config: Config,
    root: PathBuf,
    modules: Vec<Module>,
    files: Vec<RepoPath>,
    /// None for what is not worked on.
    parsed: Mutex<BTreeMap<RepoPath, Option<Arc<go::File>>>>,
    checked: Mutex<BTreeMap<RepoPath, Arc<go::Checked>>>,
    quoted: OnceLock<Vec<literals::Quoted>>,
}

impl Repository {
    /// Opens a folder within the default limits.
    ///
    /// # Errors
    /// As [`Repository::open_within`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        Self::open_within(folder, Config::default())
    }

    /// Opens a folder within limits.
    ///
    /// # Errors
    /// When it is not a readable folder, holds no Go code, or is too large.
    pub fn open_within(folder: &Path, config: Config) -> Result<Self, Error> {
        let unreadable = |reason: String| Error::Unreadable { path: folder.to_owned(), reason };
        let root = folder.canonicalize().map_err(|error| unreadable(error.to_string()))?;
        if !root.is_dir() {
            return Err(unreadable("it is not a directory".to_owned()));
        }
        std::fs::read_dir(&root).map_err(|error| unreadable(error.to_string()))?;
        let mut files = Vec::new();
        for entry in walk(&root) {
            let Some(path) = regular_file(&root, entry) else { continue };
            files.push(path);
            if files.len() > config.max_files {
                return Err(Error::TooLarge {
                    path: folder.to_owned(),
                    limit: format!("{} files", config.max_files),
                });
            }
        }
        files.sort();
        let read = |path: &RepoPath| read_capped(&root.join(path), config.max_file_bytes).ok();
        let mut modules: Vec<Module> = files
            .iter()
            .filter(|path| path.file_name() == "go.mod")
            .filter_map(|path| Module::declared(path.folder(), &read(path)?))
            .collect();
        // The longest folder first: a nested module owns its files.
        modules.sort_by_key(|module| std::cmp::Reverse(module.folder.len()));
        if modules.is_empty() {
            // In a scratch copy a file of that name could not stand beside what lies in it.
            if root.join("go.mod").symlink_metadata().is_ok_and(|found| found.is_dir()) {
                return Err(unreadable("its go.mod is a folder".to_owned()));
            }
            modules.extend(Module::undeclared(&root, &files, read));
        }
        if modules.is_empty() {
            return Err(Error::NoGoCode(folder.to_owned()));
        }
        Ok(Self {
            config,
            root,
            modules,
            files,
            parsed: Mutex::default(),
            checked: Mutex::default(),
            quoted: OnceLock::new(),
        })
    }

    /// How much of it is read.
    #[must_use]
    pub const fn config(&self) -> Config {
        self.config
    }

    /// The root, absolute and without symbolic links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its Go modules, nested ones first.
    #[must_use]
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// Every regular file, sorted, `.git` left out.
    #[must_use]
    pub fn files(&self) -> &[RepoPath] {
        &self.files
    }

    /// The module that owns a file.
    #[must_use]
    pub fn module_of(&self, path: &RepoPath) -> Option<&Module> {
        self.modules.iter().find(|module| is_below(path.as_str(), &module.folder))
    }

    /// The module that one of the repository requires for a package which is not its own.
    #[must_use]
    pub fn requirement_for(&self, package: &str) -> Option<String> {
        let go_mods = self.files.iter().filter(|path| path.file_name() == "go.mod");
        go_mods.filter_map(|path| modules::requirement_for(&self.read(path).ok()?, package)).next()
    }

    /// The text of a file.
    ///
    /// # Errors
    /// When it cannot be read, is not UTF-8 or is larger than configured.
    pub fn read(&self, path: &RepoPath) -> Result<String, Error> {
        read_capped(&self.root.join(path), self.config.max_file_bytes)
            .map_err(|source| Error::File { path: path.clone(), source })
    }

    /// The parsed form of a Go file; parsed once.
    ///
    /// # Errors
    /// As [`Repository::read`], and when it lists or nests too much to be worked on.
    pub fn go_file(&self, path: &RepoPath) -> Result<Arc<go::File>, Error> {
        let unwieldy = || Error::File {
            path: path.clone(),
            source: std::io::Error::other("it lists or nests too much to be worked on"),
        };
        if let Some(known) = self.cache().get(path) {
            return known.clone().ok_or_else(unwieldy);
        }
        let file = go::File::parse(path.clone(), self.read(path)?);
        let file = (!file.is_unwieldy()).then(|| Arc::new(file));
        if file.is_none() {
            tracing::warn!(%path, "a file lists or nests too much to be worked on; nothing in it is mended");
        }
        self.cache().insert(path.clone(), file.clone());
        file.ok_or_else(unwieldy)
    }

    /// Takes over what the type checker told about a file.
    pub fn take_checked(&self, checked: go::Checked) {
        self.checked().insert(checked.path().clone(), Arc::new(checked));
    }

    /// Whether the type checker told about a file.
    #[must_use]
    pub fn is_checked(&self, path: &RepoPath) -> bool {
        self.checked().contains_key(path)
    }

    /// What the type checker told about this very text of a file.
    #[must_use]
    pub fn checked_of(&self, file: &Arc<go::File>) -> Option<Arc<go::Checked>> {
        self.checked().get(&file.path).filter(|checked| checked.is_about(file)).cloned()
    }

    /// The files, as they are now, whose functions the type checker told of.
    #[must_use]
    pub fn files_with_functions(&self) -> Vec<Arc<go::File>> {
        let known: Vec<Arc<go::Checked>> = self.checked().values().cloned().collect();
        let files =
            known.iter().filter(|checked| checked.functions().is_some()).map(|checked| checked.file());
        files.filter(|file| self.checked_of(file).is_some()).cloned().collect()
    }

    fn checked(&self) -> std::sync::MutexGuard<'_, BTreeMap<RepoPath, Arc<go::Checked>>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Go files of one folder (a package and its tests), parsed; unreadable ones are left out.
    #[must_use]
    pub fn go_files_in(&self, folder: &str) -> Vec<Arc<go::File>> {
        self.files_in(folder)
            .filter(|path| path.file_name().ends_with(".go"))
            .filter_map(|path| self.go_file(path).ok())
            .collect()
    }

    /// The files of one folder, without those below it.
    pub fn files_in(&self, folder: &str) -> impl Iterator<Item = &RepoPath> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let first = self.files.partition_point(|path| path.as_str() < prefix.as_str());
        self.files[first..]
            .iter()
            .take_while(move |path| path.as_str().starts_with(&prefix))
            .filter(move |path| path.folder() == folder)
    }

    /// The string literals of the code. Every file is read for them the first time.
    fn quoted(&self) -> &[literals::Quoted] {
        self.quoted.get_or_init(|| literals::quoted(self))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, BTreeMap<RepoPath, Option<Arc<go::File>>>> {
        // The cache is only ever extended: a panic elsewhere cannot leave it half written.
        self.parsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `path` lies in `folder` (relative, empty for the root).
fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Where an instance that was started in the repository keeps its state by default: it changes all the time.
const STATE_DIR: &str = ".hephaestus";

/// Every entry below `root` but `.git` and what an instance of ours keeps there; links are not followed. What cannot be looked at is told: code that
/// needs it does not build without it.
fn walk(root: &Path) -> impl Iterator<Item = ignore::DirEntry> + use<> {
    ignore::WalkBuilder::new(root)
        .standard_filters(false)
        .follow_links(false)
        .filter_entry(|entry| entry.file_name() != ".git" && entry.file_name() != STATE_DIR)
        .build()
        .filter_map(|entry| {
            let told = |error: ignore::Error| {
                // That the whole of it is away is told by whoever opens it.
                if error.depth() != Some(0) {
                    tracing::warn!(%error, "a part of the repository cannot be read; it is left out");
                }
            };
            entry.map_err(told).ok()
        })
}

/// The path of a regular file relative to the root; none for folders, links, special files, and names
/// that cannot stand in a patch.
fn regular_file(root: &Path, entry: ignore::DirEntry) -> Option<RepoPath> {
    entry.file_type()?.is_file().then_some(())?;
    RepoPath::new(entry.path().strip_prefix(root).ok()?).ok()
}

fn read_capped(path: &Path, max_bytes: u64) -> std::io::Result<String> {
    String::from_utf8(read_regular(path, max_bytes)?)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
}

/// Reads a file that anybody may have written: a link or a pipe is refused, and so is a large one.
///
/// # Errors
/// When it is not there, no regular file, or larger than `max_bytes`.
pub fn read_regular(path: &Path, max_bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = open_regular(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > max_bytes {
        return Err(std::io::Error::other(format!("it has more than the {max_bytes} bytes allowed")));
    }
    Ok(bytes)
}

/// Opens a regular file; what became a link or a pipe since it was listed is refused, without waiting.
fn open_regular(path: &Path) -> std::io::Result<std::fs::File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("it is not a regular file")) }
}
