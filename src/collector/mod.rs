//! Bytes of files and standard input, read in large chunks, and framed into lines with a place.

mod contents;
mod framing;
mod reading;

pub use contents::Doubt;
pub use framing::{Framer, FramerStats};
pub use reading::{Error, Source, read};
