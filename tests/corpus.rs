//! The golden corpus: a log in `corpus/NAME.log`, its events in `corpus/NAME.json`. Adding a case is
//! adding a log and running the test once with `UPDATE_CORPUS=1`; what it wrote is then read by a person.
//! The crashes were printed by the program in `corpus/depot`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hephaestus::analyzer::{Analyzer, Config};
use hephaestus::domain::{Class, ErrorEvent, Language};
use proptest::prelude::*;
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn logs() -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let logs = entries.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .collect()
}

fn analyze<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, config: &Config) -> Vec<ErrorEvent> {
    let mut stream = Analyzer::new(config).unwrap().stream();
    let mut events = Vec::new();
    for chunk in chunks {
        stream.push(chunk, &mut |event| events.push(event));
    }
    stream.finish(&mut |event| events.push(event));
    assert_eq!(stream.stats().events, events.len() as u64);
    events
}

fn summary(event: &ErrorEvent) -> Value {
    let frames = event.trace.iter().flat_map(|trace| &trace.frames);
    let frames: Vec<_> = frames
        .map(|frame| {
            format!(
                "{}{} {}:{}",
                if frame.in_app { "" } else { "- " },
                frame.function,
                frame.file,
                frame.line
            )
        })
        .collect();
    json!({
        "class": event.class, "severity": event.severity, "language": event.language, "title": event.title,
        "message": event.message, "keys": event.keys, "time": event.time, "span": event.span,
        "kind": event.trace.as_ref().map(|trace| trace.kind), "frames": frames,
        "created_by": event.trace.as_ref().and_then(|trace| trace.created_by.as_ref()).map(|frame| &frame.function),
        "fault_address": event.trace.as_ref().and_then(|trace| trace.fault_address),
    })
}

#[test]
fn every_log_gives_its_events() {
    let update = std::env::var_os("UPDATE_CORPUS").is_some();
    let mut wrong = Vec::new();
    let logs = logs();
    assert!(logs.len() > 70, "the corpus is missing");
    for (name, log) in logs {
        let events: Vec<_> = analyze([log.as_slice()], &Config::default()).iter().map(summary).collect();
        let found = format!("{:#}\n", Value::Array(events));
        let path = folder().join(format!("{name}.json"));
        if update {
            std::fs::write(path, found).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != found {
            wrong.push(format!("{name}.log no longer gives {}; it gives\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_log_has_its_events_and_the_reverse() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert!(
                path.with_extension("log").exists() && path.with_extension("json").exists(),
                "{}",
                path.display()
            );
        }
    }
}

/// One defect, however its crash came into the log.
#[test]
fn one_defect_has_one_fingerprint() {
    let logs = logs();
    let site = |name: &str| {
        let events = analyze([logs[name].as_slice()], &Config::default());
        assert_eq!(events.len(), 1, "{name}");
        events[0].keys.site
    };
    let ways = [
        "death_index",
        "death_neg",
        "death_closure",
        "death_goroutine",
        "death_gowrap",
        "death_repanic",
        "death_rewrap",
        "recovered_http",
        "recovered_http_trimpath",
        "recovered_httpslog",
        "recovered_mwjson",
        "recovered_mwjsonmsg",
        "recovered_mwtext",
        "recovered_mwlog",
        "recovered_mwplain",
    ];
    for way in ways {
        assert_eq!(site(way), site("death_index"), "{way}");
    }
    for way in ["recovered_mwexplicit", "recovered_httpexplicit"] {
        assert_eq!(site(way), site("death_dieexplicit"), "{way}");
    }
    let first = |name: &str, events: usize| {
        let found = analyze([logs[name].as_slice()], &Config::default());
        found.iter().take(events).map(|event| event.keys.site).collect::<Vec<_>>()
    };
    for (name, events) in [("kubectl_prefix", 2), ("syslog", 2), ("compose", 1)] {
        assert_eq!(first(name, events), vec![site("death_index"); events], "{name}");
    }
    assert!(first("stern", 2).contains(&site("death_nilptr")));
    assert_eq!(first("klog", 2), [site("death_nilptr"), site("death_nilptr")]);
    assert_eq!(first("cri_partial", 1), [site("death_index")]);
    assert_eq!(first("docker_partial", 1), [site("death_index")]);
    assert_eq!(site("death_nilptr"), site("recovered_httpnil"));
    assert_eq!(site("death_nilptr"), site("gotraceback_system"));
    assert_ne!(site("death_nilptr"), site("death_index"));
}

/// Function literals of one function are different places.
#[test]
fn closures_are_told_apart() {
    let events = analyze([logs()["closures"].as_slice()], &Config::default());
    let named: Vec<_> = events.iter().map(|event| event.title.rsplit_once(".register.").unwrap().1).collect();
    assert_eq!(named, ["func1", "func2", "func1", "func3", "func4.1"]);
    for (event, name) in events.iter().zip(&named) {
        for (other, others) in events.iter().zip(&named) {
            assert_eq!(event.keys.site == other.keys.site, name == others, "{name} {others}");
        }
    }
}

/// The page of formats: every example is read as the page says, or not at all.
#[test]
fn the_formats_are_read_as_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (recognised, not) = page.split_once("## Not recognised").unwrap();
    let mut examples = 0;
    for (example, text) in fenced(recognised) {
        let told =
            text.trim_start().strip_prefix("Read as ").unwrap_or_else(|| panic!("{example}")).lines().next();
        let events = analyze([example.as_bytes()], &Config::default());
        let [event] = events.as_slice() else { panic!("{example}: {events:?}") };
        let read = format!(
            "`{}` `{}` `{}`: {}",
            event.severity,
            event.class,
            event.language.as_str(),
            event.message
        );
        assert_eq!(Some(read.as_str()), told, "{example}");
        assert_eq!(event.span.end as usize, example.trim_end().len(), "read to the end: {example}");
        examples += 1;
    }
    assert!(examples > 20, "{examples}");
    let missing: Vec<_> = fenced(not).collect();
    assert!(missing.len() > 3);
    for (example, _) in missing {
        assert_eq!(analyze([example.as_bytes()], &Config::default()), [], "{example}");
    }
}

/// The fenced examples of a page, and what follows each.
fn fenced(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.split("```text\n").skip(1).map(|part| part.split_once("```").unwrap())
}

/// A line that any program could have written tells no language.
#[test]
fn languages_are_told_by_what_only_they_print() {
    for (line, language) in [
        ("level=error msg=boom", Language::Unknown),
        ("[ERROR] boom", Language::Unknown),
        (r#"{"level":"error","msg":"boom"}"#, Language::Unknown),
        ("2024-05-01 10:00:00 ERROR boom", Language::Unknown),
        (r#"{"level":"error","caller":"store/store.go:41","msg":"boom"}"#, Language::Go),
        ("2024/05/01 10:00:00 ERROR boom", Language::Go),
        ("level=error msg=boom panic=\"runtime error: integer divide by zero\"", Language::Go),
    ] {
        let events = analyze([line.as_bytes()], &Config::default());
        assert_eq!(events.iter().map(|event| event.language).collect::<Vec<_>>(), [language], "{line}");
    }
}

#[test]
fn healthy_logs_have_no_events() {
    let logs = logs();
    for name in ["healthy", "death_stackonly", "recovered_httpabort"] {
        assert_eq!(analyze([logs[name].as_slice()], &Config::default()), [], "{name}");
    }
}

/// Beginnings of everything that is read in a way of its own.
const HOSTILE: &[&str] = &[
    "goroutine 1 [running]:\n",
    "panic: x\n",
    "http: panic serving a: b\n",
    "fatal error: x\n\n",
    "runtime: x\n",
    "a.b(c)\n",
    "WARNING: DATA RACE\n",
    "panic: recovered: x\n",
    "xpanic: xrecovered: \n",
    "[Recovery] now panic recovered:\n",
    "[Recovery] now panic recovered:\nx\na.go:1 (0x1)\n",
    "E0102 15:04:05.000000 1 f.go:12] \"x\" panic=\"y\" stack=<\n\tgoroutine 1 [running]:\n",
    "2024-05-01T10:00:00Z stderr P panic: x\n",
    "2024-05-01T10:00:00Z stderr F panic: x\n2024-05-01T10:00:00Z stdout P x\n",
    "web-1  | panic: x\ndb-1  | panic: x\n",
    "web-0 web panic: x\nweb-0 web x\nx\n",
    "<11>1 2024-05-01T10:00:00Z a b c d [x@1 a=\"b\"][\n",
    "[GIN] a | 500 | c | d | GET /\n",
    "2024/05/01 10:00:00 x\nexit status 1\n",
    "==================\n",
    "{\"level\":\"error\",\"stack\":\"goroutine 1 [running]:\\n\"}\n",
    "error: x: connection refused\n",
    "no error: \n",
    "xerror: \n",
    "error: 0, \n",
    "failed to x\n",
    "x: failed to \n",
    "connection refused \n",
    "runtime error: \n",
    "level=error msg=\"\n",
    "level=error x=\\\"\n",
    "'\\' 1.1.1.1 0x1 a@b.c /x\n",
    "\u{1b}[31mERR\u{1b}[2K\n",
    "[ERR] <ERR> (ERR) a: 12: \n",
];

#[test]
fn hostile_repetition_stays_linear() {
    let config = Config::default();
    let started = std::time::Instant::now();
    for line in HOSTILE {
        analyze([line.repeat(20_000).as_bytes()], &config);
    }
    let many: String =
        (0..400).map(|name| format!("s{name}  | http: panic serving a: b\ns{name}  | x\n")).collect();
    analyze([many.repeat(50).as_bytes()], &config);
    let stacks = "goroutine 1 [running]:\\nmain.f()\\n\\t/a.go:1 +0x1\\n\\n".repeat(20_000);
    let record = format!("{{\"level\":\"info\",\"msg\":\"{stacks}\"}}\n");
    analyze([record.as_bytes()], &Config { max_line_bytes: 8 << 20, ..config });
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

/// The same within one line, of every form, with a stack in it and behind it.
#[test]
fn hostile_repetition_within_a_line_stays_linear() {
    const STACK: &str = "goroutine 1 [running]:\npanic({0x1})\n\t/r.go:1\nmain.f()\n\t/a.go:1\n";
    let config = Config { max_line_bytes: 64 << 20, ..Config::default() };
    let mut slow = Vec::new();
    for piece in HOSTILE.iter().map(|line| line.trim_end_matches('\n').replace('\n', " ")) {
        let text = piece.repeat((2 << 20) / piece.len());
        let quoted = json!(text).to_string();
        for log in [
            format!("{text}\n{STACK}"),
            format!("2024/05/01 10:00:00 ERROR {text}\n{STACK}"),
            format!("2024/05/01 10:00:00 recovered: {text}\n{STACK}"),
            format!("level=error msg={quoted}\n{STACK}"),
            format!("level=error msg=x err={text}\n{STACK}"),
            format!("{{\"level\":\"error\",\"msg\":{quoted},\"stack\":{}}}\n", json!(STACK)),
            format!("{{\"level\":\"error\",\"msg\":\"x\",\"error\":{quoted}}}\n"),
            format!("{{\"msg\":{}}}\n", json!(format!("{text}\n{STACK}"))),
            format!("{{\"log\":{},\"stream\":\"stderr\"}}\n", json!(format!("{text}\n"))),
        ] {
            let started = std::time::Instant::now();
            analyze([log.as_bytes()], &config);
            if started.elapsed().as_secs() > 5 {
                slow.push(format!("{:?}: {}", started.elapsed(), log.chars().take(90).collect::<String>()));
            }
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

/// Pieces of real logs in any order, cut anywhere, with any limit.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<Vec<u8>> = logs()
        .into_values()
        .flat_map(|log| log.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>())
        .collect();
    let logs: Vec<_> = logs().into_values().filter(|log| log.len() < 2000).collect();
    let piece = prop_oneof![
        4 => prop::sample::select(lines),
        2 => prop::sample::select(logs),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_chunking_gives_the_same_events(
        input in pieces(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        limit in prop::sample::select(vec![256usize, 300, 1000, 1 << 20]),
    ) {
        let config = Config { max_line_bytes: limit, ..Config::default() };
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]);
        let whole = analyze([input.as_slice()], &config);
        prop_assert_eq!(analyze(chunks, &config), whole.clone());
        prop_assert_eq!(analyze(input.chunks(1), &config), whole.clone());
        for event in &whole {
            prop_assert!(event.span.start <= event.span.end && event.span.end <= input.len() as u64);
        }
    }

    #[test]
    fn random_bytes_do_no_harm(input in prop::collection::vec(any::<u8>(), 0..4096)) {
        analyze([input.as_slice()], &Config::default());
        let text = String::from_utf8_lossy(&input);
        let _crash = hephaestus::analyzer::go::parse_trace(&text);
    }
}

/// Crashes of the Go at hand, built and run now: a new Go that prints them otherwise is noticed here.
#[test]
fn todays_go_is_understood() {
    let directory = tempfile::tempdir().unwrap();
    let binary = directory.path().join("depot");
    let build = crate::harness::go()
        .args(["build", "-o"])
        .arg(&binary)
        .arg(".")
        .current_dir(folder().join("depot"))
        .env("CGO_ENABLED", "0")
        .output()
        .unwrap();
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    for (case, class, place) in [
        ("index", Class::IndexOutOfRange, "example.com/depot/pricing.(*Table).Tier"),
        ("slice", Class::SliceBounds, "example.com/depot/pricing.(*Table).Window"),
        ("div", Class::DivideByZero, "example.com/depot/pricing.Split"),
        ("assert", Class::TypeAssertion, "example.com/depot/pricing.Amount"),
        ("nilmap", Class::NilMapWrite, "example.com/depot/store.(*Store).Tag"),
        ("nilptr", Class::NilDereference, "example.com/depot/store.(*Store).Price"),
        ("generic", Class::IndexOutOfRange, "example.com/depot/store.(*Stack[...]).Pop"),
        ("dieexplicit", Class::ExplicitPanic, "main.ledger"),
        ("overflow", Class::StackOverflow, "main.recurse"),
        ("deadlock", Class::Deadlock, "main.init.func"),
        ("mutex", Class::MutexMisuse, "main.init.func"),
        ("wg", Class::WaitGroupMisuse, "main.init.func"),
    ] {
        let run = std::process::Command::new(&binary).arg(case).output().unwrap();
        let events = analyze([run.stderr.as_slice()], &Config::default());
        assert_eq!(events.len(), 1, "{case}: {}", String::from_utf8_lossy(&run.stderr));
        let event = &events[0];
        let frame = event.trace.as_ref().unwrap().frames.iter().find(|frame| frame.in_app).unwrap();
        assert_eq!(event.class, class, "{case}");
        assert!(frame.function.starts_with(place), "{case}: {}", frame.function);
        assert_eq!(
            (event.span.start, event.span.end),
            (0, run.stderr.len() as u64 - 1),
            "{case}: recognised whole"
        );
    }
}
