//! The gate against the judge: what is an event as one line is proposed.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::{Gate, Scratch};
use crate::analyzer::judge::judge;
use crate::analyzer::level::Level;
use crate::analyzer::operational;
use crate::analyzer::parse::parse;
use crate::analyzer::parse::wrapper::strip;

fn proposed(gate: &Gate, line: &str) -> bool {
    let mut found = Vec::new();
    gate.hits(format!("{line}\n").as_bytes(), &mut Scratch::default(), &mut found);
    !found.is_empty()
}

fn accepted(line: &str) -> bool {
    let unwrapped = strip(line);
    let mut record = parse(&unwrapped.text);
    record.level = record.level.or(unwrapped.level);
    judge(record, None).is_some()
}

fn assert_proposed(line: &str) {
    let gate = Gate::new(&[]).unwrap();
    assert!(accepted(line), "no event: {line}");
    assert!(proposed(&gate, line), "not proposed: {line}");
}

#[test]
fn levels_by_number_and_errors_without_a_level_are_proposed() {
    for line in [
        r#"{"version":"1.1","short_message":"boom","level":3}"#,
        r#"{"short_message":"boom","level":0,"host":"a"}"#,
        r#"{"msg":"boom","level": 2 }"#,
        r#"{"msg":"boom","level":"3"}"#,
        r#"{"msg":"boom","level":55}"#,
        r#"{"msg":"boom","error.message":"odd"}"#,
        r#"{"msg":"boom","exception":{"message":"odd"}}"#,
        r#"{"msg":"boom","err":"\"x\" is odd"}"#,
        r#"{"msg":"boom","Error":17}"#,
        "msg=boom cause=odd",
        "msg=boom err.msg=\"x: y\"",
        "2009/11/10 23:00:00 interface conversion: interface {} is string, not int",
        "2009/11/10 23:00:00 lookup db: server misbehaving",
        "critical: the disk is odd",
        "[Error] boom",
        "\u{1b}[31merror\u{1b}[0m: boom",
        "\u{1b}[31mcause=odd msg=boom\u{1b}[0m",
        r#"{"log":"2009-11-10T23:00:00Z\tERROR boom\n","stream":"stderr","time":"2009-11-10T23:00:00Z"}"#,
    ] {
        assert_proposed(line);
    }
}

#[test]
fn every_priority_and_every_sign_is_proposed() {
    for number in 0..192_i64 {
        if Level::from_number(number % 8).is_some_and(|level| level.severity().is_some()) {
            assert_proposed(&format!("<{number}>Nov 10 23:00:00 host shop: boom"));
        }
    }
    for sign in operational::signs() {
        let sign = if sign.ends_with(' ') { format!("{sign}odd") } else { sign.to_owned() };
        for line in [
            format!("ERROR ledger: {sign}"),
            format!("ledger: {sign}"),
            format!("ledger: {}", sign.to_uppercase()),
        ] {
            let gate = Gate::new(&[]).unwrap();
            assert!(!accepted(&line) || proposed(&gate, &line), "not proposed: {line}");
        }
    }
}

/// In any spelling that a logger could choose.
fn cased(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    (prop::sample::select(words), 0..3).prop_map(|(word, case)| match case {
        0 => word.to_owned(),
        1 => word.to_ascii_uppercase(),
        _ => {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_ascii_uppercase() + rest
        }
    })
}

const LEVELS: &[&str] = &[
    "trace",
    "debug",
    "info",
    "notice",
    "warn",
    "warning",
    "wrn",
    "error",
    "erro",
    "err",
    "eror",
    "severe",
    "critical",
    "crit",
    "alert",
    "dpanic",
    "fatal",
    "fata",
    "ftl",
    "panic",
    "pani",
    "pnc",
    "emerg",
    "emergency",
    "error+4",
    "INFO-2",
];

const KEYS: &[&str] = &[
    "level",
    "severity",
    "lvl",
    "log.level",
    "levelname",
    "loglevel",
    "level_name",
    "log_level",
    "@level",
    "msg",
    "message",
    "@message",
    "short_message",
    "event",
    "text",
    "error",
    "err",
    "error.message",
    "err.message",
    "error.msg",
    "err.msg",
    "exception",
    "exception.message",
    "cause",
    "errors",
    "time",
    "panic",
    "recovered",
    "n",
];

const WORDS: &[&str] = &[
    "",
    "<nil>",
    "none",
    "0",
    "boom",
    "odd",
    "x: y",
    "no error: fine",
    "error: odd",
    "error rate",
    "a -1 b",
    "connection refused",
    "failed to save: odd",
    "\"x\" is odd",
    "\nodd",
    "runtime error: index out of range",
    "close of closed channel",
    "recovered from panic: odd",
    "{}",
    "[]",
];

fn value() -> impl Strategy<Value = String> {
    let text = prop_oneof![cased(LEVELS), cased(WORDS)];
    prop_oneof![
        6 => text.clone().prop_map(|text| serde_json::Value::from(text).to_string()),
        3 => (-2..70_i64).prop_map(|number| number.to_string()),
        1 => prop::sample::select(&["null", "true", "false", "0.5", "{}", "[]"][..]).prop_map(str::to_owned),
        1 => text.prop_map(|text| serde_json::json!([text]).to_string()),
        1 => (cased(&["level", "message", "msg"]), cased(WORDS))
            .prop_map(|(key, word)| serde_json::json!({key: word}).to_string()),
    ]
}

fn json() -> impl Strategy<Value = String> {
    let blank = || prop::sample::select(&["", " "][..]);
    let member = (cased(KEYS), blank(), blank(), value(), blank())
        .prop_map(|(key, a, b, value, c)| format!("\"{key}\"{a}:{b}{value}{c}"));
    prop::collection::vec(member, 1..5).prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn pairs() -> impl Strategy<Value = String> {
    let text = prop_oneof![cased(LEVELS), cased(WORDS)];
    let value = (text, any::<bool>()).prop_map(|(text, bare)| match bare && !text.contains([' ', '\n']) {
        true => text,
        false => format!("{text:?}"),
    });
    let pair = (cased(KEYS), value).prop_map(|(key, value)| format!("{key}={value}"));
    prop::collection::vec(pair, 1..5).prop_map(|pairs| pairs.join(" "))
}

fn plain() -> impl Strategy<Value = String> {
    let level = (
        cased(LEVELS),
        prop::sample::select(
            &[
                ("", " "),
                ("", ": "),
                ("", "\t"),
                ("[", "] "),
                ("<", "> "),
                ("(", "): "),
                ("[ ", " ] "),
                ("", "[0012] "),
            ][..],
        ),
    )
        .prop_map(|(level, (before, behind))| format!("{before}{level}{behind}"));
    let begin = prop::sample::select(
        &[
            "",
            "2009/11/10 23:00:00 ",
            "2009-11-10T23:00:00Z ",
            "2009-11-10T23:00:00Z\t",
            "10:00AM ",
            "app: ",
            "a.go:12: ",
            "[main] ",
        ][..],
    );
    let words = cased(WORDS).prop_map(|text| text.replace('\n', " "));
    (begin, prop::option::of(level), words, prop::option::of(pairs())).prop_map(
        |(begin, level, words, pairs)| {
            format!("{begin}{}{words} {}", level.unwrap_or_default(), pairs.unwrap_or_default())
        },
    )
}

/// As containers, tools and terminals wrap it.
fn wrapped() -> impl Strategy<Value = String> {
    let line = prop_oneof![json(), pairs(), plain()];
    (line, 0..6).prop_map(|(line, wrapper)| match wrapper {
        0 => {
            let log = serde_json::Value::from(format!("{line}\n"));
            format!("{{\"log\":{log},\"stream\":\"stderr\",\"time\":\"2009-11-10T23:00:00Z\"}}")
        }
        1 => format!("2009-11-10T23:00:00.000000000Z stdout F {line}"),
        2 => format!("web-1  | {line}"),
        3 => format!("\u{1b}[31m{line}\u{1b}[0m"),
        _ => line,
    })
}

#[test]
fn whatever_is_an_event_as_one_line_is_proposed() {
    let gate = Gate::new(&[]).unwrap();
    let mut runner = TestRunner::default();
    let lines = wrapped();
    let (mut events, mut missed) = (0, Vec::new());
    for _ in 0..5_000 {
        let line = lines.new_tree(&mut runner).unwrap().current();
        if accepted(&line) {
            events += 1;
            if !proposed(&gate, &line) {
                missed.push(line);
            }
        }
    }
    assert!(events > 1000, "{events}");
    assert!(missed.is_empty(), "{} missed:\n{}", missed.len(), missed[..missed.len().min(40)].join("\n"));
}
