//! `hephaestus run` and `exec` as they are run: the real binary, real files, real signals.

mod counts;
mod durable;
mod instance;
mod namespace;
mod surroundings;
mod trace;
mod wrapped;
