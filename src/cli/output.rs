//! Standard output: a reader who leaves is no failure, and every other error says that it is the one.

use std::io::{self, ErrorKind, StdoutLock, Write};
use std::os::fd::AsFd as _;

use anstream::AutoStream;
use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;

/// Standard output.
pub(super) struct Output {
    out: AutoStream<StdoutLock<'static>>,
    outlives_reader: bool,
}

impl Output {
    /// What nobody reads any more is dropped: a reader who leaves early, as `head` does, is no error and changes no
    /// answer. [`reader_left`] tells whoever would work on for that reader alone.
    pub(super) fn new() -> Self {
        Self::outliving_its_reader(true)
    }

    /// Fails once its reader has left: for what does nothing but write, and may go on for long.
    pub(super) fn ending_with_its_reader() -> Self {
        Self::outliving_its_reader(false)
    }

    fn outliving_its_reader(outlives_reader: bool) -> Self {
        Self { out: anstream::stdout().lock(), outlives_reader }
    }

    fn judge<T>(&self, written: io::Result<T>, dropped: T) -> io::Result<T> {
        match written {
            Err(error) if self.outlives_reader && error.kind() == ErrorKind::BrokenPipe => Ok(dropped),
            // The kind stays: whoever writes acts by it.
            Err(error) => {
                Err(io::Error::new(error.kind(), format!("cannot write to standard output: {error}")))
            }
            written => written,
        }
    }
}

/// Waits until nobody can read standard output any more: for ever where it is a file. Call it within a runtime.
pub(super) async fn reader_left() {
    // Only looked at, never written to, so that it need not be told not to block.
    let duplicate = io::stdout().as_fd().try_clone_to_owned();
    let watched = duplicate.and_then(Sender::from_owned_fd_unchecked);
    if let Ok(pipe) = &watched {
        while let Ok(ready) = pipe.ready(Interest::ERROR).await {
            if ready.is_error() {
                return;
            }
        }
    }
    std::future::pending().await
}

impl Drop for Output {
    /// The process ends without looking for what is left in buffers.
    fn drop(&mut self) {
        // Whoever must know that it was not written has flushed before.
        self.out.flush().ok();
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.judge(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.judge(flushed, ())
    }
}
