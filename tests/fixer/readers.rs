//! Who reads what `hephaestus fix` tells: somebody who leaves early, a narrow terminal, nobody at all.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use super::module::{BASKET, Till};
use super::shown::{fix, fix_beside_another, take_back, two_defects, undo_command};
use crate::harness::{errors_of, run, succeed};

/// Starts a command and reads both its streams.
fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a command tells on standard error from here on to its end, and its exit code.
fn rest_of(mut child: Child) -> (String, Option<i32>) {
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    (errors, child.wait().unwrap().code())
}

#[test]
fn the_work_ends_soon_when_nobody_reads_on() {
    let till = Till::new();
    let log = two_defects(&till);
    let config = till.outside().join("hephaestus.yaml");
    std::fs::write(&config, "fixer: {parallel: 1}\n").unwrap();
    let scratch = till.outside().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let mut child = start(fix(&till, &log).arg("--config").arg(&config).env("TMPDIR", &scratch));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("1. index out of range"), "{line}");
    let (errors, code) = rest_of(child);
    assert_eq!(code, Some(0), "{errors}");
    let is_second_done = |line: &str| line.starts_with("[2/2]") && line.ends_with(" s)");
    assert!(!errors.contains("error:") && !errors.lines().any(is_second_done), "{errors}");
    let left: Vec<_> = std::fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// What is written into the repository is worth its work though nobody reads on, and so is how it is taken back.
#[test]
fn fixes_are_written_though_nobody_reads_on() {
    let till = Till::new();
    let log = till.crash_log();
    let mut child = start(fix(&till, &log).arg("--apply"));
    drop(child.stdout.take());
    let (errors, code) = rest_of(child);
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("applied: index out of range in basket.Last, to basket/basket.go"), "{errors}");
    take_back(&till, &undo_command(&errors));
}

/// One that is not done leaves its place to what became of it.
#[test]
fn what_was_broken_off_stands_where_its_number_belongs() {
    let till = Till::new();
    let mut child = start(&mut fix_beside_another(&till));
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("[2/2] nil map write in store.Put: ") || !line.ends_with(" s)\n") {
        line.clear();
        assert_ne!(errors.read_line(&mut line).unwrap(), 0, "it ended without the second");
    }
    succeed(Command::new("kill").arg("-INT").arg(child.id().to_string()));
    let mut shown = String::new();
    child.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{shown}");
    let gap = "not worked out: 1. index out of range in basket.Last, seen twice: broken off while ";
    let (before, after) = shown.split_once(gap).unwrap_or_else(|| panic!("{shown}"));
    assert!(before.is_empty() && after.contains("\n2. nil map write in store.Put\n"), "{shown}");
    let (doing, _) = after.split_once("\n2. ").unwrap();
    assert!(doing.contains([' ', '\n']), "what was being done is told with what it was done to: {doing}");
}

/// The patch as it is printed, and all other lines.
fn parted(shown: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut patch, mut prose, mut inside) = (Vec::new(), Vec::new(), false);
    for line in shown.lines() {
        inside = (inside || line.starts_with("    diff --git ")) && !line.starts_with("  evidence ");
        if inside { patch.push(line) } else { prose.push(line) }
    }
    (patch, prose)
}

#[test]
fn lines_fit_a_narrow_terminal_and_patches_stay_whole() {
    let till = Till::new();
    let comment =
        "// Last returns the last of the items, which is the one that the customer has put in at the end.";
    till.write("basket/basket.go", &BASKET.replace("// Last returns the last of the items.", comment));
    let log = till.crash_log();
    let mut narrow = fix(&till, &log);
    let told = run(narrow.arg("-q").env("COLUMNS", "60"));
    // On a terminal, which the words of the command line do not fit.
    let mut command = fix(&till, &log);
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_str().unwrap().to_owned())
        .collect();
    let line = format!("stty cols 60; exec {} -q", words.join(" "));
    command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("NO_COLOR", "1").env_remove("COLUMNS");
    command.env("XDG_CACHE_HOME", crate::harness::CACHE).stdin(Stdio::null());
    for output in [told, run(&mut command)] {
        let shown = String::from_utf8_lossy(&output.stdout).replace('\r', "");
        assert_eq!(output.status.code(), Some(0), "{shown}{}", errors_of(&output));
        let (patch, prose) = parted(&shown);
        assert!(patch.iter().any(|line| line.ends_with(comment)), "{shown}");
        for line in prose {
            let is_word = !line.trim().contains(' ');
            assert!(line.chars().count() <= 60 || is_word, "{line:?} is too wide in {shown}");
        }
    }
}
