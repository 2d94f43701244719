//! What needs no broker.

use std::sync::Arc;
use std::time::Duration;

use super::client::Settings;
use super::config::KafkaConfig;
use super::desk::Desk;
use crate::bus::{Assignment, Delivery, Error, Message, Position, Topic, Turn};

fn delivery(partition: i32, offset: u64, bytes: usize) -> Delivery {
    let message = Message {
        topic: Topic::Errors,
        id: format!("{partition}/{offset}"),
        key: "shop".into(),
        headers: Vec::new(),
        body: vec![b'x'; bytes],
        time: jiff::Timestamp::UNIX_EPOCH,
    };
    Delivery { partition, offset, message }
}

/// A desk whose consumer has begun with these partitions.
async fn started(partitions: &[i32]) -> Arc<Desk> {
    let desk = Arc::new(Desk::default());
    desk.assigned(partitions);
    assert_eq!(desk.untold(), partitions);
    let assignments =
        partitions.iter().map(|partition| Assignment { partition: *partition, committed: None });
    desk.tell(assignments.collect());
    assert!(desk.untold().is_empty());
    assert!(matches!(desk.next(9, 9).await, Ok(Turn::Assigned(_))));
    for partition in partitions {
        desk.put(delivery(*partition, 0, 1));
        desk.order(Position { partition: *partition, next: 0 }).unwrap();
        let order = desk.take_order().unwrap();
        desk.restart(order.partition);
    }
    desk
}

async fn messages(desk: &Desk, max_count: usize, max_bytes: usize) -> Vec<(i32, u64)> {
    match tokio::time::timeout(Duration::from_secs(10), desk.next(max_count, max_bytes))
        .await
        .unwrap()
        .unwrap()
    {
        Turn::Messages(batch) => batch.iter().map(|it| (it.partition, it.offset)).collect(),
        turn => panic!("{turn:?}"),
    }
}

#[tokio::test]
async fn nothing_is_given_of_a_partition_before_it_is_begun() {
    let desk = started(&[0, 1]).await;
    desk.put(delivery(7, 0, 1));
    desk.put(delivery(1, 5, 1));
    desk.put(delivery(0, 9, 1));
    assert_eq!(messages(&desk, 9, 1 << 20).await, [(1, 5), (0, 9)]);
    assert!(
        desk.owns(&[Position { partition: 1, next: 0 }]) && !desk.owns(&[Position { partition: 7, next: 0 }])
    );
}

#[tokio::test]
async fn partitions_pause_when_much_lines_up_and_go_on_when_little_does() {
    let desk = started(&[0]).await;
    assert_eq!(desk.flow(), None);
    for offset in 0..50 {
        desk.put(delivery(0, offset, 100_000));
    }
    assert_eq!(desk.flow(), Some((true, vec![0])));
    assert_eq!(desk.flow(), None);
    assert_eq!(messages(&desk, 30, usize::MAX).await.len(), 30);
    assert_eq!(desk.flow(), None, "not yet");
    assert_eq!(messages(&desk, 10, usize::MAX).await.len(), 10);
    assert_eq!(desk.flow(), Some((false, vec![0])));
    assert_eq!(desk.lag(), 50);
    desk.committed(&[Position { partition: 0, next: 45 }]);
    assert_eq!(desk.lag(), 5);
}

#[tokio::test]
async fn what_was_deleted_is_not_waited_for() {
    let desk = started(&[0, 1]).await;
    desk.hold([(0, 1_000..1_010), (1, 0..7), (2, 0..99)]);
    assert_eq!(desk.lag(), 17, "nothing was committed yet");
    desk.committed(&[Position { partition: 0, next: 1_004 }]);
    assert_eq!(desk.lag(), 13);
    desk.hold([(0, 1_008..1_012)]);
    assert_eq!(desk.lag(), 11, "some were deleted before they were committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_goes_takes_its_messages_with_it_and_stays_until_it_is_released() {
    let desk = started(&[0, 1]).await;
    desk.put(delivery(0, 1, 1));
    desk.put(delivery(1, 1, 1));
    let thread = Arc::clone(&desk);
    let revoking = std::thread::spawn(move || thread.revoke(&[0], false, Duration::from_secs(60)));
    let revocation = loop {
        match desk.next(1, 1).await.unwrap() {
            Turn::Revoked(revocation) => break revocation,
            Turn::Messages(batch) => assert!(batch[0].partition == 1 || !revoking.is_finished(), "{batch:?}"),
            Turn::Assigned(assignments) => panic!("{assignments:?}"),
        }
    };
    assert_eq!((revocation.partitions.as_slice(), revocation.lost), (&[0][..], false));
    assert!(desk.owns(&[Position { partition: 0, next: 0 }]), "until it is released");
    assert!(!revoking.is_finished());
    revocation.done();
    revoking.join().unwrap();
    assert!(
        !desk.owns(&[Position { partition: 0, next: 0 }]) && desk.owns(&[Position { partition: 1, next: 0 }])
    );
    desk.put(delivery(0, 2, 1));
    desk.put(delivery(1, 2, 1));
    let mut got = messages(&desk, 9, usize::MAX).await;
    if got.len() == 1 && got[0].1 == 1 {
        got.extend(messages(&desk, 9, usize::MAX).await);
    }
    assert!(got.iter().all(|(partition, _)| *partition == 1), "{got:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_goes_at_once_and_a_hold_has_an_end() {
    let desk = started(&[0, 1]).await;
    desk.revoke(&[0], true, Duration::from_secs(60));
    let Ok(Turn::Revoked(revocation)) = desk.next(1, 1).await else { panic!() };
    assert!(revocation.lost && !desk.owns(&[Position { partition: 0, next: 0 }]));
    // Nobody answers.
    desk.revoke(&[1], false, Duration::from_millis(20));
    assert!(!desk.owns(&[Position { partition: 1, next: 0 }]));
    // One of which nobody was told is nobody's concern.
    desk.assigned(&[2]);
    desk.revoke(&[2], false, Duration::from_secs(60));
    desk.close();
    assert!(matches!(desk.next(1, 1).await, Err(Error::Closed)));
    assert!(matches!(desk.order(Position { partition: 0, next: 0 }), Err(Error::Closed)));
}

#[test]
fn a_property_of_the_operator_has_one_name() {
    let properties = [
        ("compression.type", "lz4"),
        ("max.partition.fetch.bytes", "2000000"),
        ("message.max.bytes", "9000000"),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let config =
        KafkaConfig { brokers: vec!["127.0.0.1:1".to_owned()], properties, ..KafkaConfig::default() };
    let settings = Settings::new(config).unwrap();
    let (producer, consumer) = (settings.producer(), settings.consumer("group"));
    assert_eq!((producer.get("compression.codec"), producer.get("compression.type")), (None, Some("lz4")));
    assert_eq!(consumer.get("fetch.message.max.bytes"), None);
    assert_eq!(consumer.get("max.partition.fetch.bytes"), Some("2000000"));
    assert_eq!(consumer.get("fetch.max.bytes"), Some("9000000"), "no less than a message");
    assert_eq!(
        Settings::new(KafkaConfig { brokers: vec!["127.0.0.1:1".to_owned()], ..KafkaConfig::default() })
            .unwrap()
            .consumer("group")
            .get("fetch.max.bytes"),
        Some("4194304")
    );
}
