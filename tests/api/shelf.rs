//! Real knowledge in a real folder, filled by the real analyzer from a dump.

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use hephaestus::analyzer::{self, Analyzer};
use hephaestus::domain::{
    ErrorEvent, EventId, Evidence, FileChange, FileId, Fingerprint, GroupRecord, Location, Occurrences,
    OperationalFinding, ProducerId, Reach, RepoPath, Reproducer, Span, Step, StepName, StepResult,
    Suggestion, SuggestionId, SuggestionRecord, VerdictKind,
};
use hephaestus::knowledge::{Arrival, AttemptEnd, Circumstances, Config, Knowledge, Position};
use hephaestus::telemetry::metrics::Metrics;
use jiff::{Timestamp, ToSpan as _};

/// What an instance of the tests knows.
pub(super) struct Shelf {
    pub(super) knowledge: Knowledge,
    applied: AtomicU64,
}

/// The repository that suggestions are for. It is not there.
pub(super) const REPOSITORY: &str = "/src/the shop";

/// When the first occurrence of every group was, and when every suggestion was made.
pub(super) fn noon() -> Timestamp {
    "2026-05-01T12:00:00Z".parse().unwrap()
}

impl Shelf {
    pub(super) fn open(folder: &Path, metrics: &Metrics) -> Self {
        let knowledge = Knowledge::open(folder, &Config::default(), metrics).unwrap();
        let applied = knowledge.view().position("errors", 0).unwrap().unwrap_or(0);
        Self { knowledge, applied: AtomicU64::new(applied) }
    }

    /// Remembers a group: a nil map written in a function of this name.
    pub(super) fn add_group(&self, function: &str, count: u64) -> GroupRecord {
        self.add(crash(function), count)
    }

    /// Remembers a group under a fingerprint of our choice.
    pub(super) fn add_group_as(&self, fingerprint: &str, function: &str) -> GroupRecord {
        let mut event = crash(function);
        event.keys.site = fingerprint.parse().unwrap();
        self.add(event, 1)
    }

    fn add(&self, event: ErrorEvent, count: u64) -> GroupRecord {
        let start = self.applied.fetch_add(1, Ordering::SeqCst);
        let fingerprint = event.keys.site;
        let id =
            EventId { producer: ProducerId::from_bytes([1; 16]), file: FileId::from_bytes([2; 16]), start };
        let occurrences = Occurrences {
            id,
            service: "shop".into(),
            pod: None,
            count: NonZeroU64::new(count).unwrap(),
            span: Span { start, end: start + 1 },
            except: Vec::new(),
            first_seen: noon(),
            last_seen: noon() + 1.hour(),
            event,
            context: Vec::new(),
        };
        let position = Position { topic: "errors".into(), partition: 0, next: start + 1 };
        let arrival = Arrival { offset: start, occurrences };
        self.knowledge.apply(&position, vec![arrival], noon()).unwrap();
        self.group(fingerprint)
    }

    /// The same again, so many times.
    pub(super) fn grow(&self, function: &str, count: u64) {
        self.add(crash(function), count);
    }

    pub(super) fn group(&self, fingerprint: Fingerprint) -> GroupRecord {
        self.knowledge.view().group(fingerprint).unwrap().unwrap()
    }

    /// Works a group out to a suggestion, with a patch of at least so many bytes.
    pub(super) fn suggest(&self, group: &GroupRecord, patch_bytes: usize) -> SuggestionRecord {
        self.record(group, suggestion(group, patch_bytes))
    }

    /// Works a group out to a suggestion that may mask its defect.
    pub(super) fn suggest_masking(&self, group: &GroupRecord) -> SuggestionRecord {
        let reason = "every step holds, but it may hide the defect instead of mending it".to_owned();
        let verdict = VerdictKind::Plausible;
        self.record(group, Suggestion { masks: true, verdict, reason, ..suggestion(group, 0) })
    }

    fn record(&self, group: &GroupRecord, suggestion: Suggestion) -> SuggestionRecord {
        let id = self.knowledge.begin_attempt(group.group.fingerprint, 1, noon()).unwrap();
        let id = id.expect("the first attempt");
        let repository = Some(REPOSITORY.to_owned());
        self.knowledge.record_suggestion(id, suggestion, Vec::new(), made_for(repository), noon()).unwrap()
    }

    /// Works a group out to a suggestion in which nothing is left out.
    pub(super) fn suggest_in_full(&self, group: &GroupRecord) -> SuggestionRecord {
        let path: RepoPath = RepoPath::new("store/store.go").unwrap();
        let step = Step {
            name: StepName::Build,
            result: StepResult::Passed,
            runs: 1,
            detail: "the whole module builds".into(),
            seconds: 0.5,
        };
        let suggestion = Suggestion {
            locations: vec![Location {
                file: path.clone(),
                line: 7,
                function: group.group.first.title.clone(),
            }],
            reproducer: Some(Reproducer {
                file: RepoPath::new("store/put_test.go").unwrap(),
                test: "TestPut".into(),
                source: "package store\n".into(),
                reach: Reach::EntryPoint,
                race: false,
            }),
            evidence: Evidence { steps: vec![step], sandbox: "landlock".into() },
            ..suggestion(group, 0)
        };
        let change = FileChange { path, before: "old\n".into(), after: "new\n".into() };
        let (id, repository) = (self.begin(group), Some(REPOSITORY.to_owned()));
        self.knowledge.record_suggestion(id, suggestion, vec![change], made_for(repository), noon()).unwrap()
    }

    /// Remembers the next of many groups, each with its suggestion.
    pub(super) fn suggest_next(&self, patch_bytes: usize) -> SuggestionRecord {
        let number = self.applied.load(Ordering::SeqCst);
        let group = self.add_group_as(&format!("{:032x}", number + 1), "Put");
        self.suggest(&group, patch_bytes)
    }

    /// An attempt at a group, the first of three, that ends now and was not decided.
    pub(super) fn leave_undecided(&self, group: &GroupRecord, reason: &str) -> Timestamp {
        let id = self.begin(group);
        let (reason, ended) = (reason.to_owned(), Timestamp::now());
        self.knowledge.end_attempt(id, AttemptEnd::Undecided { reason, code: None }, ended).unwrap();
        ended
    }

    /// Begins the first of three attempts at a group.
    pub(super) fn begin(&self, group: &GroupRecord) -> SuggestionId {
        let begun = self.knowledge.begin_attempt(group.group.fingerprint, 3, noon()).unwrap();
        begun.expect("the first attempt")
    }

    /// Finds that a group is a failure of the surroundings.
    pub(super) fn find_operational(&self, group: &GroupRecord, remedy: &str) {
        let finding = OperationalFinding {
            fingerprint: group.group.fingerprint,
            class: group.group.first.class,
            title: group.group.first.title.clone(),
            count: group.group.count,
            diagnosis: "The disk is full.".into(),
            remedy: remedy.into(),
            locations: vec![Location {
                file: RepoPath::new("store/store.go").unwrap(),
                line: 7,
                function: "Put".into(),
            }],
        };
        self.knowledge.record_operational(finding, noon()).unwrap();
    }
}

/// The event of a crash in a function of this name.
fn crash(function: &str) -> ErrorEvent {
    let log = format!(
        "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nshop/store.{function}(0x1)\n\
         \t/src/shop/store/store.go:7 +0x1d\nmain.main()\n\t/src/shop/main.go:9 +0x1d\nexit status 2\n"
    );
    let analyzer = Analyzer::new(&analyzer::Config::default()).unwrap();
    let (mut stream, mut events) = (analyzer.stream(), Vec::new());
    stream.push(log.as_bytes(), &mut |event| events.push(event));
    stream.finish(&mut |event| events.push(event));
    events.remove(0)
}

fn suggestion(group: &GroupRecord, patch_bytes: usize) -> Suggestion {
    let padding = "+\t// more\n".repeat(patch_bytes / 10);
    Suggestion {
        fingerprint: group.group.fingerprint,
        class: group.group.first.class,
        title: group.group.first.title.clone(),
        count: group.group.count,
        diagnosis: "The map is written before it was made.".into(),
        locations: Vec::new(),
        reproduced: true,
        reproducer: None,
        search: String::new(),
        verdict: VerdictKind::Proven,
        reason: "every step holds".into(),
        provenance: Some("rule".into()),
        rule: Some("nil_map".into()),
        explanation: Some("Makes the map.".into()),
        masks: false,
        patch: Some(format!(
            "--- a/store/store.go\n+++ b/store/store.go\n@@ -7,1 +7,1 @@\n-\told\n+\tnew\n{padding}"
        )),
        evidence: Evidence::default(),
        seconds: 1.5,
    }
}

fn made_for(repository: Option<String>) -> Circumstances {
    Circumstances { repository, ..Circumstances::default() }
}
