//! From an error group and the repository to candidates for a fix.
//!
//! [`localize`] finds the statements, [`diagnose`] puts the cause into words, [`reproduce`] finds an
//! input that crashes the same way, [`rules`] propose changes with what `repair` knows about changing Go, and [`recall`]
//! makes fixes anew that a person approved elsewhere.
//! Nothing here judges a candidate: that is the validator's part, and the two do not know each other.

pub mod diagnose;
pub mod localize;
pub mod operational;
pub mod recall;
mod repair;
pub mod reproduce;
pub mod rules;
pub mod typecheck;
