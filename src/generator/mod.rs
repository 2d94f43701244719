//! From a fault and a repository to candidates for its repair.

pub mod rules;
