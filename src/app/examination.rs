//! What this machine offers: the Go toolchain, the sandbox, room to work in.

use std::path::Path;

use serde::Serialize;

use super::parts::{self, NoGo};
use crate::config::Config;
use crate::sandbox::{GoError, GoToolchain, Sandbox};
use crate::telemetry::{Advise as _, Advised};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// Whether it is good enough to work with.
    pub ok: bool,
    /// Whether nothing can be proven without it.
    pub required: bool,
    /// What was found, or why not.
    pub found: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// Free space below which work is not begun: a copy of the repository, and what the compiler writes.
const ROOM_BYTES: u64 = 256 << 20;

/// Looks at everything that `fix` needs.
#[must_use]
pub fn examine(config: &Config) -> Vec<Check> {
    let mut checks = toolchain(config);
    let sandbox = parts::sandbox(config);
    checks.push(match Sandbox::detect(&sandbox) {
        Ok(sandbox) => Check::good("sandbox", sandbox.tier().to_string()),
        // Each tier tells below why it does not work, and what to do.
        Err(_) => Check::bad(
            "sandbox",
            "no tier that may be used works here, and without isolation nothing is run".to_owned(),
            "make one of the tiers below work",
        ),
    });
    checks.extend(Sandbox::report(&sandbox).into_iter().map(|probe| Check {
        name: format!("sandbox tier {}", probe.name),
        ok: probe.result.is_ok(),
        required: false,
        found: probe.result.map_or_else(|why| why, |tier| tier.to_string()),
        remedy: probe.remedy.map(str::to_owned),
    }));
    checks.push(scratch());
    checks
}

/// Whether there is room to work, as `examine` judges it.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn demand_scratch() -> Result<(), Advised> {
    demand(scratch())
}

/// Whether there is a toolchain whose build cache has room, as `examine` judges it.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn demand_build_cache(config: &Config) -> anyhow::Result<()> {
    Ok(demand(build_cache(&parts::demand_go(config)?))?)
}

fn demand(check: Check) -> Result<(), Advised> {
    match check {
        Check { ok: false, name, found, remedy, .. } => {
            Err(format!("{name}: {found}")).advise(remedy.unwrap_or_default())
        }
        Check { ok: true, .. } => Ok(()),
    }
}

impl Check {
    fn good(name: &str, found: String) -> Self {
        Self { name: name.to_owned(), ok: true, required: true, found, remedy: None }
    }

    fn bad(name: &str, found: String, remedy: &str) -> Self {
        Self { name: name.to_owned(), ok: false, required: true, found, remedy: Some(remedy.to_owned()) }
    }
}

/// The toolchain and its cache: what is wrong with one is not mended by the other.
fn toolchain(config: &Config) -> Vec<Check> {
    let error = match parts::go(config) {
        Ok(go) => {
            let found = format!("{} in {}", go.version(), go.root().display());
            return vec![Check::good("go", found), race_detector(&go), build_cache(&go)];
        }
        Err(error) => error,
    };
    let name = match error {
        NoGo::Toolchain(GoError::Missing(_) | GoError::Broken { .. } | GoError::TooOld { .. }) => "go",
        NoGo::Toolchain(GoError::Cache { .. }) | NoGo::NoPlace => BUILD_CACHE,
    };
    vec![Check::bad(name, error.to_string(), error.remedy())]
}

/// Races are reproduced under the detector; everything else is proven without it.
fn race_detector(go: &GoToolchain) -> Check {
    let name = "race detector".to_owned();
    match go.race_detector() {
        Ok(detector) => {
            let found = format!("built with {}", detector.compiler().display());
            Check { name, ok: true, required: false, found, remedy: None }
        }
        Err(why) => Check {
            name,
            ok: false,
            required: false,
            found: why.to_string(),
            remedy: Some(why.remedy().to_owned()),
        },
    }
}

const BUILD_CACHE: &str = "build cache";

fn build_cache(go: &GoToolchain) -> Check {
    room(BUILD_CACHE, go.build_cache(), "set repository.go_cache to a folder on a larger disk")
}

/// Repairs work on a copy of the repository.
fn scratch() -> Check {
    let folder = std::env::temp_dir();
    match tempfile::tempdir_in(&folder) {
        Ok(_) => room("scratch", &folder, "set TMPDIR to a folder on a larger disk"),
        Err(error) => Check::bad(
            "scratch",
            format!("cannot write to {}: {error}", folder.display()),
            "set TMPDIR to a folder that can be written",
        ),
    }
}

fn room(name: &str, folder: &Path, otherwise: &str) -> Check {
    let mib = ROOM_BYTES >> 20;
    match rustix::fs::statvfs(folder) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let found = format!("{} MiB free in {}", free >> 20, folder.display());
            if free >= ROOM_BYTES {
                return Check::good(name, found);
            }
            Check::bad(
                name,
                format!("{found}, but {mib} MiB are needed"),
                &format!("free some space, or {otherwise}"),
            )
        }
        Err(error) => Check::bad(name, format!("cannot look at {}: {error}", folder.display()), otherwise),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration with Go's cache in a place of its own.
    fn with_cache(cache: &Path) -> Config {
        let mut config = Config::built_in().unwrap();
        config.repository.go_cache = Some(cache.to_owned());
        config
    }

    #[test]
    fn a_cache_that_cannot_be_made_is_not_a_missing_go() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let [check] = &toolchain(&with_cache(&file.join("cache")))[..] else { panic!("one check is bad") };
        assert_eq!((check.name.as_str(), check.ok), ("build cache", false));
        let remedy = check.remedy.as_deref().unwrap();
        assert!(remedy.contains("repository.go_cache") && !check.found.contains("install Go"), "{check:?}");

        let mut config = with_cache(folder.path());
        config.repository.go = Some("/nowhere/go".into());
        let checks = toolchain(&config);
        assert_eq!(checks[0].name, "go");
        let (remedy, found) = (checks[0].remedy.as_deref().unwrap(), checks[0].found.as_str());
        // What to do is told once, beside what was found.
        assert!(remedy.contains("install Go") && !found.contains("install Go"), "{checks:?}");
        assert!(!check.found.contains("repository.go_cache"), "{check:?}");
    }
}
