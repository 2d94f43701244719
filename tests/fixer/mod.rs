//! `hephaestus fix`, driven through the real binary with the real Go toolchain.

mod bad_input;
mod deadlocks;
mod drift;
mod gallery;
mod hostile;
mod judges;
mod ladder;
pub(crate) mod module;
mod modules;
mod races;
mod readers;
mod release;
mod shown;
mod soundness;
mod types;
