//! What Hephaestus says about itself: log records and errors, both on standard error, so that standard
//! output carries data and nothing else.

mod error_chain;
mod log;
pub mod metrics;

pub use error_chain::{Advise, Advised, write_error};
pub use log::{LogError, LogFormat, LogLevel, LogOptions, init};
