//! What comes after the crash. Before a change nothing does. With it the call comes back, and may have
//! left something behind, as a lock that is held: then it is the next call that hangs.
//!
//! A call that hangs refutes a change only where another did come back in its place on the code as it
//! stands. The very crash is no such measure, for a recovered panic leaves the lock held as well, and a
//! method may be there to take one. So calls of the same function that do *not* crash are made again and
//! again on the same objects, and other methods of the objects after them. If they come back each time, the
//! function gives back what it takes; then the call of the crash must do so too, once it comes back at
//! all, and so must they. Where they do not come back each time, it uses something up, and nothing is asked.

use super::Error;
use super::exchange::{Calls, Found, Hang};
use super::search::{Made, Origin, Search};
use crate::repository::go::Symbol;

/// How many functions are left out at most, one run for each.
const MAX_LEFT_OUT: usize = 8;

/// What the code as it stands does after a call, and which call crashed.
#[derive(Debug, Clone)]
pub struct Aftermath {
    folder: String,
    origin: Origin,
    /// None but a reason where the process ends before they are made.
    calls: Result<Calls, String>,
    /// Of a race: functions whose calls do not come back, by themselves.
    hanging: Vec<String>,
}

/// How surely a call that hangs is a fault of the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hung {
    pub(super) how: String,
    pub(super) surely: bool,
}

impl Aftermath {
    /// What the code as it stands does after the call that was found; none where nothing can be learnt.
    pub(super) async fn of(
        search: &Search<'_>,
        found: &Found,
        without: &[String],
    ) -> Result<Option<Box<Self>>, Error> {
        // What may run until the program ends is no measure for anything.
        if found.blocks || found.forced {
            return Ok(None);
        }
        let origin = search.origin(found, without);
        let mut without = Vec::new();
        let calls = loop {
            match search.before(&origin, &without).await? {
                Made::Told(Some(calls)) => break Ok(calls),
                Made::Told(None) => return Ok(None),
                Made::Ended { by: Some(function), .. }
                    if without.len() < MAX_LEFT_OUT && search.leave_out(function.clone(), &mut without) => {}
                Made::Ended { by, how } => break Err(unknown("on the code as it stands", by, &how)),
            }
        };
        let folder = search.package.folder.clone();
        Ok(Some(Box::new(Self { folder, origin, calls, hanging: Vec::new() })))
    }

    /// The same of a race, whose calls come back: which others on the same object do not.
    pub(super) fn of_race(hanging: Vec<String>) -> Box<Self> {
        let (folder, origin, calls) = (String::new(), Origin::default(), Ok(Calls::default()));
        Box::new(Self { folder, origin, calls, hanging })
    }

    /// A function of those whose calls hang which did not hang before.
    pub(super) fn newly<'h>(&self, hanging: &'h [String]) -> Option<&'h str> {
        hanging.iter().find(|function| !self.hanging.contains(function)).map(String::as_str)
    }

    /// The functions that end the process with another crash.
    pub(super) fn without(&self) -> Vec<String> {
        let further = self.calls.iter().flat_map(|calls| calls.without.iter().flatten());
        self.origin.without.iter().chain(further).cloned().collect()
    }

    /// The text that crashed, where the fuzzer found it: no search comes upon such a one by itself.
    pub(super) fn fuzzed(&self) -> Option<Vec<u8>> {
        self.origin.fuzzed()
    }

    /// How many calls were looked at, and how many of them hung.
    pub(super) const fn sample(&self) -> (u64, u64) {
        match &self.calls {
            Ok(calls) => (calls.looked, calls.stuck),
            Err(_) => (0, 0),
        }
    }

    /// Makes the same calls again with a change in place; `search` is one in the mended package.
    pub(super) async fn again(&self, search: &Search<'_>) -> Result<Option<Hung>, Error> {
        let calls = match &self.calls {
            _ if search.package.folder != self.folder => return Ok(None),
            Ok(calls) if calls.consumes => return Ok(None),
            Ok(calls) => calls,
            Err(why) => return Ok(Some(Hung { how: why.clone(), surely: false })),
        };
        Ok(match search.after(&self.origin, calls).await? {
            Made::Told(hang) => hang.and_then(|hang| judge(calls, &hang)).map(|hung| Hung {
                // Its other calls may have come back since they never came to the lock.
                surely: hung.surely && !keeps_a_lock(search),
                ..hung
            }),
            Made::Ended { by, how } => {
                Some(Hung { how: unknown("with the change in place", by, &how), surely: false })
            }
        })
    }
}

/// Whether the function of the log takes a lock and never gives one back: that is for another to do.
fn keeps_a_lock(search: &Search<'_>) -> bool {
    let body = search.fault.stack.first().and_then(|place| {
        let file = search.bench.repository.go_file(&place.file).ok()?;
        let function = file.function(Symbol::declared(&place.function))?;
        file.text.get(function.body.clone()).map(str::to_lowercase)
    });
    body.is_some_and(|body| body.contains("lock()") && !body.contains("unlock()"))
}

/// What a call that hangs says. Only a lock is surely not meant to be kept, and only by a function
/// whose other calls do not keep it.
fn judge(calls: &Calls, hang: &Hang) -> Option<Hung> {
    let state = hang.state.as_str();
    let lock = state.starts_with("sync.Mutex") || state.starts_with("sync.RWMutex");
    let waits = ["chan ", "semacquire", "sync."].iter().any(|word| state.starts_with(word));
    let again = hang.first == hang.call;
    let known = calls.controls.as_ref().is_some_and(|controls| !controls.is_empty());
    let surely = match (hang.control, lock) {
        (true, _) if waits => true,
        (false, true) => known && !hang.first.is_empty(),
        // Another method may well wait for what only the other calls have done.
        (false, false) if waits && known && again => false,
        _ => return None,
    };
    Some(Hung { how: told(calls, hang, lock), surely })
}

fn told(calls: &Calls, hang: &Hang, lock: bool) -> String {
    let Hang { first, times, call, state, at, .. } = hang;
    let what = match (*times, first == call) {
        (0, _) => format!("a call of {call} does not come back"),
        (1, true) => format!("after one call of {call} the next does not come back"),
        (times, true) => format!("after {times} calls of {call} the next does not come back"),
        (1, false) => format!("after one call of {first} a call of {call} does not come back"),
        (times, false) => format!("after {times} calls of {first} a call of {call} does not come back"),
    };
    let place = match at.file.as_str() {
        "" => String::new(),
        file => format!(" in line {} of {file}", at.line),
    };
    let waits = if lock { "it waits for a lock" } else { "it waits" };
    let measure = match calls.times {
        _ if hang.control => "; before the change these very calls came back".to_owned(),
        0 => "; nothing tells how it should be, for no call that does not crash was found".to_owned(),
        times => {
            format!("; on the code as it stands, calls that do not crash come back {times} times in a row")
        }
    };
    format!("{what}: {waits}{place} ({state}){measure}")
}

/// Why nobody can say what is left behind.
fn unknown(when: &str, by: Option<String>, how: &str) -> String {
    let place = by.map(|function| format!(" in a call of {function}")).unwrap_or_default();
    format!(
        "nothing tells what the call leaves behind: {when} the process ended{place}, before calls could be made again and again ({how})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::reproduce::exchange::Statement;

    #[test]
    fn only_what_came_back_before_refutes() {
        let judge = |controls: Option<Vec<u64>>, control: bool, first: &str, call: &str, state: &str| {
            let calls = Calls { controls, times: 70, ..Calls::default() };
            let at = Statement { file: "s.go".to_owned(), line: 9, function: call.to_owned() };
            let [first, call, state] = [first, call, state].map(str::to_owned);
            super::judge(&calls, &Hang { first, times: 1, call, state, at, control }).map(|hung| hung.surely)
        };
        let some = || Some(vec![3]);
        for (controls, control, first, call, state, surely) in [
            (some(), false, "Put", "Put", "sync.Mutex.Lock", Some(true)),
            (some(), false, "Put", "Get", "sync.RWMutex.RLock", Some(true)),
            // Nobody knows how a call that does not crash leaves things.
            (None, false, "Put", "Put", "sync.Mutex.Lock", Some(false)),
            // A queue may be full; another method may wait for something else.
            (some(), false, "Put", "Put", "chan send", Some(false)),
            (some(), false, "Put", "Next", "chan receive", None),
            (some(), true, "Put", "Put", "chan send", Some(true)),
            // It works, or waits for a while.
            (some(), false, "Put", "Put", "running", None),
            (some(), true, "Put", "Put", "sleep", None),
            (some(), true, "Put", "Put", "select", None),
        ] {
            let told = format!("{controls:?} {control} {first} {call} {state}");
            assert_eq!(judge(controls, control, first, call, state), surely, "{told}");
        }
    }
}
