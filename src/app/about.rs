//! What this binary is.

use serde::Serialize;

use crate::analyzer;

/// What was built, from what, for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// The version.
    pub version: &'static str,
    /// The commit it was built from, where the build was told one in `HEPHAESTUS_COMMIT`.
    pub commit: Option<&'static str>,
    /// The compiler.
    pub rustc: &'static str,
    /// The machine it runs on, as the compiler names it.
    pub target: &'static str,
    /// The optional parts that were built in.
    pub features: Vec<&'static str>,
    /// How many patterns are built in.
    pub built_in_patterns: usize,
}

/// What this binary is.
#[must_use]
pub fn about() -> About {
    About {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("HEPHAESTUS_COMMIT").filter(|commit| !commit.is_empty()),
        rustc: env!("HEPHAESTUS_RUSTC"),
        target: env!("HEPHAESTUS_TARGET"),
        features: env!("HEPHAESTUS_FEATURES").split(',').filter(|name| !name.is_empty()).collect(),
        built_in_patterns: analyzer::built_in_patterns(),
    }
}
