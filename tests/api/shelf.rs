//! Groups and suggestions in memory, made by the real analyzer from real dumps.

use std::sync::{Mutex, MutexGuard};

use hephaestus::analyzer::{Analyzer, Config};
use hephaestus::domain::{
    Decision, ErrorGroup, Evidence, Fingerprint, GroupRecord, GroupStatus, Suggestion, SuggestionId,
    SuggestionRecord, SuggestionStatus, VerdictKind,
};
use hephaestus::server::{GroupQuery, Records, RecordsError, Ruling, SuggestionQuery};
use tokio::sync::watch;

/// What an instance of the tests knows.
pub(super) struct Shelf {
    kept: Mutex<Kept>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    groups: Vec<GroupRecord>,
    suggestions: Vec<SuggestionRecord>,
}

impl Shelf {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), changed: watch::Sender::new(0) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    /// Remembers a group of a nil map write in a function of this name.
    pub(super) fn add_group(&self, function: &str, count: u64) -> GroupRecord {
        let log = format!(
            "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nshop/store.{function}(0x1)\n\
             \t/src/shop/store/store.go:7 +0x1d\nmain.main()\n\t/src/shop/main.go:9 +0x1d\nexit status 2\n"
        );
        let analyzer = Analyzer::new(&Config::default()).unwrap();
        let (mut stream, mut events) = (analyzer.stream(), Vec::new());
        stream.push(log.as_bytes(), &mut |event| events.push(event));
        stream.finish(&mut |event| events.push(event));
        let group = ErrorGroup { count, ..ErrorGroup::new(events.remove(0)) };
        let record = GroupRecord {
            group,
            service: "shop".into(),
            status: GroupStatus::New,
            attempts: 0,
            attempted_at: None,
            context: Vec::new(),
            remedy: None,
        };
        self.kept().groups.push(record.clone());
        record
    }

    /// Remembers the next suggestion for a group, with a patch of at least so many bytes.
    pub(super) fn suggest(&self, group: &GroupRecord, patch_bytes: usize) -> SuggestionRecord {
        let mut kept = self.kept();
        let fingerprint = group.group.fingerprint;
        let attempt = kept.suggestions.iter().filter(|s| s.id.fingerprint == fingerprint).count() + 1;
        let record = SuggestionRecord {
            id: SuggestionId { fingerprint, attempt: attempt.try_into().unwrap() },
            sequence: kept.suggestions.len() as u64 + 1,
            created_at: "2026-05-01T10:00:00Z".parse().unwrap(),
            status: SuggestionStatus::Open,
            decision: None,
            suggestion: suggestion(group, patch_bytes),
            changes: Vec::new(),
        };
        kept.suggestions.push(record.clone());
        if let Some(group) = kept.groups.iter_mut().find(|g| g.group.fingerprint == fingerprint) {
            group.status = GroupStatus::Suggested;
            group.attempts += 1;
        }
        self.changed.send_modify(|version| *version += 1);
        record
    }
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

impl Records for Shelf {
    fn groups(&self, query: &GroupQuery) -> Result<Vec<GroupRecord>, RecordsError> {
        let mut found: Vec<_> = self.kept().groups.iter().filter(|g| query.selects(g)).cloned().collect();
        found.sort_by_key(|record| std::cmp::Reverse((record.group.severity, record.group.count)));
        found.truncate(query.limit.get());
        Ok(found)
    }

    fn group(&self, fingerprint: Fingerprint) -> Result<Option<GroupRecord>, RecordsError> {
        Ok(self.kept().groups.iter().find(|g| g.group.fingerprint == fingerprint).cloned())
    }

    fn suggestions(&self, query: &SuggestionQuery) -> Result<Vec<SuggestionRecord>, RecordsError> {
        let kept = self.kept();
        Ok(kept
            .suggestions
            .iter()
            .rev()
            .filter(|s| query.selects(s))
            .take(query.limit.get())
            .cloned()
            .collect())
    }

    fn suggestion(&self, id: SuggestionId) -> Result<Option<SuggestionRecord>, RecordsError> {
        Ok(self.kept().suggestions.iter().find(|s| s.id == id).cloned())
    }

    fn suggestions_after(&self, sequence: u64, limit: usize) -> Result<Vec<SuggestionRecord>, RecordsError> {
        let kept = self.kept();
        Ok(kept.suggestions.iter().filter(|s| s.sequence > sequence).take(limit).cloned().collect())
    }

    fn decide(
        &self,
        id: SuggestionId,
        ruling: Ruling,
        decision: Decision,
    ) -> Result<Option<SuggestionRecord>, RecordsError> {
        let mut kept = self.kept();
        let found = kept.suggestions.iter_mut().find(|s| s.id == id);
        Ok(found.map(|record| {
            record.status = ruling.status();
            record.decision = Some(decision);
            record.clone()
        }))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
