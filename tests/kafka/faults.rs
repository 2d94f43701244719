//! Bad surroundings: each is told once, with what to do, and nothing is lost.

use std::time::Instant;

use hephaestus::bus::kafka::topics;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};

use super::*;

/// Waits until the bus tells what keeps it from working.
async fn trouble(bus: &Bus) -> String {
    trouble_with(bus, "").await
}

/// Waits until the bus tells of this.
pub(super) async fn trouble_with(bus: &Bus, part: &str) -> String {
    let begun = Instant::now();
    loop {
        let trouble = bus.status().trouble;
        if let Some(trouble) = trouble.clone().filter(|trouble| trouble.contains(part)) {
            return trouble;
        }
        assert!(begun.elapsed() < PATIENCE, "not {part} but {trouble:?} is told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads everything with a bus that works.
async fn read_back(config: &KafkaConfig, count: usize) -> BTreeMap<String, Vec<usize>> {
    let (bus, ..) = open(config);
    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    by_key(&take(&mut consumer, count).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_are_not_there_are_told_and_closing_refuses_what_waits() {
    let used = broker::shared().await;
    let config = KafkaConfig { brokers: vec!["127.0.0.1:1".into()], ..used.broker.config("nobody") };
    let (bus, ..) = open(&config);
    let settled = publish(&bus, (0..10).map(message)).await;
    let told = trouble(&bus).await;
    assert!(told.contains("127.0.0.1:1") && told.contains("bus.kafka.brokers"), "{told}");
    assert!(bus.status().is_retrying && bus.status().queued_bytes > 0);
    let begun = Instant::now();
    bus.close().await;
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(settled.iter().collect::<Vec<_>>(), [Settlement::Refused; 10]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told() {
    let used = broker::shared().await;
    let config = used.broker.config("password");
    for (mechanism, name, right) in
        [("PLAIN", "alice", "alice-secret"), ("SCRAM-SHA-256", "bob", "bob-secret")]
    {
        let (bus, ..) = open(&used.broker.with_password(config.clone(), mechanism, name, "wrong"));
        let _settled = publish(&bus, [message(0)]).await;
        let told = trouble(&bus).await;
        assert!(told.contains("bus.kafka.sasl") && !told.contains("wrong"), "{told}");
        let checked =
            topics::check(used.broker.with_password(config.clone(), mechanism, name, "wrong")).await;
        let told = checked.unwrap_err().to_string();
        assert!(told.contains("bus.kafka.sasl"), "{told}");
        let checked = topics::check(used.broker.with_password(config.clone(), mechanism, name, right)).await;
        assert_eq!(checked.unwrap().len(), 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_encrypted_and_a_stranger_is_not_believed() {
    let used = broker::shared().await;
    let config = used.broker.prepared("encrypted").await;
    let encrypted = used.broker.encrypted(config.clone());
    let (bus, ..) = open(&encrypted);
    publish_durably(&bus, (0..10).map(message)).await;
    assert_eq!(read_back(&encrypted, 10).await, all_of(0..10));
    // Whom the system trusts has not vouched for this broker.
    let stranger = KafkaConfig { tls: Some(hephaestus::bus::kafka::Tls::default()), ..encrypted };
    let (bus, ..) = open(&stranger);
    let _settled = publish(&bus, [message(0)]).await;
    let told = trouble(&bus).await;
    assert!(told.contains("bus.kafka.tls"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_permission_messages_wait_until_it_is_given() {
    let used = broker::shared().await;
    let config = used.broker.prepared("permission").await;
    let alices = used.broker.with_password(config.clone(), "PLAIN", "alice", "alice-secret");
    let (bus, ..) = open(&alices);
    let settled = publish(&bus, (0..50).map(message)).await;
    let told = trouble(&bus).await;
    assert!(told.contains("allow this user"), "{told}");
    let more = publish(&bus, (50..100).map(message)).await;
    let broker = used.broker;
    let prefix = config.topic_prefix.clone();
    tokio::task::spawn_blocking(move || broker.allow("alice", &prefix, &["topic"])).await.unwrap();
    await_durable(&settled);
    await_durable(&more);
    assert_eq!(firsts(&read_back(&config, 100).await), all_of(0..100));
    assert!(!bus.status().is_retrying, "{:?}", bus.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_wait_for_their_topic() {
    let used = broker::shared().await;
    let config = used.broker.config("no-topic");
    let (bus, ..) = open(&config);
    let settled = publish(&bus, (0..50).map(message)).await;
    let told = trouble(&bus).await;
    assert!(told.contains("topics create"), "{told}");
    let more = publish(&bus, (50..100).map(message)).await;
    topics::create(config.clone(), false).await.unwrap();
    await_durable(&settled);
    await_durable(&more);
    assert_eq!(firsts(&read_back(&config, 100).await), all_of(0..100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_limit_goes_to_the_dead_letters_and_holds_nobody_up() {
    let used = broker::shared().await;
    let config = used.broker.config("too-large");
    let admin: AdminClient<_> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", config.brokers.join(",")).create().unwrap();
    // Less than we would send: only the broker knows.
    let name = format!("{}.errors.v1", config.topic_prefix);
    let small = NewTopic::new(&name, 3, TopicReplication::Fixed(1)).set("max.message.bytes", "20000");
    admin.create_topics([&small], &AdminOptions::new()).await.unwrap();
    topics::create(config.clone(), false).await.unwrap();
    let (bus, _, metrics) = open(&config);
    let heavy = |number: usize, size: usize| {
        let mut state = number as u64 + 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        Message { body: std::iter::repeat_with(&mut next).take(size).collect(), ..message(number) }
    };
    let messages = (0..100).map(|number| match number {
        40 => heavy(number, 60_000),
        70 => heavy(number, 2_000_000),
        _ => message(number),
    });
    publish_durably(&bus, messages).await;
    let mut expected = all_of(0..100);
    for number in [40, 70] {
        expected.get_mut(&message(number).key).unwrap().retain(|other| *other != number);
    }
    assert_eq!(firsts(&read_back(&config, 98).await), expected);
    let mut letters = bus.consumer(Topic::DeadLetters, &person(&config)).await.unwrap();
    for letter in take(&mut letters, 2).await {
        let header =
            |name: &str| letter.message.headers.iter().find(|(key, _)| key == name).unwrap().1.clone();
        assert_eq!(
            (header("dlq_topic"), header("dlq_reason")),
            (name.clone(), "message_too_large".to_owned())
        );
        let whole = if letter.message.id == "id-40" { heavy(40, 60_000) } else { heavy(70, 2_000_000) };
        assert_eq!(header("dlq_bytes"), whole.body.len().to_string());
        assert!(whole.body.starts_with(&letter.message.body) && letter.message.body.len() >= 4 << 10);
    }
    let lost = metrics.events_lost.with_label_values(&["message_too_large"]).get();
    let letters = metrics.bus_dead_letters.with_label_values(&["message_too_large"]).get();
    assert_eq!((lost, letters), (2, 2));
}

/// Publishes while the broker is away for some time; gives how long it took from its return until all was durable.
async fn outage(test: &str, length: Duration) -> Duration {
    let used = broker::alone().await;
    let config = used.broker.prepared(test).await;
    let (bus, ..) = open(&config);
    let before = publish(&bus, (0..200).map(message)).await;
    used.broker.kill();
    let during = publish(&bus, (200..400).map(message)).await;
    tokio::time::sleep(length).await;
    tokio::task::block_in_place(|| used.broker.start());
    let back = Instant::now();
    let after = publish(&bus, (400..600).map(message)).await;
    [before, during, after].iter().for_each(await_durable);
    let took = back.elapsed();
    assert_eq!(firsts(&read_back(&config, 600).await), all_of(0..600));
    let status = bus.status();
    assert!(!status.is_retrying && status.trouble.is_none(), "{status:?}");
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_for_a_while_delays_and_loses_nothing() {
    let took = outage("away", Duration::from_secs(3)).await;
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes more than a minute"]
async fn a_broker_that_is_away_for_a_minute_delays_and_loses_nothing() {
    let took = outage("long-away", Duration::from_secs(60)).await;
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_while_messages_arrive_keeps_what_is_settled_in_order() {
    const COUNT: usize = 20_000;
    let used = broker::alone().await;
    let config = used.broker.prepared("killed").await;
    let (bus, ..) = open(&config);
    let broker = used.broker;
    let trouble = std::thread::spawn(move || {
        for pause in [50, 400] {
            std::thread::sleep(Duration::from_millis(pause));
            broker.kill();
            broker.start();
        }
    });
    let mut settled = Vec::new();
    for first in (0..COUNT).step_by(200) {
        settled.push(publish(&bus, (first..first + 200).map(message)).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    settled.iter().for_each(await_durable);
    tokio::task::block_in_place(|| trouble.join().unwrap());
    assert_eq!(firsts(&read_back(&config, COUNT).await), all_of(0..COUNT));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_holds_publishing_back_and_who_gives_up_is_refused() {
    let used = broker::alone().await;
    let config = KafkaConfig { max_queue_bytes: 16 << 10, ..used.broker.prepared("full").await };
    let (bus, ..) = open(&config);
    publish_durably(&bus, [message(0)]).await;
    used.broker.kill();
    let mut waiting = Vec::new();
    let refused = loop {
        let (sender, settled) = sync_channel(1);
        let pending = Pending::new(move |settlement| sender.send(settlement).unwrap());
        let message = message(waiting.len() + 1);
        let published = bus.publish(&message, pending);
        match tokio::time::timeout(Duration::from_millis(300), published).await {
            Ok(published) => published.unwrap(),
            Err(_) => break settled,
        }
        waiting.push(settled);
        assert!(waiting.len() < 1_000, "it takes everything");
    };
    assert_eq!(refused.recv(), Ok(Settlement::Refused));
    assert!(bus.status().queued_bytes > 15 << 10, "{:?}", bus.status());
    tokio::task::block_in_place(|| used.broker.start());
    waiting.iter().for_each(await_durable);
    assert_eq!(read_back(&config, waiting.len() + 1).await, all_of(0..waiting.len() + 1));
}

#[test]
fn what_would_break_a_promise_is_refused() {
    let refusal = |properties: &[(&str, &str)]| {
        let properties = properties.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let config =
            KafkaConfig { brokers: vec!["127.0.0.1:1".into()], properties, ..KafkaConfig::default() };
        Kafka::open(config, &Metrics::new().unwrap()).unwrap_err().to_string()
    };
    for (name, value, part) in [
        ("acks", "1", "durable only when all replicas"),
        ("enable.idempotence", "false", "lost or change their order"),
        ("isolation.level", "read_uncommitted", "must not be read"),
        ("transactional.id", "x", "bus.kafka.group"),
        ("no.such.property", "1", "no such property"),
        ("socket.timeout.ms", "soon", "refuses the value"),
    ] {
        let told = refusal(&[(name, value)]);
        assert!(told.starts_with(&format!("bus.kafka.properties.{name}: ")) && told.contains(part), "{told}");
    }
    let nobody = Kafka::open(KafkaConfig::default(), &Metrics::new().unwrap()).unwrap_err().to_string();
    assert!(nobody.contains("bus.kafka.brokers"), "{nobody}");
}
