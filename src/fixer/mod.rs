//! One group's way: diagnose, reproduce, candidates, verdicts, suggestion.
//!
//! An attempt is bounded in time and in candidates; what was reached by then is what is suggested.

mod attempt;
mod challenge;
mod doing;
mod extension;
mod known;
mod obstacle;
mod origin;
mod proposing;
mod release;
mod standing;
mod strategy;
mod workbench;

use std::time::{Duration, Instant};

use prometheus::{HistogramTimer, HistogramVec};

use crate::domain::{
    Class, Diagnosis, ErrorGroup, Fault, FaultFacts, FileChange, Nature, OperationalFinding, Suggestion,
};
use crate::generator::diagnose::diagnose;
use crate::generator::operational::remedy;
use crate::generator::typecheck::prepare;
use crate::repository::Repository;
use crate::sandbox::Sandbox;
use crate::sandbox::go::GoToolchain;
use crate::telemetry::metrics::Metrics;
use crate::validator::{self, Validator};

use attempt::Attempt;
pub use doing::Doing;
pub use known::{CodeNow, Known, known_answer};
use obstacle::Obstacle;
use proposing::{Diagnosed, diagnosed};
use release::at_present;
pub use strategy::{Experience, Source, Strategy};
pub use workbench::Workbench;

/// How long the build cache may take to fill, which belongs to no attempt.
const WARM_UP_TIMEOUT: Duration = Duration::from_secs(300);

/// How a group is worked on.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Wall time of one group's attempt.
    pub timeout: Duration,
    /// Wall time of the search for a reproducer within it.
    pub reproduce_timeout: Duration,
    /// Wall time of Go's own fuzzer within that, its build not counted; zero where it is not used.
    pub fuzz_timeout: Duration,
    /// The most candidates that are judged.
    pub max_fix_attempts: usize,
    /// Where candidates come from.
    pub strategies: Vec<Strategy>,
    /// Seed of the search: the same seed searches the same inputs in the same order.
    pub seed: u64,
}

/// A code defect, and the best fix found for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What a person is shown.
    pub suggestion: Suggestion,
    /// The change itself, where there is one.
    pub changes: Vec<FileChange>,
}

/// Whether a group is a failure of the surroundings rather than a code defect.
#[must_use]
pub fn is_operational(group: &ErrorGroup) -> bool {
    group.first.class.nature() == Nature::Operational
}

/// What a failure of the surroundings comes from, and what to do about it; with a repository, also where the
/// code reports it. The first time that reads the whole repository: it blocks.
#[must_use]
pub fn operational(group: &ErrorGroup, repository: Option<&Repository>) -> OperationalFinding {
    let event = &group.first;
    OperationalFinding {
        fingerprint: group.fingerprint,
        class: event.class,
        title: event.title.clone(),
        count: group.count,
        diagnosis: event.message.clone(),
        remedy: remedy(event.class).to_owned(),
        locations: repository.map(|repository| diagnose(event, repository).locations).unwrap_or_default(),
    }
}

/// What takes the time of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Diagnose,
    /// The repository is built as it stands.
    Survey,
    Reproduce,
    /// The reproducer is run again and again.
    Confirm,
    /// A candidate is judged.
    Validate,
    /// Another way to the crash is looked for.
    Challenge,
}

impl Stage {
    /// A stable name, fit for a metric label.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Diagnose => "diagnose",
            Self::Survey => "survey",
            Self::Reproduce => "reproduce",
            Self::Confirm => "confirm",
            Self::Validate => "validate",
            Self::Challenge => "challenge",
        }
    }
}

/// Hears how an attempt goes on, one short phrase a stage.
type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// Works out suggestions.
#[derive(Debug)]
pub struct Fixer {
    config: Config,
    validator: validator::Config,
    go: GoToolchain,
    sandbox: Sandbox,
    stage_seconds: HistogramVec,
}

impl Fixer {
    /// A fixer that runs this toolchain in this sandbox. No single step, and no search for a reproducer,
    /// may take a whole attempt's time: else what hangs leaves none for the rest.
    #[must_use]
    pub fn new(
        mut config: Config,
        mut validator: validator::Config,
        go: GoToolchain,
        sandbox: Sandbox,
        metrics: &Metrics,
    ) -> Self {
        validator.step_timeout = longest_step(config.timeout, validator.step_timeout);
        config.reproduce_timeout = longest_reproduction(config.timeout, config.reproduce_timeout);
        let (sandbox, stage_seconds) = (sandbox.counting(metrics), metrics.fix_stage_seconds.clone());
        Self { config, validator, go, sandbox, stage_seconds }
    }

    /// Whether what is known of earlier defects may answer.
    #[must_use]
    pub fn recalls(&self) -> bool {
        self.config.strategies.iter().any(|strategy| strategy.source == Source::Recalled)
    }

    /// Measures a stage until the value is dropped, and so also one that is broken off.
    fn begin(&self, stage: Stage) -> HistogramTimer {
        self.stage_seconds.with_label_values(&[stage.as_str()]).start_timer()
    }

    /// Builds what every test needs of the standard library, so that a cold build cache costs no attempt
    /// its time. Where the sandbox fails or the disk is full, that is told, and each attempt will say so in its
    /// own words.
    pub async fn warm_up(&self, bench: &mut Workbench) {
        let warming = async {
            let (workspace, _) = bench.set_up(&self.go)?;
            let unhurried = validator::Config { step_timeout: WARM_UP_TIMEOUT, ..self.validator.clone() };
            Validator::new(&unhurried, &self.go, &self.sandbox).warm_up(workspace).await?;
            Ok::<_, Obstacle>(prepare(workspace, &self.go, &self.sandbox).await?)
        };
        if let Err(error) = warming.await {
            tracing::warn!(%error, "could not prepare the build cache");
        }
    }

    /// Works out a fix for one code defect, against the repository as it stands, which is not touched.
    /// `log_context` is text of the log from around the failure; it only seeds the search. `experience` is what
    /// earlier work says.
    pub async fn work_out(
        &self,
        bench: &mut Workbench,
        group: &ErrorGroup,
        log_context: &[String],
        experience: &Experience,
        doing: &Doing,
    ) -> Finding {
        let progress: Progress<'_> = &|what| doing.begin(what);
        let (begun, deadline) = (Instant::now(), tokio::time::Instant::now() + self.config.timeout);
        let repository = bench.repository();
        let context: Vec<String> = std::iter::once(&group.first.sample).chain(log_context).cloned().collect();
        let mut attempt = Attempt::new(self, &repository, (&context, experience), progress);
        progress("diagnosing the failure");
        let stage = self.begin(Stage::Diagnose);
        let present = at_present(&self.sandbox, &repository, &group.first, log_context);
        let placed = diagnosed(present, &group.first, &repository);
        let placed = tokio::time::timeout_at(deadline, placed).await;
        drop(stage);
        let out_of_time = |attempt: &mut Attempt<'_>| {
            attempt.out_of_time(self.config.timeout, &doing.last().unwrap_or_default());
        };
        let Diagnosed { event, told, mut diagnosis } = match placed {
            Ok(Ok(diagnosed)) => diagnosed,
            failed => {
                match failed {
                    Ok(Err(obstacle)) => attempt.give_up(obstacle),
                    _ => out_of_time(&mut attempt),
                }
                return attempt.finish(group, unknown(group), begun.elapsed().as_secs_f64());
            }
        };
        if diagnosis.fault.stack.is_empty() {
            attempt.give_up(match event.lost_its_stack() {
                true => {
                    "the log holds no stack of it that can be read, and that alone tells where it was; give the \
                     log with all that Go prints below the panic, which is nothing with GOTRACEBACK=none"
                }
                false => {
                    "nothing of it is found in this repository; give --repo the code, at the version, that wrote the log"
                }
            });
        } else if tokio::time::timeout_at(deadline, attempt.run(bench, &diagnosis.fault)).await.is_err() {
            bench.clear();
            out_of_time(&mut attempt);
        }
        if event.class == Class::NilDereference {
            // By now the types are known, which tell what of the statement was nil.
            let again = diagnosed(std::future::ready(None), &event, &repository);
            if let Ok(Ok(again)) = tokio::time::timeout_at(deadline, again).await {
                diagnosis.summary = again.diagnosis.summary;
            }
        }
        diagnosis.summary.extend(told.iter().flat_map(|told| [" ", told]));
        attempt.finish(group, diagnosis, begun.elapsed().as_secs_f64())
    }
}

/// What is told of a group that could not be looked at.
fn unknown(group: &ErrorGroup) -> Diagnosis {
    let event = &group.first;
    let fault = Fault {
        class: event.class,
        message: event.message.clone(),
        facts: FaultFacts::default(),
        stack: Vec::new(),
        others: Vec::new(),
    };
    Diagnosis { summary: event.class.explanation().to_owned(), locations: Vec::new(), fault }
}

fn longest_step(attempt: Duration, wanted: Duration) -> Duration {
    wanted.min(attempt * 3 / 4)
}

fn longest_reproduction(attempt: Duration, wanted: Duration) -> Duration {
    wanted.min(attempt / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_takes_a_whole_attempt() {
        let seconds = Duration::from_secs;
        for (attempt, wanted, step, reproduction) in
            [(120, 120, 90, 60), (120, 20, 20, 20), (30, 40, 22, 15), (600, 40, 40, 40)]
        {
            assert_eq!(longest_step(seconds(attempt), seconds(wanted)).as_secs(), step);
            assert_eq!(longest_reproduction(seconds(attempt), seconds(wanted)).as_secs(), reproduction);
        }
    }
}
