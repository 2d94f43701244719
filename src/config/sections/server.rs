use std::net::SocketAddr;

use crate::config::quantity::Interval;
use crate::config::read::section;
use crate::config::secret::Secret;

section! {
    /// The HTTP server of the roles that stay up.
    pub struct ServerSection {
        /// Where it listens.
        listen: SocketAddr,
        /// What a client must send over TCP to decide, or to read from another machine.
        token: Option<Secret>,
        /// How many connections may be open at once.
        max_connections: u32 [4..=10_000],
        /// How long one request may take, and how long a client may leave an answer untaken.
        request_timeout: Interval [Interval::from_millis(100)..=Interval::from_secs(600)],
    }
}
