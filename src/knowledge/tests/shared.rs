//! One working copy of knowledge that is shared, and its changelog.

use super::*;
use crate::storage::crash::crash_copy;

const ERRORS: &str = "hephaestus.errors.v1";
const CHANGELOG: &str = "hephaestus.knowledge.v1";

fn open_shared(folder: &Path) -> Shared {
    Shared::open(folder, &Config::default(), &Metrics::new().unwrap()).unwrap()
}

fn place(topic: &str, partition: i32, next: u64) -> Position {
    Position { topic: topic.into(), partition, next }
}

/// A working copy that owns a partition from its beginning.
fn owner(folder: &Path, partition: i32) -> Shared {
    let shared = open_shared(folder);
    shared.own(&place(ERRORS, partition, 0)).unwrap();
    shared
}

/// Applies messages, the first at this offset.
fn count(shared: &Shared, partition: i32, from: u64, batch: Vec<Occurrences>) -> Applied {
    let next = from + batch.len() as u64;
    let arrival = |(occurrences, offset)| Arrival { offset, occurrences };
    let batch = batch.into_iter().zip(from..).map(arrival).collect();
    shared.knowledge().apply(&place(ERRORS, partition, next), batch, at(0)).unwrap()
}

fn counted(shared: &Shared, group: u8) -> Option<u64> {
    shared.knowledge().view().group(print(group)).unwrap().map(|record| record.group.count)
}

/// Publishes everything, and what that was.
fn publish(shared: &Shared) -> Publication {
    let publication = shared.unpublished().unwrap();
    shared.published(&publication).unwrap();
    publication
}

fn incoming(publication: &Publication) -> Vec<Incoming> {
    let incoming = |record: &Record| Incoming {
        key: record.key.to_string(),
        value: record.value.clone(),
        writer: Some(publication.writer.clone()),
    };
    publication.records.iter().map(incoming).collect()
}

/// The keys of what is to be published; those of what is gone with a minus.
fn keys(publication: &Publication) -> Vec<String> {
    let key = |record: &Record| match record.value {
        Some(_) => record.key.to_string(),
        None => format!("-{}", record.key),
    };
    publication.records.iter().map(key).collect()
}

#[test]
fn only_what_has_changed_is_published_with_the_positions_that_belong_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let shared = owner(folder.path(), 3);
    let print = print(1);
    count(&shared, 3, 0, vec![seen(1, 10, 1)]);
    let first = shared.unpublished().unwrap();
    assert_eq!(keys(&first), [format!("group/{print}"), format!("group-body/{print}")]);
    assert!(first.records.iter().all(|record| record.home == 3));
    assert_eq!(first.positions, [place(ERRORS, 3, 1)]);
    // While that is on its way, more comes.
    count(&shared, 3, 1, vec![seen(1, 20, 1), seen(1, 40, 5)]);
    shared.published(&first).unwrap();
    let second = publish(&shared);
    assert_eq!(keys(&second), [format!("group/{print}")], "the body has not changed");
    assert_eq!(second.positions, [place(ERRORS, 3, 3)]);
    assert_eq!(keys(&publish(&shared)), Vec::<String>::new());
    let id = suggest(shared.knowledge(), 1);
    let third = [format!("group/{print}"), format!("suggestion/{id}"), format!("suggestion-body/{id}")];
    assert_eq!(keys(&publish(&shared)), third);
    shared.knowledge().decide(id, Choice::Approve, by("ada")).unwrap();
    assert_eq!(keys(&publish(&shared)), [format!("group/{print}"), format!("suggestion/{id}")]);
    let far = at(i64::try_from(200 * DAY).unwrap());
    shared.knowledge().cleanup(far).unwrap();
    let gone = ["group", "group-body"].map(|kind| format!("-{kind}/{print}"));
    let gone = gone.into_iter().chain(["suggestion", "suggestion-body"].map(|kind| format!("-{kind}/{id}")));
    let last = publish(&shared);
    assert_eq!(keys(&last), gone.collect::<Vec<_>>());
    assert!(last.records.iter().all(|record| record.home == 3));
}

#[test]
fn groups_of_others_are_seen_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = owner(&folder.path().join("theirs"), 0);
    count(&theirs, 0, 0, vec![seen(1, 10, 1), seen(2, 20, 1)]);
    let id = suggest(theirs.knowledge(), 2);
    let ours = owner(&folder.path().join("ours"), 1);
    ours.restore(&place(CHANGELOG, 0, 5), incoming(&publish(&theirs))).unwrap();
    assert_eq!(ours.knowledge().view().position(CHANGELOG, 0).unwrap(), Some(5));
    count(&ours, 1, 0, vec![seen(3, 30, 1)]);
    let knowledge = ours.knowledge();
    assert_eq!((counted(&ours, 1), due(knowledge)), (Some(1), vec![print(3)]));
    let elsewhere = [
        knowledge.begin_attempt(print(1), MOST, at(0)).map(drop).unwrap_err(),
        knowledge.decide(id, Choice::Approve, by("ada")).map(drop).unwrap_err(),
    ];
    for refused in elsewhere {
        assert!(refused.to_string().contains("is worked on by another fixer"), "{refused}");
    }
    let stray = knowledge.apply(&place(ERRORS, 0, 1), arriving(vec![seen(1, 90, 1)]), at(0)).unwrap_err();
    assert!(matches!(stray, Error::NotOurs(0)), "{stray}");
    let far = at(i64::try_from(200 * DAY).unwrap());
    assert_eq!(knowledge.cleanup(far).unwrap(), Removed { groups: 1, suggestions: 0 });
    assert_eq!((counted(&ours, 1), counted(&ours, 3)), (Some(1), None));
}

#[test]
fn what_is_given_up_is_taken_back_and_worked_on_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let shared = owner(folder.path(), 0);
    shared.own(&place(ERRORS, 1, 0)).unwrap();
    count(&shared, 0, 0, vec![seen(2, 20, 1)]);
    count(&shared, 1, 0, vec![seen(1, 10, 1)]);
    let knowledge = shared.knowledge();
    let (stays, goes) = (begin(knowledge, 2), begin(knowledge, 1));
    publish(&shared);
    shared.release(1).unwrap();
    let last = shared.unpublished().unwrap();
    assert_eq!(keys(&last), [format!("group/{}", print(1))]);
    assert_eq!(last.positions, [place(ERRORS, 0, 1), place(ERRORS, 1, 1)]);
    assert_eq!((status(knowledge, 1), status(knowledge, 2)), (GroupStatus::New, GroupStatus::Working));
    let late =
        knowledge.record_suggestion(goes, suggestion(goes, Some("diff")), Vec::new(), anywhere(), at(1));
    assert!(matches!(late, Err(Error::Elsewhere(_))), "{late:?}");
    knowledge.end_attempt(stays, AttemptEnd::GiveUp, at(1)).unwrap();
    shared.disown(1);
    let again = shared.own(&place(ERRORS, 1, 0)).unwrap_err();
    assert!(again.to_string().contains("partition 1 were not published"), "{again}");
    assert_eq!(publish(&shared).positions, [place(ERRORS, 0, 1)]);
    shared.own(&place(ERRORS, 1, 1)).unwrap();
    assert_eq!(begin(knowledge, 1), goes, "it never happened");
}

#[test]
fn what_is_given_up_is_so_though_nothing_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let shared = owner(folder.path(), 0);
    shared.own(&place(ERRORS, 1, 0)).unwrap();
    shared.knowledge().close();
    assert!(shared.release(0).unwrap_err().is_retryable(), "nothing could be taken back");
    let index = shared.knowledge().view().index();
    assert!(!index.owned.contains(0) && index.owned.contains(1));
}

#[test]
fn a_message_counts_again_where_its_count_was_lost_and_another_with_its_id_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let shared = owner(folder.path(), 0);
    count(&shared, 0, 0, vec![seen(1, 10, 1), seen(1, 20, 1), seen(1, 10, 1)]);
    publish(&shared);
    let again = count(&shared, 0, 1, vec![seen(1, 20, 1), seen(1, 10, 1)]);
    assert_eq!((again.duplicates, counted(&shared, 1)), (2, Some(2)), "from before the position");
    assert_eq!(publish(&shared).positions, [place(ERRORS, 0, 3)]);
    shared.rebuild().unwrap();
    assert_eq!(counted(&shared, 1), None);
    assert_eq!(shared.known_ids(ERRORS, 0).unwrap(), Some(0..3));
    assert!(matches!(
        shared.knowledge().apply(&place(ERRORS, 0, 3), Vec::new(), at(0)),
        Err(Error::NotOurs(0))
    ));
    shared.own(&place(ERRORS, 0, 1)).unwrap();
    let again = count(&shared, 0, 1, vec![seen(1, 20, 1), seen(1, 10, 1), seen(1, 30, 1)]);
    assert_eq!((again.duplicates, counted(&shared, 1)), (1, Some(2)), "20 and 30; 10 was counted by others");
}

#[test]
fn ids_that_were_learnt_count_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let shared = open_shared(folder.path());
    let id = |start| seen(1, start, 1).id;
    assert_eq!(shared.known_ids(ERRORS, 0).unwrap(), None);
    shared.learn_ids(ERRORS, 0, 0..3, &[(id(10), 0), (id(20), 2), (id(10), 2)], at(0)).unwrap();
    shared.learn_ids(ERRORS, 0, 3..5, &[(id(30), 4), (id(20), 4)], at(0)).unwrap();
    assert_eq!(shared.known_ids(ERRORS, 0).unwrap(), Some(0..5));
    shared.own(&place(ERRORS, 0, 5)).unwrap();
    let applied = count(&shared, 0, 5, vec![seen(1, 20, 1), seen(1, 40, 1), seen(1, 10, 1)]);
    assert_eq!((applied.duplicates, counted(&shared, 1)), (2, Some(1)));
    assert_eq!(shared.known_ids(ERRORS, 0).unwrap(), Some(0..8));
}

#[test]
fn the_records_of_a_suggestion_come_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = owner(&folder.path().join("theirs"), 0);
    count(&theirs, 0, 0, vec![seen(1, 10, 1)]);
    let id = suggest(theirs.knowledge(), 1);
    let records = incoming(&publish(&theirs));
    assert_eq!(records.len(), 4);
    let gone = |record: &Incoming| Incoming { value: None, ..record.clone() };
    for turn in 0..24_usize {
        // One after the other, in every order.
        let mut left: Vec<_> = records.iter().collect();
        let order: Vec<_> = [turn / 6, turn / 2 % 3, turn % 2, 0].map(|at| left.remove(at)).into();
        let folder = folder.path().join(turn.to_string());
        let mut ours = open_shared(&folder);
        let is_shown = |ours: &Shared| {
            let suggestions = ours.knowledge().view().suggestions_after(0, 9).unwrap();
            suggestions.iter().map(|it| (it.id, it.sequence)).collect::<Vec<_>>()
        };
        for (record, offset) in order.iter().zip(0..) {
            assert_eq!(
                ours.knowledge().view().subscribe().borrow().last_sequence,
                is_shown(&ours).len() as u64
            );
            ours.restore(&place(CHANGELOG, 0, offset), vec![(*record).clone()]).unwrap();
            drop(ours);
            ours = open_shared(&folder);
        }
        assert_eq!((is_shown(&ours), counted(&ours, 1)), (vec![(id, 1)], Some(1)), "{order:?}");
        for record in order {
            ours.restore(&place(CHANGELOG, 0, 9), vec![gone(record)]).unwrap();
        }
        assert_eq!((is_shown(&ours), counted(&ours, 1)), (vec![], None));
        // Nothing is left of it that would turn up again.
        ours.restore(&place(CHANGELOG, 0, 9), records[2..3].to_vec()).unwrap();
        assert_eq!(is_shown(&ours), []);
        ours.restore(&place(CHANGELOG, 0, 9), records.clone()).unwrap();
        assert_eq!(is_shown(&ours), [(id, 2)], "no sequence is given twice");
    }
}

#[test]
fn the_status_of_a_suggestion_follows() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = owner(&folder.path().join("theirs"), 0);
    count(&theirs, 0, 0, vec![seen(1, 10, 1), seen(2, 20, 1)]);
    let id = suggest(theirs.knowledge(), 1);
    suggest(theirs.knowledge(), 2);
    let ours = open_shared(&folder.path().join("ours"));
    ours.restore(&place(CHANGELOG, 0, 1), incoming(&publish(&theirs))).unwrap();
    theirs.knowledge().decide(id, Choice::Reject, by("ada")).unwrap();
    ours.restore(&place(CHANGELOG, 0, 2), incoming(&publish(&theirs))).unwrap();
    let shown = ours.knowledge().view().suggestion(id).unwrap().unwrap();
    assert_eq!((shown.status, shown.decision), (SuggestionStatus::Rejected, Some(by("ada"))));
    assert_eq!(status(ours.knowledge(), 1), GroupStatus::Unresolved);
    assert_eq!(keys(&ours.unpublished().unwrap()), Vec::<String>::new(), "it is no news to others");
}

#[test]
fn ones_own_records_are_old_news_and_those_of_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let one = owner(&folder.path().join("one"), 0);
    count(&one, 0, 0, vec![seen(1, 10, 1)]);
    let first = publish(&one);
    count(&one, 0, 1, vec![seen(1, 20, 1)]);
    publish(&one);
    one.restore(&place(CHANGELOG, 0, 2), incoming(&first)).unwrap();
    assert_eq!(counted(&one, 1), Some(2));
    // Somebody has taken the partition over, and one does not know it yet.
    let other = open_shared(&folder.path().join("other"));
    other.restore(&place(CHANGELOG, 0, 2), incoming(&first)).unwrap();
    other.own(&place(ERRORS, 0, 1)).unwrap();
    count(&other, 0, 1, vec![seen(1, 20, 1), seen(1, 30, 5)]);
    one.restore(&place(CHANGELOG, 0, 3), incoming(&publish(&other))).unwrap();
    assert_eq!(counted(&one, 1), Some(7));
    one.rebuild().unwrap();
    one.restore(&place(CHANGELOG, 0, 2), incoming(&first)).unwrap();
    assert_eq!(counted(&one, 1), Some(1), "after a rebuild it is as if somebody else had written it");
}

#[test]
fn what_was_not_published_is_forgotten_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("start"), folder.path().join("copy"));
    let shared = owner(&path, 0);
    count(&shared, 0, 0, vec![seen(1, 10, 1), seen(2, 20, 1)]);
    suggest(shared.knowledge(), 1);
    let published = publish(&shared);
    shared.restore(&place(CHANGELOG, 0, 5), Vec::new()).unwrap();
    drop(shared);
    let shared = open_shared(&path);
    assert_eq!((counted(&shared, 1), counted(&shared, 2)), (Some(1), Some(1)), "everything was published");
    shared.own(&place(ERRORS, 0, 2)).unwrap();
    count(&shared, 0, 2, vec![seen(1, 30, 1)]);
    crash_copy(&path, &copy);
    let shared = open_shared(&copy);
    let view = shared.knowledge().view();
    assert_eq!((view.group_counts().values().sum::<usize>(), view.suggestion_ids(None)), (0, vec![]));
    assert_eq!((view.position(ERRORS, 0).unwrap(), view.position(CHANGELOG, 0).unwrap()), (None, None));
    assert_eq!(shared.known_ids(ERRORS, 0).unwrap(), Some(0..3));
    assert_eq!(keys(&shared.unpublished().unwrap()), Vec::<String>::new());
    shared.restore(&place(CHANGELOG, 0, 5), incoming(&published)).unwrap();
    shared.own(&place(ERRORS, 0, 2)).unwrap();
    let applied = count(&shared, 0, 2, vec![seen(1, 30, 1), seen(1, 10, 1)]);
    assert_eq!((applied.duplicates, counted(&shared, 1)), (1, Some(2)));
}

#[test]
fn a_record_that_cannot_be_understood_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = owner(&folder.path().join("theirs"), 0);
    count(&theirs, 0, 0, vec![seen(1, 10, 1)]);
    let records = incoming(&publish(&theirs));
    let ours = open_shared(&folder.path().join("ours"));
    for (value, expected) in [
        (&br#"{"version":9,"record":[]}"#[..], "has version 9, and this program knows up to 1"),
        (b"nonsense", "makes no sense"),
        (br#"{"version":1,"record":{}}"#, "makes no sense"),
    ] {
        let bad = Incoming { value: Some(value.to_vec()), ..records[0].clone() };
        let refused = ours.restore(&place(CHANGELOG, 0, 9), vec![records[1].clone(), bad]).unwrap_err();
        assert!(refused.to_string().contains(expected) && !refused.is_retryable(), "{refused}");
        assert_eq!(ours.knowledge().view().position(CHANGELOG, 0).unwrap(), None);
    }
    let foreign = Incoming { key: "barrier/7".into(), value: Some(b"?".to_vec()), writer: None };
    ours.restore(&place(CHANGELOG, 0, 9), [records, vec![foreign]].concat()).unwrap();
    assert_eq!(counted(&ours, 1), Some(1));
}

#[test]
fn knowledge_is_gathered_alone_or_shared() {
    let folder = tempfile::tempdir().unwrap();
    let (alone, shared) = (folder.path().join("alone"), folder.path().join("shared"));
    apply(&open(&alone), 1, vec![seen(1, 10, 1)]);
    drop(open_shared(&shared));
    let refuses_to_share = || {
        let refused = Shared::open(&alone, &Config::default(), &Metrics::new().unwrap()).unwrap_err();
        assert!(refused.to_string().contains("cannot be shared"), "{refused}");
    };
    refuses_to_share();
    let far = at(i64::try_from(200 * DAY).unwrap());
    assert_eq!(open(&alone).cleanup(far).unwrap(), Removed { groups: 1, suggestions: 0 });
    refuses_to_share();
    let refused = Knowledge::open(&shared, &Config::default(), &Metrics::new().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("is shared with other fixers"), "{refused}");
    assert!(View::open(&shared).is_ok(), "anybody may read");
    drop((open(&alone), open_shared(&shared)));
}
