//! The tiers, how each is tried, and what to do when one does not work.

use std::fmt;

use super::policy::Surround;

/// A tier that was seen to work, with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tier {
    pub(super) surround: Surround,
    landlock: u32,
}

impl Tier {
    pub(super) const fn new(surround: Surround, landlock: u32) -> Self {
        Self { surround, landlock }
    }

    /// A stable name, fit for a metric label; `Display` tells more.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        name(self.surround)
    }

    /// The version of the kernel's Landlock interface.
    #[must_use]
    pub const fn landlock_abi(&self) -> u32 {
        self.landlock
    }

    /// Whether programs have a loopback network of their own, which many tests need.
    #[must_use]
    pub const fn has_loopback(&self) -> bool {
        matches!(self.surround, Surround::Namespaces)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wall = match self.surround {
            Surround::Namespaces => "bubblewrap+",
            Surround::Bare => "",
        };
        write!(f, "{wall}landlock+seccomp+limits (Landlock ABI {}", self.landlock)?;
        match self.surround {
            Surround::Bare if self.landlock < 3 => f.write_str("; truncation and signals denied by seccomp)"),
            Surround::Bare if self.landlock < 6 => f.write_str("; signals denied by seccomp)"),
            Surround::Bare | Surround::Namespaces => f.write_str(")"),
        }
    }
}

pub(super) const fn name(surround: Surround) -> &'static str {
    match surround {
        Surround::Namespaces => "bubblewrap",
        Surround::Bare => "landlock",
    }
}

/// Why a tier could not be seen to work.
#[derive(Debug)]
pub(super) enum Failure {
    /// The tier does not hold here, or cannot be entered.
    Tier(String),
    /// There was no temporary file to try it on, which says nothing about the tier.
    Scratch(String),
}

/// How the trial of one tier went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// The tier's stable name.
    pub name: &'static str,
    /// The tier, or why it does not work.
    pub result: Result<Tier, String>,
    /// What to do to get it, if it does not work.
    pub remedy: Option<&'static str>,
}

impl ProbeReport {
    pub(super) fn new(surround: Surround, result: Result<Tier, Failure>) -> Self {
        let remedy = result.as_ref().err().map(|failure| match failure {
            Failure::Tier(_) => remedy(surround),
            Failure::Scratch(_) => "set TMPDIR to a folder that can be written",
        });
        let result = result.map_err(|failure| match failure {
            Failure::Tier(why) => why,
            Failure::Scratch(error) => format!("no temporary file can be made to test with: {error}"),
        });
        Self { name: name(surround), result, remedy }
    }
}

impl fmt::Display for ProbeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.result {
            Ok(tier) => write!(f, "{}: works: {tier}", self.name)?,
            Err(why) => write!(f, "{}: does not work: {why}", self.name)?,
        }
        self.remedy.map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

const fn remedy(surround: Surround) -> &'static str {
    match surround {
        Surround::Bare => {
            "to get it: Linux 5.13 or newer, built with CONFIG_SECURITY_LANDLOCK=y, with \"landlock\" in the \
             list of the boot parameter lsm= (see /sys/kernel/security/lsm), and a container seccomp profile \
             that allows landlock_create_ruleset, landlock_add_rule, landlock_restrict_self and seccomp (the \
             defaults of containerd and Docker do)"
        }
        Surround::Namespaces => {
            "to get it: install the package bubblewrap, have Landlock (below), and allow user namespaces: sysctl \
             kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 or an \
             AppArmor profile for bwrap (Ubuntu), user.max_user_namespaces above 0; a restricted pod denies them \
             by design, and the tier landlock serves there"
        }
    }
}
