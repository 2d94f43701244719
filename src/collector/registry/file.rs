//! What is known of one file.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    pub(super) fn commit(&mut self, offset: u64, mark: Option<Mark>) {
        if offset > self.committed {
            self.committed = offset;
            self.mark = mark.filter(|mark| mark.offset() <= offset).unwrap_or(self.mark);
        }
    }

    /// Takes back a checkpoint beyond all that was ever there: older programs counted the terminator of a last
    /// line that had none. By such a checkpoint the file could not be found again.
    pub(super) fn mend(&mut self) {
        self.committed = self.committed.min(self.length);
    }

    /// Whether there may be something of it that was not read and acknowledged.
    pub(in crate::collector) const fn is_wanted(&self) -> bool {
        !self.ended || self.committed < self.length
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
