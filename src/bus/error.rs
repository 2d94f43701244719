//! Why the bus cannot do what it was asked for.

use crate::storage::DatabaseError;

/// Why the bus cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It was closed, or is just being closed.
    #[error("the bus is closed")]
    Closed,
    /// Its database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The thread that writes could not be started.
    #[error("the bus cannot start its writing thread: is the limit of processes or of memory reached?")]
    Thread(#[source] std::io::Error),
}
