use crate::config::quantity::{ByteSize, Interval};
use crate::config::read::section;
use crate::config::scalar::{PathGlob, names};

section! {
    /// Which logs are followed.
    pub struct CollectorSection {
        /// The files to follow.
        log_paths: Vec<PathGlob>,
        /// Files that are left alone all the same.
        exclude: Vec<PathGlob>,
        /// How often files are looked for where no notification came.
        polling_interval: Interval [Interval::from_millis(100)..=Interval::from_days(1)],
        /// Where reading begins in files that stand there at the very first start.
        start_at: StartAt,
        /// The bytes that may be held between reading and the bus.
        memory: ByteSize [ByteSize::from_kib(64)..=ByteSize::from_gib(1)],
        /// How many pieces of logs may wait between reading and analysis.
        buffer_size: u32 [3..=1_000_000],
        /// The most files followed at once.
        max_files: u32 [1..=1_000_000],
        /// The most files open at once.
        max_open_files: u32 [1..=1_000_000],
        /// How long a renamed file is still listened to once it is quiet.
        rotate_wait: Interval [Interval::from_secs(10)..=Interval::from_days(1)],
        /// How long a file that is gone is remembered.
        forget_after: Interval [Interval::from_secs(60)..=Interval::from_days(3650)],
    }
}

names! {
    /// Where reading begins.
    pub enum StartAt {
        /// At the beginning of the file.
        Beginning = "beginning",
        /// At its last line.
        End = "end",
    }
}
