//! The real database on a real disk.

mod faults;
mod fleet;
mod model;
mod shared;
mod undecided;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::domain::{
    Class, Decision, ErrorEvent, EventId, Evidence, FileId, FingerprintKeys, GroupRecord, GroupStatus,
    Language, Occurrences, OperationalFinding, ProducerId, Severity, Span, Suggestion, SuggestionId,
    SuggestionStatus, Trace, TraceKind, VerdictKind,
};

const DAY: u64 = 86_400;
const NO_PAUSE: Rest = Rest { pause: Duration::ZERO, code: None };
/// How many attempts a group gets.
const MOST: u32 = 3;

fn open(folder: &Path) -> Knowledge {
    Knowledge::open(folder, &Config::default(), &Metrics::new().unwrap()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn print(group: u8) -> Fingerprint {
    Fingerprint::from_bytes([group; 16])
}

fn severity(group: u8) -> Severity {
    Severity::ALL[usize::from(group) % 4]
}

/// Occurrences of a group, at a place.
fn seen(group: u8, start: u64, count: u64) -> Occurrences {
    let keys = FingerprintKeys { site: print(group), path: print(group), exact: print(group) };
    // Only some carry a trace.
    let trace = start.is_multiple_of(3).then(|| Trace {
        kind: TraceKind::Panic,
        frames: Vec::new(),
        created_by: None,
        fault_address: Some(start),
    });
    let time = at(i64::try_from(start % 1_000).unwrap());
    let span = Span { start, end: start + 10 };
    Occurrences {
        id: EventId { producer: ProducerId::from_bytes([1; 16]), file: FileId::from_bytes([2; 16]), start },
        service: "shop".into(),
        pod: None,
        context: vec![format!("before {start}")],
        count: NonZeroU64::new(count).unwrap(),
        span,
        except: Vec::new(),
        first_seen: time,
        last_seen: time + SignedDuration::from_secs(5),
        event: ErrorEvent {
            keys,
            class: Class::NilMapWrite,
            severity: severity(group),
            language: Language::Go,
            message: format!("message at {start}"),
            title: "title".into(),
            trace,
            time: Some(time),
            attributes: Vec::new(),
            sample: "sample".into(),
            span,
        },
    }
}

fn position(next: u64) -> Position {
    Position { topic: "hephaestus.errors.v1".into(), partition: 0, next }
}

/// Each in a message that was not there before, beyond every position of the tests.
fn arriving(batch: Vec<Occurrences>) -> Vec<Arrival> {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 40);
    let arrival = |occurrences| Arrival { offset: NEXT.fetch_add(1, Ordering::Relaxed), occurrences };
    batch.into_iter().map(arrival).collect()
}

fn apply(knowledge: &Knowledge, next: u64, batch: Vec<Occurrences>) -> Applied {
    knowledge.apply(&position(next), arriving(batch), at(0)).unwrap()
}

fn suggestion(id: SuggestionId, patch: Option<&str>) -> Suggestion {
    Suggestion {
        fingerprint: id.fingerprint,
        class: Class::NilMapWrite,
        title: "title".into(),
        count: 1,
        diagnosis: "why".into(),
        locations: Vec::new(),
        reproduced: true,
        reproducer: None,
        search: "at once".into(),
        verdict: VerdictKind::Proven,
        reason: "it holds".into(),
        provenance: Some("rule".into()),
        rule: None,
        explanation: None,
        masks: false,
        patch: patch.map(str::to_owned),
        evidence: Evidence::default(),
        seconds: 1.5,
    }
}

fn by(who: &str) -> Decision {
    Decision { by: who.into(), at: at(9), note: None }
}

fn status(knowledge: &Knowledge, group: u8) -> GroupStatus {
    knowledge.view().group(print(group)).unwrap().unwrap().status
}

fn due_at(knowledge: &Knowledge, seconds: i64) -> Vec<Fingerprint> {
    knowledge.next_to_work_on(10, &HashSet::new(), NO_PAUSE, at(seconds)).groups
}

fn due(knowledge: &Knowledge) -> Vec<Fingerprint> {
    due_at(knowledge, 0)
}

fn begin_at(knowledge: &Knowledge, group: u8, seconds: i64) -> SuggestionId {
    knowledge.begin_attempt(print(group), MOST, at(seconds)).unwrap().expect("attempts are left")
}

fn begin(knowledge: &Knowledge, group: u8) -> SuggestionId {
    begin_at(knowledge, group, 0)
}

/// Works on a group up to a suggestion with a patch.
fn suggest(knowledge: &Knowledge, group: u8) -> SuggestionId {
    let id = begin(knowledge, group);
    knowledge.record_suggestion(id, suggestion(id, Some("diff")), Vec::new(), anywhere(), at(1)).unwrap();
    id
}

fn anywhere() -> Circumstances {
    Circumstances::default()
}

#[test]
fn an_id_counts_once_within_a_batch_across_batches_and_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = open(folder.path());
    let applied = apply(&knowledge, 3, vec![seen(1, 10, 1), seen(1, 20, 5), seen(1, 10, 1)]);
    assert_eq!(applied.changes, [Change { fingerprint: print(1), is_new: true, added: 6 }]);
    assert_eq!(applied.duplicates, 1);
    drop(knowledge);
    let knowledge = open(folder.path());
    let again = apply(&knowledge, 5, vec![seen(1, 20, 5), seen(1, 30, 2), seen(2, 40, 1)]);
    assert_eq!(
        again.changes,
        [
            Change { fingerprint: print(1), is_new: false, added: 2 },
            Change { fingerprint: print(2), is_new: true, added: 1 }
        ]
    );
    assert_eq!(again.duplicates, 1);
    let record = knowledge.view().group(print(1)).unwrap().unwrap();
    assert_eq!((record.group.count, record.service.as_str()), (8, "shop"));
    // The first with a trace is the example, with the lines before it.
    assert_eq!((record.group.first, record.context), (seen(1, 30, 1).event, vec!["before 30".to_owned()]));
    assert_eq!(knowledge.view().position("hephaestus.errors.v1", 0).unwrap(), Some(5));
    assert_eq!(knowledge.view().position("hephaestus.errors.v1", 1).unwrap(), None);
}

#[test]
fn an_id_is_recognised_after_a_long_standstill_and_forgotten_after_a_long_run() {
    let folder = tempfile::tempdir().unwrap();
    apply(&open(folder.path()), 1, vec![seen(1, 10, 1)]);
    let knowledge = open(folder.path());
    let month = i64::try_from(30 * DAY).unwrap();
    knowledge.cleanup(at(month)).unwrap();
    let late = knowledge.apply(&position(1), arriving(vec![seen(1, 10, 1)]), at(month)).unwrap();
    assert_eq!(late.duplicates, 1, "nobody ran meanwhile");
    for hour in 0..24 * 9 {
        knowledge.cleanup(at(month + hour * 3_600)).unwrap();
    }
    let applied = knowledge.apply(&position(1), arriving(vec![seen(1, 10, 1)]), at(2 * month)).unwrap();
    assert_eq!(applied.duplicates, 0);
}

#[test]
fn groups_come_worst_first_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = open(folder.path());
    // 3 and 7 are critical, 2 and 6 high, 1 medium.
    let batch = [(1, 100), (2, 5), (3, 2), (6, 9), (7, 2)];
    apply(
        &knowledge,
        1,
        batch.iter().map(|(group, count)| seen(*group, u64::from(*group), *count)).collect(),
    );
    let prints = |records: Vec<GroupRecord>| -> Vec<u8> {
        records.iter().map(|record| record.group.fingerprint.as_bytes()[0]).collect()
    };
    let view = knowledge.view();
    let list = |filter, order, limit| prints(view.groups(filter, order, limit).unwrap());
    assert_eq!(list(GroupFilter::default(), GroupOrder::Worst, 10), [3, 7, 6, 2, 1]);
    assert_eq!(list(GroupFilter::default(), GroupOrder::Worst, 2), [3, 7]);
    assert_eq!(list(GroupFilter::default(), GroupOrder::Recent, 2), [7, 6]);
    assert_eq!(list(GroupFilter::default(), GroupOrder::Worst, 0), Vec::<u8>::new());
    let high = GroupFilter { severity: Some(Severity::High), ..GroupFilter::default() };
    assert_eq!(list(high, GroupOrder::Worst, 10), [3, 7, 6, 2]);
    suggest(&knowledge, 6);
    let suggested = GroupFilter { status: Some(GroupStatus::Suggested), ..GroupFilter::default() };
    assert_eq!(list(suggested, GroupOrder::Worst, 10), [6]);
    assert_eq!(due(&knowledge), [3, 7, 2, 1].map(print));
    let next = knowledge.next_to_work_on(1, &HashSet::from([print(3)]), NO_PAUSE, at(0));
    assert_eq!(next.groups, [print(7)]);
    assert_eq!(view.group_counts()[&GroupStatus::New], 4);
}

#[test]
fn an_attempt_counts_when_it_ends_and_not_when_it_is_broken_off() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = open(folder.path());
    apply(&knowledge, 1, vec![seen(1, 10, 1)]);
    let id = begin(&knowledge, 1);
    assert_eq!(id.to_string(), format!("{}-1", print(1)));
    assert_eq!((due(&knowledge), status(&knowledge, 1)), (vec![], GroupStatus::Working));
    assert!(matches!(knowledge.begin_attempt(print(1), MOST, at(0)), Err(Error::NothingToDo(_))));
    knowledge.close();
    let knowledge = open(folder.path());
    assert_eq!((due(&knowledge), status(&knowledge, 1)), (vec![print(1)], GroupStatus::New));
    assert_eq!(begin(&knowledge, 1), id);
    drop(knowledge);
    let knowledge = open(folder.path());
    let resting = knowledge.next_to_work_on(9, &HashSet::new(), NO_PAUSE, at(0));
    assert_eq!(resting, Due { groups: vec![], next: Some(at(1)) });
    assert_eq!((due_at(&knowledge, 1), status(&knowledge, 1)), (vec![print(1)], GroupStatus::Working));
    assert_eq!(begin_at(&knowledge, 1, 1), id, "of the one that was broken off there is nothing");
    assert_eq!(due_at(&knowledge, 500), vec![]);
    knowledge.end_attempt(id, AttemptEnd::Retry, at(100)).unwrap();
    let pause = Rest { pause: Duration::from_secs(60), code: None };
    let next = |seconds| knowledge.next_to_work_on(9, &HashSet::new(), pause, at(seconds));
    assert_eq!(next(159), Due { groups: vec![], next: Some(at(160)) });
    assert_eq!(next(160).groups, [print(1)]);
    assert_eq!(next(-500).groups, [print(1)], "the clock jumped");
    assert_eq!(knowledge.next_to_work_on(0, &HashSet::new(), pause, at(160)).groups, []);
    let second = begin(&knowledge, 1);
    assert_eq!(second.attempt, 2);
    assert!(matches!(knowledge.end_attempt(id, AttemptEnd::GiveUp, at(0)), Err(Error::NotGoingOn(_))));
    knowledge.end_attempt(second, AttemptEnd::Retry, at(200)).unwrap();
    let third = begin(&knowledge, 1);
    knowledge.end_attempt(third, AttemptEnd::GiveUp, at(300)).unwrap();
    assert_eq!((status(&knowledge, 1), due_at(&knowledge, 999)), (GroupStatus::Unresolved, vec![]));
}

/// What is left where the batch of a suggestion reached the disk and its write told of a failure: the attempt
/// has ended, and whoever made it does not know.
fn suggest_unknowingly(knowledge: &Knowledge, group: u8) -> SuggestionId {
    let id = suggest(knowledge, group);
    knowledge.lock().begun.insert(print(group));
    id
}

#[test]
fn a_suggestion_whose_write_told_of_a_failure_ends_its_attempt_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = open(folder.path());
    apply(&knowledge, 1, [1, 2].map(|group| seen(group, u64::from(group), 1)).to_vec());
    // Killed at work: it is taken up again when nobody works on anything.
    begin(&knowledge, 2);
    drop(knowledge);
    let knowledge = open(folder.path());
    let id = suggest_unknowingly(&knowledge, 1);
    assert_eq!(due_at(&knowledge, 9), []);
    let again =
        knowledge.record_suggestion(id, suggestion(id, Some("diff")), Vec::new(), anywhere(), at(1)).unwrap();
    assert_eq!(again.sequence, 1);
    assert_eq!(due_at(&knowledge, 9), [print(2)]);
    knowledge.close();
    assert_eq!(status(&open(folder.path()), 1), GroupStatus::Suggested);
}

#[test]
fn only_what_is_being_worked_on_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = open(folder.path());
    apply(&knowledge, 1, [1, 2].map(|group| seen(group, u64::from(group), 1)).to_vec());
    suggest_unknowingly(&knowledge, 1);
    begin(&knowledge, 2);
    knowledge.close();
    let knowledge = open(folder.path());
    assert_eq!((status(&knowledge, 1), status(&knowledge, 2)), (GroupStatus::Suggested, GroupStatus::New));
}

/// Kills whoever works on the group, so many times or until it is given up. Tells how often somebody did, and
/// when the last.
fn kill_at_work(folder: &Path, kills: u32, mut second: i64) -> (u32, i64) {
    for broken_off in 0..kills {
        let knowledge = open(folder);
        while due_at(&knowledge, second).is_empty() {
            second += 1;
        }
        if knowledge.begin_attempt(print(1), MOST, at(second)).unwrap().is_none() {
            return (broken_off, second);
        }
    }
    (kills, second)
}

#[test]
fn a_group_that_kills_whoever_works_on_it_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    apply(&open(folder.path()), 1, vec![seen(1, 10, 1)]);
    // It rests for 1, 2, 4, … seconds in between.
    assert_eq!(kill_at_work(folder.path(), 7, 0), (7, 63));
    let knowledge = open(folder.path());
    let id = begin_at(&knowledge, 1, 200);
    knowledge.break_off_attempt(print(1));
    assert_eq!(due_at(&knowledge, 999), [print(1)], "as if the process had died");
    assert_eq!(begin_at(&knowledge, 1, 999), id);
    knowledge.end_attempt(id, AttemptEnd::Retry, at(1_000)).unwrap();
    drop(knowledge);
    let (broken_off, last) = kill_at_work(folder.path(), 100, 1_000);
    assert_eq!((broken_off, last), (10, 1_000 + 1_023), "that one attempt ended has acquitted it");
    let knowledge = open(folder.path());
    assert_eq!((status(&knowledge, 1), due_at(&knowledge, 99_999)), (GroupStatus::Unresolved, vec![]));
    assert!(matches!(knowledge.begin_attempt(print(1), MOST, at(0)), Err(Error::NothingToDo(_))));
}

#[test]
fn what_may_have_killed_a_process_is_worked_on_alone_and_last() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = open(folder.path());
    // 3 and 7 are critical, 2 is not.
    apply(&knowledge, 1, [2, 3, 7].map(|group| seen(group, u64::from(group), 1)).to_vec());
    begin(&knowledge, 3);
    begin(&knowledge, 7);
    drop(knowledge);
    let knowledge = open(folder.path());
    assert_eq!(due_at(&knowledge, 99), [print(2)]);
    let other = begin(&knowledge, 2);
    assert_eq!(due_at(&knowledge, 99), []);
    knowledge.end_attempt(other, AttemptEnd::GiveUp, at(0)).unwrap();
    assert_eq!(due_at(&knowledge, 99), [print(3)]);
    let alone = begin_at(&knowledge, 3, 99);
    apply(&knowledge, 2, vec![seen(6, 6, 1)]);
    assert_eq!(due_at(&knowledge, 99), []);
    knowledge
        .record_suggestion(alone, suggestion(alone, Some("diff")), Vec::new(), anywhere(), at(100))
        .unwrap();
    assert_eq!(due_at(&knowledge, 100), [print(6)]);
}

#[test]
fn an_attempt_gives_one_suggestion_and_sequences_have_no_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = open(folder.path());
    apply(&knowledge, 1, (1..=3).map(|group| seen(group, u64::from(group), 1)).collect());
    let news = knowledge.view().subscribe();
    let first = suggest(&knowledge, 1);
    assert!(news.has_changed().unwrap() && news.borrow().last_sequence == 1);
    let again = knowledge
        .record_suggestion(first, suggestion(first, Some("other")), Vec::new(), anywhere(), at(5))
        .unwrap();
    assert_eq!((again.sequence, again.suggestion.patch.as_deref()), (1, Some("diff")));
    let second = suggest(&knowledge, 2);
    drop(knowledge);
    let knowledge = open(folder.path());
    let third = begin(&knowledge, 3);
    knowledge.record_suggestion(third, suggestion(third, None), Vec::new(), anywhere(), at(5)).unwrap();
    assert_eq!(status(&knowledge, 3), GroupStatus::Unresolved);
    let view = knowledge.view();
    let ids = |after| -> Vec<_> {
        view.suggestions_after(after, 10).unwrap().iter().map(|it| (it.sequence, it.id)).collect()
    };
    assert_eq!(ids(0), [(1, first), (2, second), (3, third)]);
    assert_eq!(ids(2), [(3, third)]);
    assert_eq!(ids(u64::MAX), []);
    assert_eq!(view.suggestions(None, 2).unwrap().iter().map(|it| it.sequence).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(view.suggestion(second).unwrap().unwrap().suggestion, suggestion(second, Some("diff")));
}

#[test]
fn a_decision_holds() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = open(folder.path());
    apply(&knowledge, 1, (1..=3).map(|group| seen(group, u64::from(group), 1)).collect());
    let (first, second) = (suggest(&knowledge, 1), suggest(&knowledge, 2));
    let approved = knowledge.decide(first, Choice::Approve, by("ada")).unwrap();
    assert_eq!((approved.status, approved.decision), (SuggestionStatus::Approved, Some(by("ada"))));
    let again = knowledge.decide(first, Choice::Approve, by("bob")).unwrap();
    assert_eq!(again.decision, Some(by("ada")), "the first word counts");
    let refused = knowledge.decide(first, Choice::Reject, by("bob")).unwrap_err().to_string();
    assert!(
        refused.contains("was approved by ada at 2023") && refused.contains(&first.to_string()),
        "{refused}"
    );
    knowledge.decide(second, Choice::Reject, by("bob")).unwrap();
    assert_eq!(
        (status(&knowledge, 1), status(&knowledge, 2)),
        (GroupStatus::Approved, GroupStatus::Unresolved)
    );
    let unknown = SuggestionId { attempt: 7, ..first };
    assert!(matches!(knowledge.decide(unknown, Choice::Reject, by("x")), Err(Error::UnknownSuggestion(_))));
    let third = begin(&knowledge, 3);
    knowledge.record_suggestion(third, suggestion(third, None), Vec::new(), anywhere(), at(5)).unwrap();
    assert!(matches!(knowledge.decide(third, Choice::Approve, by("x")), Err(Error::NoPatch(_))));
    drop(knowledge);
    let view = View::open(folder.path()).unwrap();
    let statuses =
        |status| view.suggestions(Some(status), 9).unwrap().iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(statuses(SuggestionStatus::Approved), [first]);
    assert_eq!(statuses(SuggestionStatus::Rejected), [second]);
    assert_eq!(statuses(SuggestionStatus::Open), [third]);
}

#[test]
fn an_operational_group_gets_its_remedy_and_no_work() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = open(folder.path());
    apply(&knowledge, 1, vec![seen(1, 10, 1)]);
    let finding = OperationalFinding {
        fingerprint: print(1),
        class: Class::DiskFull,
        title: "disk full".into(),
        count: 1,
        diagnosis: "no space".into(),
        remedy: "make space".into(),
        locations: Vec::new(),
    };
    knowledge.record_operational(finding.clone(), at(0)).unwrap();
    apply(&knowledge, 2, vec![seen(1, 12, 4)]);
    drop(knowledge);
    let knowledge = open(folder.path());
    let record = knowledge.view().group(print(1)).unwrap().unwrap();
    assert_eq!(
        (record.status, record.remedy, record.group.count),
        (GroupStatus::Operational, Some(OperationalFinding { count: 5, ..finding }), 5)
    );
    assert_eq!(due(&knowledge), []);
}

#[test]
fn old_groups_go_with_their_suggestions_and_begin_anew() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { retention_period: Duration::from_secs(DAY), max_entries: 2, ..Config::default() };
    let knowledge = Knowledge::open(folder.path(), &config, &Metrics::new().unwrap()).unwrap();
    for group in 1..=5 {
        let now = at(i64::from(group));
        knowledge.apply(&position(1), arriving(vec![seen(group, u64::from(group), 1)]), now).unwrap();
    }
    let open = suggest(&knowledge, 1);
    assert_eq!(knowledge.cleanup(at(-1_000_000)).unwrap().groups, 3, "whatever the clock says");
    let left = |knowledge: &Knowledge| -> Vec<u8> {
        let groups = knowledge.view().groups(GroupFilter::default(), GroupOrder::Recent, 10).unwrap();
        groups.iter().map(|record| record.group.fingerprint.as_bytes()[0]).collect()
    };
    assert_eq!(left(&knowledge), [5, 1], "the oldest go, but not the one with an open suggestion");
    let day = i64::try_from(DAY).unwrap();
    assert_eq!(knowledge.cleanup(at(day + 3)).unwrap(), Removed { groups: 1, suggestions: 1 });
    assert_eq!((left(&knowledge), knowledge.view().suggestion(open).unwrap()), (vec![5], None));
    assert!(matches!(knowledge.decide(open, Choice::Approve, by("x")), Err(Error::UnknownSuggestion(_))));
    apply(&knowledge, 9, vec![seen(1, 77, 2)]);
    assert_eq!(knowledge.view().group(print(1)).unwrap().unwrap().group.count, 2);
    let id = suggest(&knowledge, 1);
    assert_eq!(knowledge.view().suggestion(id).unwrap().unwrap().sequence, 2, "no sequence is given twice");
    drop(knowledge);
    let knowledge = Knowledge::open(folder.path(), &config, &Metrics::new().unwrap()).unwrap();
    assert_eq!(left(&knowledge), [1, 5]);
}

#[test]
fn a_flood_of_new_groups_is_bounded_between_cleanups() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { max_entries: 10, ..Config::default() };
    let knowledge = Knowledge::open(folder.path(), &config, &Metrics::new().unwrap()).unwrap();
    for group in 1..=200 {
        apply(&knowledge, 1, vec![seen(group, u64::from(group), 1)]);
        assert!(knowledge.view().group_counts().values().sum::<usize>() <= 27);
    }
}
