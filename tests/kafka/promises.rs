//! What both engines of the bus promise.

use hephaestus::bus::{Config, Embedded, Error};
use tempfile::TempDir;

use super::broker::Used;
use super::*;

/// Where a bus lives. It can be opened again.
enum Home {
    Embedded(TempDir),
    Kafka { _used: Used<'static>, config: Box<KafkaConfig> },
}

impl Home {
    fn embedded() -> Self {
        Self::Embedded(tempfile::tempdir().unwrap())
    }

    async fn kafka(test: &str) -> Self {
        let used = broker::shared().await;
        let config = used.broker.prepared(test).await;
        Self::Kafka { _used: used, config: Box::new(config) }
    }

    /// The name of a group: a broker keeps those of all tests.
    fn group(&self, name: &str) -> String {
        match self {
            Self::Embedded(_) => name.to_owned(),
            Self::Kafka { config, .. } => format!("{}-{name}", config.group),
        }
    }

    fn open(&self) -> Bus {
        match self {
            Self::Embedded(folder) => {
                let metrics = Metrics::new().unwrap();
                Bus::Embedded(Embedded::open(folder.path(), &Config::default(), &metrics).unwrap())
            }
            Self::Kafka { config, .. } => open(config).0,
        }
    }
}

macro_rules! promises {
    ($($name:ident),+ $(,)?) => {
        mod embedded {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(Home::embedded()).await;
            })+
        }

        mod kafka {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(Home::kafka(stringify!($name)).await).await;
            })+
        }
    };
}

promises! {
    messages_arrive_unchanged_and_in_the_order_of_their_key,
    what_is_settled_is_there_for_the_next_process,
    what_was_not_committed_comes_again_and_nothing_else,
    reading_begins_where_it_is_told,
    a_batch_is_limited_by_count_and_bytes_but_never_empty,
    a_message_that_cannot_be_read_is_set_aside_with_its_origin_and_reason,
    messages_go_out_with_positions,
    a_closed_bus_refuses,
}

async fn messages_arrive_unchanged_and_in_the_order_of_their_key(home: Home) {
    let bus = home.open();
    let mut consumer = bus.consumer(Topic::Errors, &home.group("readers")).await.unwrap();
    publish_durably(&bus, (0..500).map(message)).await;
    let got = take(&mut consumer, 500).await;
    assert_eq!(by_key(&got), all_of(0..500));
    for delivery in &got {
        assert_eq!(delivery.message, message(number(delivery)));
    }
    // Offsets rise in every partition.
    let mut last = BTreeMap::new();
    for delivery in &got {
        assert!(
            last.insert(delivery.partition, delivery.offset).is_none_or(|before| before < delivery.offset)
        );
    }
    let status = bus.status();
    assert!(!status.is_full && !status.is_retrying && status.trouble.is_none(), "{status:?}");
}

async fn what_is_settled_is_there_for_the_next_process(home: Home) {
    let bus = home.open();
    drop(bus.consumer(Topic::Errors, &home.group("readers")).await.unwrap());
    for round in 0..3 {
        publish_durably(&bus, (round * 50..(round + 1) * 50).map(message)).await;
    }
    bus.close().await;
    let bus = home.open();
    let mut consumer = bus.consumer(Topic::Errors, &home.group("readers")).await.unwrap();
    assert_eq!(by_key(&take(&mut consumer, 150).await), all_of(0..150));
}

async fn what_was_not_committed_comes_again_and_nothing_else(home: Home) {
    let bus = home.open();
    let mut consumer = bus.consumer(Topic::Errors, &home.group("readers")).await.unwrap();
    publish_durably(&bus, (0..100).map(message)).await;
    let got = take(&mut consumer, 100).await;
    consumer.commit(&positions(&got[..60]), &[]).await.unwrap();
    let expected = by_key(&got[60..]);
    drop(consumer);
    bus.close().await;

    let bus = home.open();
    let mut consumer = bus.consumer(Topic::Errors, &home.group("readers")).await.unwrap();
    let got = take(&mut consumer, 40).await;
    assert_eq!(by_key(&got), expected);
    consumer.commit(&positions(&got), &[]).await.unwrap();
    publish_durably(&bus, [message(100)]).await;
    assert_eq!(number(&take(&mut consumer, 1).await[0]), 100, "nothing comes twice");

    let mut other = bus.consumer(Topic::Errors, &home.group("others")).await.unwrap();
    assert_eq!(take(&mut other, 101).await.len(), 101, "another group begins with the oldest");
}

async fn reading_begins_where_it_is_told(home: Home) {
    let bus = home.open();
    let mut consumer = bus.consumer(Topic::Errors, &home.group("readers")).await.unwrap();
    let one_key = |number| Message { key: "shop".into(), ..message(number) };
    publish_durably(&bus, (0..30).map(one_key)).await;
    let got = take(&mut consumer, 30).await;
    let partition = got[0].partition;
    for (next, first) in [(20, 20), (5, 5), (1_000, 0)] {
        consumer.start(Position { partition, next }).await.unwrap();
        let again = take(&mut consumer, 30 - first).await;
        assert_eq!(again.iter().map(number).collect::<Vec<_>>(), (first..30).collect::<Vec<_>>(), "{next}");
    }
}

async fn a_batch_is_limited_by_count_and_bytes_but_never_empty(home: Home) {
    let bus = home.open();
    let mut consumer = bus.consumer(Topic::Errors, &home.group("readers")).await.unwrap();
    publish_durably(&bus, (0..11).map(message)).await;
    let mut got = take(&mut consumer, 1).await.len();
    for (max_count, max_bytes) in [(3, usize::MAX), (100, 0), (2, 0)] {
        while got < 11 {
            let Turn::Messages(batch) = consumer.next(max_count, max_bytes).await.unwrap() else { panic!() };
            assert!(batch.len() <= if max_bytes == 0 { 1 } else { max_count } && !batch.is_empty());
            got += batch.len();
        }
        publish_durably(&bus, (0..11).map(message)).await;
        got = 0;
    }
}

async fn a_message_that_cannot_be_read_is_set_aside_with_its_origin_and_reason(home: Home) {
    let bus = home.open();
    let mut consumer = bus.consumer(Topic::Errors, &home.group("readers")).await.unwrap();
    let mut letters = bus.consumer(Topic::DeadLetters, &home.group("person")).await.unwrap();
    publish_durably(&bus, [message(0), message(1)]).await;
    let poison = take(&mut consumer, 2).await.remove(1);
    bus.dead_letter(poison.clone(), "not JSON", Timestamp::UNIX_EPOCH).await.unwrap();
    let letter = take(&mut letters, 1).await.remove(0).message;
    assert_eq!((letter.topic, &letter.body), (Topic::DeadLetters, &poison.message.body));
    let header = |name: &str| letter.headers.iter().find(|(key, _)| key == name).unwrap().1.clone();
    assert_eq!(
        [header("dlq_topic"), header("dlq_partition"), header("dlq_offset"), header("dlq_reason")],
        [
            "hephaestus.errors.v1".to_owned(),
            poison.partition.to_string(),
            poison.offset.to_string(),
            "not JSON".to_owned()
        ]
    );
}

async fn messages_go_out_with_positions(home: Home) {
    let bus = home.open();
    let mut consumer = bus.consumer(Topic::Errors, &home.group("readers")).await.unwrap();
    let mut fixes = bus.consumer(Topic::Fixes, &home.group("person")).await.unwrap();
    publish_durably(&bus, (0..20).map(message)).await;
    let got = take(&mut consumer, 20).await;
    let fix = Message { topic: Topic::Fixes, ..message(7) };
    consumer.commit(&positions(&got), std::slice::from_ref(&fix)).await.unwrap();
    assert_eq!(take(&mut fixes, 1).await[0].message, fix);
    drop(consumer);
    let mut next = bus.consumer(Topic::Errors, &home.group("readers")).await.unwrap();
    publish_durably(&bus, [message(20)]).await;
    assert_eq!(number(&take(&mut next, 1).await[0]), 20, "what was committed does not come again");
}

async fn a_closed_bus_refuses(home: Home) {
    let bus = home.open();
    let mut consumer = bus.consumer(Topic::Errors, &home.group("readers")).await.unwrap();
    publish_durably(&bus, [message(0)]).await;
    take(&mut consumer, 1).await;
    let (waiting, ()) = tokio::join!(consumer.next(1, 1), bus.close());
    assert!(matches!(waiting, Err(Error::Closed)), "{waiting:?}");
    let (sender, settled) = sync_channel(1);
    let pending = Pending::new(move |settlement| sender.send(settlement).unwrap());
    assert!(matches!(bus.publish(&message(1), pending).await, Err(Error::Closed)));
    assert_eq!(settled.recv(), Ok(Settlement::Refused));
    assert!(matches!(bus.consumer(Topic::Errors, &home.group("readers")).await, Err(Error::Closed)));
}
