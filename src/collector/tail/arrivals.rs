//! Notifications that something new lies in a folder to which the globs lead.
//!
//! Folders have a watch of their own, beside that of the files: what [`linemux`] tells of a folder is only
//! whether a file that it was told of has come. Events are judged where they arrive, so a folder in which
//! others write much wakes nobody, and all that is kept of them is one flag.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{CreateKind, Event, EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::discover::Discovery;
use crate::collector::identity::Inode;

pub(super) struct Arrivals {
    watcher: Option<RecommendedWatcher>,
    /// What is watched, and which folder it was then: another one of that name needs another watch.
    watched: HashMap<PathBuf, Inode>,
    arrived: Arc<Notify>,
    complained: bool,
}

impl Arrivals {
    pub(super) fn new(discovery: Discovery) -> Self {
        let arrived = Arc::new(Notify::new());
        let flag = Arc::clone(&arrived);
        let judge = move |event: notify::Result<Event>| {
            if event.map_or(true, |event| is_arrival(&event, &discovery)) {
                flag.notify_one();
            }
        };
        let mut arrivals = Self { watcher: None, watched: HashMap::new(), arrived, complained: false };
        match RecommendedWatcher::new(judge, notify::Config::default()) {
            Ok(watcher) => arrivals.watcher = Some(watcher),
            Err(error) => arrivals.complain(&error),
        }
        arrivals
    }

    /// Watches these folders and no others. One that is not there yet is asked for again the next time.
    pub(super) fn watch(&mut self, folders: &HashSet<&Path>) {
        let Some(watcher) = &mut self.watcher else { return };
        let is_same = |folder: &Path, inode: &Inode| {
            folders.contains(folder) && folder.metadata().is_ok_and(|meta| Inode::of(&meta) == *inode)
        };
        self.watched.retain(|folder, inode| {
            let stays = is_same(folder, inode);
            // The system drops the watch of a folder that is gone by itself.
            if !stays && let Err(error) = watcher.unwatch(folder) {
                tracing::debug!(folder = %folder.display(), %error, "a folder was not watched any more");
            }
            stays
        });
        let mut problem = None;
        for folder in folders {
            let Ok(meta) = folder.metadata() else { continue };
            if self.watched.contains_key(*folder) {
                continue;
            }
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(folder.to_path_buf(), Inode::of(&meta))),
                Err(error) => problem = Some(error),
            }
        }
        problem.iter().for_each(|problem| self.complain(problem));
    }

    /// Waits until something has arrived since the last time.
    pub(super) async fn next(&self) {
        self.arrived.notified().await;
    }

    fn complain(&mut self, error: &notify::Error) {
        if !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(
                "new logs are looked for every polling_interval only, since the system cannot notify of them \
                 ({error}); raise fs.inotify.max_user_watches and fs.inotify.max_user_instances"
            );
        }
    }
}

/// Whether something came to lie where the globs lead, or a folder that may hold such a thing.
fn is_arrival(event: &Event, discovery: &Discovery) -> bool {
    let came = match event.kind {
        EventKind::Create(CreateKind::Folder) => return true,
        EventKind::Create(_) => true,
        EventKind::Modify(ModifyKind::Name(mode)) => mode != RenameMode::From,
        _ => false,
    };
    event.need_rescan() || came && event.paths.iter().any(|path| discovery.leads_to(path) || path.is_dir())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    async fn is_told(arrivals: &Arrivals, within: Duration) -> bool {
        tokio::time::timeout(within, arrivals.next()).await.is_ok()
    }

    #[tokio::test]
    async fn only_what_the_globs_lead_to_arrives() {
        const LONG: Duration = Duration::from_secs(20);
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let glob = format!("{}/*.log", folder.path().display());
        let mut arrivals = Arrivals::new(Discovery::new(&[glob], &[]).unwrap());
        let folders = HashSet::from([folder.path()]);
        arrivals.watch(&folders);
        fs::write(path("other.txt"), "x").unwrap();
        assert!(!is_told(&arrivals, Duration::from_millis(200)).await);
        fs::write(path("a.log"), "x").unwrap();
        assert!(is_told(&arrivals, LONG).await);
        fs::write(path("a.log"), "y").unwrap();
        assert!(!is_told(&arrivals, Duration::from_millis(200)).await, "it was there already");
        fs::rename(path("other.txt"), path("b.log")).unwrap();
        assert!(is_told(&arrivals, LONG).await);

        // Another folder of the same name.
        fs::remove_dir_all(folder.path()).unwrap();
        arrivals.watch(&folders);
        assert!(arrivals.watched.is_empty());
        fs::create_dir(folder.path()).unwrap();
        arrivals.watch(&folders);
        while is_told(&arrivals, Duration::from_millis(200)).await {}
        fs::write(path("c.log"), "x").unwrap();
        assert!(is_told(&arrivals, LONG).await);
        arrivals.watch(&HashSet::new());
        assert!(arrivals.watched.is_empty());
    }
}
