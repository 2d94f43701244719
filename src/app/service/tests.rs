//! Whole histories of a service: two writers, rotation, crashes, a bus that refuses, restarts.
//!
//! Every history runs on its own state directory with the real tailer, bus and knowledge. At its end the
//! counts must be what was written, for each kind of failure, and stay so.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestRng, TestRunner};

use tokio::task::JoinSet;

use super::log_writer::{Kind, LogWriter};
use super::*;
use crate::config::{Interval, PathGlob};
use crate::knowledge::{GroupFilter, GroupOrder};

/// How many histories run beside each other: they mostly wait.
const PARALLEL: usize = 32;
/// How long anything that must happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// The seconds for which some histories recognise an event that comes again.
const SHORT_MEMORY: u64 = 10;

#[derive(Debug, Clone)]
enum Step {
    /// One of two writers writes so many records.
    Write {
        log: usize,
        records: Vec<Kind>,
    },
    /// One of two writers writes a part of a crash, and the rest with a later step.
    Begin(usize),
    /// A log is renamed, and its writer begins a new one.
    Rotate(usize),
    Wait(Duration),
    /// The service dies where it stands. What the bus has taken it still writes.
    Crash,
    /// Likewise, and nothing more is written.
    PowerCut,
    /// The bus takes nothing more, and the service dies of it.
    Refuse,
    /// The service ends as it should.
    Stop,
}

/// By which a group is known. A trace that was given before its end may name no place.
fn kind_of(title: &str) -> Kind {
    match title {
        "order not saved" => Kind::Order,
        "cart not found" => Kind::Cart,
        title if title.starts_with("nil map write") => Kind::Panic,
        title => panic!("nobody wrote {title:?}"),
    }
}

/// What a history happens to.
struct World {
    config: Config,
    writers: [LogWriter; 2],
    written: BTreeMap<Kind, u64>,
    number: u64,
    service: Service,
}

impl World {
    async fn new(folder: &Path, remembers: Option<u64>) -> Self {
        let mut config = Config::built_in().unwrap();
        if let Some(seconds) = remembers {
            config.knowledge.dedup_retention = Interval::from_secs(seconds);
        }
        config.state_dir = folder.join("state");
        config.collector.log_paths = vec![PathGlob::named(folder.join("*.log*").to_str().unwrap()).unwrap()];
        let writers = [("one.log", false), ("two.log", true)]
            .map(|(name, is_container)| LogWriter::new(folder.join(name), is_container, |bytes| bytes));
        let service = Service::start(&config, Role::Whole).await.unwrap();
        Self { config, writers, written: BTreeMap::new(), number: 0, service }
    }

    fn next(&mut self, kind: Kind) -> String {
        if kind != Kind::Healthy {
            *self.written.entry(kind).or_default() += 1;
        }
        self.number += 1;
        kind.text(self.number)
    }

    async fn step(mut self, step: Step) -> Self {
        match step {
            Step::Write { log, records } => {
                for kind in records {
                    let text = self.next(kind);
                    self.writers[log].write(kind, &text);
                }
            }
            Step::Begin(log) => {
                let text = self.next(Kind::Panic);
                self.writers[log].begin(&text, text.len() / 2);
            }
            Step::Rotate(log) => self.writers[log].rotate(),
            Step::Wait(time) => tokio::time::sleep(time).await,
            Step::Crash => return self.restart(Service::crash).await,
            Step::PowerCut => return self.restart(Service::lose_power).await,
            Step::Refuse => {
                self.service.core.bus.close().await;
                return self.restart(Service::crash).await;
            }
            Step::Stop => {
                return self.restart(async |service| service.stop(PATIENCE).await.unwrap()).await;
            }
        }
        self
    }

    async fn restart(self, end: impl AsyncFnOnce(Service)) -> Self {
        end(self.service).await;
        let service = Service::start(&self.config, Role::Whole).await.unwrap();
        Self { service, ..self }
    }

    fn counted(&self) -> BTreeMap<Kind, u64> {
        let groups = self.service.view().groups(GroupFilter::default(), GroupOrder::Worst, 100).unwrap();
        let mut counted = BTreeMap::new();
        for record in groups {
            *counted.entry(kind_of(&record.group.first.title)).or_default() += record.group.count;
        }
        counted
    }

    async fn come_true(&self, is_true: impl Fn(&Self) -> bool) -> Result<(), String> {
        let begun = Instant::now();
        while !is_true(self) {
            if begun.elapsed() > PATIENCE {
                let held = self.service.core.budget.used_bytes();
                return Err(format!(
                    "counted {:?}, written {:?}, {held} bytes held",
                    self.counted(),
                    self.written
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn end(mut self) -> Result<(), String> {
        for writer in &mut self.writers {
            writer.finish();
        }
        self.come_true(|world| world.counted() == world.written).await?;
        let after = self.restart(async |service| service.stop(PATIENCE).await.unwrap()).await;
        // What would be counted twice is read again at once, and nothing read is held for ever.
        tokio::time::sleep(Duration::from_secs(1)).await;
        after.come_true(|world| world.service.core.budget.used_bytes() == 0).await?;
        after.come_true(|world| world.counted() == world.written).await?;
        after.service.stop(PATIENCE).await.map_err(|error| format!("{error:#}"))
    }
}

impl Service {
    /// Dies: nothing that is under way comes to its end, but for what the bus has taken.
    async fn crash(self) {
        self.die(Bus::close).await;
    }

    /// Dies, and the bus refuses what it has not written yet.
    async fn lose_power(self) {
        self.die(Bus::cut).await;
    }

    async fn die(mut self, end_bus: impl AsyncFnOnce(&Bus)) {
        self.core.parts.abort_all();
        self.core.stop_reading.cancel();
        end_bus(&self.core.bus).await;
        self.core.parts.shutdown().await;
        tokio::task::block_in_place(|| self.knowledge.close());
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![
        3 => Just(Kind::Healthy),
        3 => Just(Kind::Order),
        1 => Just(Kind::Cart),
        2 => Just(Kind::Panic),
    ];
    let records = prop::collection::vec(kind, 1..12);
    let step = prop_oneof![
        8 => (0usize..2, records).prop_map(|(log, records)| Step::Write { log, records }),
        3 => (0usize..2).prop_map(Step::Begin),
        2 => (0usize..2).prop_map(Step::Rotate),
        4 => (0u64..400).prop_map(|time| Step::Wait(Duration::from_millis(time))),
        1 => Just(Step::Wait(Duration::from_millis(1_600))),
        1 => Just(Step::Crash),
        2 => Just(Step::PowerCut),
        1 => Just(Step::Refuse),
        1 => Just(Step::Stop),
    ];
    prop::collection::vec(step, 4..24)
}

/// For how many seconds an event that comes again is recognised, where that is not long: what may still come
/// again is some seconds old at most.
fn remembers() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![3 => Just(None), 1 => Just(Some(SHORT_MEMORY))]
}

async fn history((steps, remembers): (Vec<Step>, Option<u64>)) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(folder.path(), remembers).await;
    for step in steps.clone() {
        world = world.step(step).await;
    }
    world.end().await.map_err(|problem| format!("{problem}\nremembering {remembers:?} after {steps:#?}"))
}

async fn histories(cases: usize) {
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Cases::default(), random);
    let mut under_way = JoinSet::new();
    for case in 0..cases + PARALLEL {
        if case >= PARALLEL
            && let Err(problem) = under_way.join_next().await.unwrap().unwrap()
        {
            panic!("{problem}");
        }
        if case < cases {
            under_way.spawn(history((steps(), remembers()).new_tree(&mut runner).unwrap().current()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_exact_after_any_history() {
    histories(200).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: ten thousand histories"]
async fn counts_are_exact_after_ten_thousand_histories() {
    histories(10_000).await;
}

/// As when its thread has died.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_bus_that_has_ended() {
    let mut failures = 0;
    for round in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::new(folder.path(), None).await;
        for _ in 0..1_000 {
            let text = world.next(Kind::Order) + &world.next(Kind::Cart);
            world.writers[0].write(Kind::Order, &text);
        }
        // Somewhere between reading and counting.
        tokio::time::sleep(Duration::from_millis(10 * round)).await;
        world.service.core.bus.cut().await;
        let finished = tokio::time::timeout(PATIENCE, world.service.finish()).await;
        failures += u32::from(finished.expect("it waits for ever").is_err());
        world.service.crash().await;
    }
    assert!(failures > 0, "it was always too late");
}
