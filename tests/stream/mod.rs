//! `hephaestus run` and `exec` as they are run: the real binary, real files, real signals.

mod counts;
mod depot;
mod instance;
mod shortage;
mod workshop;
mod wrapped;
