//! Candidates, asked for so that an attempt's time runs on: syntax trees are walked without a pause, and a function
//! can be written on which that takes for ever. So it is done on a thread of its own, which an attempt leaves behind
//! when its time is over.

use std::sync::Arc;

use super::obstacle::Obstacle;
use crate::domain::{Fault, FixCandidate};
use crate::generator::recall::{Precedent, recall};
use crate::generator::rules::{Proposal, propose};
use crate::repository::Repository;

/// What the rules propose.
pub(super) async fn proposed(fault: &Fault, repository: &Arc<Repository>) -> Result<Proposal, Obstacle> {
    let (fault, repository) = (fault.clone(), Arc::clone(repository));
    Ok(tokio::task::spawn_blocking(move || propose(&fault, &repository)).await?)
}

/// What precedents have for it.
pub(super) async fn recalled(
    fault: &Fault,
    repository: &Arc<Repository>,
    precedents: &[Precedent],
) -> Result<Vec<FixCandidate>, Obstacle> {
    if precedents.is_empty() {
        return Ok(Vec::new());
    }
    let (fault, repository, precedents) = (fault.clone(), Arc::clone(repository), precedents.to_vec());
    Ok(tokio::task::spawn_blocking(move || recall(&fault, &repository, &precedents)).await?)
}
