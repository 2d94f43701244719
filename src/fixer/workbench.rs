//! Where one worker mends: a scratch copy and what was measured of the repository as it stands.

use std::sync::Arc;

use crate::repository::{Error, Repository, Workspace};
use crate::sandbox::GoToolchain;
use crate::validator::Baseline;

/// A place for one worker, used for one fault after the other. The scratch copy is made when it is first
/// needed; builds find what earlier ones left in the build cache, since it stays at its path.
#[derive(Debug)]
pub struct Workbench {
    repository: Arc<Repository>,
    workspace: Option<Workspace>,
    baseline: Baseline,
}

impl Workbench {
    /// An empty place for work on a repository.
    #[must_use]
    pub fn new(repository: Arc<Repository>) -> Self {
        Self { repository, workspace: None, baseline: Baseline::default() }
    }

    /// A further place for work on the same repository, at the same time: what was measured of it is common.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { repository: Arc::clone(&self.repository), workspace: None, baseline: self.baseline.clone() }
    }

    pub(super) fn repository(&self) -> Arc<Repository> {
        Arc::clone(&self.repository)
    }

    /// The scratch copy, as the repository stands, and the baseline.
    pub(super) fn set_up(&mut self, go: &GoToolchain) -> Result<(&Workspace, &Baseline), Error> {
        let workspace = match self.workspace.take() {
            Some(workspace) => workspace,
            None => Workspace::copy_of(&self.repository, go.module_cache())?,
        };
        Ok((self.workspace.insert(workspace), &self.baseline))
    }

    /// Throws the scratch copy away: work on it was broken off, so nobody knows how it stands.
    pub(super) fn clear(&mut self) {
        self.workspace = None;
    }
}
