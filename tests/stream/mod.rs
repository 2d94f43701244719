//! `hephaestus run` and `exec` as they are run: the real binary, real files, real signals.

pub(crate) mod counts;
mod dead_letters;
pub(crate) mod depot;
mod durable;
mod ending;
mod experience;
pub(crate) mod instance;
/// The library's own tests use it too.
#[path = "../../src/app/service/log_writer.rs"]
mod log_writer;
mod memory;
mod namespace;
mod services;
mod shortage;
mod surroundings;
mod told;
mod trace;
mod workshop;
mod wrapped;
