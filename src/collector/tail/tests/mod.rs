//! The tailer against real files. The logic is driven step by step with a clock of its own; the thread, the
//! notifications and the channel have tests of their own.

mod cases;
mod limits;
mod model;
mod running;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;
use crate::collector::registry::FILE_NAME;

/// What was heard of one file since the last start.
#[derive(Debug, Default)]
struct Heard {
    path: PathBuf,
    offset: u64,
    before: Vec<u8>,
    bytes: Vec<u8>,
    quiet: usize,
    ended: Option<End>,
}

/// A folder of logs, and a tailer of it.
struct Rig {
    folder: tempfile::TempDir,
    config: Config,
    budget: Budget,
    registry: Arc<Registry>,
    files: Files,
    now: Now,
    heard: BTreeMap<FileId, Heard>,
    /// Files in the order in which they were opened.
    order: Vec<FileId>,
    lost: Vec<(FileId, Option<u64>, Loss)>,
}

impl Rig {
    fn new(globs: &[&str]) -> Self {
        Self::with(globs, |_| {})
    }

    fn with(globs: &[&str], change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = globs.iter().map(|glob| format!("{}/logs/{glob}", folder.path().display())).collect();
        let mut config = Config { paths, ..Config::default() };
        change(&mut config);
        fs::create_dir(folder.path().join("logs")).unwrap();
        let registry = Arc::new(Registry::open(&folder.path().join(FILE_NAME)).unwrap());
        let files = Self::files(&config, &registry);
        Self {
            folder,
            config,
            budget: Budget::new(1 << 20),
            registry,
            files,
            now: Now { instant: Instant::now(), time: Timestamp::now() },
            heard: BTreeMap::new(),
            order: Vec::new(),
            lost: Vec::new(),
        }
    }

    fn files(config: &Config, registry: &Arc<Registry>) -> Files {
        let discovery = Discovery::new(&config.paths, &config.exclude).unwrap();
        Files::new(config.clone(), discovery, Arc::clone(registry))
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("logs").join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn copy_truncate(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        self.truncate(from, 0);
    }

    fn truncate(&self, name: &str, length: u64) {
        OpenOptions::new().write(true).open(self.path(name)).unwrap().set_len(length).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.time += time;
    }

    /// Looks at all files and reads what there is.
    fn look(&mut self) {
        self.pass(Duration::from_millis(100));
        self.files.reconcile(self.now);
        while self.turn() || self.files.wants_scan() {
            if self.files.wants_scan() {
                self.files.reconcile(self.now);
            }
        }
        self.files.tick(self.now);
        self.hear();
    }

    /// Looks so often that everything that waits has waited long enough.
    fn settle_down(&mut self) {
        for _ in 0..4 {
            self.look();
            self.pass(self.config.rotate_wait);
        }
        self.look();
    }

    fn turn(&mut self) -> bool {
        self.hear();
        let Some(wanted) = self.files.wanted_bytes() else { return false };
        let permit = self.budget.try_take(wanted).expect("nothing is held");
        self.files.read(permit, self.now);
        true
    }

    fn hear(&mut self) {
        while let Some(event) = self.files.next_news() {
            self.take(event);
        }
    }

    fn take(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Opened { file, path, offset, before, .. } => {
                assert_ne!(
                    self.registry.checkpoint(file),
                    None,
                    "an identity is registered before it is told"
                );
                let heard = Heard { path, offset, before, ..Heard::default() };
                assert!(self.heard.insert(file, heard).is_none_or(|old| old.ended.is_some()), "opened twice");
                self.order.push(file);
            }
            SourceEvent::Bytes { file, offset, bytes } => {
                let heard = self.heard.get_mut(&file).expect("opened before");
                assert_eq!(offset, heard.offset + heard.bytes.len() as u64, "offsets are contiguous");
                assert!(heard.ended.is_none());
                heard.bytes.extend_from_slice(&bytes);
            }
            SourceEvent::Quiet { file } => self.heard.get_mut(&file).unwrap().quiet += 1,
            SourceEvent::Lost { file, bytes, reason } => self.lost.push((file, bytes, reason)),
            SourceEvent::Ended { file, why } => {
                assert!(self.heard.get_mut(&file).unwrap().ended.replace(why).is_none(), "ended twice");
            }
        }
    }

    /// Kills the tailer and starts another one.
    fn restart(&mut self) {
        self.registry = Arc::new(Registry::open(&self.folder.path().join(FILE_NAME)).unwrap());
        self.files = Self::files(&self.config, &self.registry);
        self.heard.clear();
        self.order.clear();
        self.lost.clear();
    }

    /// Moves every checkpoint to the end of what was heard.
    fn commit_all(&self) {
        let ends: Vec<_> = self
            .heard
            .iter()
            .map(|(file, heard)| (*file, (heard.offset + heard.bytes.len() as u64).into()))
            .collect();
        self.registry.commit(&ends, &[]).unwrap();
    }

    /// What was heard since the start, in the order of opening: path, offset, text.
    fn texts(&self) -> Vec<(String, u64, String)> {
        let text = |file: &FileId| {
            let heard = &self.heard[file];
            let path = heard.path.strip_prefix(self.path("")).unwrap().to_string_lossy().into_owned();
            (path, heard.offset, String::from_utf8_lossy(&heard.bytes).into_owned())
        };
        self.order.iter().map(text).collect()
    }

    fn ends(&self) -> Vec<Option<End>> {
        self.order.iter().map(|file| self.heard[file].ended).collect()
    }

    fn losses(&self) -> Vec<(Option<u64>, Loss)> {
        self.lost.iter().map(|(_, bytes, reason)| (*bytes, *reason)).collect()
    }

    fn rotations(&self, kind: Rotation) -> u64 {
        self.registry.counters().stats().rotations[kind as usize]
    }
}

/// What a test expects to have heard.
fn texts(expected: &[(&str, u64, &str)]) -> Vec<(String, u64, String)> {
    expected.iter().map(|(path, offset, text)| ((*path).to_owned(), *offset, (*text).to_owned())).collect()
}

/// A line that is long enough to know a file by.
fn line(name: &str) -> String {
    format!("{name}: a line by which this file can be known again\n")
}
