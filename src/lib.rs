//! Hephaestus: a log agent that ends with a proven fix.

pub mod analyzer;
pub mod domain;
pub mod generator;
pub mod repository;
pub mod sandbox;
