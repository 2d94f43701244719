use std::net::SocketAddr;

use crate::config::read::section;

section! {
    /// The HTTP server of the roles that stay up.
    pub struct ServerSection {
        /// Where it listens.
        listen: SocketAddr,
    }
}
