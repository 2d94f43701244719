use crate::config::quantity::{ByteSize, Interval};
use crate::config::read::section;

section! {
    /// How much of a repository is read.
    pub struct RepositorySection {
        /// The most files a repository may have.
        max_files: u32 [1..=10_000_000],
        /// Larger files are not read as source.
        max_file_bytes: ByteSize [ByteSize::from_kib(1)..=ByteSize::from_gib(1)],
        /// How long one git command may take.
        git_timeout: Interval [Interval::from_secs(1)..=Interval::from_days(1)],
    }
}
