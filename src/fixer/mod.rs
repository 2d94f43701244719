//! One group's way: diagnose, reproduce, candidates, verdicts, suggestion.
//!
//! An attempt is bounded in time and in candidates; what was reached by then is what is suggested.

mod attempt;

use std::time::{Duration, Instant};

use crate::domain::{ErrorGroup, FileChange, Nature, OperationalFinding, Suggestion};
use crate::generator::diagnose::diagnose;
use crate::generator::operational;
use crate::repository::Repository;
use crate::sandbox::Sandbox;
use crate::sandbox::go::GoToolchain;
use crate::validator;

use attempt::Attempt;

/// How a group is worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Wall time of one group's attempt.
    pub timeout: Duration,
    /// Wall time of the search for a reproducer within it.
    pub reproduce_timeout: Duration,
    /// The most candidates that are judged.
    pub max_fix_attempts: usize,
    /// Seed of the search: the same seed searches the same inputs in the same order.
    pub seed: u64,
}

/// What came of one group.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// A code defect, and the best fix found for it.
    Defect {
        /// What a person is shown.
        suggestion: Box<Suggestion>,
        /// The change itself, where there is one.
        changes: Vec<FileChange>,
    },
    /// A failure of the surroundings.
    Operational(Box<OperationalFinding>),
}

/// Hears how an attempt goes on, one short phrase a stage.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// Works out suggestions.
#[derive(Debug)]
pub struct Fixer {
    config: Config,
    validator: validator::Config,
    go: GoToolchain,
    sandbox: Sandbox,
}

impl Fixer {
    /// A fixer that runs this toolchain in this sandbox.
    #[must_use]
    pub const fn new(
        config: Config,
        validator: validator::Config,
        go: GoToolchain,
        sandbox: Sandbox,
    ) -> Self {
        Self { config, validator, go, sandbox }
    }

    /// Works out what to do about one group, against the repository as it stands, which is not touched.
    /// `log_context` is text of the log from around the failure; it only seeds the search.
    pub async fn work_out(
        &self,
        repository: &Repository,
        group: &ErrorGroup,
        log_context: &[String],
        progress: Progress<'_>,
    ) -> Finding {
        progress("diagnosing");
        let diagnosis = diagnose(&group.first, repository);
        if group.first.class.nature() == Nature::Operational {
            return Finding::Operational(Box::new(OperationalFinding {
                fingerprint: group.fingerprint,
                class: group.first.class,
                title: group.first.title.clone(),
                count: group.count,
                diagnosis: group.first.message.clone(),
                remedy: operational::remedy(group.first.class).to_owned(),
                locations: diagnosis.locations,
            }));
        }
        let begun = Instant::now();
        let mut attempt = Attempt::new(self, repository, log_context, progress);
        if diagnosis.fault.stack.is_empty() {
            attempt.give_up(
                "nothing of it is found in this repository; give --repo the code, at the version, that wrote the log",
            );
        } else if tokio::time::timeout(self.config.timeout, attempt.run(&diagnosis.fault)).await.is_err() {
            attempt.out_of_time(self.config.timeout);
        }
        attempt.finish(group, diagnosis, begun.elapsed().as_secs_f64())
    }
}
