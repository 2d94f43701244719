//! Knowledge → the fixer → knowledge: every new group is worked on, the worst and most frequent first.

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::sync::{OnceCell, watch};
use tokio::task::{self, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::health::{Condition, Report};
use crate::domain::{Class, Fingerprint, GroupRecord, Stamp, SuggestionId, SuggestionRecord, VerdictKind};
use crate::fixer::{
    CodeNow, Doing, Experience, Finding, Fixer, Known, Workbench, is_operational, known_answer, operational,
};
use crate::generator::recall::Precedent;
use crate::knowledge::{self, AttemptEnd, Circumstances, Due, Knowledge, Rest, View};
use crate::repository::{self, Repository};
use crate::telemetry::metrics::Metrics;

/// How often groups that rest are looked at again, where nothing else happens.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);
/// How often it is looked, while a group rests, whether the code has changed.
const CODE_INTERVAL: Duration = Duration::from_secs(10);
/// How long to wait before knowledge is asked again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How many suggestions for the same failure in other services are asked.
const MOST_KNOWN: usize = 16;
/// How many approved fixes of a class may be made anew.
const MOST_PRECEDENTS: usize = 32;

/// How attempts are limited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How many are made at once.
    pub(super) parallel: usize,
    /// How many one group gets.
    pub(super) attempts: u32,
    /// How long a group rests between two.
    pub(super) pause: Duration,
    /// Whether what is remembered outlasts this process, for the next one to go on.
    pub(super) lasting: bool,
}

/// Where groups are worked on.
pub(super) struct Workshop {
    knowledge: Knowledge,
    fixer: Fixer,
    repository: PathBuf,
    reading: repository::Config,
    limits: Limits,
    metrics: Metrics,
    health: Report,
    /// Whether the build cache has been filled with what every test needs.
    warm: OnceCell<()>,
}

/// A workbench and the state of the repository it was set up for.
struct Bench {
    stamp: Stamp,
    /// Of its code alone.
    code: Option<Stamp>,
    repository: Arc<Repository>,
    workbench: Workbench,
}

/// What the code looked like when it was last looked at.
#[derive(Default)]
struct Code {
    stamp: Option<Stamp>,
    looked_at: Option<Instant>,
}

/// What one worker brings back: its workbench, where it is still good for something.
type Done = Result<Option<Bench>, knowledge::Error>;

impl Workshop {
    pub(super) fn new(
        knowledge: Knowledge,
        fixer: Fixer,
        (repository, reading): (PathBuf, repository::Config),
        limits: Limits,
        metrics: Metrics,
        health: Report,
    ) -> Self {
        Self { knowledge, fixer, repository, reading, limits, metrics, health, warm: OnceCell::new() }
    }

    /// Works until told to stop. What is being worked on then is dropped, and taken up again by the next
    /// process. `idle` tells the last change of knowledge at which everything that may be worked on had been.
    ///
    /// # Errors
    /// When knowledge is damaged. Whatever else befalls an attempt concerns its group alone.
    pub(super) async fn run(
        self: Arc<Self>,
        stop: CancellationToken,
        idle: watch::Sender<u64>,
    ) -> anyhow::Result<()> {
        let mut changes = self.knowledge.view().subscribe();
        let mut workers: JoinSet<Done> = JoinSet::new();
        let mut busy: HashMap<task::Id, Fingerprint> = HashMap::new();
        let mut benches: Vec<Bench> = Vec::new();
        let mut code = Code::default();
        loop {
            let seen = changes.borrow_and_update().changes;
            let due = self.due(&busy, &mut code);
            for fingerprint in due.groups {
                let worker = workers.spawn(Arc::clone(&self).attempt(fingerprint, benches.pop()));
                busy.insert(worker.id(), fingerprint);
            }
            if workers.is_empty() {
                idle.send_replace(seen);
            }
            // One whose rest has ended meanwhile is looked at again at once.
            let until = |next: Timestamp| Duration::try_from(next.duration_since(Timestamp::now()));
            let rest = due.next.map(|next| until(next).unwrap_or_default().min(CODE_INTERVAL));
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(done) = workers.join_next_with_id() => {
                    let id = done.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
                    let Some(fingerprint) = busy.remove(&id) else { continue };
                    benches.extend(take_leave(&self.knowledge, fingerprint, done.map(|(_, done)| done))?);
                }
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep(rest.unwrap_or(LOOK_INTERVAL).min(LOOK_INTERVAL)) => {}
            }
        }
    }

    /// What to work on beside what is being worked on.
    fn due(&self, busy: &HashMap<task::Id, Fingerprint>, code: &mut Code) -> Due {
        let room = self.limits.parallel.saturating_sub(busy.len());
        if room == 0 {
            return Due::default();
        }
        let busy = busy.values().copied().collect();
        let due = |code| {
            let rest = Rest { pause: self.limits.pause, code };
            self.knowledge.next_to_work_on(room, &busy, rest, Timestamp::now())
        };
        // Whoever writes holds what is asked here for as long as the disk takes.
        task::block_in_place(|| {
            let known = due(code.stamp);
            if known.next.is_none() || code.looked_at.is_some_and(|at| at.elapsed() < CODE_INTERVAL) {
                return known;
            }
            *code = Code { stamp: repository::code_stamp(&self.repository), looked_at: Some(Instant::now()) };
            due(code.stamp)
        })
    }

    /// One attempt at one group.
    async fn attempt(self: Arc<Self>, fingerprint: Fingerprint, bench: Option<Bench>) -> Done {
        // Before the attempt begins: what keeps it waiting is no fault of the group.
        let mut bench = self.await_bench(bench).await;
        let most = self.limits.attempts;
        let begun = self.ask(|| self.knowledge.begin_attempt(fingerprint, most, Timestamp::now())).await?;
        let Some(id) = begun else {
            tracing::warn!(%fingerprint, "given up: no attempt at this defect came to an end");
            return Ok(Some(bench));
        };
        let Some(record) = self.ask(|| self.knowledge.view().group(fingerprint)).await? else {
            let end = if id.attempt < most { AttemptEnd::Retry } else { AttemptEnd::GiveUp };
            self.end(id, end).await?;
            return Ok(Some(bench));
        };
        if is_operational(&record.group) {
            let finding = task::block_in_place(|| operational(&record.group, Some(&bench.repository)));
            self.ask(|| self.knowledge.record_operational(finding.clone(), Timestamp::now())).await?;
            return Ok(Some(bench));
        }
        if let Some(known) = self.known(&record, &bench).await? {
            self.record(id, known.finding, (bench.code, Some(known.of))).await?;
            return Ok(Some(bench));
        }
        let experience = self.ask(|| experience(self.knowledge.view(), record.group.first.class)).await?;
        self.warm_up(&mut bench).await;
        let finding = self.work_out(&mut bench, &record, &experience).await;
        self.record(id, finding, (bench.code, None)).await?;
        Ok(Some(bench))
    }

    /// Knowledge's answer. While its disk is full or away it is asked again: so the worker keeps what it has
    /// and its place, and nothing else is begun that could not be written either.
    async fn ask<T>(
        &self,
        mut question: impl FnMut() -> Result<T, knowledge::Error>,
    ) -> Result<T, knowledge::Error> {
        let answer = || match question() {
            Err(error) if error.is_retryable() => Err(error),
            answer => Ok(answer),
        };
        self.persist(Condition::AttemptsUnwritable, answer).await
    }

    /// Does something again, ever more seldom, until it succeeds. Meanwhile the condition is told.
    async fn persist<T, E: Error + 'static>(
        &self,
        condition: Condition,
        mut act: impl FnMut() -> Result<T, E>,
    ) -> T {
        let mut pause = FIRST_PAUSE;
        loop {
            match task::block_in_place(&mut act) {
                Err(error) => {
                    self.health.failing(condition, &error);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Ok(value) => {
                    if pause > FIRST_PAUSE {
                        self.health.fine(condition);
                    }
                    return value;
                }
            }
        }
    }

    /// A workbench, once the repository can be read: its volume may not be mounted yet.
    async fn await_bench(&self, mut bench: Option<Bench>) -> Bench {
        self.persist(Condition::RepositoryUnusable, || self.bench(bench.take())).await
    }

    /// A workbench for the repository as it stands now.
    fn bench(&self, bench: Option<Bench>) -> Result<Bench, repository::Error> {
        let stamp = repository::stamp(&self.repository);
        if let Some(bench) = bench.filter(|bench| bench.stamp == stamp) {
            return Ok(bench);
        }
        let code = repository::code_stamp(&self.repository);
        let repository = Arc::new(Repository::open_within(&self.repository, self.reading)?);
        let workbench = Workbench::new(Arc::clone(&repository));
        Ok(Bench { stamp, code, repository, workbench })
    }

    /// The first attempt fills the build cache, outside its own time; another waits for it.
    async fn warm_up(&self, bench: &mut Bench) {
        self.warm.get_or_init(|| self.fixer.warm_up(&mut bench.workbench)).await;
    }

    async fn work_out(&self, bench: &mut Bench, record: &GroupRecord, experience: &Experience) -> Finding {
        let title = record.group.first.title.clone();
        tracing::info!(%title, "working on a defect");
        let doing = Doing::new(move |doing| tracing::debug!(%title, doing, "working"));
        let (group, context) = (&record.group, &record.context);
        self.fixer.work_out(&mut bench.workbench, group, context, experience, &doing).await
    }

    /// The repository's folder. A path that is no text could not be told in JSON.
    fn folder(&self) -> Option<&str> {
        self.repository.to_str()
    }

    /// What is known of the same failure in another service's log.
    async fn known(&self, record: &GroupRecord, bench: &Bench) -> Result<Option<Known>, knowledge::Error> {
        if !self.fixer.recalls() {
            return Ok(None);
        }
        let view = self.knowledge.view();
        let with_group = |it: SuggestionRecord| Ok(view.group(it.id.fingerprint)?.map(|group| (it, group)));
        let elsewhere = || -> Result<Vec<_>, knowledge::Error> {
            let known = view.elsewhere(record.group.fingerprint, MOST_KNOWN)?;
            known.into_iter().filter_map(|it| with_group(it).transpose()).collect()
        };
        let known = self.ask(elsewhere).await?;
        let now = CodeNow { repository: &bench.repository, folder: self.folder(), code: bench.code };
        Ok(task::block_in_place(|| known_answer(&record.group, known, now)))
    }

    /// Keeps what came of an attempt. What could not be decided is tried again while attempts are left:
    /// anything else would end the same way.
    async fn record(
        &self,
        id: SuggestionId,
        finding: Finding,
        (code, copy_of): (Option<Stamp>, Option<SuggestionId>),
    ) -> Result<(), knowledge::Error> {
        let Finding { suggestion, changes } = finding;
        let provenance = suggestion.provenance.as_deref().unwrap_or("none");
        self.metrics.fix_attempts.with_label_values(&[provenance, suggestion.verdict.as_str()]).inc();
        tracing::info!(title = suggestion.title, verdict = suggestion.verdict.as_str(), "worked on a defect");
        let undecided = suggestion.verdict == VerdictKind::Inconclusive;
        if undecided && id.attempt < self.limits.attempts {
            let (title, reason) = (&suggestion.title, &suggestion.reason);
            let otherwise = match self.limits.lasting {
                true => "",
                false => ", if the program still runs by then; `hephaestus run` would go on without it",
            };
            tracing::warn!(
                title,
                reason,
                "an attempt was not decided; it is made again after fixer.retry_after, or once the code \
                 changes{otherwise}"
            );
            return self.end(id, AttemptEnd::Undecided { reason: suggestion.reason, code }).await;
        }
        let made_for = Circumstances { repository: self.folder().map(str::to_owned), code, copy_of };
        let write = || {
            let (suggestion, changes) = (suggestion.clone(), changes.clone());
            self.knowledge.record_suggestion(id, suggestion, changes, made_for.clone(), Timestamp::now())
        };
        self.ask(write).await.map(drop)
    }

    /// Ends an attempt that brought nothing.
    async fn end(&self, id: SuggestionId, end: AttemptEnd) -> Result<(), knowledge::Error> {
        self.ask(|| self.knowledge.end_attempt(id, end.clone(), Timestamp::now())).await
    }
}

/// What earlier work says about a defect of a class.
fn experience(view: &View, class: Class) -> Result<Experience, knowledge::Error> {
    let precedent = |record: SuggestionRecord| Precedent {
        id: record.id.to_string(),
        class,
        locations: record.suggestion.locations,
        changes: record.changes,
        explanation: record.suggestion.explanation.unwrap_or_default(),
    };
    let precedents = view.approved_fixes(class, MOST_PRECEDENTS)?.into_iter().map(precedent).collect();
    Ok(Experience { precedents, outcomes: view.outcomes() })
}

/// A worker is gone: what it leaves.
fn take_leave(
    knowledge: &Knowledge,
    fingerprint: Fingerprint,
    done: Result<Done, JoinError>,
) -> anyhow::Result<Option<Bench>> {
    match done {
        Ok(Ok(bench)) => return Ok(bench),
        Ok(Err(knowledge::Error::Database(error))) => {
            return Err(error).context("knowledge cannot be used");
        }
        // The group is gone, or somebody else has dealt with it.
        Ok(Err(error)) => tracing::info!(%fingerprint, %error, "an attempt has nothing left to do"),
        Err(error) => {
            tracing::error!(%fingerprint, %error, "an attempt ended abnormally; it is repeated later")
        }
    }
    knowledge.break_off_attempt(fingerprint);
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::num::NonZeroU64;

    use super::*;
    use crate::analyzer::{self, Analyzer};
    use crate::domain::{EventId, FileId, Occurrences, ProducerId};
    use crate::knowledge::{Arrival, Position};

    /// What is known of one crash, and its group.
    fn one_group(folder: &std::path::Path) -> (Knowledge, Fingerprint) {
        let knowledge =
            Knowledge::open(folder, &knowledge::Config::default(), &Metrics::new().unwrap()).unwrap();
        let mut stream = Analyzer::new(&analyzer::Config::default()).unwrap().stream_from(0, b"");
        let mut events = Vec::new();
        stream.push(b"{\"level\":\"error\",\"msg\":\"order not saved\"}\n", &mut |event| events.push(event));
        stream.finish(&mut |event| events.push(event));
        let event = events.pop().unwrap();
        let (fingerprint, span) = (event.keys.site, event.span);
        let file = FileId::from_bytes([2; 16]);
        let occurrences = Occurrences {
            id: EventId { producer: ProducerId::from_bytes([1; 16]), file, start: span.start },
            service: "shop".into(),
            pod: None,
            count: NonZeroU64::MIN,
            span,
            first_seen: Timestamp::UNIX_EPOCH,
            last_seen: Timestamp::UNIX_EPOCH,
            event,
            except: Vec::new(),
            context: Vec::new(),
        };
        let position = Position { topic: "errors".into(), partition: 0, next: 1 };
        let arrival = Arrival { offset: 0, occurrences };
        knowledge.apply(&position, vec![arrival], Timestamp::UNIX_EPOCH).unwrap();
        (knowledge, fingerprint)
    }

    #[tokio::test]
    async fn a_panic_breaks_off_its_attempt_and_damage_ends_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let (knowledge, fingerprint) = one_group(folder.path());
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let rest = Rest { pause: Duration::ZERO, code: None };
        let due = |seconds| knowledge.next_to_work_on(1, &HashSet::new(), rest, at(seconds));
        let begun = knowledge.begin_attempt(fingerprint, 3, at(0)).unwrap();
        assert_eq!(due(9), Due::default(), "somebody works on it");
        let mut workers: JoinSet<Done> = JoinSet::new();
        workers.spawn(async { panic!("as a defect of ours would") });
        let done = workers.join_next().await.unwrap();
        assert!(take_leave(&knowledge, fingerprint, done).unwrap().is_none());
        assert_eq!(due(0), Due { groups: vec![], next: Some(at(1)) }, "it rests");
        assert_eq!(due(1).groups, [fingerprint]);
        assert_eq!(knowledge.begin_attempt(fingerprint, 3, at(1)).unwrap(), begun);

        let gone = knowledge::Error::UnknownGroup(fingerprint);
        assert!(take_leave(&knowledge, fingerprint, Ok(Err(gone))).is_ok());
        let damaged = knowledge::DatabaseError::Damaged {
            name: "knowledge",
            folder: folder.path().into(),
            reason: "a record makes no sense".into(),
            loss: "the groups",
        };
        let ended = take_leave(&knowledge, fingerprint, Ok(Err(damaged.into())));
        assert!(format!("{:#}", ended.err().unwrap()).starts_with("knowledge cannot be used"));
    }
}
