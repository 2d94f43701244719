//! Hephaestus: a log agent that ends with a proven fix.

pub mod analyzer;
pub mod collector;
pub mod domain;
