//! Bytes of files, pipes and standard input, and the place of each byte.
//!
//! Two ways in. One pass over what is there ([`read`], framed into lines by [`Framer`]) serves commands that
//! end. Roles that stay up follow growing files ([`tail`]) and pipes ([`pipe`]); both give
//! [`SourceEvent`](tail::SourceEvent)s under one [`Budget`] of bytes.
//!
//! Nothing is lost, because a file is its own buffer: what was read counts as done only once whoever took it
//! says so. [`Prefix`] turns what was settled, in any order, into one offset a file; the
//! [`registry`] makes that offset, and the identity of the file, durable.

mod budget;
mod contents;
mod framing;
mod identity;
mod origin;
pub mod pipe;
mod pod;
mod prefix;
mod reading;
pub mod registry;
mod stats;
pub mod tail;

pub use budget::{Budget, Chunk, Held, Permit};
pub use contents::Doubt;
pub use framing::{Framer, FramerStats};
pub use origin::Origin;
pub use prefix::Prefix;
pub use reading::{Error, Source, read};
pub use stats::{Counters, Loss, Lost, Rotation, Stats};
