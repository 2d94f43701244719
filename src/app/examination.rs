//! What this machine offers: the Go toolchain, the sandbox, room to work in.

use serde::Serialize;

use super::parts;
use crate::config::Config;
use crate::sandbox::Sandbox;

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

/// Looks at everything that `fix` needs.
#[must_use]
pub fn examine(config: &Config) -> Vec<Check> {
    let mut checks = vec![toolchain(config)];
    let sandbox = parts::sandbox(config);
    checks.push(match Sandbox::detect(&sandbox) {
        Ok(sandbox) => Check::good("sandbox", sandbox.tier().to_string()),
        Err(error) => Check {
            name: "sandbox".to_owned(),
            ok: false,
            required: true,
            found: error.to_string(),
            remedy: Some("without isolation nothing is run: make one of the tiers below work".to_owned()),
        },
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

impl Check {
    fn good(name: &str, found: String) -> Self {
        Self { name: name.to_owned(), ok: true, required: true, found, remedy: None }
    }
}

fn toolchain(config: &Config) -> Check {
    match parts::go(config) {
        Ok(go) => Check::good("go", format!("{} in {}", go.version(), go.root().display())),
        Err(error) => Check {
            name: "go".to_owned(),
            ok: false,
            required: true,
            found: error.to_string(),
            remedy: Some("install Go 1.21 or newer and put `go` on PATH, or set repository.go".to_owned()),
        },
    }
}

/// Repairs work on a copy of the repository.
fn scratch() -> Check {
    let folder = std::env::temp_dir();
    let found = tempfile::tempdir_in(&folder).and_then(|_| Ok(rustix::fs::statvfs(&folder)?));
    match found {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let mut check =
                Check::good("scratch", format!("{} MiB free in {}", free >> 20, folder.display()));
            if free < 256 << 20 {
                check.ok = false;
                check.remedy = Some("free some space, or set TMPDIR to a larger disk".to_owned());
            }
            check
        }
        Err(error) => Check {
            name: "scratch".to_owned(),
            ok: false,
            required: true,
            found: format!("cannot write to {}: {error}", folder.display()),
            remedy: Some("set TMPDIR to a folder that can be written".to_owned()),
        },
    }
}
