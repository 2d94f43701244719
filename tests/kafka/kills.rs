//! Agents, fixers and the broker, killed again and again while somebody writes; and what ends in order while the
//! broker is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::node::Node;
use super::roles::Log;
use super::*;
use crate::stream::counts::Writer;
use crate::stream::instance::Chance;

/// What is killed: each is one bit of what goes in a round.
const BROKER: u64 = 1;
const AGENT: u64 = 2;
const FIXERS: [u64; 2] = [4, 8];

/// Kills some of them at once, round by round, and compares what was counted with what was written.
async fn survive_kills(test: &str, rounds: u32, seed: u64) {
    let used = broker::alone().await;
    let config = used.broker.prepared(test).await;
    tokio::task::block_in_place(|| {
        let logs = tempfile::tempdir().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let writing = [("app.log", false), ("pod.log", true)].map(|(name, is_container)| {
            let (writer, stop) = (Writer::new(logs.path().join(name), is_container, seed), Arc::clone(&stop));
            thread::spawn(move || writer.write_until(&stop, Duration::from_millis(20), &AtomicU64::new(0)))
        });
        let mut agent = Node::new(&config, &["agent", logs.path().join("*").to_str().unwrap()]);
        let mut fixers = [(); 2].map(|()| Node::fixer(&config));
        let mut chance = Chance(seed);
        let mut pause = |most| thread::sleep(Duration::from_millis(chance.below(most)));
        let mut masks = Chance(!seed);
        for round in 0..rounds {
            pause(3_000);
            // All of them at first; then whatever comes.
            let going = if round == 0 { u64::MAX } else { 1 + masks.below(15) };
            if going & BROKER > 0 {
                used.broker.kill();
            }
            if going & AGENT > 0 {
                agent.kill();
            }
            for (fixer, bit) in fixers.iter_mut().zip(FIXERS) {
                if going & bit > 0 {
                    fixer.kill();
                    if masks.below(3) == 0 {
                        fixer.lose_disk();
                    }
                }
            }
            pause(1_000);
            // They may come before the broker.
            for (fixer, bit) in fixers.iter_mut().zip(FIXERS) {
                if going & bit > 0 {
                    fixer.start();
                }
            }
            if going & AGENT > 0 {
                agent.start();
            }
            if going & BROKER > 0 {
                used.broker.start();
            }
        }
        stop.store(true, Ordering::Relaxed);
        let mut written = BTreeMap::new();
        for writer in writing.map(|writing| writing.join().unwrap()) {
            assert_eq!(writer.written.len(), 3, "the writer did what it should");
            for (title, count) in writer.written {
                *written.entry(format!("shop {title}")).or_default() += count;
            }
        }
        fixers.iter().for_each(|fixer| fixer.await_counts(&written));
        agent.assert_runs();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_exact_though_the_broker_dies_with_agent_and_fixers() {
    survive_kills("kills", 4, 0x1234_5678_9ABC_DEF1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: many kills with several seeds"]
async fn counts_are_exact_however_often_the_broker_dies_with_agent_and_fixers() {
    for seed in 1..=4 {
        survive_kills("many-kills", 15, seed * 0x0123_4567_89AB_CDEF).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_and_fixer_end_within_their_grace_period_though_the_broker_is_away() {
    let used = broker::alone().await;
    let config = used.broker.prepared("grace").await;
    tokio::task::block_in_place(|| {
        let logs = tempfile::tempdir().unwrap();
        let mut log = Log::new(logs.path(), "shop");
        log.write(2);
        let grace = "grace_period: 6s\n";
        let mut agent = Node::with(&config, &["agent", log.path.to_str().unwrap()], grace);
        let mut fixer = Node::with(&config, &["fixer"], grace);
        fixer.await_counts(&log.written);
        used.broker.kill();
        log.write(2);
        thread::sleep(Duration::from_secs(1));
        for node in [&mut agent, &mut fixer] {
            let (took, ended) = node.terminate();
            assert!(took < Duration::from_secs(7), "{took:?}: {}", node.errors());
            assert!(ended.success(), "{ended}: {}", node.errors());
        }
        used.broker.start();
        agent.start();
        fixer.start();
        log.write(1);
        fixer.await_counts(&log.written);
    });
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes more than a minute"]
async fn agent_and_fixers_live_through_a_minute_without_the_broker() {
    let used = broker::alone().await;
    let config = used.broker.prepared("minute").await;
    tokio::task::block_in_place(|| {
        let logs = tempfile::tempdir().unwrap();
        let mut log = Log::new(logs.path(), "shop");
        log.write(2);
        let agent = Node::agent(&config, &log);
        let fixers = [(); 2].map(|()| Node::fixer(&config));
        fixers.iter().for_each(|fixer| fixer.await_counts(&log.written));
        used.broker.kill();
        for _ in 0..60 {
            log.write(1);
            thread::sleep(Duration::from_secs(1));
        }
        used.broker.start();
        log.write(1);
        fixers.iter().for_each(|fixer| fixer.await_counts(&log.written));
        for mut node in fixers.into_iter().chain([agent]) {
            node.assert_runs();
            let told = node.errors().matches("Kafka cannot be used").count();
            assert!((1..=3).contains(&told), "told {told} times: {}", node.errors());
        }
    });
}
