use crate::config::quantity::Interval;
use crate::config::read::section;

section! {
    /// How a proven fix is applied.
    pub struct DeploymentSection {
        /// Whether policy may apply a proven fix.
        auto_deploy: bool,
        /// Whether a person must approve it first.
        require_human_approval: bool,
        /// How long the last check before an application may take.
        sandbox_timeout: Interval [Interval::from_secs(1)..=Interval::from_days(1)],
        /// Whether a fix is taken back when its error recurs.
        rollback_enabled: bool,
        /// How many fixes may be on their way at once.
        max_concurrent_deployments: u32 [1..=1_000],
    }
}
