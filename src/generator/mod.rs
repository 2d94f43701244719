//! From a diagnosed failure to candidates for its repair.

pub mod reproduce;
