//! Dead letters of the embedded bus. Those of Kafka are tested over a broker.

use std::path::Path;

use super::*;
use crate::bus::Config;
use crate::domain::LetterPlace;
use crate::telemetry::metrics::Metrics;

fn open(folder: &Path) -> Bus {
    Bus::Embedded(Embedded::open(folder, &Config::default(), &Metrics::new().unwrap()).unwrap())
}

fn message(number: u64) -> Message {
    Message {
        topic: Topic::Errors,
        id: format!("id-{number}"),
        key: format!("shop/{}", number % 3),
        headers: vec![("ce_type".into(), "hephaestus.error.v1".into())],
        body: number.to_string().into_bytes(),
        time: Timestamp::from_second(1_700_000_000).unwrap(),
    }
}

async fn set_aside(bus: &Bus, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let delivery = Delivery { partition: 0, offset: number, message: message(number) };
        bus.dead_letter(delivery, "not JSON", Timestamp::now()).await.unwrap();
    }
}

fn all() -> ReplayOrder {
    ReplayOrder { choice: LetterChoice::All, dry_run: false, within: None }
}

fn named(names: &[&str]) -> ReplayOrder {
    let names = names.iter().map(|name| LetterName::from((*name).to_owned())).collect();
    ReplayOrder { choice: LetterChoice::Named(names), ..all() }
}

/// Every message that came back onto its topic, in order.
fn came_back(bus: &Bus) -> Vec<Message> {
    let Bus::Embedded(embedded) = bus else { panic!() };
    let shelf = Shelf::of(embedded);
    shelf.whole(Topic::Errors).into_iter().map(|delivery| delivery.message).collect()
}

fn statuses(list: &LetterList) -> Vec<(String, LetterStatus)> {
    list.letters.iter().map(|letter| (letter.id.to_string(), letter.status)).collect()
}

#[tokio::test]
async fn each_is_put_back_as_it_was_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path());
    let letters = DeadLetters::of(&bus);
    assert_eq!(letters.list(9).await.unwrap(), LetterList::default());
    set_aside(&bus, 0..3).await;

    let dry = letters.replay(&ReplayOrder { dry_run: true, ..all() }).await.unwrap();
    assert_eq!((dry.count(), came_back(&bus)), (3, vec![]), "nothing is written");
    let done = letters.replay(&named(&["0/1", "id-2", "0/77"])).await.unwrap();
    let fates: Vec<_> = done.chosen.iter().map(|chosen| (chosen.letter.to_string(), chosen.fate)).collect();
    let expected =
        [("0/1", LetterFate::PutBack), ("0/2", LetterFate::PutBack), ("0/77", LetterFate::Unknown)];
    assert_eq!(fates, expected.map(|(letter, fate)| (letter.to_owned(), fate)));
    assert_eq!(came_back(&bus), [message(1), message(2)]);

    let again = letters.replay(&named(&["0/1"])).await.unwrap();
    assert_eq!(again.chosen[0].fate, LetterFate::Left(LetterStatus::Replayed));
    assert_eq!(letters.replay(&all()).await.unwrap().count(), 1, "the one that is left");
    assert_eq!(letters.replay(&all()).await.unwrap().left, BTreeMap::from([(LetterStatus::Replayed, 3)]));
    assert_eq!(came_back(&bus), [message(1), message(2), message(0)]);
    let list = letters.list(2).await.unwrap();
    let both = [("0/2", LetterStatus::Replayed), ("0/1", LetterStatus::Replayed)];
    assert_eq!(statuses(&list), both.map(|(id, status)| (id.to_owned(), status)));
    assert_eq!(list.counts, BTreeMap::from([(LetterStatus::Replayed, 3)]));
}

#[tokio::test]
async fn what_comes_again_is_a_new_letter_and_can_be_put_back_again() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path());
    let letters = DeadLetters::of(&bus);
    set_aside(&bus, 7..8).await;
    assert_eq!(letters.replay(&all()).await.unwrap().count(), 1);
    set_aside(&bus, 7..8).await;
    let list = letters.list(9).await.unwrap();
    // Between them stands the mark.
    let both = [("0/2", LetterStatus::Open), ("0/0", LetterStatus::Replayed)];
    assert_eq!(statuses(&list), both.map(|(id, status)| (id.to_owned(), status)));
    assert_eq!(letters.replay(&all()).await.unwrap().count(), 1);
    assert_eq!(came_back(&bus), [message(7), message(7)]);
}

#[tokio::test]
async fn many_are_put_back_part_by_part_and_those_of_after_the_order_stay() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path());
    let letters = DeadLetters::of(&bus);
    let many = MOST_AT_ONCE + 300;
    let Bus::Embedded(embedded) = &bus else { panic!() };
    let aside = |number| {
        Delivery { partition: 0, offset: number, message: message(number) }
            .into_dead_letter("x", Timestamp::now())
    };
    Shelf::of(embedded).put(&(0..many).map(aside).collect::<Vec<_>>()).await.unwrap();
    let mut report = letters.replay(&all()).await.unwrap();
    assert_eq!(report.count(), MOST_AT_ONCE);
    let within = report.rest.take();
    assert!(within.is_some());
    set_aside(&bus, many..many + 5).await;
    report.go_on(letters.replay(&ReplayOrder { within, ..all() }).await.unwrap());
    assert_eq!((report.count(), report.rest), (many, None));
    let ids: BTreeSet<_> = came_back(&bus).into_iter().map(|message| message.id).collect();
    assert_eq!(ids.len() as u64, many);
    assert_eq!(letters.list(9).await.unwrap().counts[&LetterStatus::Open], 5);
    let marks = letters.marks(&letters.source.stretches().await.unwrap()).await.unwrap();
    assert_eq!(marks[&0].len(), 1, "what was put back together is one stretch");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replays_at_once_put_back_once() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path());
    let letters = DeadLetters::of(&bus);
    set_aside(&bus, 0..50).await;
    let order = all();
    let (one, other) = tokio::join!(letters.replay(&order), letters.replay(&order));
    assert_eq!(one.unwrap().count() + other.unwrap().count(), 50);
    assert_eq!(came_back(&bus).len(), 50);
}

#[tokio::test]
async fn where_no_bus_runs_they_are_looked_at_and_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path());
    set_aside(&bus, 0..2).await;
    assert!(DeadLetters::stored(folder.path()).is_err(), "one runs");
    bus.close().await;
    drop(bus);
    let letters = DeadLetters::stored(folder.path()).unwrap();
    let list = letters.list(9).await.unwrap();
    assert_eq!(
        list.letters.iter().map(|letter| letter.id).collect::<Vec<_>>(),
        [1, 0].map(|offset| LetterPlace { partition: 0, offset })
    );
    assert_eq!(letters.replay(&ReplayOrder { dry_run: true, ..all() }).await.unwrap().count(), 2);
    assert!(letters.replay(&all()).await.is_err());
    assert!(DeadLetters::stored(&folder.path().join("none")).is_err());
}

/// Where the bus ends in the middle, what was put back and what was marked is the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_cut_off_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = BTreeSet::new();
    {
        let bus = open(folder.path());
        let Bus::Embedded(embedded) = &bus else { panic!() };
        let aside = |number| {
            let delivery = Delivery { partition: 0, offset: number, message: message(number) };
            delivery.into_dead_letter("x", Timestamp::now())
        };
        Shelf::of(embedded).put(&(0..900).map(aside).collect::<Vec<_>>()).await.unwrap();
        expected.extend((0..900).map(|number| message(number).id));
        bus.close().await;
    }
    let order = all();
    for cut_after in [Some(3), Some(9), Some(27), None] {
        let bus = open(folder.path());
        let letters = DeadLetters::of(&bus);
        let (replayed, ()) = tokio::join!(letters.replay(&order), async {
            if let Some(millis) = cut_after {
                tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
                bus.cut().await;
            }
        });
        drop((replayed, letters));
        bus.close().await;
    }
    let bus = open(folder.path());
    let ids: Vec<_> = came_back(&bus).into_iter().map(|message| message.id).collect();
    assert_eq!(ids.len(), 900, "none twice");
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);
}
