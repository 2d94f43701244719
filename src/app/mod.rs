//! The only place that knows all rooms: one file a role. A role builds what it needs from the
//! configuration, joins it, and gives plain values back.

pub mod about;
pub mod apply;
pub mod embed;
mod evidence;
pub mod examination;
pub mod exec;
pub mod fix;
mod foreign;
pub mod git;
pub mod letters;
mod parts;
pub mod review;
pub mod run;
mod scan;
pub mod service;
pub mod topics;
mod undo;
pub mod wire;

pub use parts::server;
pub use scan::{Scan, ScanStats, Scanned, Step};
