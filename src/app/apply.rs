//! Proven fixes written into the repository, and what a person must know to take them back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::git::{self, work_tree_of};
use super::parts;
use crate::config::Config;
use crate::domain::{FileChange, Fingerprint, RepoPath, Suggestion, VerdictKind};
use crate::fixer::Finding;
use crate::repository::{Repository, merged, unified_diff};
use crate::sandbox::{Job, Sandbox};

/// How long git may take to look at a few files.
const GIT_TIME: Duration = Duration::from_secs(20);

/// One fix that was to be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Application {
    /// The group it mends.
    pub fingerprint: Fingerprint,
    /// What the group is called.
    pub title: String,
    /// The files it changes.
    pub files: Vec<RepoPath>,
    /// Those of them that an earlier fix of this run had changed: each of the two was proven alone.
    pub shared: Vec<RepoPath>,
    /// Why it was not applied; none when it was.
    pub error: Option<String>,
}

/// One patch that was not to be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The group it is for.
    pub fingerprint: Fingerprint,
    /// What the group is called.
    pub title: String,
    /// Why a person must decide about it.
    pub why: String,
}

/// What git says of the files before they are changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum WorkTree {
    /// They are in no git repository.
    NotGit,
    /// git could not tell.
    Unknown {
        /// Why.
        reason: String,
    },
    /// They are in one.
    Git {
        /// Those that differ from what is committed, or are not part of it.
        uncommitted: Vec<RepoPath>,
    },
}

/// What `apply` did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Applied {
    pub(super) applied: Vec<Application>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) work_tree: Option<WorkTree>,
    /// The command that takes back what was written, to be pasted into a shell.
    pub(super) undo: Option<String>,
}

/// Writes the proven fixes that do not mask into the repository. A second fix of a file is put together
/// with the first where they stay out of each other's way.
pub(super) async fn apply(config: &Config, repository: &Repository, findings: &[Finding]) -> Applied {
    let mut done = Applied::default();
    let mut chosen = Vec::new();
    for finding in findings {
        let Suggestion { fingerprint, title, .. } = &finding.suggestion;
        match why_not(&finding.suggestion) {
            None => chosen.push(finding),
            Some(_) if finding.suggestion.patch.is_none() => {}
            Some(why) => {
                done.skipped.push(Skipped {
                    fingerprint: *fingerprint,
                    title: title.clone(),
                    why: why.to_owned(),
                });
            }
        }
    }
    if chosen.is_empty() {
        return done;
    }
    let files = chosen.iter().flat_map(|finding| &finding.changes).map(|change| &change.path);
    let work_tree = look_at(config, repository.root(), &files.collect()).await;
    if let WorkTree::Git { uncommitted } = &work_tree {
        for path in uncommitted {
            tracing::warn!("{path} has changes that are not committed: git will not tell them from the fix");
        }
    }
    let mut written = BTreeMap::new();
    done.applied = chosen.into_iter().map(|finding| write(repository, finding, &mut written)).collect();
    done.undo = way_back(repository.root(), &work_tree, &written).unwrap_or_else(|error| {
        tracing::warn!("the patch that would take back what was applied cannot be kept: {error}");
        None
    });
    done.work_tree = Some(work_tree);
    done
}

/// The command that takes back what was written. Where git cannot tell it from other changes, it is kept as a
/// patch in the folder for temporary files.
fn way_back(root: &Path, work_tree: &WorkTree, written: &Written) -> io::Result<Option<String>> {
    if written.is_empty() {
        return Ok(None);
    }
    if let WorkTree::Git { uncommitted } = work_tree
        && written.keys().all(|file| !uncommitted.contains(file))
    {
        return Ok(Some(git::checkout(root, written.keys())));
    }
    let changes: Vec<FileChange> = written.values().cloned().collect();
    let mut patch = tempfile::Builder::new().prefix("hephaestus-undo-").suffix(".patch").tempfile()?;
    patch.write_all(unified_diff(&changes).as_bytes())?;
    let (_, path) = patch.keep()?;
    Ok(Some(format!("{} -R {}", git::apply(root), git::quoted(&path.display().to_string()))))
}

/// Every file that was written: what it was before the first fix, and what it is after the last.
type Written = BTreeMap<RepoPath, FileChange>;

/// Why a suggestion is not applied without a person; none for a proven fix that mends.
const fn why_not(suggestion: &Suggestion) -> Option<&'static str> {
    match suggestion.verdict {
        VerdictKind::Proven if suggestion.masks => {
            Some("it is proven, but may hide the defect rather than mend it")
        }
        VerdictKind::Proven => None,
        VerdictKind::Plausible => Some("it is plausible, not proven"),
        VerdictKind::Inconclusive => Some("it could not be judged to the end"),
        VerdictKind::Rejected => Some("it was rejected"),
    }
}

/// Writes one fix over what earlier ones have `written`.
fn write(repository: &Repository, finding: &Finding, written: &mut Written) -> Application {
    let (changes, shared) = over(&finding.changes, written);
    let error = match changes {
        Ok(changes) => match repository.apply(&changes) {
            Ok(()) => {
                for change in changes {
                    match written.get_mut(&change.path) {
                        Some(earlier) => earlier.after = change.after,
                        None => drop(written.insert(change.path.clone(), change)),
                    }
                }
                None
            }
            Err(error) => Some(error.to_string()),
        },
        Err(path) => Some(format!(
            "another fix of this run has changed the same lines of {path}: run the command again to prove this one on top of it"
        )),
    };
    Application {
        fingerprint: finding.suggestion.fingerprint,
        title: finding.suggestion.title.clone(),
        files: finding.changes.iter().map(|change| change.path.clone()).collect(),
        shared,
        error,
    }
}

/// A fix as a change of the files as they now are, and which of them had been changed; the first file where
/// both changes meet is the error.
fn over(changes: &[FileChange], written: &Written) -> (Result<Vec<FileChange>, RepoPath>, Vec<RepoPath>) {
    let mut shared = Vec::new();
    let changes = changes.iter().map(|change| {
        let Some(FileChange { after: now, .. }) = written.get(&change.path) else {
            return Ok(change.clone());
        };
        shared.push(change.path.clone());
        let after = merged(&change.before, now, &change.after).ok_or_else(|| change.path.clone())?;
        Ok(FileChange { path: change.path.clone(), before: now.clone(), after })
    });
    (changes.collect(), shared)
}

/// Asks git about files. It runs isolated, since a repository's settings may name programs to run.
async fn look_at(config: &Config, root: &Path, files: &BTreeSet<&RepoPath>) -> WorkTree {
    let Some(top) = work_tree_of(root) else { return WorkTree::NotGit };
    let unknown = |reason: String| WorkTree::Unknown { reason };
    if !top.join(".git").is_dir() {
        return unknown(format!("{} keeps its git repository elsewhere", top.display()));
    }
    let sandbox = match Sandbox::detect(&parts::sandbox(config)) {
        Ok(sandbox) => sandbox,
        Err(error) => return unknown(error.to_string()),
    };
    match sandbox.run(git_status(top, root, files)).await {
        Ok(outcome) if outcome.ended.is_success() && !outcome.truncated => {
            let within = root.strip_prefix(top).unwrap_or(Path::new(""));
            WorkTree::Git { uncommitted: listed(&String::from_utf8_lossy(&outcome.stdout), within) }
        }
        Ok(outcome) => {
            let said = String::from_utf8_lossy(&outcome.stderr);
            unknown(format!("git {}: {}", outcome.ended, said.lines().next().unwrap_or_default()))
        }
        Err(error) => unknown(error.to_string()),
    }
}

fn git_status(top: &Path, root: &Path, files: &BTreeSet<&RepoPath>) -> Job {
    let mut job = Job::new("git", root);
    job.write.clear();
    job.read.push(top.to_owned());
    job.wall = GIT_TIME;
    job.env = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        // The index is not refreshed: nothing is written.
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("LC_ALL", "C"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let fixed = [
        // The isolation guards against whoever owns it.
        "-c",
        "safe.directory=*",
        "-c",
        "core.fsmonitor=false",
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignored=matching",
        "--",
    ];
    job.args = fixed.into_iter().chain(files.iter().map(|path| path.as_str())).map(Into::into).collect();
    job
}

/// The paths of `git status -z`, told from the top, as paths below `within`.
fn listed(status: &str, within: &Path) -> Vec<RepoPath> {
    let entries = status.split('\0').filter_map(|entry| entry.get(3..));
    entries.filter_map(|path| RepoPath::new(Path::new(path).strip_prefix(within).ok()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn path(path: &str) -> RepoPath {
        RepoPath::new(path).unwrap()
    }

    #[test]
    fn a_second_fix_of_a_file_is_laid_over_the_first() {
        let change = |after: &str| FileChange {
            path: path("a.go"),
            before: "a\nb\nc\n".to_owned(),
            after: after.to_owned(),
        };
        let written = BTreeMap::from([(path("a.go"), change("A\nb\nc\n"))]);
        let (changes, shared) = over(&[change("a\nb\nC\n")], &written);
        let [laid] = &changes.unwrap()[..] else { panic!("one file") };
        assert_eq!((laid.before.as_str(), laid.after.as_str()), ("A\nb\nc\n", "A\nb\nC\n"));
        assert_eq!(shared, [path("a.go")]);
        assert_eq!(over(&[change("x\nb\nc\n")], &written).0, Err(path("a.go")));
        let (changes, shared) = over(&[change("a\nb\nC\n")], &BTreeMap::new());
        assert_eq!((changes.unwrap().len(), shared.len()), (1, 0));
    }

    /// In no work tree, at the top of one, and in a folder of one.
    #[test]
    fn what_git_cannot_tell_apart_is_taken_back_by_its_patch() {
        for top in [None, Some("it's a shop"), Some("")] {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("it's a shop");
            std::fs::create_dir_all(root.join("a")).unwrap();
            if let Some(top) = top {
                let init = ["init", "-q"];
                assert!(
                    Command::new("git")
                        .args(init)
                        .current_dir(folder.path().join(top))
                        .status()
                        .unwrap()
                        .success()
                );
            }
            let change = |name: &str| FileChange {
                path: path(name),
                before: "a\nb\n".to_owned(),
                after: "a\nB\n".to_owned(),
            };
            let written: Written = ["a/a.go", "b.go"].map(|name| (path(name), change(name))).into();
            for file in written.keys() {
                std::fs::write(root.join(file.as_str()), "a\nB\n").unwrap();
            }
            let uncommitted = WorkTree::Git { uncommitted: vec![path("b.go")] };
            let work_tree = top.map_or(WorkTree::NotGit, |_| uncommitted);
            let command = way_back(&root, &work_tree, &written).unwrap().unwrap();
            assert!(Command::new("sh").args(["-c", &command]).current_dir("/").status().unwrap().success());
            let (_, patch) = command.trim_end_matches('\'').rsplit_once('\'').unwrap();
            std::fs::remove_file(patch).unwrap();
            for file in written.keys() {
                assert_eq!(std::fs::read_to_string(root.join(file.as_str())).unwrap(), "a\nb\n", "{command}");
            }
        }
    }

    #[test]
    fn the_answer_of_git_is_read() {
        let status = " M deep/shop/a.go\0?? deep/shop/b c.go\0!! elsewhere.go\0";
        assert_eq!(listed(status, Path::new("deep/shop")), [path("a.go"), path("b c.go")]);
        assert_eq!(listed("", Path::new("")), []);
    }
}
