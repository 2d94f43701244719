//! One attempt at one fault, and the best it has reached so far.

use std::sync::Arc;
use std::time::Duration;

use super::challenge::{Challenged, is_written_by, moved};
use super::extension::{self, extended};
use super::obstacle::Obstacle;
use super::proposing::{proposed, recalled};
use super::standing::{Earlier, Standing};
use super::strategy::{Experience, Source};
use super::{Finding, Fixer, Progress, Stage, Workbench};
use crate::domain::{
    Diagnosis, ErrorGroup, Evidence, Fault, FileChange, FixCandidate, Location, Provenance, Reach,
    Reproducer, Suggestion, VerdictKind,
};
use crate::generator::reproduce::{self, Reproduction, reproduce};
use crate::generator::rules::Proposal;
use crate::generator::typecheck::type_check;
use crate::repository::go::Symbol;
use crate::repository::{Repository, Workspace, changed_functions, same_function, unified_diff};
use crate::validator::{Baseline, Confirmed, Subject, Validator};

/// The longest search for a reproducer, builds not counted.
const SEARCH_LIMIT: Duration = Duration::from_secs(10);

/// One attempt. Its state survives when its time runs out in the middle.
pub(super) struct Attempt<'a> {
    fixer: &'a Fixer,
    repository: &'a Arc<Repository>,
    log_context: &'a [String],
    experience: &'a Experience,
    progress: Progress<'a>,
    reproducer: Option<Reproducer>,
    search: String,
    /// What the search has shown that found the reproducer.
    earlier: Option<Earlier>,
    standing: Standing,
    judged: usize,
    /// The changes of fixes that were extended, and the functions that the first of them changes that was not.
    extended: Vec<(Vec<FileChange>, Vec<Location>)>,
    /// Whether the code makes a check that would have mended it.
    asked_already: bool,
    obstacle: Option<String>,
}

/// What every candidate is judged by.
#[derive(Clone, Copy)]
struct Grounds<'b> {
    validator: &'b Validator<'b>,
    subject: Subject<'b>,
    baseline: &'b Baseline,
    confirmed: Option<&'b Confirmed>,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        fixer: &'a Fixer,
        repository: &'a Arc<Repository>,
        (log_context, experience): (&'a [String], &'a Experience),
        progress: Progress<'a>,
    ) -> Self {
        Self {
            fixer,
            repository,
            log_context,
            experience,
            progress,
            reproducer: None,
            search: String::new(),
            earlier: None,
            standing: Standing::default(),
            judged: 0,
            extended: Vec::new(),
            asked_already: false,
            obstacle: None,
        }
    }

    pub(super) fn give_up(&mut self, why: impl std::fmt::Display) {
        self.obstacle = Some(why.to_string());
    }

    pub(super) fn out_of_time(&mut self, limit: Duration, doing: &str) {
        self.give_up(format_args!(
            "the time limit of {} s ran out while {doing}; raise generator.timeout",
            limit.as_secs()
        ));
    }

    pub(super) async fn run(&mut self, bench: &mut Workbench, fault: &Fault) {
        if let Err(obstacle) = self.climb(bench, fault).await {
            bench.clear();
            self.give_up(obstacle);
        }
    }

    async fn climb(&mut self, bench: &mut Workbench, fault: &Fault) -> Result<(), Obstacle> {
        let (workspace, baseline) = bench.set_up(&self.fixer.go)?;
        let subject = Subject { repository: self.repository, workspace, fault };
        let fixer = self.fixer;
        let validator = Validator::new(&fixer.validator, &fixer.go, &fixer.sandbox);
        (self.progress)("building the repository as it stands");
        // Before anything is searched for: nothing can be learnt from a package that does not build.
        let stage = fixer.begin(Stage::Survey);
        validator.survey(subject, baseline).await??;
        drop(stage);
        (self.progress)("reproducing the crash");
        let stage = fixer.begin(Stage::Reproduce);
        let types = type_check(fault, self.repository, workspace, &fixer.go, &fixer.sandbox);
        let ((), reproduced) = tokio::join!(types, self.reproduce(fault, workspace));
        reproduced?;
        drop(stage);
        (self.progress)("asking the repair rules");
        let candidates = self.candidates(fault).await?;
        if candidates.is_empty() {
            return Ok(());
        }
        let mut confirmed = None;
        if let Some(reproducer) = self.reproducer.clone() {
            (self.progress)("confirming the reproducer");
            let _stage = fixer.begin(Stage::Confirm);
            confirmed = Some(validator.confirm(subject, reproducer).await?);
        }
        let confirmed = confirmed.as_ref();
        let grounds = Grounds { validator: &validator, subject, baseline, confirmed };
        let total = candidates.len().min(fixer.config.max_fix_attempts);
        for candidate in candidates.into_iter().take(total) {
            self.judged += 1;
            (self.progress)(&format!("judging candidate fix {} of {total}", self.judged));
            let Some(still_failing) = self.judge(grounds, candidate.clone()).await? else { continue };
            let masks = candidate.masks;
            // What fails in other functions is no reason to prefer what comes after.
            let is_mended = self.standing.is_held_by(&candidate)
                && !still_failing.is_empty()
                && fault
                    .stack
                    .first()
                    .is_some_and(|failing| still_failing.iter().all(|place| !same_function(place, failing)));
            self.extend(grounds, candidate, still_failing).await?;
            self.standing.extend(None);
            if !self.standing.holds() {
                continue;
            }
            // With a doubtful reproducer, or one of an inner call, no other candidate comes further; nor do those
            // that may mask, which come last.
            let is_entry = self.earlier.as_ref().is_some_and(|earlier| earlier.reach == Reach::EntryPoint);
            if self.standing.is_proven() || !self.standing.may_prove() || !is_entry || masks || is_mended {
                break;
            }
        }
        Ok(())
    }

    /// The candidates of every source, in the order in which they are to be judged.
    async fn candidates(&mut self, fault: &Fault) -> Result<Vec<FixCandidate>, Obstacle> {
        let mut all: Vec<FixCandidate> = Vec::new();
        for source in self.experience.order(&self.fixer.config.strategies) {
            let candidates = match source {
                Source::Recalled => recalled(fault, self.repository, &self.experience.precedents).await?,
                Source::Rule => {
                    let Proposal { mut candidates, asked_already } = proposed(fault, self.repository).await?;
                    self.asked_already = asked_already;
                    self.experience.reorder(&mut candidates);
                    candidates
                }
            };
            for candidate in candidates {
                if all.iter().all(|known| known.changes != candidate.changes) {
                    all.push(candidate);
                }
            }
        }
        all.sort_by_key(|candidate| candidate.masks);
        Ok(all)
    }

    /// Judges a candidate. Where it is plausible at least, or its reproducer comes further and fails in the same way
    /// there: the statements that fail so still.
    async fn judge(
        &mut self,
        grounds: Grounds<'_>,
        candidate: FixCandidate,
    ) -> Result<Option<Vec<Location>>, Obstacle> {
        let Grounds { validator, subject, baseline, confirmed } = grounds;
        let fixer = self.fixer;
        let stage = fixer.begin(Stage::Validate);
        let climb = self.standing.climb(candidate.clone(), validator.begin());
        let verdict = validator.validate(subject, baseline, confirmed, &candidate, climb).await?;
        drop(stage);
        tracing::debug!(explanation = candidate.explanation, verdict = ?verdict.kind(), reason = verdict.reason(), "judged");
        if let Some(further) =
            verdict.still_failing_at().filter(|place| is_further(place, subject.fault, &candidate))
        {
            let failing = vec![further.clone()];
            self.standing.take(candidate, verdict);
            return Ok(Some(failing));
        }
        // What was shown with forced state may be shown so again, and says nothing either time.
        let shown = self.earlier.as_ref().filter(|earlier| earlier.reach > Reach::ForcedState);
        let Some(earlier) = shown.filter(|_| verdict.kind() >= VerdictKind::Plausible) else {
            self.standing.take(candidate, verdict);
            return Ok(None);
        };
        (self.progress)("looking for another way to the crash");
        self.standing.await_challenge(candidate.clone(), verdict);
        let stage = fixer.begin(Stage::Challenge);
        let Challenged { step, still_failing } =
            fixer.challenge(subject, &candidate, self.log_context, earlier, self.progress).await?;
        drop(stage);
        tracing::debug!(result = ?step.result, detail = step.detail, "challenged");
        let kind = self.standing.challenged(step, &still_failing);
        Ok(kind.filter(|kind| *kind >= VerdictKind::Plausible).map(|_| still_failing))
    }

    /// Extends a fix to the statements that fail in the same way still, as long as that helps.
    async fn extend(
        &mut self,
        grounds: Grounds<'_>,
        mut candidate: FixCandidate,
        mut still_failing: Vec<Location>,
    ) -> Result<(), Obstacle> {
        let Subject { repository, workspace, fault } = grounds.subject;
        for _ in 0..extension::MOST {
            let more = extended(fault, repository, workspace, &candidate, &still_failing).await?;
            let Some(more) = more else { break };
            (self.progress)("extending the fix to what fails in the same way");
            self.standing.extend(Some(still_failing.len()));
            tracing::debug!(patch = unified_diff(&more.changes), "extended");
            let first = self.extended.iter().find(|(changes, _)| *changes == candidate.changes);
            let first =
                first.map_or_else(|| changed_functions(&candidate.changes), |(_, first)| first.clone());
            self.extended.push((more.changes.clone(), first));
            match self.judge(grounds, more.clone()).await? {
                Some(failing) => (candidate, still_failing) = (more, failing),
                None => break,
            }
        }
        Ok(())
    }

    async fn reproduce(&mut self, fault: &Fault, workspace: &Workspace) -> Result<(), Obstacle> {
        let request = reproduce::Request {
            fault,
            repository: self.repository,
            workspace,
            log_context: self.log_context,
            time_limit: self.fixer.config.reproduce_timeout,
            search_limit: SEARCH_LIMIT,
            fuzz_limit: self.fixer.config.fuzz_timeout,
            by_force: true,
            seed: self.fixer.config.seed,
            aftermath: None,
        };
        match reproduce(request, &self.fixer.go, &self.fixer.sandbox, self.progress).await? {
            Reproduction::Reproduced {
                reproducer, how, effort, unclear, fuzzed, astray, aftermath, ..
            } => {
                self.standing.set_fuzzed(fuzzed);
                if let Some(why) = unclear {
                    self.standing.doubt(why);
                }
                self.earlier = Some(Earlier { reach: reproducer.reach, effort, astray, aftermath });
                self.reproducer = Some(reproducer);
                self.search = how;
            }
            Reproduction::NotReproduced { reason, .. } | Reproduction::Hangs { how: reason, .. } => {
                self.search = reason;
            }
        }
        Ok(())
    }

    /// What was reached, as a person is shown it.
    pub(super) fn finish(self, group: &ErrorGroup, diagnosis: Diagnosis, seconds: f64) -> Finding {
        let event = &group.first;
        let mut reproducer = self.reproducer;
        if let Some(reproducer) = reproducer.as_mut().filter(|_| self.standing.is_doubted()) {
            reproducer.reach = reproducer.reach.min(Reach::InternalCall);
        }
        let mut suggestion = Suggestion {
            fingerprint: group.fingerprint,
            class: event.class,
            title: event.title.clone(),
            count: group.count,
            diagnosis: diagnosis.summary,
            locations: diagnosis.locations,
            reproduced: reproducer.is_some(),
            verdict: VerdictKind::Inconclusive,
            reason: String::new(),
            provenance: None,
            rule: None,
            explanation: None,
            masks: false,
            patch: None,
            evidence: Evidence { steps: Vec::new(), sandbox: self.fixer.sandbox.tier().to_string() },
            reproducer,
            search: self.search,
            seconds,
        };
        let mut changes = Vec::new();
        match (self.standing.finish(), self.obstacle) {
            (Some((candidate, verdict)), obstacle) => {
                let record = verdict.into_record();
                suggestion.verdict = record.kind;
                suggestion.reason = record.reason;
                suggestion.evidence = record.evidence;
                suggestion.provenance = Some(candidate.provenance.kind().to_owned());
                suggestion.rule = rule_of(&candidate.provenance);
                suggestion.masks = candidate.masks;
                suggestion.explanation = Some(candidate.explanation);
                // A patch that was tried and failed is no suggestion; nothing speaks against one that could
                // not be judged to the end.
                if record.kind != VerdictKind::Rejected {
                    suggestion.patch = Some(unified_diff(&candidate.changes));
                    if record.kind == VerdictKind::Proven {
                        let extended =
                            self.extended.into_iter().find(|(changes, _)| *changes == candidate.changes);
                        let changed = extended
                            .map_or_else(|| changed_functions(&candidate.changes), |(_, first)| first);
                        put_first(&mut suggestion.locations, changed);
                    }
                    changes = candidate.changes;
                }
                if let Some(obstacle) = obstacle.filter(|_| record.kind != VerdictKind::Proven) {
                    suggestion.reason = format!("{}; {obstacle}", suggestion.reason);
                }
            }
            (None, Some(obstacle)) => suggestion.reason = obstacle,
            (None, None) if self.asked_already => {
                suggestion.reason =
                    "the code asks already for what failed: it may have been mended since the log was written"
                        .to_owned();
            }
            (None, None) => {
                let asks_rules = self.fixer.config.strategies.iter().any(|it| it.source == Source::Rule);
                let nobody =
                    if asks_rules { "no rule has a candidate for it" } else { "no approved fix is like it" };
                suggestion.reason = nobody.to_owned();
            }
        }
        Finding { suggestion, changes }
    }
}

/// Whether a statement that fails with a change in place is another one than the fault's, and stood there before.
fn is_further(place: &Location, fault: &Fault, candidate: &FixCandidate) -> bool {
    let mended = fault.stack.first().map(|failing| moved(failing, candidate));
    let same = mended.is_some_and(|mended| mended.file == place.file && mended.line == place.line);
    !same && !is_written_by(candidate, place)
}

/// Where a proven fix acts is where the defect is: before the statements of the stack that only met it. Of several
/// functions it is the one that is suspected most.
fn put_first(locations: &mut Vec<Location>, changed: Vec<Location>) {
    let is_changed = |known: &Location| {
        changed
            .iter()
            .any(|place| known.file == place.file && Symbol::declared(&known.function) == place.function)
    };
    let known = locations.iter().position(is_changed).map(|at| locations.remove(at));
    if let Some(first) = known.or_else(|| changed.into_iter().next()) {
        locations.insert(0, first);
    }
}

fn rule_of(provenance: &Provenance) -> Option<String> {
    match provenance {
        Provenance::Rule { rule } => Some(rule.clone()),
        Provenance::Recalled { .. } | Provenance::Model { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::put_first;
    use crate::domain::{Location, RepoPath};

    #[test]
    fn the_function_that_is_mended_stands_first() {
        let place = |line, function: &str| Location {
            file: RepoPath::new("a.go").unwrap(),
            line,
            function: function.to_owned(),
        };
        let stack = [place(3, "inner"), place(9, "Outer.func1"), place(20, "main")];
        for (changed, lines) in [
            (vec![], vec![3, 9, 20]),
            (vec![place(2, "inner")], vec![3, 9, 20]),
            (vec![place(8, "Outer")], vec![9, 3, 20]),
            (vec![place(1, "twin"), place(8, "Outer")], vec![9, 3, 20]),
            (vec![place(30, "New")], vec![30, 3, 9, 20]),
        ] {
            let mut locations = stack.to_vec();
            put_first(&mut locations, changed);
            assert_eq!(locations.iter().map(|location| location.line).collect::<Vec<_>>(), lines);
        }
    }
}
