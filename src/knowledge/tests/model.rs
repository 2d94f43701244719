//! Knowledge against plain maps, over random batches with repetitions, work, decisions and crashes.

use proptest::prelude::*;

use super::*;
use crate::domain::ErrorGroup;
use crate::storage::crash::crash_copy;

#[derive(Debug, Clone)]
enum Step {
    /// Places in the file; the group is their remainder.
    Apply(Vec<u64>),
    Begin,
    Suggest,
    Retry,
    Decide(bool),
    Reopen,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(0..60_u64, 0..8).prop_map(Step::Apply),
        2 => Just(Step::Begin),
        2 => Just(Step::Suggest),
        1 => Just(Step::Retry),
        1 => any::<bool>().prop_map(Step::Decide),
        1 => Just(Step::Reopen),
        2 => Just(Step::Crash),
    ]
}

fn occurrences(start: u64) -> Occurrences {
    seen(u8::try_from(start % 7).unwrap(), start, start % 5 + 1)
}

/// What should be remembered.
#[derive(Default)]
struct Model {
    counted: HashSet<u64>,
    groups: BTreeMap<Fingerprint, ErrorGroup>,
    status: BTreeMap<Fingerprint, (GroupStatus, u32)>,
    /// How many attempts were broken off since one ended, not counting the last.
    broken_off: BTreeMap<Fingerprint, u32>,
    suggestions: Vec<(SuggestionId, SuggestionStatus)>,
    position: Option<u64>,
}

impl Model {
    fn apply(&mut self, starts: &[u64]) {
        for start in starts {
            if self.counted.insert(*start) {
                let more = occurrences(*start);
                let print = more.fingerprint();
                self.status.entry(print).or_insert((GroupStatus::New, 0));
                match self.groups.get_mut(&print) {
                    Some(group) => group.extend(more),
                    None => drop(self.groups.insert(print, ErrorGroup::of(more))),
                }
            }
        }
    }

    /// An orderly end takes back what is going on.
    fn take_back(&mut self, begun: &[SuggestionId]) {
        for id in begun {
            self.status.insert(id.fingerprint, (GroupStatus::New, id.attempt - 1));
        }
    }

    /// The worst and most frequent first; of those that may have killed a process, one alone.
    fn due(&self, begun: &[SuggestionId]) -> Vec<Fingerprint> {
        let is_begun = |print: &Fingerprint| begun.iter().any(|id| id.fingerprint == *print);
        let is_suspect = |print: &Fingerprint| {
            self.broken_off.get(print).is_some_and(|count| *count > 0)
                || self.status[print].0 == GroupStatus::Working && !is_begun(print)
        };
        if begun.iter().any(|id| is_suspect(&id.fingerprint)) {
            return Vec::new();
        }
        let mut due: Vec<_> = self.groups.values().collect();
        due.retain(|group| match self.status[&group.fingerprint].0 {
            GroupStatus::New => true,
            GroupStatus::Working => !is_begun(&group.fingerprint),
            _ => false,
        });
        due.sort_by_key(|group| {
            (std::cmp::Reverse(group.severity), std::cmp::Reverse(group.count), group.fingerprint)
        });
        let (suspects, innocent): (Vec<_>, Vec<_>) =
            due.into_iter().map(|group| group.fingerprint).partition(is_suspect);
        let alone = suspects.into_iter().filter(|_| begun.is_empty()).take(1);
        if innocent.is_empty() { alone.collect() } else { innocent }
    }

    fn check(&self, view: &View) {
        let groups = view.groups(GroupFilter::default(), GroupOrder::Worst, 100).unwrap();
        let by_print: BTreeMap<_, _> =
            groups.iter().map(|record| (record.group.fingerprint, record.group.clone())).collect();
        assert_eq!(by_print, self.groups);
        for record in &groups {
            assert_eq!((record.status, record.attempts), self.status[&record.group.fingerprint]);
        }
        let suggestions = view.suggestions_after(0, 100).unwrap();
        assert!(suggestions.iter().map(|it| it.sequence).eq(1..=self.suggestions.len() as u64));
        assert!(suggestions.iter().map(|it| (it.id, it.status)).eq(self.suggestions.iter().copied()));
        assert_eq!(view.position("hephaestus.errors.v1", 0).unwrap(), self.position);
    }
}

/// One run of a state directory: what the process knows that works on it.
struct Run {
    knowledge: Knowledge,
    begun: Vec<SuggestionId>,
}

fn work(run: &mut Run, model: &mut Model, step: &Step, now: Timestamp) {
    match step {
        Step::Begin => {
            let due = run.knowledge.next_to_work_on(100, &HashSet::new(), NO_PAUSE, now).groups;
            assert_eq!(due, model.due(&run.begun));
            let Some(print) = due.first() else { return };
            let id = run.knowledge.begin_attempt(*print, MOST, now).unwrap();
            let (status, attempts) = model.status.get_mut(print).unwrap();
            if *status == GroupStatus::Working {
                let broken_off = model.broken_off.entry(*print).or_default();
                *broken_off += 1;
                if *broken_off == 10 {
                    *status = GroupStatus::Unresolved;
                }
            } else if *attempts == MOST {
                *status = GroupStatus::Unresolved;
            } else {
                (*status, *attempts) = (GroupStatus::Working, *attempts + 1);
            }
            let expected = SuggestionId { fingerprint: *print, attempt: *attempts };
            assert_eq!(id, Some(expected).filter(|_| *status == GroupStatus::Working));
            run.begun.extend(id);
        }
        Step::Suggest | Step::Retry => {
            let Some(id) = run.begun.pop() else { return };
            let status = if matches!(step, Step::Retry) {
                run.knowledge.end_attempt(id, AttemptEnd::Retry, now).unwrap();
                model.broken_off.remove(&id.fingerprint);
                GroupStatus::New
            } else {
                let record = run.knowledge.record_suggestion(
                    id,
                    suggestion(id, Some("diff")),
                    Vec::new(),
                    anywhere(),
                    at(0),
                );
                assert_eq!(record.unwrap().id, id);
                model.suggestions.push((id, SuggestionStatus::Open));
                GroupStatus::Suggested
            };
            model.status.get_mut(&id.fingerprint).unwrap().0 = status;
        }
        Step::Decide(wanted) => {
            let open = model.suggestions.iter_mut().find(|(_, status)| *status == SuggestionStatus::Open);
            let Some((id, status)) = open else { return };
            let (choice, after, of_group) = match wanted {
                true => (Choice::Approve, SuggestionStatus::Approved, GroupStatus::Approved),
                false => (Choice::Reject, SuggestionStatus::Rejected, GroupStatus::Unresolved),
            };
            run.knowledge.decide(*id, choice, by("ada")).unwrap();
            *status = after;
            model.status.get_mut(&id.fingerprint).unwrap().0 = of_group;
        }
        Step::Apply(_) | Step::Reopen | Step::Crash => unreachable!("not work"),
    }
}

fn run(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let mut path = folder.path().join("start");
    let mut model = Model::default();
    let mut run = Run { knowledge: open(&path), begun: Vec::new() };
    for (index, step) in steps.into_iter().enumerate() {
        match step {
            Step::Apply(starts) => {
                let batch = starts.iter().copied().map(occurrences).collect();
                let before: u64 = model.groups.values().map(|group| group.count).sum();
                let applied = run.knowledge.apply(&position(index as u64), arriving(batch), at(0)).unwrap();
                model.apply(&starts);
                let after: u64 = model.groups.values().map(|group| group.count).sum();
                assert_eq!(applied.changes.iter().map(|change| change.added).sum::<u64>(), after - before);
                model.position = Some(index as u64);
            }
            Step::Crash | Step::Reopen => {
                if matches!(step, Step::Crash) {
                    let copy = folder.path().join(index.to_string());
                    crash_copy(&path, &copy);
                    path = copy;
                } else {
                    model.take_back(&run.begun);
                }
                run.knowledge.close();
                run = Run { knowledge: open(&path), begun: Vec::new() };
            }
            // Long enough after the last that every rest is over.
            step => work(&mut run, &mut model, &step, at(index as i64 * 1_000)),
        }
        model.check(run.knowledge.view());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn it_remembers_what_it_should(steps in prop::collection::vec(step(), 1..30)) {
        run(steps);
    }
}
