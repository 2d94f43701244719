//! What is known of one file.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Checkpoint;
use crate::collector::identity::{Inode, Mark};
use crate::domain::FileId;

/// What is known of one file. It is recognised by its inode together with `head` and `mark`, or, where its
/// content lies in another inode now, by these two alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::collector) struct KnownFile {
    pub(in crate::collector) id: FileId,
    #[serde(flatten)]
    pub(in crate::collector) inode: Inode,
    /// The first bytes, as many as were there, up to a limit.
    pub(in crate::collector) head: Mark,
    /// Bytes at or before the checkpoint.
    pub(in crate::collector) mark: Mark,
    /// The checkpoint.
    pub(in crate::collector) committed: u64,
    /// Every event that starts before this offset is done,
    pub(in crate::collector) done_until: u64,
    /// but for those that start here.
    pub(in crate::collector) except: Vec<u64>,
    /// No occurrence that starts from here on has gone out alone.
    pub(in crate::collector) alone_until: u64,
    /// How long the file was when it was last looked at.
    pub(in crate::collector) length: u64,
    /// The path by which it was found.
    #[serde(with = "path")]
    pub(in crate::collector) path: PathBuf,
    /// The same without symbolic links: where a renamed file is looked for beside.
    #[serde(with = "path")]
    pub(in crate::collector) real_path: PathBuf,
    /// When it was last there.
    pub(in crate::collector) last_seen: Timestamp,
    /// Whether it was rotated away or deleted, and read to its end.
    pub(in crate::collector) ended: bool,
}

impl KnownFile {
    /// Moves the checkpoint forward. `mark` stands at or before it; without one the old mark remains, which
    /// does too.
    pub(super) fn commit(&mut self, checkpoint: &Checkpoint, mark: Option<Mark>) {
        let Checkpoint { resume, done_until, except } = checkpoint;
        if *resume > self.committed {
            self.committed = *resume;
            self.mark = mark.filter(|mark| mark.offset() <= *resume).unwrap_or(self.mark);
        }
        // What was once done stays so.
        if *done_until >= self.done_until {
            self.done_until = *done_until;
            self.except.clone_from(except);
        }
    }

    /// Whether this would move it.
    pub(super) fn is_moved_by(&self, checkpoint: &Checkpoint) -> bool {
        let Checkpoint { resume, done_until, except } = checkpoint;
        let done =
            *done_until > self.done_until || (*done_until == self.done_until && *except != self.except);
        *resume > self.committed || (done && checkpoint.done_until > self.committed)
    }

    /// Whether there may be something of it that was not read and acknowledged.
    pub(in crate::collector) fn is_wanted(&self) -> bool {
        !self.ended || self.unread() > 0
    }

    /// How many bytes of it, as far as it was seen, may tell of something that is not done.
    pub(in crate::collector) fn unread(&self) -> u64 {
        let done = self.except.first().copied().unwrap_or(self.done_until);
        self.length.saturating_sub(self.committed.max(done))
    }
}

/// Paths need not be UTF-8: such a one is written as a list of bytes.
mod path {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => text.serialize(serializer),
            None => path.as_os_str().as_bytes().serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Bytes(Vec<u8>),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Text(text) => text.into(),
            Written::Bytes(bytes) => OsString::from_vec(bytes).into(),
        })
    }
}
