//! Notifications of the system that something happened to a path. They only shorten the wait.
//!
//! `linemux` watches files, by name, also before they are there. What it is known to miss (links that lead
//! elsewhere, changes between two arms of a watch), the reconcile finds. Its queue has no bound of its own, so
//! it is emptied at every turn; what is kept here is bounded by the number of watched paths.

use std::collections::{HashMap, HashSet};
use std::future::{Future, pending, poll_fn};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use linemux::MuxedEvents;
use notify::event::{Event, EventKind, ModifyKind};
use tokio::time::Instant;

/// How long changes are gathered before they are told: so many writes are answered by one read.
const GATHER: Duration = Duration::from_millis(4);

/// Watches of paths that are no longer wanted are dropped when they are this many more than the wanted ones.
const MOST_STALE: usize = 64;

pub(super) struct Watcher {
    events: Option<MuxedEvents>,
    /// Our paths by the names that events bear.
    names: HashMap<PathBuf, PathBuf>,
    /// Our paths that are watched, or cannot be.
    asked: HashSet<PathBuf>,
    /// What changed and has not been told; `None` stands for something that bears no name.
    changed: HashSet<Option<PathBuf>>,
    tell_at: Option<Instant>,
    complained: bool,
}

impl Watcher {
    pub(super) fn new() -> Self {
        let mut watcher = Self {
            events: None,
            names: HashMap::new(),
            asked: HashSet::new(),
            changed: HashSet::new(),
            tell_at: None,
            complained: false,
        };
        watcher.begin();
        watcher
    }

    fn begin(&mut self) {
        self.names.clear();
        self.asked.clear();
        match MuxedEvents::new() {
            Ok(events) => self.events = Some(events),
            Err(error) => {
                self.events = None;
                self.complain(&error);
            }
        }
    }

    /// Watches these paths, and in time no others.
    pub(super) async fn watch(&mut self, paths: &[&Path]) {
        if self.asked.len() > 2 * paths.len() + MOST_STALE {
            self.begin();
        }
        for path in paths {
            if self.asked.contains(*path) {
                continue;
            }
            let Some(events) = &mut self.events else { return };
            match events.add_file(*path).await {
                Ok(name) => {
                    self.names.insert(name, path.to_path_buf());
                }
                // Its folder is not there yet: it is asked for again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => self.complain(&error),
            }
            self.asked.insert(path.to_path_buf());
        }
    }

    /// The paths that changed, once some did. Nothing is forgotten when this is not waited for to its end.
    pub(super) async fn changed(&mut self) -> HashSet<Option<PathBuf>> {
        loop {
            if let Some(tell_at) = self.tell_at {
                tokio::time::sleep_until(tell_at).await;
                while let Some(event) = self.ready_event().await {
                    self.note(event);
                }
                self.tell_at = None;
                return std::mem::take(&mut self.changed);
            }
            let event = match &mut self.events {
                Some(events) if !self.names.is_empty() => events.next_event().await,
                _ => pending().await,
            };
            if self.note(event) {
                self.tell_at = Some(Instant::now() + GATHER);
            }
        }
    }

    /// An event that is there already.
    async fn ready_event(&mut self) -> Option<io::Result<Option<Event>>> {
        let events = self.events.as_mut().filter(|_| !self.names.is_empty())?;
        let mut next = pin!(tokio::task::unconstrained(events.next_event()));
        poll_fn(|context| {
            Poll::Ready(match next.as_mut().poll(context) {
                Poll::Ready(event) => Some(event),
                Poll::Pending => None,
            })
        })
        .await
    }

    /// Takes down what an event tells, and whether that is anything.
    fn note(&mut self, event: io::Result<Option<Event>>) -> bool {
        match event {
            Ok(Some(event)) => {
                let kind = &event.kind;
                let is_move = matches!(kind, EventKind::Modify(ModifyKind::Name(_)));
                let comes_or_goes = kind.is_create() || kind.is_remove() || is_move;
                if (event.paths.is_empty() && comes_or_goes) || event.need_rescan() {
                    self.changed.insert(None);
                }
                let ours = event.paths.iter().filter_map(|name| self.names.get(name));
                self.changed.extend(ours.cloned().map(Some));
            }
            // No watch is left, as when the folder of all logs was removed: they are asked for again.
            Ok(None) => {
                self.names.clear();
                self.asked.clear();
                self.changed.insert(None);
            }
            Err(_) => {
                self.changed.insert(None);
            }
        }
        !self.changed.is_empty()
    }

    fn complain(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(
                "some logs are looked at every polling_interval only, since the system cannot notify of their \
                 changes ({error}); raise fs.inotify.max_user_watches and fs.inotify.max_user_instances"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn changes(watcher: &mut Watcher) -> HashSet<Option<PathBuf>> {
        tokio::time::timeout(Duration::from_secs(20), watcher.changed()).await.expect("a notification")
    }

    #[tokio::test]
    async fn writes_wake_by_our_own_name_of_the_path() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("link")).unwrap();
        let (there, later) = (folder.path().join("link/there.log"), folder.path().join("link/later.log"));
        std::fs::write(&there, "x").unwrap();
        let mut watcher = Watcher::new();
        watcher.watch(&[&there, &later, &folder.path().join("none/x.log")]).await;
        std::fs::write(&there, "y").unwrap();
        while !changes(&mut watcher).await.contains(&Some(there.clone())) {}
        std::fs::write(&later, "y").unwrap();
        while !changes(&mut watcher).await.contains(&Some(later.clone())) {}
    }

    #[tokio::test]
    async fn a_folder_that_goes_and_comes_again_is_watched_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/a.log");
        let make = || {
            std::fs::create_dir(folder.path().join("logs")).unwrap();
            std::fs::write(&path, "x").unwrap();
        };
        make();
        let mut watcher = Watcher::new();
        watcher.watch(&[&path]).await;
        std::fs::remove_dir_all(folder.path().join("logs")).unwrap();
        while !changes(&mut watcher).await.contains(&None) {}
        make();
        watcher.watch(&[&path]).await;
        std::fs::write(&path, "y").unwrap();
        while !changes(&mut watcher).await.contains(&Some(path.clone())) {}
    }

    #[tokio::test]
    async fn watches_do_not_pile_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new();
        for index in 0..1000 {
            let path = folder.path().join(format!("{index}.log"));
            std::fs::write(&path, "x").unwrap();
            watcher.watch(&[&path]).await;
            assert!(watcher.names.len() <= MOST_STALE + 4);
        }
    }
}
