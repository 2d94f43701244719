//! Messages of the bus → counts: read, told apart from those that were counted, and counted.
//!
//! CPU time of all threads is measured, on a disk in memory where there is one: what it takes to wait for a disk
//! is a matter of the disk.
#![allow(missing_docs, clippy::expect_used)]

use std::path::Path;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hephaestus::analyzer::{Analyzer, Config as Analysis};
use hephaestus::domain::{ErrorEvent, EventId, FileId, Fingerprint, Occurrences, ProducerId};
use hephaestus::knowledge::{Arrival, Config, Knowledge, Position};
use hephaestus::telemetry::metrics::Metrics;
use jiff::Timestamp;

/// What is counted in one synced write.
const BATCH: u64 = 512;
/// Ids that are known before anything is measured.
const KNOWN: u64 = 400 * BATCH;

/// The CPU time of the threads that there are.
struct CpuTime;

fn cpu_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").expect("the system tells of threads");
    let of_thread = |path: &Path| -> Option<u64> {
        std::fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    Duration::from_nanos(threads.flatten().filter_map(|thread| of_thread(&thread.path())).sum())
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        cpu_time()
    }

    fn end(&self, started: Duration) -> Duration {
        cpu_time().saturating_sub(started)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// The first event of a log.
fn event(log: &str) -> ErrorEvent {
    let analyzer = Analyzer::new(&Analysis::default()).expect("the default configuration is sound");
    let (mut stream, mut events) = (analyzer.stream(), Vec::new());
    stream.push(log.as_bytes(), &mut |event| events.push(event));
    stream.finish(&mut |event| events.push(event));
    events.swap_remove(0)
}

/// Messages of as many groups as wanted, of several kinds, each with an id of its own.
struct Source {
    events: Vec<ErrorEvent>,
    groups: u64,
    next: u64,
}

impl Source {
    fn new(groups: u64) -> Self {
        let logs = [
            include_str!("../tests/corpus/death_nilptr.log"),
            include_str!("../tests/corpus/logged_slogjson.log"),
            include_str!("../tests/corpus/recovered_mwjson.log"),
            include_str!("../tests/corpus/logged_golog.log"),
        ];
        Self { events: logs.into_iter().map(event).collect(), groups, next: 0 }
    }

    /// The next messages: offsets and bodies.
    fn batch(&mut self) -> Vec<(u64, Vec<u8>)> {
        (0..BATCH).map(|_| self.message()).collect()
    }

    fn message(&mut self) -> (u64, Vec<u8>) {
        let start = self.next;
        self.next += 1;
        // Not one group after the other.
        let group = start.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & u64::from(u32::MAX);
        let group = group % self.groups;
        let kinds = u64::try_from(self.events.len()).unwrap_or(1);
        let mut event = self.events[usize::try_from(group % kinds).unwrap_or(0)].clone();
        event.keys.site = Fingerprint::from_bytes(u128::from(group).to_be_bytes());
        let (producer, file) = (ProducerId::from_bytes([1; 16]), FileId::from_bytes([2; 16]));
        let occurrences = Occurrences {
            id: EventId { producer, file, start: start * 700 },
            service: "shop".into(),
            pod: None,
            count: std::num::NonZeroU64::MIN,
            span: event.span,
            except: Vec::new(),
            first_seen: Timestamp::UNIX_EPOCH,
            last_seen: Timestamp::UNIX_EPOCH,
            event,
            context: (0..5).map(|line| format!("GET /orders/{line} 200 in 17 ms")).collect(),
        };
        (start, serde_json::to_vec(&occurrences).expect("occurrences have a JSON form"))
    }
}

/// As the intake does it.
fn count(knowledge: &Knowledge, messages: &[(u64, Vec<u8>)]) {
    let read = |(offset, body): &(u64, Vec<u8>)| Arrival {
        offset: *offset,
        occurrences: serde_json::from_slice(body).expect("it was written here"),
    };
    let batch: Vec<_> = messages.iter().map(read).collect();
    let next = messages.last().map_or(0, |(offset, _)| offset + 1);
    let position = Position { topic: "errors".into(), partition: 0, next };
    knowledge.apply(&position, batch, Timestamp::UNIX_EPOCH).expect("the disk takes it");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder can be made")
}

fn counting(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("counting");
    group.throughput(Throughput::Elements(BATCH)).sample_size(20);
    for (name, groups) in [("a storm of 4 groups", 4), ("5,000 groups", 5_000)] {
        let folder = folder();
        let metrics = Metrics::new().expect("there are none yet");
        let knowledge = Knowledge::open(folder.path(), &Config::default(), &metrics).expect("it is empty");
        let mut source = Source::new(groups);
        while source.next < KNOWN {
            count(&knowledge, &source.batch());
        }
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || source.batch(),
                |batch| count(&knowledge, batch),
                BatchSize::LargeInput,
            );
        });
    }
    let mut source = Source::new(4);
    let batch = source.batch();
    group.bench_function("reading alone", |bencher| {
        bencher.iter(|| {
            let read = |(_, body): &(u64, Vec<u8>)| serde_json::from_slice::<Occurrences>(body);
            batch.iter().map(read).filter(Result::is_ok).count()
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = counting
}
criterion_main!(benches);
