//! Asks the type checker of the Go toolchain about the packages of a stack.
//!
//! Syntax tells the types of much, but not of what the standard library and dependencies return, of generics, or how
//! far behind a pointer a field lies. A small Go program of ours (`program.go`, only the standard library) tells it:
//! it lists the packages with `go list -export`, checks them with `go/types` against what the compiler left in the
//! build cache, and prints the type of each expression as its file would write it, and every use of a function of the
//! modules worked on (`uses.go`): up to 50,000 a package, 150,000 in all, else none of that package. It is built once a
//! toolchain, and kept beside the build cache, where no code under repair can write. It reads sources and runs none.
//!
//! Who asks for a type or for callers afterwards ([`Resolver`](crate::repository::go::Resolver)) gets this answer, and where there is
//! none the one that syntax gives: a package that does not build, a text that was changed since.

#[cfg(test)]
pub(crate) mod plain;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::{Fault, RepoPath};
use crate::repository::go::{Checked, Declared, Expression, Functions, Link, Mention};
use crate::repository::{Repository, Workspace, read_regular};
use crate::sandbox::{Error, Folders, GoToolchain, Sandbox};

/// The program's files.
const PROGRAM: [(&str, &str); 3] = [
    ("program.go", include_str!("program.go")),
    ("names.go", include_str!("names.go")),
    ("uses.go", include_str!("uses.go")),
];
/// The program's name in the cache, before what tells one version of it from another.
const NAME: &str = "hephaestus-typecheck-";
/// How long building the program may take where the build cache is cold.
const BUILD_TIME: Duration = Duration::from_secs(60);
/// How long it may work.
const TIME: Duration = Duration::from_secs(20);
/// How many packages of a stack are checked.
const MAX_PACKAGES: usize = 6;
/// When a program of another version may go.
const LONG_AGO: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How much it may tell.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// What the program prints: see there.
#[derive(Deserialize)]
struct Answer {
    words: Vec<String>,
    files: Vec<Told>,
}

#[derive(Deserialize)]
struct Told {
    path: PathBuf,
    spans: Vec<Vec<usize>>,
    links: Vec<[u64; 5]>,
    uses: Option<Vec<[usize; 5]>>,
    functions: Option<Vec<Vec<usize>>>,
}

/// Builds the program, where it is not built yet. Where that fails nothing is told about types, and that is logged.
///
/// # Errors
/// When the sandbox cannot run a job.
pub async fn prepare(workspace: &Workspace, go: &GoToolchain, sandbox: &Sandbox) -> Result<(), Error> {
    program(workspace, go, sandbox).await.map(drop)
}

/// Lets the repository know the types of the packages on a stack. What cannot be checked stays unknown: whatever
/// stands in the way is logged.
pub async fn type_check(
    fault: &Fault,
    repository: &Repository,
    workspace: &Workspace,
    go: &GoToolchain,
    sandbox: &Sandbox,
) {
    if let Err(error) = check(fault, repository, workspace, go, sandbox).await {
        tracing::warn!(%error, "the type checker could not be run: types are told by syntax alone");
    }
}

async fn check(
    fault: &Fault,
    repository: &Repository,
    workspace: &Workspace,
    go: &GoToolchain,
    sandbox: &Sandbox,
) -> Result<(), Error> {
    let mut packages: Vec<&RepoPath> = Vec::new();
    for place in &fault.stack {
        let known = packages.iter().any(|known| known.folder() == place.file.folder());
        if !known && packages.len() < MAX_PACKAGES && !repository.is_checked(&place.file) {
            packages.push(&place.file);
        }
    }
    let module = |path: &RepoPath| repository.module_of(path).map(|module| module.folder.clone());
    let modules: BTreeSet<String> = packages.iter().filter_map(|path| module(path)).collect();
    if modules.is_empty() {
        return Ok(());
    }
    let Some(program) = program(workspace, go, sandbox).await? else { return Ok(()) };
    for folder in modules {
        let patterns = packages
            .iter()
            .filter(|path| module(path).as_ref() == Some(&folder))
            .filter_map(|path| Path::new(path.folder()).strip_prefix(&folder).ok())
            .map(|package| format!("./{}", package.display()))
            // To the Go tool that is a pattern for many packages.
            .filter(|package| !package.contains("..."));
        let answer = workspace.tmp().join("types.json");
        let shown = answer.to_string_lossy();
        let args: Vec<String> = std::iter::once(shown.into_owned()).chain(patterns).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (tree, tmp, bin) = (workspace.tree(), workspace.tmp(), workspace.bin());
        let folders = Folders { tree: &tree, tmp: &tmp, bin: &bin };
        let job = go.beside_go(program.clone(), folders, &workspace.folder(&folder), &args, TIME);
        let outcome = sandbox.run(job).await?;
        let told =
            read_regular(&answer, MAX_ANSWER_BYTES).ok().and_then(|text| serde_json::from_slice(&text).ok());
        match told {
            Some(told) if outcome.ended.is_success() => take(told, repository, &workspace.tree()),
            _ => {
                let said = String::from_utf8_lossy(&outcome.stderr);
                tracing::debug!(module = folder, ended = %outcome.ended, %said, "the type checker tells nothing");
            }
        }
    }
    // Of what nothing was told nobody asks again: a test, or a file for another system.
    for path in packages.into_iter().filter(|path| !repository.is_checked(path)) {
        if let Ok(file) = repository.go_file(path) {
            repository.take_checked(Checked::new(file, Vec::new(), Vec::new(), None));
        }
    }
    Ok(())
}

/// Takes over what was told about files that are the repository's.
fn take(told: Answer, repository: &Repository, tree: &Path) {
    let tree = tree.canonicalize().unwrap_or_else(|_| tree.to_owned());
    let words: Vec<Arc<str>> = told.words.into_iter().map(Arc::from).collect();
    let word = |at: usize| words.get(at).map(Arc::clone);
    for file in told.files {
        let path = file.path.strip_prefix(&tree).ok().and_then(|path| RepoPath::new(path).ok());
        let Some(parsed) = path.and_then(|path| repository.go_file(&path).ok()) else { continue };
        // The scratch copy may hold another text, such as one that was mended to build.
        let checked = std::fs::read(&file.path).ok();
        if checked.as_deref() != Some(parsed.text.as_bytes()) {
            continue;
        }
        let expressions = file.spans.iter().filter_map(|span| {
            let [start, end, results @ ..] = span.as_slice() else { return None };
            let results = results.iter().map(|at| word(*at)).collect::<Option<_>>()?;
            Some(Expression { range: *start..*end, results })
        });
        let links = file.links.iter().filter_map(|[start, end, offset, size, name]| {
            let [start, end, name] = [*start, *end, *name].map(|at| usize::try_from(at).ok());
            let reach = *offset..offset.saturating_add((*size).max(1));
            Some(Link { range: start?..end?, reach, name: word(name?)? })
        });
        let (expressions, links) = (expressions.collect(), links.collect());
        let functions = functions(&file, &words);
        repository.take_checked(Checked::new(parsed, expressions, links, functions));
    }
}

/// What was told of functions; none where a part of it makes no sense.
fn functions(file: &Told, words: &[Arc<str>]) -> Option<Functions> {
    let word = |at: &usize| words.get(*at).map(Arc::clone);
    let declared = file.functions.as_ref()?.iter().map(|function| {
        let [start, name, interfaces @ ..] = function.as_slice() else { return None };
        let interfaces = interfaces.iter().map(word).collect::<Option<_>>()?;
        Some(Declared { start: *start, name: word(name)?, interfaces })
    });
    let mentions = file.uses.as_ref()?.iter().map(|[start, end, from, to, function]| {
        let call = (from < to).then_some(*from..*to);
        Some(Mention { range: *start..*end, call, function: word(function)? })
    });
    Some(Functions::new(declared.collect::<Option<_>>()?, mentions.collect::<Option<_>>()?))
}

/// The program, built by this toolchain; none where it does not build.
async fn program(
    workspace: &Workspace,
    go: &GoToolchain,
    sandbox: &Sandbox,
) -> Result<Option<PathBuf>, Error> {
    let mut key = DefaultHasher::new();
    (PROGRAM, go.version(), go.root()).hash(&mut key);
    let name = format!("{NAME}{:016x}", key.finish());
    let program = go.build_cache().join(&name);
    if program.is_file() {
        return Ok(Some(program));
    }
    let (tree, tmp, bin) = (workspace.tree(), workspace.tmp(), workspace.bin());
    let folders = Folders { tree: &tree, tmp: &tmp, bin: &bin };
    let sources = PROGRAM.map(|(name, text)| (bin.join(name), text));
    let write = || sources.iter().try_for_each(|(path, text)| std::fs::write(path, text));
    // Who builds at the same time, here or on another machine, puts its own there; either is whole.
    let fresh = tempfile::Builder::new().prefix(&format!("{name}.")).tempfile_in(go.build_cache());
    let fresh = match fresh.and_then(|fresh| write().map(|()| fresh.into_temp_path())) {
        Ok(fresh) => fresh,
        Err(error) => {
            tracing::warn!(%error, "the type checker cannot be written: types are told by syntax alone");
            return Ok(None);
        }
    };
    let output = fresh.to_string_lossy();
    let args: Vec<&str> = ["build", "-o", &output].into_iter().chain(PROGRAM.map(|(name, _)| name)).collect();
    let mut job = go.go(folders, &bin, &args, BUILD_TIME);
    // No `go.mod` above the scratch folder is any of its business.
    job.env.push(("GO111MODULE".to_owned(), "off".to_owned()));
    let outcome = sandbox.run(job).await?;
    if !outcome.ended.is_success() {
        let said = String::from_utf8_lossy(&outcome.stderr);
        tracing::warn!(ended = %outcome.ended, %said, "the type checker does not build: types are told by syntax alone");
        return Ok(None);
    }
    drop_older(go.build_cache());
    let synced = std::fs::File::open(&fresh).and_then(|file| file.sync_all());
    Ok(synced.is_ok_and(|()| fresh.persist(&program).is_ok()).then_some(program))
}

/// Removes programs that were built long ago, for other versions: who still uses one builds it again.
fn drop_older(cache: &Path) {
    for entry in std::fs::read_dir(cache).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(NAME);
        let age = entry.metadata().and_then(|about| about.modified()).ok().and_then(|at| at.elapsed().ok());
        if is_ours && age.is_some_and(|age| age > LONG_AGO) {
            let _gone = std::fs::remove_file(entry.path());
        }
    }
}
