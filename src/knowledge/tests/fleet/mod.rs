//! Several fixers that share their knowledge, against a broker in memory: the protocol of [`Shared`], with
//! crashes, pauses and take-overs at any point.

mod broker;
mod faults;
mod fixer;

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use broker::{Broker, ERRORS};
use fixer::{Fault, Fixer};

const FIXERS: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// An agent publishes what stands at this place; perhaps not for the first time.
    Produce(u64),
    Count(usize, usize),
    Publish(usize),
    Read(usize),
    TakeOver(usize),
    Work(usize, bool),
    Decide(usize),
    /// Whoever answers gets these partitions; whoever does not is out.
    Rebalance([usize; ERRORS as usize]),
    Pause(usize),
    Resume(usize),
    Notice(usize),
    Crash(usize),
    Start(usize, bool),
    /// Transactions of those who do not answer have been open for too long.
    TimeOut,
    Compact,
}

fn step() -> impl Strategy<Value = Step> {
    let fixer = || 0..FIXERS;
    prop_oneof![
        8 => (0..40_u64).prop_map(Step::Produce),
        8 => (fixer(), 1..4_usize).prop_map(|(fixer, most)| Step::Count(fixer, most)),
        10 => fixer().prop_map(Step::Publish),
        3 => fixer().prop_map(Step::Read),
        8 => fixer().prop_map(Step::TakeOver),
        4 => (fixer(), prop::bool::weighted(0.7)).prop_map(|(fixer, it)| Step::Work(fixer, it)),
        1 => fixer().prop_map(Step::Decide),
        3 => [fixer(), fixer()].prop_map(Step::Rebalance),
        2 => fixer().prop_map(Step::Pause),
        2 => fixer().prop_map(Step::Resume),
        1 => fixer().prop_map(Step::Notice),
        1 => fixer().prop_map(Step::Crash),
        2 => (fixer(), any::<bool>()).prop_map(|(fixer, is_empty)| Step::Start(fixer, is_empty)),
        1 => Just(Step::TimeOut),
        1 => Just(Step::Compact),
    ]
}

struct Fleet {
    broker: Broker,
    fixers: Vec<Fixer>,
    now: i64,
}

impl Fleet {
    fn new(folder: &Path, flush_late: bool, fault: Option<Fault>) -> Self {
        let fixer = |number: usize| Fixer::new(number, folder.join(number.to_string()), flush_late, fault);
        let fixers = (0..FIXERS).map(fixer).collect();
        let mut fleet = Self { broker: Broker::default(), fixers, now: 0 };
        fleet.rebalance([0, 1]);
        fleet
    }

    /// The broker hands the partitions out to those that answer.
    fn rebalance(&mut self, wanted: [usize; ERRORS as usize]) {
        let responsive: Vec<usize> = (0..FIXERS).filter(|it| self.fixers[*it].is_responsive()).collect();
        let mut assigned = vec![HashSet::new(); FIXERS];
        for (wanted, partition) in wanted.into_iter().zip(0..) {
            let Some(fixer) = responsive.iter().cycle().nth(wanted) else { continue };
            assigned[*fixer].insert(partition);
        }
        for fixer in &responsive {
            self.fixers[*fixer].notice(&mut self.broker);
            self.fixers[*fixer].give_back(&assigned[*fixer], &mut self.broker);
        }
        self.broker.generation += 1;
        for fixer in responsive {
            self.fixers[fixer].join(self.broker.generation, &assigned[fixer]);
        }
    }

    fn take(&mut self, step: &Step) {
        // Long enough after the last that every rest is over.
        self.now += 10_000;
        let now = at(self.now);
        let broker = &mut self.broker;
        match *step {
            Step::Produce(start) => broker.produce(start),
            Step::Rebalance(wanted) => self.rebalance(wanted),
            Step::Crash(fixer) => self.fixers[fixer].crash(),
            Step::Start(fixer, on_empty_disk) => self.fixers[fixer].start(broker, on_empty_disk),
            Step::Resume(fixer) => self.fixers[fixer].is_paused = false,
            Step::Compact => broker.compact(),
            Step::TimeOut => {
                (0..FIXERS).filter(|it| !self.fixers[*it].is_responsive()).for_each(|it| broker.abort(it));
            }
            Step::Count(fixer, _)
            | Step::Publish(fixer)
            | Step::Read(fixer)
            | Step::TakeOver(fixer)
            | Step::Work(fixer, _)
            | Step::Decide(fixer)
            | Step::Pause(fixer)
            | Step::Notice(fixer) => {
                let fixer = &mut self.fixers[fixer];
                if fixer.is_responsive() {
                    act(fixer, broker, step, now);
                }
            }
        }
    }

    /// Everybody answers again, and does what is to be done.
    fn settle(&mut self) {
        for fixer in &mut self.fixers {
            fixer.is_paused = false;
            fixer.start(&mut self.broker, false);
        }
        self.rebalance([2, 0]);
        let now = at(self.now + 10_000);
        for _ in 0..1_000 {
            let mut is_quiet = true;
            for fixer in &mut self.fixers {
                is_quiet &= !fixer.take_over(&self.broker, now);
                is_quiet &= !fixer.count(&self.broker, 100, now);
                is_quiet &= !fixer.publish(&mut self.broker);
                is_quiet &= !fixer.read(&self.broker, 100);
            }
            if is_quiet {
                return;
            }
        }
    }

    fn check(&self) -> Result<(), String> {
        self.fixers.iter().try_for_each(|fixer| fixer.check(&self.broker))?;
        match self.broker.suggestions().into_iter().find(|(_, times)| *times > 1) {
            Some((key, times)) => Err(format!("{key} was published {times} times")),
            None => Ok(()),
        }
    }

    /// Everybody knows the same, and so does one who was not there.
    fn check_all(&mut self, newcomer: PathBuf) -> Result<(), String> {
        self.check()?;
        if let Some(number) = self.fixers.iter().position(|fixer| !fixer.is_done()) {
            return Err(format!("fixer {number} does not get on"));
        }
        let mut newcomer = Fixer::new(FIXERS, newcomer, false, None);
        while newcomer.read(&self.broker, 2) {}
        for fixer in self.fixers.iter().chain([&newcomer]) {
            (0..ERRORS).try_for_each(|partition| fixer.check_counts(&self.broker, partition))?;
            if fixer.shown() != newcomer.shown() {
                return Err(format!("{:?} is not {:?}", fixer.shown(), newcomer.shown()));
            }
        }
        Ok(())
    }
}

fn act(fixer: &mut Fixer, broker: &mut Broker, step: &Step, now: Timestamp) {
    match *step {
        Step::Count(_, most) => drop(fixer.count(broker, most, now)),
        Step::Publish(_) => drop(fixer.publish(broker)),
        Step::Read(_) => drop(fixer.read(broker, 2)),
        Step::TakeOver(_) => drop(fixer.take_over(broker, now)),
        Step::Work(_, brings_a_suggestion) => fixer.work(brings_a_suggestion, now),
        Step::Decide(_) => fixer.decide(),
        Step::Pause(_) => fixer.is_paused = true,
        Step::Notice(_) => fixer.notice(broker),
        _ => unreachable!("not for one fixer"),
    }
}

/// A folder in memory, where there is one: it is about what is written, not about the disk.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn run(steps: &[Step], flush_late: bool, fault: Option<Fault>) -> Result<(), TestCaseError> {
    let folder = folder();
    let mut fleet = Fleet::new(folder.path(), flush_late, fault);
    let mut go = || {
        for (number, step) in steps.iter().enumerate() {
            fleet.take(step);
            fleet.check().map_err(|wrong| format!("after step {number}, {step:?}: {wrong}"))?;
        }
        fleet.settle();
        fleet.check_all(folder.path().join("newcomer"))
    };
    go().map_err(TestCaseError::fail)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 20..120)
}

proptest! {
    #[test]
    fn counts_stay_exact_whoever_counts(steps in steps(), flush_late: bool) {
        run(&steps, flush_late, None)?;
    }
}
