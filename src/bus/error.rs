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
    /// A thread of it could not be started.
    #[error("the bus cannot start a thread: is the limit of processes or of memory reached?")]
    Thread(#[source] std::io::Error),
    /// What was configured cannot work.
    #[error("{key}: {message}; {remedy}")]
    Config {
        /// The key.
        key: String,
        /// What is wrong with it.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// What was asked of dead letters cannot be done.
    #[error("dead letters: {message}; {remedy}")]
    Letters {
        /// Why not.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// Kafka does not do what it was asked for.
    #[error("Kafka: {message}; {remedy}")]
    Kafka {
        /// What it does not.
        message: String,
        /// What to do.
        remedy: String,
    },
}
