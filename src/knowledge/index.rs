//! The heads of all groups and suggestions, in memory: pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::generations::Generations;
use super::owned::Owned;
use super::record::{Mark, RecordKey};
use crate::domain::{
    Class, Decision, ErrorGroup, Fingerprint, GroupRecord, GroupStatus, Occurrences, Severity, SuggestionId,
    SuggestionRecord, SuggestionStatus,
};
use crate::domain::{ErrorEvent, FileChange, OperationalFinding, Stamp, Suggestion};

/// Everything that is kept in memory.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) groups: HashMap<Fingerprint, GroupHead>,
    /// By sequence.
    pub(super) suggestions: BTreeMap<u64, SuggestionHead>,
    pub(super) sequences: HashMap<SuggestionId, u64>,
    /// The highest sequence that was ever given.
    pub(super) last_sequence: u64,
    pub(super) generations: Generations,
    pub(super) owned: Owned,
    /// What others have to be told.
    pub(super) unpublished: BTreeMap<RecordKey, Mark>,
    /// The highest revision that was ever given to a mark here.
    pub(super) last_revision: u64,
}

/// The part of a group that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct GroupHead {
    /// The partition of the log of errors that brought it last: whoever owns that works on it.
    #[serde(default)]
    pub(super) home: i32,
    pub(super) severity: Severity,
    pub(super) count: u64,
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    /// Whether the event in the body has a trace.
    pub(super) has_trace: bool,
    pub(super) status: GroupStatus,
    /// The attempts that have ended, and the one that was begun or broken off last.
    pub(super) attempts: u32,
    /// When the last attempt ended.
    pub(super) attempted_at: Option<Timestamp>,
    /// How many attempts were broken off since one has ended, not counting the last.
    #[serde(default)]
    pub(super) broken_off: u32,
    /// When the last attempt began.
    #[serde(default)]
    pub(super) begun_at: Option<Timestamp>,
    /// The code at which the last attempt was made, where it was not decided.
    #[serde(default)]
    pub(super) undecided_at: Option<Stamp>,
    /// The failure with its nearest callers, whatever the service: where another group has the same, it is the same
    /// defect. Groups of earlier versions have none.
    #[serde(default)]
    pub(super) path: Option<Fingerprint>,
    /// When an occurrence was last applied, by our own clock: what a log says of its time may be anything.
    pub(super) applied_at: Timestamp,
}

/// The part of a group that hardly ever changes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct GroupBody {
    pub(super) service: String,
    pub(super) first: ErrorEvent,
    /// Lines from before that event.
    pub(super) context: Vec<String>,
    pub(super) remedy: Option<OperationalFinding>,
    /// Why an attempt was not decided: the last that was not.
    #[serde(default)]
    pub(super) undecided: Option<String>,
}

/// The part of a suggestion that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct SuggestionHead {
    pub(super) id: SuggestionId,
    pub(super) created_at: Timestamp,
    pub(super) status: SuggestionStatus,
    pub(super) decision: Option<Decision>,
    /// Whether there is something to approve.
    pub(super) has_patch: bool,
    /// What kind of failure it is for. Suggestions of earlier versions do not tell it, nor what follows.
    #[serde(default)]
    pub(super) class: Option<Class>,
    /// The path of its group.
    #[serde(default)]
    pub(super) path: Option<Fingerprint>,
    /// Where its fix comes from.
    #[serde(default)]
    pub(super) source: Option<String>,
    /// The suggestion whose answer it repeats.
    #[serde(default)]
    pub(super) copy_of: Option<SuggestionId>,
}

/// The suggestion itself.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct SuggestionBody {
    pub(super) suggestion: Suggestion,
    pub(super) changes: Vec<FileChange>,
    /// The folder of the repository that it is for.
    #[serde(default)]
    pub(super) repository: Option<String>,
    /// What its code looked like.
    #[serde(default)]
    pub(super) code: Option<Stamp>,
}

/// Which groups to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupFilter {
    /// Only those of this status.
    pub status: Option<GroupStatus>,
    /// Only those at least so bad.
    pub severity: Option<Severity>,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupOrder {
    /// The worst first, then the most frequent, then by fingerprint.
    #[default]
    Worst,
    /// The one that was seen last first, then by fingerprint.
    Recent,
}

/// How often something has changed, for those who wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revision {
    /// Rises with every change.
    pub changes: u64,
    /// The sequence of the latest suggestion; 0 before the first.
    pub last_sequence: u64,
}

impl GroupHead {
    /// The head of the group that these occurrences begin.
    pub(super) fn of(first: &Occurrences, home: i32, now: Timestamp) -> Self {
        Self {
            home,
            severity: first.event.severity,
            count: first.count.get(),
            first_seen: first.first_seen,
            last_seen: first.last_seen,
            has_trace: first.event.trace.is_some(),
            status: GroupStatus::New,
            attempts: 0,
            attempted_at: None,
            broken_off: 0,
            begun_at: None,
            undecided_at: None,
            path: Some(first.event.keys.path),
            applied_at: now,
        }
    }

    /// Counts further ones; the same as [`ErrorGroup::extend`]. Tells whether their event is the better
    /// example: the first with a trace.
    pub(super) fn extend(&mut self, more: &Occurrences, now: Timestamp) -> bool {
        self.severity = self.severity.max(more.event.severity);
        self.count = self.count.saturating_add(more.count.get());
        self.first_seen = self.first_seen.min(more.first_seen);
        self.last_seen = self.last_seen.max(more.last_seen);
        self.applied_at = self.applied_at.max(now);
        let is_better = !self.has_trace && more.event.trace.is_some();
        self.has_trace |= is_better;
        is_better
    }

    pub(super) fn record(self, fingerprint: Fingerprint, body: GroupBody) -> GroupRecord {
        let group = ErrorGroup {
            fingerprint,
            severity: self.severity,
            count: self.count,
            first_seen: Some(self.first_seen),
            last_seen: Some(self.last_seen),
            first: body.first,
        };
        let is_to_be_worked_on = matches!(self.status, GroupStatus::New | GroupStatus::Working);
        GroupRecord {
            group,
            service: body.service,
            status: self.status,
            attempts: self.attempts,
            attempted_at: self.attempted_at,
            undecided: body.undecided.filter(|_| is_to_be_worked_on),
            remedy: body.remedy.map(|finding| OperationalFinding { count: self.count, ..finding }),
            context: body.context,
        }
    }
}

impl SuggestionHead {
    /// The suggestion as it is told. It counts what its group has counted by now; what it knew itself remains
    /// where the group is forgotten.
    pub(super) fn record(self, sequence: u64, body: SuggestionBody, count: Option<u64>) -> SuggestionRecord {
        let SuggestionBody { mut suggestion, changes, repository, code } = body;
        suggestion.count = count.unwrap_or(suggestion.count);
        SuggestionRecord {
            id: self.id,
            sequence,
            created_at: self.created_at,
            status: self.status,
            decision: self.decision,
            suggestion,
            changes,
            repository,
            code,
            copy_of: self.copy_of,
        }
    }
}

impl Index {
    /// The groups that pass a filter, in an order, as many as wanted.
    pub(super) fn listed(
        &self,
        passes: impl Fn(&Fingerprint, &GroupHead) -> bool,
        order: GroupOrder,
        limit: usize,
    ) -> Vec<Fingerprint> {
        let passing = self.groups.iter().filter(|(fingerprint, head)| passes(fingerprint, head));
        match order {
            GroupOrder::Worst => first(passing, limit, |head| (Reverse(head.severity), Reverse(head.count))),
            GroupOrder::Recent => first(passing, limit, |head| Reverse(head.last_seen)),
        }
    }

    /// Whether a group is ours to work on.
    pub(super) fn owns(&self, head: &GroupHead) -> bool {
        self.owned.contains(head.home)
    }

    /// Remembers marks that are on disk.
    pub(super) fn mark(&mut self, marks: BTreeMap<RecordKey, Mark>) {
        for (key, mark) in marks {
            self.last_revision = self.last_revision.max(mark.revision);
            self.unpublished.insert(key, mark);
        }
    }

    pub(super) fn add_suggestion(&mut self, sequence: u64, head: SuggestionHead) {
        self.last_sequence = self.last_sequence.max(sequence);
        self.sequences.insert(head.id, sequence);
        self.suggestions.insert(sequence, head);
    }

    pub(super) fn remove_suggestion(&mut self, sequence: u64) {
        if let Some(head) = self.suggestions.remove(&sequence) {
            self.sequences.remove(&head.id);
        }
    }

    /// The suggestions for a group.
    pub(super) fn suggestions_for(
        &self,
        fingerprint: Fingerprint,
    ) -> impl Iterator<Item = (u64, SuggestionId)> {
        let attempts = self.groups.get(&fingerprint).map_or(0, |head| head.attempts);
        let ids = (1..=attempts).map(move |attempt| SuggestionId { fingerprint, attempt });
        ids.filter_map(|id| Some((*self.sequences.get(&id)?, id)))
    }
}

impl GroupFilter {
    pub(super) fn passes(self, head: &GroupHead) -> bool {
        self.status.is_none_or(|status| head.status == status)
            && self.severity.is_none_or(|severity| head.severity >= severity)
    }
}

fn first<'a, K: Ord>(
    groups: impl Iterator<Item = (&'a Fingerprint, &'a GroupHead)>,
    limit: usize,
    rank: impl Fn(&GroupHead) -> K,
) -> Vec<Fingerprint> {
    let mut ranked: Vec<_> = groups.map(|(fingerprint, head)| (rank(head), *fingerprint)).collect();
    if limit < ranked.len() && limit > 0 {
        ranked.select_nth_unstable(limit - 1);
    }
    ranked.truncate(limit);
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, fingerprint)| fingerprint).collect()
}
