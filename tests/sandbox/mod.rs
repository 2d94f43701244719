//! What code under test cannot reach, in every tier, plainly and as in a restricted pod.
//!
//! Each thing a program must not be able to do is first done outside, with the same program and the same
//! arguments, so that a wall is never praised for a probe that does not work.

mod excess;
mod failing;
mod pod;
mod stage;
mod toolchain;
mod walls;

use hephaestus::sandbox::Sandbox;
use hephaestus::sandbox::TierChoice::{Bubblewrap, Landlock};
use stage::{Stage, namespaces_are_allowed, tiers};

#[tokio::test]
async fn landlock_tier_holds() {
    walls::hold(&Stage::new(Landlock), namespaces_are_allowed()).await;
}

#[tokio::test]
async fn bubblewrap_tier_holds() {
    if namespaces_are_allowed() {
        walls::hold(&Stage::new(Bubblewrap), true).await;
    } else {
        eprintln!("bubblewrap does not work here: only that the tier says so is tested");
        let error = Sandbox::detect(&Stage::new(Bubblewrap).config).unwrap_err();
        assert!(error.to_string().contains("bubblewrap: does not work"), "{error}");
    }
}

/// What newer versions of Landlock govern is denied by the filter where they are missing.
#[tokio::test]
async fn landlock_tier_holds_with_what_older_kernels_have() {
    for abi in [1, 2, 3, 5] {
        let mut stage = Stage::new(Landlock);
        stage.config.landlock_abi_at_most = Some(abi);
        walls::hold(&stage, namespaces_are_allowed()).await;
    }
}

#[tokio::test]
async fn every_tier_bounds_excess() {
    for tier in tiers() {
        excess::is_bounded(&Stage::new(*tier)).await;
    }
}

#[tokio::test]
async fn the_go_toolchain_works_in_every_tier() {
    for tier in tiers() {
        toolchain::works(&Stage::new(*tier)).await;
    }
    let mut oldest = Stage::new(Landlock);
    oldest.config.landlock_abi_at_most = Some(1);
    toolchain::works(&oldest).await;
}
