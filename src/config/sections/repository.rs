use std::path::PathBuf;

use crate::config::quantity::ByteSize;
use crate::config::read::section;

section! {
    /// Which repository is mended, how much of it is read, and with which toolchain it is built.
    pub struct RepositorySection {
        /// The repository the logs come from; without one no fix is worked out.
        path: Option<PathBuf>,
        /// The `go` program; without it the one on PATH.
        go: Option<PathBuf>,
        /// The build cache of the builds in the sandbox; without it a folder in the user's cache.
        go_cache: Option<PathBuf>,
        /// The most files a repository may have.
        max_files: u32 [1..=10_000_000],
        /// Larger files are not read as source.
        max_file_bytes: ByteSize [ByteSize::from_kib(1)..=ByteSize::from_gib(1)],
        /// The most that is copied for a repair.
        max_copy: ByteSize [ByteSize::from_mib(1)..=ByteSize::from_gib(1_024)],
    }
}
