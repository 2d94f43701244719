//! The rules, asked so that an attempt's time runs on.

use std::sync::Arc;

use super::obstacle::Obstacle;
use crate::domain::Fault;
use crate::generator::rules::{Proposal, propose};
use crate::repository::Repository;

/// What the rules propose. They walk syntax trees without a pause, and a function can be written on which that
/// takes for ever: so they have a thread of their own, which an attempt leaves behind when its time is over.
pub(super) async fn proposed(fault: &Fault, repository: &Arc<Repository>) -> Result<Proposal, Obstacle> {
    let (fault, repository) = (fault.clone(), Arc::clone(repository));
    Ok(tokio::task::spawn_blocking(move || propose(&fault, &repository)).await?)
}
