//! The one integration test binary.

// A test that cannot go on panics; the lint's own exception covers only `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod about_commands;
mod api;
mod config_command;
mod corpus;
mod docs;
mod fixer;
mod harness;
mod helm;
mod kafka;
mod library;
mod makefile;
mod reproduce;
mod sandbox;
mod scan_command;
mod stream;
mod tidy;
