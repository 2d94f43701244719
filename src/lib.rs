//! Hephaestus: a log agent that ends with a proven fix.

pub mod analyzer;
pub mod app;
pub mod cli;
pub mod collector;
pub mod config;
pub mod domain;
pub mod fixer;
pub mod generator;
pub mod repository;
pub mod sandbox;
pub mod telemetry;
pub mod validator;
