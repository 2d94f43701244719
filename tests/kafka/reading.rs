//! Reading without a group, and what others write into our topics.

use hephaestus::bus::kafka::{Barrier, KafkaReader, KeyedRecord};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::*;

fn note(key: &str, body: &str) -> Message {
    Message { topic: Topic::Knowledge, key: key.into(), body: body.into(), ..message(0) }
}

/// Reads until the barrier is passed.
async fn up_to(reader: &mut KafkaReader, mut barrier: Barrier) -> Vec<KeyedRecord> {
    let mut all = Vec::new();
    while !barrier.is_passed() {
        let batch = tokio::time::timeout(PATIENCE, reader.next()).await.unwrap().unwrap();
        batch.iter().for_each(|record| barrier.pass(record.partition, record.offset));
        all.extend(batch);
    }
    all.retain(|record| !record.key.starts_with(hephaestus::bus::kafka::BARRIER_PREFIX));
    all
}

fn last_of<'a>(records: &'a [KeyedRecord], key: &str) -> Option<&'a [u8]> {
    records.iter().rfind(|record| record.key == key).unwrap().body.as_deref()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_topic_is_read_up_to_a_barrier() {
    let used = broker::shared().await;
    let config = used.broker.prepared("whole").await;
    let (bus, kafka, _) = open(&config);
    publish_durably(&bus, (0..100).map(|number| note(&format!("key-{number}"), "1"))).await;
    publish_durably(&bus, [note("key-7", "2"), note("key-8", "")]).await;
    let mut reader = kafka.reader(Topic::Knowledge, BTreeMap::new()).unwrap();
    let barrier = kafka.barrier(Topic::Knowledge, "one").await.unwrap();
    let records = up_to(&mut reader, barrier).await;
    assert_eq!(records.len(), 102);
    assert_eq!(last_of(&records, "key-7"), Some(&b"2"[..]));
    assert_eq!(last_of(&records, "key-8"), None, "it is gone");
    assert_eq!(last_of(&records, "key-9"), Some(&b"1"[..]));

    // Another goes on from where this one has come to, or from wherever it says.
    let from: BTreeMap<_, _> = records.iter().map(|record| (record.partition, record.offset)).collect();
    let mut again = kafka.reader(Topic::Knowledge, from.clone()).unwrap();
    let barrier = kafka.barrier(Topic::Knowledge, "two").await.unwrap();
    let last = up_to(&mut again, barrier).await;
    assert_eq!(last.iter().map(|record| (record.partition, record.offset)).collect::<BTreeMap<_, _>>(), from);
    assert_eq!(last.len(), 3);
    publish_durably(&bus, [note("late", "3")]).await;
    let mut more = Vec::new();
    while more.last() != Some(&"late".to_owned()) {
        let batch = tokio::time::timeout(PATIENCE, reader.next()).await.unwrap().unwrap();
        more.extend(batch.into_iter().map(|record| record.key));
    }
    assert_eq!(more, ["barrier/two", "barrier/two", "barrier/two", "late"], "it goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barrier_waits_for_what_is_open_and_nothing_aborted_is_seen() {
    let used = broker::shared().await;
    let config = used.broker.prepared("open").await;
    let (_bus, kafka, _) = open(&config);
    let topic = format!("{}.knowledge.v1", config.topic_prefix);
    let other = transactions::transactor(&config, &format!("{}-other", config.group));
    let write = |body: &str| {
        other.begin_transaction().unwrap();
        other.send(BaseRecord::to(&topic).partition(1).key("it").payload(body)).unwrap();
        other.flush(PATIENCE).unwrap();
    };
    write("aborted");
    other.abort_transaction(PATIENCE).unwrap();
    write("committed");
    let mut reader = kafka.reader(Topic::Knowledge, BTreeMap::new()).unwrap();
    let barrier = kafka.barrier(Topic::Knowledge, "one").await.unwrap();
    let reading = up_to(&mut reader, barrier);
    tokio::pin!(reading);
    let early = tokio::time::timeout(Duration::from_secs(2), &mut reading).await;
    assert!(early.is_err(), "it does not wait: {early:?}");
    tokio::task::block_in_place(|| other.commit_transaction(PATIENCE).unwrap());
    let records = reading.await;
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(last_of(&records, "it"), Some(&b"committed"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identities_of_a_stretch_are_read_without_their_messages() {
    let used = broker::shared().await;
    let config = used.broker.prepared("stretch").await;
    let (bus, kafka, _) = open(&config);
    let one_key = |number| Message { key: "shop".into(), ..message(number) };
    publish_durably(&bus, (0..2_500).map(one_key)).await;
    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    let partition = take(&mut consumer, 1).await[0].partition;
    for range in [0..2_500, 700..703, 2_400..9_999, 5..5] {
        let mut stretch = kafka.read_range(Topic::Errors, partition, range.clone()).unwrap();
        let mut ids = Vec::new();
        while let Some(batch) = tokio::time::timeout(PATIENCE, stretch.next()).await.unwrap().unwrap() {
            ids.extend(batch);
        }
        let expected: Vec<_> =
            (range.start..range.end.min(2_500)).map(|offset| (format!("id-{offset}"), offset)).collect();
        assert_eq!(ids, expected, "{range:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_cloud_events_and_foreign_messages_are_told_apart() {
    let used = broker::shared().await;
    let config = used.broker.prepared("foreign").await;
    let (bus, ..) = open(&config);
    let topic = format!("{}.errors.v1", config.topic_prefix);
    publish_durably(&bus, [message(5)]).await;
    let raw = raw_records(&config, &topic, 1).await.remove(0);
    let expected = [
        ("ce_specversion", "1.0"),
        ("ce_id", "id-5"),
        ("ce_source", "/hephaestus"),
        ("ce_time", "2023-11-14T22:13:20Z"),
        ("content-type", "application/json"),
        ("ce_type", "hephaestus.error.v1"),
    ];
    assert_eq!(raw.headers, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(raw.key, "shop/5");
    // Brokers delete by it, so it is not the time of the event, which may be long ago.
    let age = Timestamp::now().as_millisecond() - raw.timestamp;
    assert!((0..PATIENCE.as_millis()).contains(&age.unsigned_abs().into()), "{age} ms");

    let foreign: BaseProducer =
        rdkafka::ClientConfig::new().set("bootstrap.servers", config.brokers.join(",")).create().unwrap();
    foreign.send(BaseRecord::<[u8], [u8]>::to(&topic).payload(b"\xff\xfe not ours")).unwrap();
    foreign.flush(PATIENCE).unwrap();
    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    let got = take(&mut consumer, 2).await;
    let stray = got.iter().find(|delivery| delivery.message.id != "id-5").unwrap();
    let place = format!("hephaestus.errors.v1/{}/{}", stray.partition, stray.offset);
    assert_eq!((stray.message.id.as_str(), &stray.message.body[..]), (&*place, &b"\xff\xfe not ours"[..]));
    // It is set aside together with the position that passes it.
    let letter = stray.clone().into_dead_letter("not JSON", Timestamp::UNIX_EPOCH);
    consumer.commit(&positions(&got), &[letter]).await.unwrap();
    let mut letters = bus.consumer(Topic::DeadLetters, &person(&config)).await.unwrap();
    assert_eq!(take(&mut letters, 1).await[0].message.body, b"\xff\xfe not ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_before_it_was_read_is_counted() {
    let used = broker::shared().await;
    let config = used.broker.prepared("expired").await;
    let (bus, _, metrics) = open(&config);
    let all_one = |number| Message { key: "shop/0".into(), ..message(number) };
    publish_durably(&bus, (0..10).map(all_one)).await;
    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    let got = take(&mut consumer, 10).await;
    let begun = got[2].position();
    consumer.commit(&[begun], &[]).await.unwrap();
    drop(consumer);
    let admin: rdkafka::admin::AdminClient<_> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", config.brokers.join(",")).create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    let topic = format!("{}.errors.v1", config.topic_prefix);
    list.add_partition_offset(&topic, begun.partition, rdkafka::Offset::Offset(7)).unwrap();
    admin.delete_records(&list, &rdkafka::admin::AdminOptions::new()).await.unwrap();

    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    assert_eq!(take(&mut consumer, 3).await.iter().map(number).collect::<Vec<_>>(), [7, 8, 9]);
    let lost = metrics.events_lost.with_label_values(&["expired"]);
    let since = std::time::Instant::now();
    while lost.get() < 4 {
        assert!(since.elapsed() < PATIENCE, "{}", lost.get());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(lost.get(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_counts_what_is_there_and_was_not_committed() {
    use rdkafka::admin::{AdminClient, AdminOptions};
    use rdkafka::{Offset, TopicPartitionList};
    let used = broker::shared().await;
    let config = used.broker.prepared("lag").await;
    let (bus, _, metrics) = open(&config);
    let one_key = |number| Message { key: "shop".into(), ..message(number) };
    publish_durably(&bus, (0..100).map(one_key)).await;
    let topic = format!("{}.errors.v1", config.topic_prefix);
    let admin: AdminClient<_> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", config.brokers.join(",")).create().unwrap();
    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    let partition = take(&mut consumer, 1).await[0].partition;
    // What is beyond the time of keeping goes in the same way.
    let mut deleted = TopicPartitionList::new();
    deleted.add_partition_offset(&topic, partition, Offset::Offset(60)).unwrap();
    admin.delete_records(&deleted, &AdminOptions::new()).await.unwrap();
    let lag = async |expected: u64| {
        let begun = std::time::Instant::now();
        while (metrics.consumer_lag.get(), bus.status().lag) != (expected.cast_signed(), expected) {
            let told = (metrics.consumer_lag.get(), bus.status().lag);
            assert!(begun.elapsed() < PATIENCE, "{told:?}, not {expected}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    lag(40).await;
    consumer.commit(&[Position { partition, next: 70 }], &[]).await.unwrap();
    lag(30).await;
    drop(consumer);
}

struct Raw {
    headers: Vec<(String, String)>,
    key: String,
    timestamp: i64,
}

/// What stands in a topic, as any client of Kafka sees it.
async fn raw_records(config: &KafkaConfig, topic: &str, count: usize) -> Vec<Raw> {
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::message::{Headers as _, Message as _};
    let client: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", config.brokers.join(","))
        .set("group.id", "raw")
        .create()
        .unwrap();
    let mut all = rdkafka::TopicPartitionList::new();
    for partition in 0..3 {
        all.add_partition_offset(topic, partition, rdkafka::Offset::Beginning).unwrap();
    }
    client.assign(&all).unwrap();
    let mut records = Vec::new();
    let begun = std::time::Instant::now();
    while records.len() < count {
        assert!(begun.elapsed() < PATIENCE);
        let Some(record) = client.poll(Duration::from_millis(200)) else { continue };
        let record = record.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        records.push(Raw {
            headers: record
                .headers()
                .unwrap()
                .iter()
                .map(|it| (it.key.to_owned(), text(it.value.unwrap())))
                .collect(),
            key: text(record.key().unwrap()),
            timestamp: record.timestamp().to_millis().unwrap(),
        });
    }
    records
}
