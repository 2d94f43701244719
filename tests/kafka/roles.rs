//! `hephaestus agent` and `hephaestus fixer` over a real broker: processes that are killed and paused.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::node::Node;
use super::*;

/// The kinds of crashes that are written: each is a group of its own.
const KINDS: [&str; 5] = ["A", "B", "C", "D", "E"];

/// Writes the crashes of a service, and keeps count.
pub(super) struct Log {
    pub(super) service: &'static str,
    pub(super) path: PathBuf,
    /// How many of each, by service and title.
    pub(super) written: BTreeMap<String, u64>,
}

impl Log {
    pub(super) fn new(folder: &Path, service: &'static str) -> Self {
        Self { service, path: folder.join(service), written: BTreeMap::new() }
    }

    pub(super) fn write(&mut self, rounds: usize) {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).unwrap();
        for kind in KINDS.repeat(rounds) {
            let crash = format!(
                "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nshop/store.put{kind}(0x1)\n\
                 \t/src/shop/store/store.go:7 +0x1d\nmain.main()\n\t/src/shop/main.go:9 +0x1d\nexit status 2\n"
            );
            file.write_all(crash.as_bytes()).unwrap();
            *self.written.entry(format!("{} nil map write in store.put{kind}", self.service)).or_default() +=
                1;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_exact_whoever_dies() {
    let used = broker::shared().await;
    let config = used.broker.prepared("roles-kills").await;
    tokio::task::block_in_place(|| {
        let logs = tempfile::tempdir().unwrap();
        let mut log = Log::new(logs.path(), "shop");
        log.write(3);
        let mut agent = Node::agent(&config, &log);
        let mut fixers = [(); 2].map(|()| Node::fixer(&config));
        fixers[0].await_counts(&log.written);
        for round in 0..4 {
            log.write(2);
            if round % 2 == 0 {
                agent.kill();
                agent.start();
            }
            log.write(1);
            let fixer = &mut fixers[round % 2];
            fixer.kill();
            if round > 1 {
                fixer.lose_disk();
            }
            fixer.start();
            log.write(1);
        }
        fixers.iter().for_each(|fixer| fixer.await_counts(&log.written));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_paused_is_fenced_and_knows_what_the_other_knows() {
    let used = broker::shared().await;
    let config = used.broker.prepared("roles-paused").await;
    tokio::task::block_in_place(|| {
        let logs = tempfile::tempdir().unwrap();
        let mut log = Log::new(logs.path(), "shop");
        log.write(2);
        let _agent = Node::agent(&config, &log);
        let paused = Node::fixer(&config);
        paused.await_counts(&log.written);
        paused.signal("-STOP");
        log.write(2);
        // It hears of nothing that comes in these partitions before they are taken from the other.
        let other = Node::fixer(&config);
        other.await_counts(&log.written);
        paused.signal("-CONT");
        log.write(1);
        for fixer in [&paused, &other] {
            fixer.await_counts(&log.written);
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_crash_in_two_services_is_two_groups_with_exact_counts() {
    let used = broker::shared().await;
    let config = used.broker.prepared("roles-services").await;
    tokio::task::block_in_place(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = ["shop", "billing"].map(|service| Log::new(folder.path(), service));
        let written = |logs: &[Log; 2]| logs.iter().flat_map(|log| log.written.clone()).collect();
        logs[0].write(3);
        logs[1].write(2);
        let _agents = logs.each_ref().map(|log| Node::agent(&config, log));
        let mut fixers = [(); 2].map(|()| Node::fixer(&config));
        fixers[0].await_counts(&written(&logs));
        for (round, fixer) in fixers.iter_mut().enumerate() {
            logs[round].write(2);
            fixer.kill();
            logs.iter_mut().for_each(|log| log.write(1));
            if round == 1 {
                fixer.lose_disk();
            }
            fixer.start();
        }
        fixers.iter().for_each(|fixer| fixer.await_counts(&written(&logs)));
    });
}
