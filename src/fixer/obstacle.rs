//! What ends an attempt without a word on the defect.

use crate::generator::reproduce;

/// Why an attempt cannot go on; it says nothing about the defect.
#[derive(Debug, thiserror::Error)]
pub(super) enum Obstacle {
    #[error(transparent)]
    Repository(#[from] crate::repository::Error),
    #[error(transparent)]
    Reproduce(#[from] reproduce::Error),
    #[error(transparent)]
    Validator(#[from] crate::validator::Error),
    #[error(transparent)]
    Sandbox(#[from] crate::sandbox::Error),
    #[error("the diagnosis or the repair rules ended abnormally: {0}")]
    Rules(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Broken(#[from] crate::validator::Broken),
}
