//! Whether the output of a run shows the crash of the log.

use crate::analyzer::go::{Waiting, fault_facts, parse_trace, races, waiting};
use crate::domain::{Class, Trace};
use crate::repository::{KnownCrash, Likeness};

/// How surely an output shows a crash; none when it shows another, or none.
pub(super) fn likeness(crash: &KnownCrash<'_>, output: &[u8]) -> Option<Likeness> {
    seen(crash, output).map(|(likeness, _)| likeness)
}

/// The same, with the stack that was seen.
fn seen(crash: &KnownCrash<'_>, output: &[u8]) -> Option<(Likeness, Trace)> {
    let seen = parse_trace(&String::from_utf8_lossy(output))?;
    let facts = fault_facts(&seen.message, seen.trace.fault_address);
    let likeness = crash.likeness_by(seen.class, &seen.message, &facts, &seen.trace)?;
    Some((likeness, seen.trace))
}

/// The same of a written test. It shows a deadlock by a goroutine that waits where the log's did: the runtime sees none
/// while the test's own timer goes on.
pub(super) fn shown(crash: &KnownCrash<'_>, output: &[u8]) -> Option<(Likeness, Trace)> {
    let waits = |seen: Waiting| Some((crash.likeness(Class::Deadlock, "", &seen.trace)?, seen.trace));
    seen(crash, output).or_else(|| waiting(&String::from_utf8_lossy(output)).into_iter().find_map(waits))
}

/// How an output shows the race of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Race {
    /// It is all that was raced for.
    Alone,
    /// Other statements met as well.
    AmongOthers,
}

/// Whether an output shows the race of the log, by a report of the detector or by the runtime's own error.
pub(super) fn race(crash: &KnownCrash<'_>, output: &[u8]) -> Option<Race> {
    let reports = races(&String::from_utf8_lossy(output));
    let ours = reports.iter().filter(|sites| crash.is_race_at(sites)).count();
    if ours == 0 && likeness(crash, output).is_none() {
        return None;
    }
    Some(if ours == reports.len() { Race::Alone } else { Race::AmongOthers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Fault, FaultFacts, Location, RepoPath};
    use crate::repository::Repository;

    #[test]
    fn a_test_shows_a_deadlock_where_the_log_does_and_only_the_runtime_says_that_it_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().canonicalize().unwrap();
        std::fs::write(tree.join("go.mod"), "module m\n").unwrap();
        std::fs::write(tree.join("p.go"), "package p\n\nfunc Next() int {\n\treturn <-items\n}\n").unwrap();
        let repository = Repository::open(&tree).unwrap();
        let stack =
            vec![Location { file: RepoPath::new("p.go").unwrap(), line: 4, function: "Next".to_owned() }];
        let message = "all goroutines are asleep - deadlock!";
        let (facts, others) = (FaultFacts::default(), Vec::new());
        let fault = Fault { class: Class::Deadlock, message: message.to_owned(), facts, stack, others };
        let crash = KnownCrash::new(&fault, &repository, tree.clone()).unwrap();
        let goroutine = |state: &str, line: u32| {
            format!("goroutine 7 [{state}]:\nm.Next(...)\n\t{}/p.go:{line} +0x1\n", tree.display())
        };
        let test = |state, line| {
            let set_in = goroutine(state, line).replace('\n', "\n        ");
            format!(
                "=== RUN   TestNextDoesNotHang\n    p_test.go:9: the call does not come back:\n        \n        goroutine 6 [running]:\n        m.TestNextDoesNotHang(0x1)\n        \t/p_test.go:9 +0x1\n        \n        {set_in}\n--- FAIL: TestNextDoesNotHang (1.00s)\n"
            )
        };
        let fatal = |line| format!("fatal error: {message}\n\n{}", goroutine("chan receive", line));
        for (output, by_runtime, by_test) in [
            (test("chan receive", 4), false, true),
            (test("chan receive, 1 minutes", 4), false, true),
            (test("chan receive", 3), false, false),
            (test("sleep", 4), false, false),
            (test("running", 4), false, false),
            (fatal(4), true, true),
            (fatal(3), false, false),
        ] {
            let told = (likeness(&crash, output.as_bytes()), shown(&crash, output.as_bytes()));
            assert_eq!((told.0.is_some(), told.1.is_some()), (by_runtime, by_test), "{output}");
        }
    }
}
