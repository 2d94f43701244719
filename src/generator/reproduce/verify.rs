//! From a call that was found to a test that shows the crash.

use std::time::{Duration, Instant};

use super::aftermath::Aftermath;
use super::exchange::Found;
use super::search::{Findings, Search};
use super::session::Built;
use super::tally::{Best, Effort, Shown, Tally};
use super::{Attempt, Error, OwnedSearch, Reproduction, judge, render};
use crate::domain::{Class, Reach};
use crate::repository::Likeness;

/// What a log says that was written by other code.
pub(super) const OF_ANOTHER_VERSION: &str = "the log's line is of another version of the code: the function and the class of the crash are the same, but nobody knows whether the statement is";

impl Attempt<'_> {
    /// One search of one package, and the test of the first call that holds.
    pub(super) async fn attempt(
        &self,
        owned: &OwnedSearch<'_>,
        forced: bool,
        time: Duration,
        tally: &mut Tally,
    ) -> Result<Option<Reproduction>, Error> {
        let how = if forced { ", with forced state" } else { "" };
        (self.progress)(&format!("searching {}{how}", owned.surface.import_path));
        let search = self.search(owned);
        let begun = Instant::now();
        let findings = search.run(forced, time, &mut tally.without).await?;
        self.examine(owned, &search, findings, begun.elapsed(), tally).await
    }

    /// Writes the test of each call that was found, until one shows the crash.
    pub(super) async fn examine(
        &self,
        owned: &OwnedSearch<'_>,
        search: &Search<'_>,
        findings: Findings,
        searched: Duration,
        tally: &mut Tally,
    ) -> Result<Option<Reproduction>, Error> {
        let Findings { tried, stuck, ended, .. } = findings;
        tally.effort = tally.effort.and(Effort { tried, stuck, ended, searched });
        tally.elsewhere.extend(findings.elsewhere);
        for found in &findings.found {
            let fair = found.entry && !found.forced;
            if !found.problem.is_empty() {
                let problem = format!("a call that crashes cannot be written as a test: {}", found.problem);
                tally.note(problem, fair);
                continue;
            }
            if self.request.fault.class == Class::Deadlock
                && let Some(why) = search.may_be_woken(found, &tally.without).await?
            {
                tally.note(why, false);
                continue;
            }
            match self.verify(owned, found).await? {
                Ok(Shown { reproducer, likeness, place, missed }) => {
                    let how = self.sentence(found, tally.effort.tried);
                    let drifted = fair && self.crash.has_drifted();
                    let difference = likeness.difference().or_else(|| drifted.then_some(OF_ANOTHER_VERSION));
                    let another_way = missed.filter(|_| fair).map(|function| {
                        format!("it did not come by way of {function}, as the log's crash did")
                    });
                    let difference = difference.map(str::to_owned).or_else(|| another_way.clone());
                    let mut best = Best {
                        reproducer,
                        perhaps_another: (likeness == Likeness::Unclear).then_some(likeness),
                        fuzzed: found.at.splice.is_some(),
                        unclear: difference.clone(),
                        astray: place.filter(|_| drifted),
                        how: match difference {
                            None => how,
                            Some(why) if fair => format!("{how}; it counts as an internal call only: {why}"),
                            Some(why) => format!("{how}; {why}"),
                        },
                        aftermath: None,
                    };
                    if matches!(likeness, Likeness::Same | Likeness::Unclear) && another_way.is_none() {
                        // With a change in place nobody asks for it again.
                        if self.request.aftermath.is_none() {
                            best.aftermath = Aftermath::of(search, found, &tally.without).await?;
                        }
                        if let Some(aftermath) = &best.aftermath {
                            let (tried, stuck) = aftermath.sample();
                            tally.effort = tally.effort.and(Effort { tried, stuck, ..Effort::default() });
                        }
                        return Ok(Some(std::mem::take(tally).reproduced(best)));
                    }
                    // It may be another defect: it does not count as an entry.
                    best.reproducer.reach = best.reproducer.reach.min(Reach::InternalCall);
                    best.perhaps_another = fair.then_some(likeness);
                    tally.second_best.get_or_insert(best);
                }
                Err(problem) => tally.note(problem, fair),
            }
        }
        Ok(None)
    }

    /// Writes the test, and runs it alone among the package's own: it must end in the crash of the log.
    async fn verify(&self, owned: &OwnedSearch<'_>, found: &Found) -> Result<Result<Shown, String>, Error> {
        let reach = match (found.forced, found.entry) {
            (true, _) => Reach::ForcedState,
            // With a log of another version nobody knows that it is the same statement.
            (false, true) if !self.crash.has_drifted() => Reach::EntryPoint,
            (false, true) => Reach::InternalCall,
            (false, false) => Reach::InternalCall,
        };
        let Some(mut reproducer) = render::reproducer(self.request.fault, &owned.surface, found, reach)
        else {
            return Ok(Err("the test has no place to stand".to_owned()));
        };
        (self.progress)(&format!("running {}", reproducer.test));
        reproducer.source = self.bench.format(self.scratch, reproducer.source).await?;
        tracing::debug!(source = %reproducer.source, "a regression test was written");
        let test = std::slice::from_ref(&reproducer);
        let binary = match self.bench.build_tests(self.scratch, test, None).await? {
            Built::Binary(binary) => binary,
            Built::Failed(said) => {
                tracing::debug!(output = %said, "the regression test does not compile");
                return Ok(Err(format!("its test does not compile: {}", first_lines(&said))));
            }
        };
        let output = self.bench.run_test(&reproducer, &binary).await?;
        if let Some((likeness, trace)) = judge::shown(self.crash, &output) {
            let place = self.crash.place_of(&trace);
            let missed = self.crash.missed_by(&trace).map(str::to_owned);
            return Ok(Ok(Shown { reproducer, likeness, place, missed }));
        }
        tracing::debug!(output = %String::from_utf8_lossy(&output), "the regression test does not crash");
        Ok(Err("its test did not end in the crash of the log".to_owned()))
    }

    fn sentence(&self, found: &Found, tried: u64) -> String {
        let calls = if found.steps > 1 {
            format!("{} calls, the last of ", found.steps)
        } else {
            "one call of ".to_owned()
        };
        let by = if found.at.splice.is_some() { " by fuzzing" } else { "" };
        format!("{calls}{}, found{by} after {tried} executions (seed {})", found.call, self.request.seed)
    }
}

/// The first lines of a compiler's output, for a sentence.
pub(super) fn first_lines(said: &str) -> String {
    let lines: Vec<_> = said.lines().filter(|line| !line.starts_with('#')).take(3).collect();
    lines.join(", ").chars().take(400).collect()
}
