//! Diagnosis and candidates, asked for so that an attempt's time runs on: files are read and syntax trees walked
//! without a pause, and a function can be written on which that takes for ever. So it is done on a thread of its own,
//! which an attempt leaves behind when its time is over: no further rule is asked then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::obstacle::Obstacle;
use super::release::Present;
use crate::domain::{Diagnosis, ErrorEvent, Fault, FixCandidate};
use crate::generator::diagnose::diagnose;
use crate::generator::recall::{Precedent, recall};
use crate::generator::rules::{Proposal, propose};
use crate::repository::Repository;

/// An event as it is in the code as it stands, and what is to be said of it.
pub(super) struct Diagnosed {
    pub(super) event: ErrorEvent,
    /// What is to be said of the version that the log names.
    pub(super) told: Option<String>,
    pub(super) diagnosis: Diagnosis,
}

/// Places an event in the code, once it is known what it would be in the code as it stands.
pub(super) async fn diagnosed(
    present: impl Future<Output = Option<Present>>,
    event: &ErrorEvent,
    repository: &Arc<Repository>,
) -> Result<Diagnosed, Obstacle> {
    let (event, told) = match present.await {
        Some(Present { event, told }) => (event, Some(told)),
        None => (event.clone(), None),
    };
    let repository = Arc::clone(repository);
    let diagnosed = tokio::task::spawn_blocking(move || {
        let diagnosis = diagnose(&event, &repository);
        Diagnosed { event, told, diagnosis }
    });
    Ok(diagnosed.await?)
}

/// What the rules propose.
pub(super) async fn proposed(fault: &Fault, repository: &Arc<Repository>) -> Result<Proposal, Obstacle> {
    let (fault, repository) = (fault.clone(), Arc::clone(repository));
    let asker = Asker::default();
    let left = Arc::clone(&asker.0);
    let is_wanted = move || !left.load(Ordering::Relaxed);
    Ok(tokio::task::spawn_blocking(move || propose(&fault, &repository, &is_wanted)).await?)
}

/// Who waits for an answer; once dropped, nobody does.
#[derive(Default)]
struct Asker(Arc<AtomicBool>);

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
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
