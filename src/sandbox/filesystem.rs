//! Files by Landlock: everything is denied but what the policy lists.
//!
//! Version 1 of the kernel's interface is demanded, and every later right is taken where it exists. What
//! older versions leave open is closed by [`syscalls`](super::syscalls): truncation (before 3), signals
//! and abstract sockets (before 6), sockets with a path (before 9).

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use std::path::Path;

use super::policy::{DEVICES, Policy, Surround, system_paths};

/// The newest version this build asks for.
pub(super) const NEWEST: u32 = ABI::V9 as u32;

/// Enters Landlock; returns the version of the kernel's interface.
pub(super) fn restrict(policy: &Policy) -> Result<u32, String> {
    let failed = |error: landlock::RulesetError| format!("Landlock: {error}");
    let newest = ABI::from(i32::try_from(policy.landlock_abi_at_most).unwrap_or(i32::MAX));
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map_err(failed)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(newest))
        .map_err(failed)?;
    let scopes = Scope::from_all(newest);
    if !scopes.is_empty() {
        ruleset = ruleset.scope(scopes).map_err(failed)?;
    }
    let mut ruleset = ruleset.create().map_err(failed)?;
    let read = AccessFs::from_read(newest);
    for path in system_paths() {
        ruleset = ruleset.add_rule(beneath(path, read)?).map_err(failed)?;
    }
    for device in DEVICES.iter().map(Path::new).filter(|device| device.exists()) {
        ruleset =
            ruleset.add_rule(beneath(device, AccessFs::ReadFile | AccessFs::WriteFile)?).map_err(failed)?;
    }
    // The processes in an own process namespace are the job's own.
    if policy.surround == Surround::Namespaces {
        ruleset = ruleset.add_rule(beneath(Path::new("/proc"), read)?).map_err(failed)?;
    }
    for path in &policy.read {
        ruleset = ruleset.add_rule(beneath(Path::new(path), read)?).map_err(failed)?;
    }
    for path in &policy.write {
        let all = AccessFs::from_all(newest) & !AccessFs::IoctlDev;
        ruleset = ruleset.add_rule(beneath(Path::new(path), all)?).map_err(failed)?;
    }
    let status = ruleset.restrict_self().map_err(failed)?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _)
        | (_, LandlockStatus::NotEnabled | LandlockStatus::NotImplemented) => {
            Err("Landlock: the kernel enforces nothing".to_owned())
        }
        (_, LandlockStatus::Available { effective_abi, kernel_abi }) => {
            let kernel = kernel_abi.and_then(|abi| u32::try_from(abi).ok()).unwrap_or(effective_abi as u32);
            Ok(kernel.min(policy.landlock_abi_at_most))
        }
    }
}

fn beneath(path: &Path, access: BitFlags<AccessFs>) -> Result<PathBeneath<PathFd>, String> {
    let fd = PathFd::new(path).map_err(|error| format!("Landlock: {error}"))?;
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(ABI::V9) };
    Ok(PathBeneath::new(fd, access))
}
