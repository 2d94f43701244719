//! Proven fixes written into the repository, and what a person must know to take them back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{parts, undo};
use crate::config::Config;
use crate::domain::{FileChange, Fingerprint, RepoPath, Suggestion, VerdictKind};
use crate::fixer::Finding;
use crate::repository::{Repository, merged, work_tree_of};
use crate::sandbox::{Job, Sandbox, git};

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
    let mut planned = Planned::new();
    done.applied = chosen.into_iter().map(|finding| plan(repository, finding, &mut planned)).collect();
    let changes: Vec<FileChange> = planned.into_values().collect();
    match write(repository, parts::undo_folder(), &changes) {
        Ok(undo) => done.undo = undo,
        Err(error) => {
            for application in done.applied.iter_mut().filter(|one| one.error.is_none()) {
                application.error = Some(error.clone());
            }
        }
    }
    done.work_tree = Some(work_tree);
    done
}

/// Writes changes, all or none, once what takes them back is kept: the command that does so, where there is one.
/// The error says why nothing was written.
fn write(
    repository: &Repository,
    undo_folder: Option<PathBuf>,
    changes: &[FileChange],
) -> Result<Option<String>, String> {
    if changes.is_empty() {
        return Ok(None);
    }
    let folder =
        undo_folder.ok_or("neither XDG_CACHE_HOME nor HOME is set, and what takes it back is kept there")?;
    let patch = undo::keep(&folder, changes).map_err(|error| {
        let folder = folder.display();
        format!(
            "the patch that takes it back cannot be kept in {folder}: {error}; make room there, or set \
             XDG_CACHE_HOME to a folder that can be written"
        )
    })?;
    repository.apply(changes).map_err(|error| format!("{error}; no fix was written"))?;
    Ok(undo::command(repository.root(), &patch))
}

/// Every file that is to be written: what it was before the first fix, and what it is after the last.
type Planned = BTreeMap<RepoPath, FileChange>;

/// Why a suggestion is not applied without a person; none for a proven fix that mends.
const fn why_not(suggestion: &Suggestion) -> Option<&'static str> {
    match suggestion.verdict {
        VerdictKind::Proven => None,
        VerdictKind::Plausible if suggestion.masks => {
            Some("it is plausible, and may hide the defect rather than mend it")
        }
        VerdictKind::Plausible => Some("it is plausible, not proven"),
        VerdictKind::Inconclusive => Some("it could not be judged to the end"),
        VerdictKind::Rejected => Some("it was rejected"),
    }
}

/// Lays one fix over what is `planned`, unless its files have changed meanwhile.
fn plan(repository: &Repository, finding: &Finding, planned: &mut Planned) -> Application {
    let (changes, shared) = over(&finding.changes, planned);
    let error = match (changes, repository.demand_unchanged(&finding.changes)) {
        (_, Err(error)) => Some(error.to_string()),
        (Err(path), _) => Some(format!(
            "another fix of this run has changed the same lines of {path}: run the command again to prove this one on top of it"
        )),
        (Ok(changes), Ok(())) => {
            for change in changes {
                match planned.get_mut(&change.path) {
                    Some(earlier) => earlier.after = change.after,
                    None => drop(planned.insert(change.path.clone(), change)),
                }
            }
            None
        }
    };
    Application {
        fingerprint: finding.suggestion.fingerprint,
        title: finding.suggestion.title.clone(),
        files: finding.changes.iter().map(|change| change.path.clone()).collect(),
        shared,
        error,
    }
}

/// A fix as a change of the files as they are planned, and which of them another changes; the first file where
/// both changes meet is the error.
fn over(changes: &[FileChange], planned: &Planned) -> (Result<Vec<FileChange>, RepoPath>, Vec<RepoPath>) {
    let mut shared = Vec::new();
    let changes = changes.iter().map(|change| {
        let Some(FileChange { after: now, .. }) = planned.get(&change.path) else {
            return Ok(change.clone());
        };
        shared.push(change.path.clone());
        let after = merged(&change.before, now, &change.after).ok_or_else(|| change.path.clone())?;
        Ok(FileChange { path: change.path.clone(), before: now.clone(), after })
    });
    (changes.collect(), shared)
}

/// Asks git about files.
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
    let status = [
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignored=matching",
        "--",
    ];
    let paths = files.iter().map(|path| path.as_str());
    git::look(top, root, &status.into_iter().chain(paths).collect::<Vec<_>>())
}

/// The paths of `git status -z`, told from the top, as paths below `within`.
fn listed(status: &str, within: &Path) -> Vec<RepoPath> {
    let entries = status.split('\0').filter_map(|entry| entry.get(3..));
    entries.filter_map(|path| RepoPath::new(Path::new(path).strip_prefix(within).ok()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::small_disk::SmallDisk;

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
        let planned = BTreeMap::from([(path("a.go"), change("A\nb\nc\n"))]);
        let (changes, shared) = over(&[change("a\nb\nC\n")], &planned);
        let [laid] = &changes.unwrap()[..] else { panic!("one file") };
        assert_eq!((laid.before.as_str(), laid.after.as_str()), ("A\nb\nc\n", "A\nb\nC\n"));
        assert_eq!(shared, [path("a.go")]);
        assert_eq!(over(&[change("x\nb\nc\n")], &planned).0, Err(path("a.go")));
        let (changes, shared) = over(&[change("a\nb\nC\n")], &BTreeMap::new());
        assert_eq!((changes.unwrap().len(), shared.len()), (1, 0));
    }

    /// What cannot be taken back is not written, and what another has changed is not written over.
    #[test]
    fn nothing_is_written_without_a_way_back() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        let source = folder.path().join("a.go");
        std::fs::write(&source, "package m\n").unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        let changes = [FileChange {
            path: path("a.go"),
            before: "package m\n".to_owned(),
            after: "package m // mended\n".to_owned(),
        }];
        let disk = SmallDisk::new(1);
        disk.fill();
        for undo_folder in [None, Some(source.join("undo")), Some(disk.path().to_owned())] {
            let error = write(&repository, undo_folder, &changes).unwrap_err();
            assert!(error.contains("XDG_CACHE_HOME"), "{error}");
            assert_eq!(std::fs::read_to_string(&source).unwrap(), "package m\n");
        }
        let kept = folder.path().join("kept");
        assert!(write(&repository, Some(kept.clone()), &changes).unwrap().is_some());
        assert_eq!(std::fs::read_to_string(&source).unwrap(), "package m // mended\n");
        assert!(write(&repository, Some(kept), &changes).unwrap_err().contains("has changed since"));
    }

    #[test]
    fn the_answer_of_git_is_read() {
        let status = " M deep/shop/a.go\0?? deep/shop/b c.go\0!! elsewhere.go\0";
        assert_eq!(listed(status, Path::new("deep/shop")), [path("a.go"), path("b c.go")]);
        assert_eq!(listed("", Path::new("")), []);
    }
}
