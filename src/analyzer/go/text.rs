//! Failures in a text that is at hand as a whole: a field of a record, the output of a program.

use std::ops::Range;

use crate::domain::{Class, Frame, Trace};

use super::class::{classify, unwrap_value};
use super::failure::{Failure, Head};
use super::machine::{Feed, Machine, race_stacks};

/// The most goroutines of a crash that are looked at beside the failing one.
const MAX_OTHERS: usize = 32;
/// The most waiting goroutines of a report.
const MAX_WAITING: usize = 1000;

/// A failure found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedCrash {
    /// What kind of failure it is.
    pub class: Class,
    /// The value of the panic or the text of the fatal error, without its head. Empty where only a
    /// stack was found.
    pub message: String,
    /// The stack.
    pub trace: Trace,
    /// The bytes of the text that belong to it.
    pub range: Range<usize>,
}

/// A goroutine that waits for others: not for time, nor for the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What for, as printed: `chan receive`, `sync.Mutex.Lock`.
    pub state: String,
    /// Where.
    pub trace: Trace,
}

impl Waiting {
    /// Whether somebody has to give a lock back. Runtimes before Go 1.20 do not say what a goroutine waits for.
    #[must_use]
    pub fn is_for_lock(&self) -> bool {
        self.state.contains("Mutex")
    }
}

/// The first crash in a text: a panic, a fatal error, a recovered panic, a report of the race detector.
/// A stack alone counts if a panic was under way when it was taken.
#[must_use]
pub fn parse_trace(text: &str) -> Option<ParsedCrash> {
    find(text, |failure| !matches!(failure.head, Head::Bare | Head::Record) || failure.panicking)
}

/// The first stack in a text, whether or not there was a panic: `goroutine …` blocks, or the pairs of
/// symbol and place that loggers print.
pub(crate) fn find_stack(text: &str) -> Option<ParsedCrash> {
    find(text, |failure| failure.head != Head::Record || !failure.frames.is_empty())
}

/// The stacks of other goroutines than the failing one that a report shows, from the innermost frame outwards: of a
/// race the second access, of a crash those that are printed behind the first.
#[must_use]
pub fn other_stacks(report: &str) -> Vec<Vec<Frame>> {
    let race = race_stacks(report);
    if !race.is_empty() {
        return race.into_iter().skip(1).map(|(_, frames)| frames).collect();
    }
    let blocks = report.split("\n\n").filter(|block| block.starts_with("goroutine ")).skip(1);
    let stacks = blocks.take(MAX_OTHERS).filter_map(find_stack);
    stacks.map(|stack| stack.trace.frames).collect()
}

/// The goroutines that a report shows as waiting for others, in its order. A test's own message may be set in, as the
/// report of a failing test is.
#[must_use]
pub fn waiting(report: &str) -> Vec<Waiting> {
    let mut all = Vec::new();
    let mut lines = report.lines().map(|line| line.trim_start_matches(' ')).peekable();
    while let Some(line) = lines.next() {
        let Some(state) = state(line).filter(|state| is_wait(state)) else { continue };
        let mut block = format!("{line}\n");
        while let Some(line) = lines.next_if(|line| !line.is_empty()) {
            block.extend([line, "\n"]);
        }
        let state = state.to_owned();
        all.extend(find_stack(&block).map(|stack| Waiting { state, trace: stack.trace }));
        if all.len() == MAX_WAITING {
            break;
        }
    }
    all
}

/// `goroutine 7 [chan receive, 2 minutes]:`: what the runtime says of it.
fn state(line: &str) -> Option<&str> {
    let (number, state) = line.strip_prefix("goroutine ")?.split_once(" [")?;
    let numbered = number.split(' ').next().is_some_and(|first| first.bytes().all(|b| b.is_ascii_digit()));
    let state = state.split_once("]:")?.0;
    numbered.then(|| state.split(',').next().unwrap_or(state))
}

fn is_wait(state: &str) -> bool {
    ["chan ", "select", "semacquire", "sync."].iter().any(|word| state.starts_with(word))
}

fn find(text: &str, accept: impl Fn(&Failure) -> bool) -> Option<ParsedCrash> {
    let mut lines = Lines { text, at: 0 };
    let mut before: Option<&str> = None;
    while let Some((line, start)) = lines.next() {
        let resume = lines.at;
        let opened = Machine::open(line).or_else(|| pairs(line));
        if let Some(mut machine) = opened {
            let mut end = start + line.len();
            while let Some((line, start)) = lines.next() {
                match machine.feed(line) {
                    Feed::Belongs => end = start + line.len(),
                    Feed::Perhaps => {}
                    Feed::Ended => break,
                }
            }
            if let Some(failure) = machine.close().filter(&accept) {
                return Some(crash(failure, before, start..end));
            }
            // Whatever was read as a stack is not read again: a long dump stays linear.
            lines.at = resume.max(lines.at.min(end + 1));
        }
        before = Some(line);
    }
    None
}

/// The pairs of symbol and place have no head: the machine begins as if behind a record.
fn pairs(line: &str) -> Option<Machine> {
    let mut machine = Machine::behind_record(false);
    (machine.feed(line) == Feed::Perhaps).then_some(machine)
}

fn crash(failure: Failure, before: Option<&str>, range: Range<usize>) -> ParsedCrash {
    let kind = failure.kind();
    let message = match failure.head {
        // Middleware prints the value on the line before the stack.
        Head::Bare => before.map_or("", unwrap_value).to_owned(),
        _ => failure.message,
    };
    let class = match failure.head {
        Head::Fatal => classify(&format!("fatal error: {message}")),
        _ => classify(&message),
    };
    let trace = Trace {
        kind,
        frames: failure.frames,
        created_by: failure.created_by,
        fault_address: failure.fault_address,
    };
    ParsedCrash { class, message, trace, range }
}

/// Lines with their place, able to go back.
struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<(&'a str, usize)> {
        if self.at >= self.text.len() {
            return None;
        }
        let start = self.at;
        let rest = &self.text[start..];
        let line = rest.split_once('\n').map_or(rest, |(line, _)| line);
        self.at = start + line.len() + 1;
        Some((line.strip_suffix('\r').unwrap_or(line), start))
    }
}

#[cfg(test)]
mod tests {
    use super::super::panic_chain;
    use super::*;
    use crate::domain::TraceKind;

    const DEATH: &str = "=== RUN   TestTier\npanic: runtime error: index out of range [5] with length 3 [recovered]\n\
        \tpanic: runtime error: index out of range [5] with length 3\n\ngoroutine 7 [running]:\n\
        testing.tRunner.func1.2({0x1, 0x2})\n\t/usr/local/go/src/testing/testing.go:1632 +0x230\n\
        panic({0x52c6c0?, 0xc000016300?})\n\t/usr/local/go/src/runtime/panic.go:785 +0x132\n\
        example.com/depot/pricing.(*Table).Tier(...)\n\t/tmp/pricing.go:8\n\
        example.com/depot/pricing.TestTier(0xc0000b2340)\n\t/tmp/pricing_test.go:9 +0x1b\n\
        created by testing.(*T).Run in goroutine 1\n\t/usr/local/go/src/testing/testing.go:1743 +0x390\n\
        exit status 2\nFAIL\texample.com/depot/pricing\t0.005s\n";

    #[test]
    fn a_crash_in_a_programs_output_is_found_whole() {
        let crash = parse_trace(DEATH).unwrap();
        assert_eq!(crash.class, Class::IndexOutOfRange);
        assert_eq!(crash.message, "runtime error: index out of range [5] with length 3");
        assert_eq!(crash.trace.kind, TraceKind::Panic);
        let functions: Vec<_> = crash.trace.frames.iter().map(|frame| frame.function.as_str()).collect();
        assert_eq!(
            functions,
            ["example.com/depot/pricing.(*Table).Tier", "example.com/depot/pricing.TestTier"]
        );
        assert!(DEATH[crash.range.clone()].starts_with("panic: "));
        assert!(DEATH[crash.range].ends_with("exit status 2"));
    }

    #[test]
    fn a_forged_trace_inside_a_value_stays_in_the_value() {
        let text = "panic: first\n\t\n\tgoroutine 1 [running]:\n\tmain.forged()\n\t\t/tmp/forged.go:1 +0x1\n\ngoroutine 1 [running]:\nmain.real()\n\t/tmp/real.go:2 +0x1\n";
        let crash = parse_trace(text).unwrap();
        assert_eq!(crash.message, "first\n\ngoroutine 1 [running]:\nmain.forged()\n\t/tmp/forged.go:1 +0x1");
        assert_eq!(crash.trace.frames.len(), 1);
        assert_eq!(crash.trace.frames[0].function, "main.real");
    }

    #[test]
    fn a_stack_without_panic_is_no_crash_but_a_stack() {
        let text = "goroutine 1 [running]:\nmain.main()\n\t/tmp/main.go:3 +0x1\n";
        assert!(parse_trace(text).is_none());
        assert_eq!(find_stack(text).unwrap().trace.kind, TraceKind::Logged);
        let pairs = "oops\nmain.run\n\t/tmp/main.go:9\nruntime.main\n\t/usr/local/go/src/runtime/proc.go:250";
        let stack = find_stack(pairs).unwrap();
        assert_eq!(stack.trace.frames[0].function, "main.run");
        assert_eq!(stack.trace.frames.len(), 2);
    }

    #[test]
    fn other_goroutines_of_a_crash_are_those_behind_the_first() {
        let text = "fatal error: concurrent map read and map write\n\ngoroutine 7 [running]:\nex.com/d.(*S).Get(0x1)\n\t/d/s.go:9 +0x1\ncreated by main.main in goroutine 1\n\t/d/main.go:3 +0x1\n\ngoroutine 8 [runnable]:\nex.com/d.(*S).Put(0x1)\n\t/d/s.go:5 +0x1\nmain.main.func1()\n\t/d/main.go:4 +0x1\n";
        let others = other_stacks(text);
        let functions: Vec<_> = others.iter().flatten().map(|frame| frame.function.as_str()).collect();
        assert_eq!(functions, ["ex.com/d.(*S).Put", "main.main.func1"]);
        assert!(other_stacks("").is_empty());
    }

    #[test]
    fn goroutines_that_wait_are_told_from_those_that_go_on() {
        let stack = "goroutine 1 [chan receive]:\ntesting.(*T).Run(0x1)\n\t/go/testing.go:9 +0x1\n\ngoroutine 18 [sync.Mutex.Lock, 2 minutes]:\ninternal/sync.(*Mutex).lockSlow(0x1)\n\t/go/mutex.go:4 +0x1\nex.com/d.(*S).Sum(0x1)\n\t/d/s.go:9 +0x1\ncreated by ex.com/d.TestS in goroutine 7\n\t/d/s_test.go:3 +0x1\n\ngoroutine 19 [sleep]:\nex.com/d.tick()\n\t/d/t.go:3 +0x1\n";
        let set_in = stack.lines().map(|line| format!("        {line}\n")).collect::<String>();
        for report in
            [stack, &format!("    s_test.go:20: the call does not come back:\n\n{set_in}--- FAIL\n")]
        {
            let all = waiting(report);
            let states: Vec<_> = all.iter().map(|one| (one.state.as_str(), one.is_for_lock())).collect();
            assert_eq!(states, [("chan receive", false), ("sync.Mutex.Lock", true)], "{report}");
            let functions: Vec<_> = all.iter().flat_map(|one| &one.trace.frames).collect();
            let functions: Vec<_> = functions.iter().map(|frame| frame.function.as_str()).collect();
            assert_eq!(
                functions,
                ["testing.(*T).Run", "internal/sync.(*Mutex).lockSlow", "ex.com/d.(*S).Sum"],
                "{report}"
            );
        }
        for (line, state) in [
            ("goroutine 1 [select (no cases)]:", Some("select (no cases)")),
            ("goroutine 1 gp=0x1 m=nil [chan send]:", Some("chan send")),
            ("goroutine 1 [running]:", None),
            ("goroutine x [chan send]:", None),
        ] {
            let all = waiting(&format!("{line}\nex.com/d.F()\n\t/d/f.go:3 +0x1\n"));
            assert_eq!(all.first().map(|one| one.state.as_str()), state, "{line}");
        }
    }

    fn nested(first: &str, last: &str) -> String {
        format!(
            "panic: {first} [recovered]\n\tpanic: {last}\n\ngoroutine 1 [running]:\nex.com/d/lib.Pick(...)\n\t/d/lib/lib.go:5\nmain.main.func1()\n\t/d/main.go:11 +0x14\npanic({{0x4a4420?, 0x2c?}})\n\t/usr/local/go/src/runtime/panic.go:860 +0x13a\nex.com/dep.At(...)\n\t/d/vendor/ex.com/dep/d.go:4\nmain.main()\n\t/d/main.go:12 +0x31\n"
        )
    }

    #[test]
    fn the_last_new_panic_of_a_chain_is_the_failure() {
        let (first, last) =
            ("runtime error: index out of range [3] with length 0", "assignment to entry in nil map");
        let text = nested(first, last);
        let crash = parse_trace(&text).unwrap();
        assert_eq!((crash.class, crash.message.as_str()), (Class::NilMapWrite, last));
        assert_eq!(crash.trace.frames[0].function, "ex.com/d/lib.Pick");
        assert!(crash.trace.frames.iter().all(|frame| frame.function != "panic"));
        assert_eq!(panic_chain(&text), [first, last]);
        // Raised again, as it was or with words around it, it is still the first, where that was raised.
        for again in [first.to_owned(), format!("job failed: {first}")] {
            let crash = parse_trace(&nested(first, &again)).unwrap();
            assert_eq!((crash.class, crash.message.as_str()), (Class::IndexOutOfRange, first));
            assert_eq!(crash.trace.frames[0].function, "ex.com/dep.At");
        }
        assert_eq!(panic_chain("goroutine 1 [running]:"), Vec::<&str>::new());
        for cut in 0..text.len() {
            let _crash = parse_trace(&text[..cut]);
        }
    }
}
