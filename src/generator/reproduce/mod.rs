//! Makes the crash of a log happen again, without AI: by a call that is found, shrunk, and written down
//! as a regression test.
//!
//! # How
//!
//! 1. `target`: the outermost function of the stack that can be called, then inward; HTTP handlers by a
//!    request through the handler that the package itself makes.
//! 2. `surface`, `register`: what the package and its neighbours offer, as a generated test file of one
//!    registration a line; `session` compiles it together with `harness/` (Go), by an overlay, so that
//!    the tree stays as it is.
//! 3. `seeds`: texts and numbers of the log, of the functions on the stack, and of the sources; the words that
//!    the trace prints of the arguments, from which the harness makes nil pointers, lengths and numbers again.
//! 4. `search`: the harness builds arguments by reflection the way the package builds them (where it works by
//!    reflection itself, also of types that its callers would declare), calls, and compares the panic: the same
//!    class, in the same function, at the same statement. What it finds it
//!    shrinks and writes as Go. Each execution is decided by (seed, phase, index), so that one which ends
//!    its process is done again, made smaller, and the search goes on behind it. One that ends it with another
//!    crash costs a process each time: the function is left out, which from then on is part of the decision.
//! 5. `fuzz`: where that found nothing and there is time left, the harness is built once more, instrumented, and
//!    Go's own fuzzer makes the texts, guided by the way the code goes with them. The rest of a call is decided as
//!    before; the text is part of the position then. What the fuzzer finds is done again by the plain harness.
//! 6. `render`: the test as a person would have written it, without reflection. It is compiled among the
//!    package's own tests and run alone: only if it ends in the crash of the log, as `judge` reads its
//!    output, it is a reproducer.
//! 7. `aftermath`: calls of the same function that do not crash are made again and again. With a change in
//!    place the same is done, and with the call that crashed: what hangs then refutes the change.
//! 8. `asleep`: deadlocks, by a call that does not come back. Nobody may be able to wake it, nor be meant to.
//! 9. `stress`: races, by calls of several goroutines at once under the race detector.
//!
//! # What a reproduction is worth
//!
//! The same crash can often be had in ways that no caller would go: a nil receiver, a struct put together
//! by hand, an inner function called with what its callers never pass. Such calls are tried last and
//! labelled by [`Reach`]; only [`Reach::EntryPoint`] can make a fix proven.
//!
//! # What it does not reach
//!
//! Binary input of which many parts must fit each other (checksums, lengths), failing peers, graphs of many objects,
//! races behind what the harness cannot make; deadlocks of several calls that are made at once, and of a call that
//! another function could wake.

mod aftermath;
mod asleep;
mod exchange;
mod fuzz;
mod judge;
mod register;
mod render;
mod run;
mod search;
mod seeds;
mod session;
mod stress;
mod surface;
mod tally;
mod target;
mod verify;

use std::time::{Duration, Instant};

use crate::domain::{Class, Fault, Location, Reach, Reproducer};
use crate::repository::{KnownCrash, Likeness, Repository, Workspace};
use crate::sandbox::{GoToolchain, Sandbox};

pub use aftermath::Aftermath;
use aftermath::Hung;
use search::Search;
use seeds::Seeds;
use session::{Bench, Harness, Scratch};
use surface::Surface;
pub use tally::Effort;
use tally::Tally;
use target::Package;
use verify::first_lines;

/// What can go wrong besides not finding anything.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sandbox could not run a job.
    #[error(transparent)]
    Sandbox(#[from] crate::sandbox::Error),
    /// Not the code, but what it is built with stood in the way.
    #[error("could not build for the reproduction: {0}")]
    Hindered(crate::sandbox::Hindrance),
    /// The disk is full, or the scratch copy is gone.
    #[error("could not {what} for the reproduction: {source}; free some space or set TMPDIR")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What is to be reproduced, and with what.
pub struct Request<'a> {
    /// The crash, placed in the repository.
    pub fault: &'a Fault,
    /// The sources.
    pub repository: &'a Repository,
    /// A scratch copy, exclusively ours meanwhile; it is left as found.
    pub workspace: &'a Workspace,
    /// Texts of the log near the crash: the sample, attributes, access lines. Hostile.
    pub log_context: &'a [String],
    /// The time for everything.
    pub time_limit: Duration,
    /// The longest search, builds not counted.
    pub search_limit: Duration,
    /// The longest run of Go's own fuzzer, its build not counted; zero is none.
    pub fuzz_limit: Duration,
    /// Whether calls with forced state are tried when fair ones do not help.
    pub by_force: bool,
    /// Decides every choice: the same seed gives the same executions.
    pub seed: u64,
    /// Where a change is in place: what the call that crashed without it may leave behind.
    pub aftermath: Option<&'a Aftermath>,
}

/// How it ended.
#[derive(Debug)]
pub enum Reproduction {
    /// There is a test that ends in the crash.
    Reproduced {
        /// The test.
        reproducer: Reproducer,
        /// What the search has done; on the way to it, too.
        effort: Effort,
        /// Other statements of the failing function that crash in the same way on the way there.
        elsewhere: Vec<Location>,
        /// How like the log's the crash is, where it may be another defect though it is at the same statement: of a
        /// call that the program's callers make, or where several expressions can fail so.
        perhaps_another: Option<Likeness>,
        /// Why nobody knows that it is the defect of the log, although all that the log tells is the same: then
        /// no fix is proven by it.
        unclear: Option<String>,
        /// Whether only the fuzzer found it: a search with a change in place comes less far then.
        fuzzed: bool,
        /// Where a call that the program's callers make crashed, if the statement of the log is not there
        /// any more: the same function, perhaps another statement.
        astray: Option<Location>,
        /// One sentence for people: which call, after how many executions, by which seed.
        how: String,
        /// What the code does after the call, where that could be learnt.
        aftermath: Option<Box<Aftermath>>,
    },
    /// There is none, but calls that came back without the change do not come back with it.
    Hangs {
        /// One sentence for people: which call, after which.
        how: String,
        /// Whether that is a fault of the change for sure.
        surely: bool,
    },
    /// There is none.
    NotReproduced {
        /// Why, in one sentence.
        reason: String,
        /// What the search has done.
        effort: Effort,
        /// Other statements of the failing function that crash in the same way.
        elsewhere: Vec<Location>,
        /// Why that is no answer as to what the program's callers can do: they could not be tried, or one
        /// crashed at the statement, and no test shows it.
        unsettled: Option<String>,
    },
}

/// Looks for a call that ends in the crash, and writes it down as a test.
///
/// # Errors
/// When the sandbox cannot run a job, or the disk is full. Not finding anything is no error.
pub async fn reproduce(
    request: Request<'_>,
    go: &GoToolchain,
    sandbox: &Sandbox,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Reproduction, Error> {
    let not = |reason: String| {
        let effort = Effort::default();
        Ok(Reproduction::NotReproduced { reason, effort, elsewhere: Vec::new(), unsettled: None })
    };
    if let Some(reason) = beyond_reach(request.fault.class) {
        return not(reason.to_owned());
    }
    let Some(crash) = KnownCrash::new(request.fault, request.repository, request.workspace.tree()) else {
        return not("no frame of the stack lies in the repository".to_owned());
    };
    let packages = target::choose(request.fault, request.repository);
    if packages.is_empty() {
        return not("no function of the stack can be called".to_owned());
    }
    let bench = Bench { repository: request.repository, workspace: request.workspace, go, sandbox };
    let scratch = Scratch::new(request.workspace)?;
    let attempt = Attempt { request: &request, bench, scratch: &scratch, crash: &crash, progress };
    match request.fault.class.is_race() {
        true => attempt.stress(&packages).await,
        false => attempt.run(&packages).await,
    }
}

/// Why a class of failure is not tried at all.
const fn beyond_reach(class: Class) -> Option<&'static str> {
    match class {
        Class::LoggedError => Some("a logged error has no crash to reproduce"),
        Class::UncaughtException => Some("only Go can be reproduced"),
        _ if matches!(class.nature(), crate::domain::Nature::Operational) => {
            Some("it is a failure of the surroundings, not of the code")
        }
        _ => None,
    }
}

/// One reproduction under way.
struct Attempt<'a> {
    request: &'a Request<'a>,
    bench: Bench<'a>,
    scratch: &'a Scratch,
    crash: &'a KnownCrash<'a>,
    progress: &'a (dyn Fn(&str) + Sync),
}

impl<'a> Attempt<'a> {
    async fn run(&self, packages: &'a [Package]) -> Result<Reproduction, Error> {
        let mut hung = None;
        let done = self.search_all(packages, &mut hung).await?;
        let is_entry = matches!(&done, Reproduction::Reproduced { reproducer, .. } if reproducer.reach == Reach::EntryPoint);
        Ok(match hung {
            Some(Hung { how, surely }) if surely || !is_entry => Reproduction::Hangs { how, surely },
            _ => done,
        })
    }

    /// All packages by fair means, the outermost first; then, where there is time, by Go's fuzzer; then by force.
    async fn search_all(
        &self,
        packages: &'a [Package],
        hung: &mut Option<Hung>,
    ) -> Result<Reproduction, Error> {
        let end = Instant::now() + self.request.time_limit;
        let search_time = self.request.search_limit.min(self.request.time_limit / 2);
        let shares = u32::try_from(packages.len()).unwrap_or(1).max(1);
        let without = self.request.aftermath.map(Aftermath::without).unwrap_or_default();
        let (mut tally, mut searches) = (Tally::leaving_out(without), Vec::new());
        for (number, package) in packages.iter().enumerate() {
            if Instant::now() >= end {
                break;
            }
            match self.prepare(package, number).await? {
                Ok(search) => {
                    if let Some(aftermath) = self.request.aftermath.filter(|_| hung.is_none()) {
                        (self.progress)("making calls that follow the one which crashed");
                        *hung = aftermath.again(&self.search(&search)).await?;
                        if hung.as_ref().is_some_and(|hung| hung.surely) {
                            break;
                        }
                    }
                    let time = share(search_time, number, packages.len());
                    if let Some(done) = self.attempt(&search, false, time, &mut tally).await? {
                        return Ok(done);
                    }
                    searches.push(search);
                }
                Err(problem) => {
                    tally.note(problem, package.targets.iter().any(|target| target.entry));
                }
            }
        }
        // What is found by force is worth little, but it is had in a moment: its time is kept. Whatever is put together
        // by hand may wait for ever: that says nothing of a deadlock.
        let by_force = self.request.by_force && self.request.fault.class != Class::Deadlock;
        let forced = if by_force { search_time / 2 } else { Duration::ZERO };
        if let Some(done) = self.fuzz(&searches, end.checked_sub(forced).unwrap_or(end), &mut tally).await? {
            return Ok(done);
        }
        for search in &searches {
            if !by_force || Instant::now() >= end || tally.second_best.is_some() {
                break;
            }
            let time = search_time / 5 / shares;
            if let Some(done) = self.attempt(search, true, time, &mut tally).await? {
                return Ok(done);
            }
        }
        Ok(tally.close())
    }

    /// What a search of a package is about.
    fn search<'s>(&'s self, owned: &'s OwnedSearch<'_>) -> Search<'s> {
        Search {
            bench: self.bench,
            scratch: self.scratch,
            fault: self.request.fault,
            crash: self.crash,
            seed: self.request.seed,
            package: &owned.surface,
            binary: owned.harness.binary.clone(),
            seeds: owned.seeds.clone(),
            targets: &owned.package.targets,
        }
    }

    /// Builds the harness of a package; the inner error says why that is not possible.
    async fn prepare(
        &self,
        package: &'a Package,
        number: usize,
    ) -> Result<Result<OwnedSearch<'a>, String>, Error> {
        let Some(surface) = Surface::read(self.request.repository, &package.folder) else {
            return Ok(Err(format!("no Go package was found in {:?}", package.folder)));
        };
        (self.progress)(&format!("building a harness for {}", surface.import_path));
        let built = self.bench.build_harness(self.scratch, &surface, &package.targets, number).await?;
        let harness = match built {
            Ok(harness) => harness,
            Err(said) => {
                tracing::debug!(package = %surface.import_path, output = %said, "the harness does not build");
                return Ok(Err(format!("{} does not build: {}", surface.import_path, first_lines(&said))));
            }
        };
        let mut seeds = Seeds::gather(
            self.request.fault,
            self.request.log_context,
            self.request.repository,
            &surface,
            &harness.neighbours,
        );
        search::merge_routes(&mut seeds);
        seeds.fuzzed.extend(self.request.aftermath.and_then(Aftermath::fuzzed));
        Ok(Ok(OwnedSearch { surface, harness, seeds, package }))
    }
}

/// A package that is ready to be searched.
struct OwnedSearch<'a> {
    surface: Surface,
    harness: Harness,
    seeds: Seeds,
    package: &'a Package,
}

/// A package's part of the time for fair means, four fifths of all: the first gets half of them, since
/// only there a call counts in full.
fn share(time: Duration, number: usize, packages: usize) -> Duration {
    let fair = time * 4 / 5;
    match u32::try_from(packages).unwrap_or(u32::MAX) {
        0 | 1 => fair,
        _ if number == 0 => fair / 2,
        packages => fair / 2 / (packages - 1),
    }
}
