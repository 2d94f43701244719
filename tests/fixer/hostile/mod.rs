//! Hostile input: logs that forge, repositories that lie, and code that reaches out. Whatever it is, `fix --apply`
//! ends in time with an answer, nothing outside of the allowed paths changes, nothing of it drives a terminal, and
//! nothing is called proven that is not.
//!
//! Each input is a line of a table with what is special about it; all are run through the real binary, and one set
//! of checks ([`stage`], [`checks`]) is held against each of them.

mod checks;
mod code;
mod harm;
mod logs;
mod modules;
mod stage;
mod trees;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use stage::Stage;

/// A hostile log, or a log of a hostile repository.
struct Input {
    name: &'static str,
    /// Makes the repository what it is.
    lay: fn(&Stage),
    log: fn() -> Vec<u8>,
    expected: Expected,
    /// How long an attempt may take, in seconds.
    timeout: u32,
}

/// What comes of an input.
enum Expected {
    /// No defect is found.
    Nothing,
    /// Defects, of which none is proven and none is mended, and of one is said what stands here.
    Unproven(&'static str),
    /// The command refuses, with words that tell why and what to do.
    Refused(&'static str, &'static str),
    /// Whatever is said of it, nothing gets out.
    Contained,
    /// The defect that really is in the code is mended all the same.
    Proven,
}

impl Input {
    const fn new(name: &'static str, lay: fn(&Stage), log: fn() -> Vec<u8>, expected: Expected) -> Self {
        Self { name, lay, log, expected, timeout: 30 }
    }

    const fn within(self, timeout: u32) -> Self {
        Self { timeout, ..self }
    }
}

/// How many are worked on at once: most wait for programs that they started.
const AT_ONCE: usize = 2;

/// Runs every input and holds all checks against it.
fn hold(inputs: &[Input], formats: &[&str]) {
    stage::fill_the_build_cache();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(input) = inputs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for format in formats {
                        let begun = Instant::now();
                        let found = checks::run(input, format);
                        println!("{} ({format}): {:.1} s", input.name, begun.elapsed().as_secs_f64());
                        let found =
                            found.into_iter().map(|what| format!("{} ({format}): {what}", input.name));
                        wrong.lock().unwrap().extend(found);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn hostile_logs() {
    hold(&logs::inputs(), &["json"]);
}

#[test]
fn logs_that_paint() {
    hold(&logs::painted(), &["json", "text"]);
}

#[test]
fn hostile_repositories() {
    let inputs: Vec<Input> = trees::inputs().into_iter().chain(modules::inputs()).collect();
    hold(&inputs, &["json"]);
}

#[test]
fn hostile_code() {
    hold(&code::inputs(), &["json"]);
}

#[test]
#[ignore = "long: each runs until its time is over"]
fn hostile_code_that_takes_its_time() {
    hold(&code::slow_inputs(), &["json"]);
}

#[test]
#[ignore = "long: compilers and parsers at their limits"]
fn hostile_repositories_that_take_their_time() {
    hold(&trees::slow_inputs(), &["json"]);
}

#[test]
fn there_are_many_and_no_two_are_called_alike() {
    let quick = [logs::inputs(), logs::painted(), modules::inputs(), trees::inputs(), code::inputs()];
    let slow = [trees::slow_inputs(), code::slow_inputs()];
    let names: Vec<&str> = quick.iter().chain(&slow).flatten().map(|input| input.name).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert!(distinct.len() >= 100 && distinct.len() == names.len(), "{}: {names:?}", names.len());
}
