//! When checkpoints are written: beside the detector's work, which a slow disk must not hold up.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::collector::registry::{self, Checkpoint, Registry};
use crate::domain::{EventId, FileId};

/// How often checkpoints are written while something moves.
const INTERVAL: Duration = Duration::from_secs(1);

/// The checkpoints that have moved since they were last written. One write is under way at most.
pub(super) struct Checkpoints {
    registry: Arc<Registry>,
    moved: HashSet<FileId>,
    due: Instant,
    writing: JoinSet<Result<(), registry::Error>>,
    /// What the write under way is about.
    written: Vec<FileId>,
    kept: Vec<EventId>,
}

impl Checkpoints {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            moved: HashSet::new(),
            due: Instant::now(),
            writing: JoinSet::new(),
            written: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// A file's checkpoint may have moved.
    pub(super) fn moved(&mut self, file: FileId) {
        self.moved.insert(file);
    }

    /// The files whose checkpoints are to be written, if that is to be done now.
    pub(super) fn take_due(&mut self) -> Option<Vec<FileId>> {
        (self.until_due()? == Duration::ZERO).then(|| self.take())
    }

    /// The files whose checkpoints are to be written, at once.
    pub(super) fn take(&mut self) -> Vec<FileId> {
        self.due = Instant::now() + INTERVAL;
        self.moved.drain().collect()
    }

    /// How long until checkpoints are to be written, if any are and none are being written.
    pub(super) fn until_due(&self) -> Option<Duration> {
        let wanted = !self.moved.is_empty() && self.writing.is_empty();
        wanted.then(|| self.due.saturating_duration_since(Instant::now()))
    }

    /// Begins to write these checkpoints, and to take these promises out of the outbox.
    pub(super) fn write(&mut self, checkpoints: Vec<(FileId, Checkpoint)>, kept: Vec<EventId>) {
        self.written = checkpoints.iter().map(|(file, _)| *file).collect();
        self.kept.clone_from(&kept);
        let registry = Arc::clone(&self.registry);
        self.writing.spawn_blocking(move || registry.commit(&checkpoints, &kept));
    }

    /// Waits until the write under way has ended, and tells the promises that were taken out; none where no
    /// write is under way. One that failed is tried again later.
    pub(super) async fn written(&mut self) -> Option<Vec<EventId>> {
        let ended = self.writing.join_next().await?;
        let (written, kept) = (std::mem::take(&mut self.written), std::mem::take(&mut self.kept));
        match ended {
            Ok(Ok(())) => return Some(kept),
            // The registry remembers why, and whoever watches it tells.
            Ok(Err(error)) => tracing::debug!(%error, "checkpoints are not written yet"),
            Err(error) => tracing::error!(%error, "writing checkpoints has ended abnormally"),
        }
        self.moved.extend(written);
        Some(Vec::new())
    }

    /// Whether a file's checkpoint is still to be written.
    pub(super) fn waits(&self, file: FileId) -> bool {
        self.moved.contains(&file) || self.written.contains(&file)
    }
}
