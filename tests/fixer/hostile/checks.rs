//! What holds of every hostile input, whatever it is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use super::stage::{Ended, Stage};
use super::{Expected, Input};
use crate::harness::go;

/// Plays an input, and says what is wrong with what came of it.
pub(super) fn run(input: &Input, format: &str) -> Vec<String> {
    let stage = Stage::new();
    (input.lay)(&stage);
    let before = stage.snapshot();
    let ended = match stage.fix(&(input.log)(), format, input.timeout) {
        Ok(ended) => ended,
        Err(hang) => return vec![hang],
    };
    let mut wrong = Vec::new();
    let left = stage.processes();
    if !left.is_empty() {
        wrong.push(format!("processes are left behind: {left:?}"));
    }
    let err = text(&ended.err, "standard error", &mut wrong);
    let out = text(&ended.out, "standard output", &mut wrong);
    if err.contains("panicked at") || !matches!(ended.code, Some(0..=2)) {
        wrong.push(format!("it ended with {:?}: {err}", ended.code));
    }
    let mut applied = BTreeSet::new();
    if format == "json" && (ended.code != Some(2) || !out.is_empty()) {
        match serde_json::from_str::<Value>(&out) {
            Ok(report) => {
                applied = written(&report);
                wrong.extend(check_report(&report));
                wrong.extend(check_answer(&input.expected, &ended, &err, &report));
            }
            Err(error) => wrong.push(format!("no JSON: {error}: {out}")),
        }
    } else if let Expected::Refused(..) = input.expected {
        wrong.extend(check_answer(&input.expected, &ended, &err, &Value::Null));
    } else if format == "text" && (!out.contains("0 proven") || out.contains("applied:")) {
        // No defect that really is there is played in this format.
        wrong.push(format!("something is called proven: {out}"));
    }
    wrong.extend(check_changes(&stage, &before, &stage.snapshot(), &applied));
    if stage.far().symlink_metadata().is_ok() {
        wrong.push(format!("{} was written", stage.far().display()));
    }
    wrong
}

/// What was written as text, which must drive no terminal.
fn text(written: &[u8], place: &str, wrong: &mut Vec<String>) -> String {
    let text = String::from_utf8_lossy(written).into_owned();
    if String::from_utf8(written.to_vec()).is_err() {
        wrong.push(format!("{place} is no UTF-8"));
    }
    if let Some(found) = text.chars().find(|c| drives_a_terminal(*c)) {
        let line = text.lines().find(|line| line.contains(found)).unwrap_or_default();
        wrong.push(format!("{place} holds {found:?}: {line:?}"));
    }
    text
}

fn drives_a_terminal(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c != '\n' && c != '\t' && (c.is_control() || turns)
}

/// The files that a report says it wrote.
fn written(report: &Value) -> BTreeSet<PathBuf> {
    let applied = report["applied"].as_array().into_iter().flatten().filter(|one| one["error"].is_null());
    let files = applied.flat_map(|one| one["files"].as_array().unwrap());
    files.map(|file| PathBuf::from(file.as_str().unwrap())).collect()
}

fn suggestions(report: &Value) -> &[Value] {
    report["suggestions"].as_array().map_or(&[], Vec::as_slice)
}

/// Patches stay in bounds, and what is said to reproduce a crash is Go and nothing but a test.
fn check_report(report: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for suggestion in suggestions(report) {
        let patch = suggestion["patch"].as_str().unwrap_or_default();
        let names = patch.lines().filter_map(|line| line.strip_prefix("+++ ").or(line.strip_prefix("--- ")));
        for name in names.filter(|name| *name != "/dev/null") {
            let path = name.strip_prefix("b/").or(name.strip_prefix("a/"));
            if !path.is_some_and(|path| may_change(Path::new(path))) {
                wrong.push(format!("a patch changes {name}"));
            }
        }
        if let Some(source) = suggestion["reproducer"]["source"].as_str() {
            wrong.extend(check_test(source));
        }
    }
    wrong
}

/// Whether a path is one that a fix may touch, by its name alone.
fn may_change(path: &Path) -> bool {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    let inside = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let foreign = |part: &str| part == "vendor" || part == "testdata" || part == ".git";
    let name = parts.last().map_or("", |name| name);
    inside && name.ends_with(".go") && !name.ends_with("_test.go") && !parts.iter().any(|part| foreign(part))
}

/// A test of the report is text that was made of a log and of hostile code: it must be Go, with no function but tests
/// and what they call.
fn check_test(source: &str) -> Option<String> {
    let program = Path::new(go().get_program()).with_file_name("gofmt");
    let program = if program.is_file() { program } else { PathBuf::from("gofmt") };
    let mut gofmt = std::process::Command::new(program);
    let mut child =
        gofmt.arg("-e").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    let is_go = child.wait().unwrap().success();
    let escapes = source.lines().any(|line| line.starts_with("func init") || line.starts_with("//go:"));
    (!is_go || escapes).then(|| format!("a reproducer is not what it should be: {source}"))
}

fn check_answer(expected: &Expected, ended: &Ended, err: &str, report: &Value) -> Vec<String> {
    let of = |verdict: &str| suggestions(report).iter().filter(|one| one["verdict"] == verdict).count();
    let proven = of("proven");
    let known = proven + of("plausible") + of("rejected") + of("inconclusive");
    let holds = match expected {
        Expected::Nothing => ended.code == Some(0) && suggestions(report).is_empty(),
        Expected::Unproven(words) => {
            let says = |suggestion: &Value| {
                let told =
                    ["reason", "search", "title"].map(|key| suggestion[key].as_str().unwrap_or_default());
                told.iter().any(|text| text.contains(words))
            };
            ended.code == Some(1)
                && proven == 0
                && written(report).is_empty()
                && suggestions(report).iter().any(says)
        }
        Expected::Contained => true,
        Expected::Refused(why, what_to_do) => {
            ended.code == Some(2) && ended.out.is_empty() && err.contains(why) && err.contains(what_to_do)
        }
        Expected::Proven => {
            ended.code == Some(0)
                && proven == 1
                && written(report) == BTreeSet::from(["basket/basket.go".into()])
        }
    };
    let mut wrong = Vec::new();
    if known != suggestions(report).len() {
        wrong.push("a verdict that there is not".to_owned());
    }
    if !holds {
        let told = suggestions(report).iter().map(|one| {
            let of = |key: &str| one[key].to_string();
            format!("\n    {} {}: {}; {}", of("verdict"), of("title"), of("reason"), of("search"))
        });
        wrong.push(format!("unexpected: {:?} {}\n    {err}", ended.code, told.take(5).collect::<String>()));
    }
    wrong
}

/// Only what the report names has changed, and that may change.
fn check_changes(
    stage: &Stage,
    before: &BTreeMap<PathBuf, String>,
    after: &BTreeMap<PathBuf, String>,
    applied: &BTreeSet<PathBuf>,
) -> Vec<String> {
    let changed = |(path, _): &(&PathBuf, &String)| before.get(*path) != after.get(*path);
    let changed: BTreeSet<&PathBuf> =
        before.iter().chain(after).filter(changed).map(|(path, _)| path).collect();
    let repository = stage.root();
    let repository = Path::new(repository.file_name().unwrap());
    let mut wrong = Vec::new();
    for path in &changed {
        let inside = path.strip_prefix(repository).ok();
        let named = inside.is_some_and(|inside| applied.contains(inside) && may_change(inside));
        let kept = |snapshot: &BTreeMap<PathBuf, String>| {
            snapshot.get(*path).map(|holds| holds.split(' ').next().unwrap_or_default().to_owned())
        };
        let generated = || {
            std::fs::read_to_string(stage.root().with_file_name(path))
                .is_ok_and(|text| text.contains("// Code generated"))
        };
        if !named || kept(before) != kept(after) || generated() {
            let (was, is) = (before.get(*path), after.get(*path));
            wrong.push(format!("{} changed: {was:?} {is:?}", path.display()));
        }
    }
    if changed.len() < applied.len() {
        wrong.push(format!("said to be written and was not: {applied:?}"));
    }
    wrong
}
