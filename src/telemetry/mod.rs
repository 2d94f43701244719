//! What Hephaestus says about itself: log records and errors, both on standard error, so that standard
//! output carries data and nothing else; and how what others wrote is shown on either.

mod error_chain;
mod log;
pub mod metrics;
mod tame;

pub use error_chain::{Advise, Advised, write_error};
pub use log::{LogError, LogFormat, LogLevel, LogOptions, init};
pub use tame::{is_obeyed, plain, plain_line};
