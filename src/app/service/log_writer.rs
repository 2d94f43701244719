//! Who writes the logs in tests of this library and of its binary.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Healthy,
    Order,
    Cart,
    Panic,
}

impl Kind {
    pub(crate) fn text(self, number: u64) -> String {
        match self {
            Self::Healthy => format!("{{\"level\":\"info\",\"msg\":\"order saved\",\"seq\":{number}}}\n"),
            Self::Order => format!("{{\"level\":\"error\",\"msg\":\"order not saved\",\"seq\":{number}}}\n"),
            Self::Cart => format!("{{\"level\":\"error\",\"msg\":\"cart not found\",\"seq\":{number}}}\n"),
            Self::Panic => format!(
                "panic: assignment to entry in nil map\n\ngoroutine {number} [running]:\n\
                 example.com/shop/stock.Hold(...)\n\t/app/stock/hold.go:12\nmain.main()\n\
                 \t/app/main.go:7 +0x1d\nexit status 2\n"
            ),
        }
    }
}

/// Writes one log.
pub(crate) struct LogWriter {
    path: PathBuf,
    file: File,
    /// Whether the log is a container's: crashes stand on standard error, records on standard output.
    pub(crate) is_container: bool,
    /// What of a crash is still to be written, in pieces.
    rest: VecDeque<String>,
    pub(crate) rotations: u32,
    /// Where to cut what is to be written, of so many bytes: a reader may see the half of it.
    cut: Box<dyn FnMut(usize) -> usize + Send + Sync>,
}

impl LogWriter {
    pub(crate) fn new(
        path: PathBuf,
        is_container: bool,
        cut: impl FnMut(usize) -> usize + Send + Sync + 'static,
    ) -> Self {
        let file = open(&path);
        Self { path, file, is_container, rest: VecDeque::new(), rotations: 0, cut: Box::new(cut) }
    }

    /// Writes the text as the log has it.
    fn put(&mut self, kind: Kind, text: &str) {
        let text = if self.is_container {
            let stream = if kind == Kind::Panic { "stderr" } else { "stdout" };
            text.lines().map(|line| format!("2024-05-01T10:00:00.000000001Z {stream} F {line}\n")).collect()
        } else {
            text.to_owned()
        };
        if text.is_empty() {
            return;
        }
        let (first, second) = text.as_bytes().split_at((self.cut)(text.len()));
        self.file.write_all(first).unwrap();
        self.file.write_all(second).unwrap();
    }

    /// Writes a piece of what was begun; tells whether there was one.
    pub(crate) fn go_on(&mut self) -> bool {
        let piece = self.rest.pop_front();
        if let Some(piece) = &piece {
            self.put(Kind::Panic, piece);
        }
        piece.is_some()
    }

    /// What was begun is ended.
    pub(crate) fn finish(&mut self) {
        while self.go_on() {}
    }

    pub(crate) fn write(&mut self, kind: Kind, text: &str) {
        // The other stream goes on while a crash is being written.
        if !self.is_container || kind == Kind::Panic {
            self.finish();
        }
        self.put(kind, text);
    }

    /// Writes so many bytes of a crash, or somewhat less; the rest is to come.
    pub(crate) fn begin(&mut self, text: &str, bytes: usize) {
        self.finish();
        // The runtime of containers passes on whole lines.
        let line = || text[..bytes].rfind('\n').map_or(0, |at| at + 1);
        let (begun, rest) = text.split_at(if self.is_container { line() } else { bytes });
        self.put(Kind::Panic, begun);
        self.rest = rest.split_inclusive('\n').map(str::to_owned).collect();
    }

    /// By renaming: nothing is deleted, so nothing may be lost.
    pub(crate) fn rotate(&mut self) {
        self.finish();
        self.rotations += 1;
        let old = self.path.with_extension(format!("log.{}", self.rotations));
        std::fs::rename(&self.path, old).unwrap();
        self.file = open(&self.path);
    }
}

fn open(path: &PathBuf) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}
