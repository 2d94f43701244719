//! Consumers that share out partitions.

use std::collections::BTreeSet;

use super::*;

/// Waits until a consumer has been told of partitions, and begins with them.
async fn assigned(consumer: &mut Consumer) -> Vec<Assignment> {
    loop {
        match next(consumer).await {
            Turn::Assigned(assignments) => {
                begin(consumer, assignments.clone()).await;
                return assignments;
            }
            Turn::Revoked(revocation) => revocation.done(),
            Turn::Messages(batch) => panic!("{batch:?} before an assignment"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_handed_over_one_by_one_and_nothing_is_read_twice() {
    let used = broker::shared().await;
    let config = used.broker.prepared("handed-over").await;
    let (bus, ..) = open(&config);
    publish_durably(&bus, (0..300).map(message)).await;
    let mut first = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    let mut got = take(&mut first, 300).await;
    assert_eq!(by_key(&got), all_of(0..300));

    // The last third is not committed when the other comes: that is made up for before partitions go.
    first.commit(&positions(&got[..200]), &[]).await.unwrap();
    let (other_bus, ..) = open(&KafkaConfig { instance: "second".into(), ..config.clone() });
    let mut second = other_bus.consumer(Topic::Errors, &config.group).await.unwrap();
    let giving = async {
        let Turn::Revoked(revocation) = next(&mut first).await else {
            panic!("nothing is taken from the first")
        };
        assert!(!revocation.lost && !revocation.partitions.is_empty(), "{revocation:?}");
        assert!(revocation.partitions.len() < 3, "it keeps the rest: {revocation:?}");
        let going: Vec<_> =
            got.iter().filter(|it| revocation.partitions.contains(&it.partition)).cloned().collect();
        first.commit(&positions(&going), &[]).await.unwrap();
        let partitions = revocation.partitions.clone();
        revocation.done();
        (partitions, positions(&going))
    };
    let ((gone, left_at), taken) = tokio::join!(giving, assigned(&mut second));
    assert_eq!(taken.iter().map(|it| it.partition).collect::<Vec<_>>(), gone);
    for Position { partition, next } in left_at {
        assert!(taken.contains(&Assignment { partition, committed: Some(next) }), "{taken:?}");
    }

    // What is published from here on is read by its owner, once.
    publish_durably(&bus, (300..600).map(message)).await;
    let mut numbers = BTreeSet::new();
    while numbers.len() < 300 {
        let (consumer, turn) = tokio::select! {
            turn = next(&mut first) => ("first", turn),
            turn = next(&mut second) => ("second", turn),
        };
        let Turn::Messages(batch) = turn else { panic!("{consumer}: {turn:?}") };
        for delivery in &batch {
            assert_eq!(gone.contains(&delivery.partition), consumer == "second", "{delivery:?}");
            assert!(numbers.insert(number(delivery)), "{delivery:?} came twice");
        }
        got.extend(batch);
    }
    assert_eq!(by_key(&got), all_of(0..600));

    // Who is gone makes room.
    drop(second);
    let mut back = assigned(&mut first).await;
    back.sort_by_key(|it| it.partition);
    assert_eq!(back.iter().map(|it| it.partition).collect::<Vec<_>>(), gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_works_long_stays_a_member_and_holds_little_in_memory() {
    let used = broker::shared().await;
    let mut config = used.broker.prepared("works-long").await;
    for (name, value) in
        [("session.timeout.ms", "6000"), ("max.poll.interval.ms", "6000"), ("heartbeat.interval.ms", "500")]
    {
        config.properties.insert(name.into(), value.into());
    }
    let (bus, ..) = open(&config);
    let mut consumer = bus.consumer(Topic::Errors, &config.group).await.unwrap();
    assigned(&mut consumer).await;
    let ballast = "x".repeat(20_000);
    let heavy = |number| {
        let mut message = message(number);
        message.headers.push(("ballast".into(), ballast.clone()));
        message
    };
    // Four times what is held for a consumer that takes nothing.
    publish_durably(&bus, (0..800).map(heavy)).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    let mut got = Vec::new();
    while got.len() < 800 {
        let Turn::Messages(batch) = next(&mut consumer).await else { panic!("it lost its partitions") };
        got.extend(batch);
    }
    assert_eq!(by_key(&got), all_of(0..800));
    consumer.commit(&positions(&got), &[]).await.unwrap();
}
