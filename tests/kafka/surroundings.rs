//! More of bad surroundings: what a consumer may not do, brokers of another kind, a clock that is far off.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use hephaestus::bus::kafka::topics;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};

use super::faults::trouble_with;
use tokio::task::JoinSet;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn without_permission_nothing_is_consumed_or_committed_until_it_is_given() {
    let used = broker::shared().await;
    let config = used.broker.prepared("group-permission").await;
    let (ours, ..) = open(&config);
    publish_durably(&ours, (0..10).map(message)).await;
    let bobs = used.broker.with_password(config.clone(), "SCRAM-SHA-256", "bob", "bob-secret");
    let allow = async |resource: &'static str| {
        let (broker, prefix) = (used.broker, config.topic_prefix.clone());
        tokio::task::spawn_blocking(move || broker.allow("bob", &prefix, &[resource])).await.unwrap();
    };
    let (bus, ..) = open(&bobs);
    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    trouble_with(&bus, "allow this user").await;
    allow("topic").await;
    let told = trouble_with(&bus, "allow this user").await;
    assert!(told.to_lowercase().contains("group"), "{told}");
    allow("group").await;
    let got = take(&mut consumer, 10).await;
    let fix = Message { topic: Topic::Fixes, ..message(10) };
    let (given, ready) = tokio::sync::oneshot::channel();
    let mut committing = JoinSet::new();
    committing.spawn(async move {
        let committed = consumer.commit(&positions(&got), &[fix]).await;
        given.send(()).unwrap();
        (committed, consumer)
    });
    let told = trouble_with(&bus, "allow this user").await;
    assert!(told.to_lowercase().contains("transaction"), "{told}");
    allow("transactional-id").await;
    ready.await.unwrap();
    committing.join_next().await.unwrap().unwrap().0.unwrap();
    assert_eq!(bus.status().trouble, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixer_waits_for_topics_that_are_missing() {
    let used = broker::shared().await;
    let config = used.broker.config("fixer-no-topic");
    let (bus, kafka, _) = open(&config);
    let mut asking = JoinSet::new();
    asking.spawn(async move { kafka.partitions(Topic::Knowledge).await });
    let told = trouble_with(&bus, "topics create").await;
    assert!(told.contains(&format!("{}.knowledge.v1", config.topic_prefix)), "{told}");
    topics::create(config.clone(), false).await.unwrap();
    assert_eq!(asking.join_next().await.unwrap().unwrap().unwrap(), 3);
    // Nobody waits on a bus that is closed.
    let (bus, kafka, _) = open(&KafkaConfig { topic_prefix: "nowhere".into(), ..config });
    let mut asking = JoinSet::new();
    asking.spawn(async move { kafka.partitions(Topic::Knowledge).await });
    trouble_with(&bus, "topics create").await;
    bus.close().await;
    assert!(matches!(asking.join_next().await.unwrap().unwrap(), Err(hephaestus::bus::Error::Closed)));
}

/// Answers every request on a port of its own.
fn listen(answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Copy + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Both end with the process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || while answer(&mut stream).is_ok() {});
        }
    });
    address.to_string()
}

/// As a broker from before there were transactions.
fn answer_as_of_old(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let mut request = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut request)?;
    let (api, version) = (request[1], request[3]);
    let mut answer = request[4..8].to_vec();
    match (api, version) {
        // ApiVersions: produce, fetch, metadata and itself, in their first versions.
        (18, 0) => {
            answer.extend([0, 0, 0, 0, 0, 4]);
            [(0, 2), (1, 2), (3, 0), (18, 0)]
                .iter()
                .for_each(|(api, most)| answer.extend([0, *api, 0, 0, 0, *most]));
        }
        // Such a version it does not know.
        (18, _) => answer.extend([0, 35, 0, 0, 0, 0]),
        // Metadata: one broker, this one, and no topics.
        _ => {
            let address = stream.local_addr()?;
            answer.extend([0, 0, 0, 1, 0, 0, 0, 1, 0, 9]);
            answer.extend(b"127.0.0.1");
            answer.extend(u32::from(address.port()).to_be_bytes());
            answer.extend([0, 0, 0, 0]);
        }
    }
    stream.write_all(&u32::try_from(answer.len()).unwrap().to_be_bytes())?;
    stream.write_all(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_suitable_broker_is_told() {
    let used = broker::shared().await;
    let config = |address: String| KafkaConfig { brokers: vec![address], ..KafkaConfig::default() };
    let (bus, ..) = open(&config(listen(answer_as_of_old)));
    let _settled = publish(&bus, [message(0)]).await;
    let told = trouble_with(&bus, "brokers of Apache Kafka").await;
    assert!(told.to_lowercase().contains("not supported"), "{told}");

    let web = |stream: &mut TcpStream| {
        stream.read_exact(&mut [0; 16])?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    };
    let encrypted = used.broker.encrypted(used.broker.config("stranger")).brokers.remove(0);
    for address in [listen(web), encrypted] {
        let (bus, ..) = open(&config(address.clone()));
        let _settled = publish(&bus, [message(0)]).await;
        let told = trouble_with(&bus, "bus.kafka.tls").await;
        assert!(told.contains(&address) && told.contains("bus.kafka.brokers"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_far_off_is_told_and_what_waits_goes_out_once_it_is_right() {
    let used = broker::shared().await;
    let config = used.broker.config("clock");
    let admin: AdminClient<_> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", config.brokers.join(",")).create().unwrap();
    let name = format!("{}.errors.v1", config.topic_prefix);
    // To a topic that takes nothing older than this instant, every clock is slow.
    let limit = "message.timestamp.before.max.ms";
    let strict = NewTopic::new(&name, 3, TopicReplication::Fixed(1)).set(limit, "0");
    admin.create_topics([&strict], &AdminOptions::new()).await.unwrap();
    topics::create(config.clone(), false).await.unwrap();
    let (bus, ..) = open(&config);
    let settled = publish(&bus, (0..50).map(message)).await;
    let told = trouble_with(&bus, "set the clocks").await;
    assert!(told.contains(&name) && told.contains(limit), "{told}");
    let patient = AlterConfig::new(ResourceSpecifier::Topic(&name)).set(limit, "3600000");
    admin.alter_configs([&patient], &AdminOptions::new()).await.unwrap();
    await_durable(&settled);
    let (reader, ..) = open(&config);
    let mut consumer = reader.consumer(Topic::Errors, &config.group).await.unwrap();
    assert_eq!(firsts(&by_key(&take(&mut consumer, 50).await)), all_of(0..50));
}
