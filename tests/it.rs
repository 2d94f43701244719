//! The one integration test binary.

mod reproduce;
mod sandbox;
