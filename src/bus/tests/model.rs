//! The bus against a list of numbers, over random publishing, reading, committing, closing and crashing.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    Publish(usize),
    Read(usize),
    Commit,
    Reopen,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..40_usize).prop_map(Step::Publish),
        4 => (1..40_usize).prop_map(Step::Read),
        3 => Just(Step::Commit),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ]
}

async fn run(steps: Vec<Step>, retention_period: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let mut path = folder.path().join("0");
    let config = Config { retention_period, ..Config::default() };
    let mut bus = open(&path, &config);
    let mut consumer = join(&bus, Topic::Errors, GROUP, None).await;
    let (mut published, mut read, mut committed) = (0, 0, 0);
    for (index, step) in steps.into_iter().enumerate() {
        match step {
            Step::Publish(count) => {
                publish(&bus, published..published + count).await;
                published += count;
            }
            Step::Read(count) if read < published => {
                let batch = next_batch(&mut consumer, count, usize::MAX).await.unwrap();
                let expected: Vec<_> = (read..published.min(read + count)).collect();
                assert_eq!(batch.iter().map(number).collect::<Vec<_>>(), expected);
                assert!(batch.iter().all(|delivery| delivery.offset == number(delivery) as u64));
                read += batch.len();
            }
            Step::Read(_) => {}
            Step::Commit => {
                consumer.commit(&[Position { partition: 0, next: read as u64 }], &[]).await.unwrap();
                committed = read;
            }
            Step::Reopen | Step::Crash => {
                if matches!(step, Step::Crash) {
                    let copy = folder.path().join((index + 1).to_string());
                    crash_copy(&path, &copy);
                    path = copy;
                }
                bus.close().await;
                bus = open(&path, &config);
                consumer = join(&bus, Topic::Errors, GROUP, None).await;
                read = committed;
            }
        }
        let lag = (published - committed) as u64;
        assert_eq!(status(&bus).topics[0].groups, [GroupStatus { name: GROUP.into(), lag }]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_missed_and_nothing_comes_twice(steps in prop::collection::vec(step(), 1..25), keep in any::<bool>()) {
        let period = if keep { Duration::from_secs(3_600) } else { Duration::ZERO };
        tokio::runtime::Runtime::new().unwrap().block_on(run(steps, period));
    }
}
