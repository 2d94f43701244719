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

use hephaestus::sandbox::TierChoice::{Bubblewrap, Landlock};
use stage::Stage;

#[tokio::test]
async fn landlock_tier_holds() {
    let stage = Stage::new(Landlock);
    walls::hold(&stage, true).await;
}

#[tokio::test]
async fn bubblewrap_tier_holds() {
    let stage = Stage::new(Bubblewrap);
    walls::hold(&stage, true).await;
}

/// What newer versions of Landlock govern is denied by the filter where they are missing.
#[tokio::test]
async fn landlock_tier_holds_with_what_older_kernels_have() {
    for abi in [1, 2, 3, 5] {
        let mut stage = Stage::new(Landlock);
        stage.config.landlock_abi_at_most = Some(abi);
        walls::hold(&stage, true).await;
    }
}

#[tokio::test]
async fn landlock_tier_bounds_excess() {
    excess::is_bounded(&Stage::new(Landlock)).await;
}

#[tokio::test]
async fn bubblewrap_tier_bounds_excess() {
    excess::is_bounded(&Stage::new(Bubblewrap)).await;
}

#[tokio::test]
async fn the_go_toolchain_works_in_every_tier() {
    for tier in [Landlock, Bubblewrap] {
        toolchain::works(&Stage::new(tier)).await;
    }
    let mut oldest = Stage::new(Landlock);
    oldest.config.landlock_abi_at_most = Some(1);
    toolchain::works(&oldest).await;
}
