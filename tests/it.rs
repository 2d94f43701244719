//! The one integration test binary.

// The lint knows functions marked as tests, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod sandbox;
