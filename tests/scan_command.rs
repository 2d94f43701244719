//! `hephaestus scan` as a person or a script runs it.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hephaestus"));
    command.arg("scan").args(arguments).current_dir(corpus()).env_clear();
    command
}

fn corpus() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus"))
}

fn scan(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn spawn(arguments: &[&str]) -> Child {
    command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn groups_count_exactly_and_the_worst_is_first() {
    let output =
        scan(&["--format", "json", "recovered_http.log", "death_index.log", "death_neg.log", "loggers.log"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let first = &answer["groups"][0];
    assert_eq!(first["count"], 3);
    assert_eq!(first["severity"], "critical");
    assert_eq!(first["class"], "index_out_of_range");
    assert_eq!(first["title"], "index out of range in pricing.(*Table).Tier");
    assert_eq!(first["frames"][0]["function"], "example.com/depot/pricing.(*Table).Tier");
    for key in ["fingerprint", "language", "first_seen", "last_seen", "sample"] {
        assert!(first.get(key).is_some(), "{key}");
    }
    let counted: u64 =
        answer["groups"].as_array().unwrap().iter().map(|group| group["count"].as_u64().unwrap()).sum();
    let stats = &answer["stats"];
    assert_eq!(stats["events"], counted);
    assert_eq!(stats["groups"], answer["groups"].as_array().unwrap().len());
    assert!(stats["bytes"].as_u64().unwrap() > 0 && stats["lines"].as_u64().unwrap() > 0);
    assert!(stats["seconds"].is_number());
}

#[test]
fn events_are_one_object_a_line_and_their_spans_hold() {
    let output = scan(&["--events", "between_healthy_lines.log"]);
    let log = std::fs::read(corpus().join("between_healthy_lines.log")).unwrap();
    let events = lines(&output);
    assert_eq!(events.len(), 2);
    for (event, head) in events.iter().zip(["panic: assignment to entry in nil map", "20"]) {
        for key in ["fingerprint", "class", "severity", "language", "message", "frames", "span", "file"] {
            assert!(event.get(key).is_some(), "{key}");
        }
        let at = |key| usize::try_from(event["span"][key].as_u64().unwrap()).unwrap();
        let own = &log[at("start")..at("end")];
        assert!(own.starts_with(head.as_bytes()) && !own.ends_with(b"\n") && log[at("end")] == b'\n');
    }
    let groups = lines(&scan(&["--format", "ndjson", "between_healthy_lines.log"]));
    assert_eq!(groups.len(), 2);
    assert_eq!(groups[0]["fingerprint"], events[0]["fingerprint"]);
}

#[test]
fn a_counted_thing_is_one_or_many() {
    let shown = scan(&["death_index.log"]);
    assert!(text(&shown.stdout).contains("1 event in 1 group; "), "{shown:?}");
}

#[test]
fn exit_codes_answer_the_question() {
    for (arguments, code) in [
        (&["death_index.log"][..], 0),
        (&["--fail-on", "critical", "death_index.log"], 1),
        (&["--fail-on", "critical", "recovered_http.log"], 0),
        (&["--fail-on", "medium", "--events", "recovered_http.log"], 1),
        (&["--fail-on", "medium", "healthy.log"], 0),
        (&["--fail-on", "terrible", "healthy.log"], 2),
        (&["binary.log"], 0),
        (&[], 2),
        (&["none.log"], 2),
        (&["."], 2),
    ] {
        assert_eq!(scan(arguments).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn an_unreadable_log_is_named_and_the_others_are_read() {
    let output = scan(&["--format", "ndjson", "none.log", "death_index.log"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("none.log: no such file; check the path"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(lines(&output).len(), 1);
    let output = scan(&["none.log", "healthy.log"]);
    assert!(text(&output.stdout).contains("No errors in what could be read (1 log could not)"), "{output:?}");
    let output = scan(&["."]);
    assert!(text(&output.stderr).contains("is a directory; name the log files in it"));
    assert_eq!(text(&output.stdout), "", "nothing is said of what was not read");
}

#[test]
fn gzip_is_read_and_what_cannot_be_read_is_doubted() {
    let folder = tempfile::tempdir().unwrap();
    let (packed, noise) = (folder.path().join("app.log.1.gz"), folder.path().join("app.log.zst"));
    let plain = std::fs::read(corpus().join("between_healthy_lines.log")).unwrap();
    let mut encoder =
        flate2::write::GzEncoder::new(std::fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    encoder.write_all(&plain).unwrap();
    encoder.finish().unwrap();
    let events = |path: &str| {
        let mut events = lines(&scan(&["--events", path]));
        events.iter_mut().for_each(|event| drop(event.as_object_mut().unwrap().remove("file")));
        events
    };
    assert_eq!(
        events(packed.to_str().unwrap()),
        events("between_healthy_lines.log"),
        "spans count in the text"
    );
    let mut child = spawn(&["--format", "json", "-"]);
    child.stdin.take().unwrap().write_all(&std::fs::read(&packed).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["stats"]["bytes"], &answer["stats"]["events"]), (&plain.len().into(), &2.into()));

    std::fs::write(&noise, b"\x28\xb5\x2f\xfd\x04\x00noise").unwrap();
    let output = scan(&[noise.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output.stderr).contains("looks like zstd, which is not read; pipe it in: zstdcat"),
        "{output:?}"
    );
}

#[test]
fn what_was_read_before_a_log_breaks_off_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&std::fs::read(corpus().join("between_healthy_lines.log")).unwrap()).unwrap();
    let whole = encoder.finish().unwrap();
    // All of the text is there, but not the sum that ends it.
    std::fs::write(&path, &whole[..whole.len() - 4]).unwrap();
    let output = scan(&["--format", "json", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cannot be read after"), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["stats"]["events"], &answer["stats"]["unreadable"]), (&2.into(), &1.into()));
    assert!(!answer["groups"].as_array().unwrap().is_empty());
    // Zeros after the end are no part of it.
    std::fs::write(&path, [&*whole, &[0; 512]].concat()).unwrap();
    assert_eq!(scan(&[path.to_str().unwrap()]).status.code(), Some(0));
}

#[test]
fn events_are_a_line_each_for_people_too() {
    let output = scan(&["--events", "--format", "text", "between_healthy_lines.log"]);
    let shown = text(&output.stdout);
    assert_eq!(shown.lines().count(), 2, "{shown}");
    let first = shown.lines().next().unwrap();
    assert!(first.starts_with("critical  ") && first.contains("between_healthy_lines.log "), "{shown}");
    for format in ["json", "ndjson"] {
        assert_eq!(lines(&scan(&["--events", "--format", format, "between_healthy_lines.log"])).len(), 2);
    }
}

#[test]
fn text_is_plain_in_a_pipe_and_safe_on_a_terminal() {
    let output = scan(&["death_index.log", "binary.log"]);
    let shown = text(&output.stdout);
    assert!(shown.contains("critical       1×  index out of range in pricing.(*Table).Tier"), "{shown}");
    assert!(!shown.contains('\u{1b}'));
    let mut child = spawn(&["--color", "always", "-"]);
    child.stdin.take().unwrap().write_all(b"2024/05/01 10:00:00 ERROR bad \x1b]0;owned\x07\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(text(&output.stdout).contains('\u{1b}'), "coloured");
    assert!(!text(&output.stdout).contains("\u{1b}]"), "hostile text does not steer the terminal");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = spawn(&["--events", "-"]);
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    let event = b"2024/05/01 10:00:00 ERROR boom\n".repeat(50_000);
    // The program may leave before it has read everything.
    let _left = input.write_all(&event);
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

/// Feeds the real binary, and returns its answer, its peak memory in KiB, and what it complained about.
fn feed(total: usize, mut chunk: impl FnMut(&mut [u8])) -> (Value, u64, String) {
    let mut child = spawn(&["--format", "json", "-"]);
    let status = format!("/proc/{}/status", child.id());
    let mut input = child.stdin.take().unwrap();
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..total >> 20 {
        chunk(&mut buffer);
        input.write_all(&buffer).unwrap();
    }
    // All but what the pipe holds has been read by now, and the program still waits for the end.
    let status = std::fs::read_to_string(status).unwrap();
    drop(input);
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse().ok());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    (serde_json::from_slice(&output.stdout).unwrap(), peak.unwrap(), text(&output.stderr).to_owned())
}

const CEILING_KIB: u64 = 64 << 10;

#[test]
fn random_bytes_are_read_in_bounded_memory() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let (answer, peak, complaint) = feed(100 << 20, |buffer| {
        for word in buffer.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
    });
    assert_eq!(answer["stats"]["bytes"], 100 << 20);
    assert!(complaint.contains("standard input looks binary"), "{complaint}");
    assert!(peak < CEILING_KIB, "{peak} KiB");
}

#[test]
fn a_single_huge_line_is_read_in_bounded_memory() {
    let (answer, peak, complaint) = feed(50 << 20, |buffer| buffer.fill(b'{'));
    assert_eq!(answer["stats"]["bytes"], 50 << 20);
    assert_eq!(complaint, "");
    assert_eq!(
        (&answer["stats"]["lines"], &answer["stats"]["truncated_lines"]),
        (&Value::from(1), &Value::from(1))
    );
    assert!(peak < CEILING_KIB, "{peak} KiB");
}

#[test]
fn a_reader_who_leaves_early_does_not_change_the_answer() {
    let log =
        "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nmain.main()\n\t/a/b.go:1 +0x1\n\n";
    let exit = |arguments: &[&str]| {
        let mut child = spawn(arguments);
        drop(child.stdout.take());
        let mut input = child.stdin.take().unwrap();
        // Without --fail-on nobody wants the rest: the program may end before it has read everything.
        for _ in 0..2_000 {
            if input.write_all(log.as_bytes()).is_err() {
                break;
            }
        }
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert_eq!(text(&output.stderr), "");
        output.status.code()
    };
    assert_eq!(exit(&["--events", "--fail-on", "critical", "-"]), Some(1));
    assert_eq!(exit(&["--format", "json", "--fail-on", "critical", "-"]), Some(1));
    assert_eq!(exit(&["--events", "-"]), Some(0));
}

/// A person reads the beginning of a long message; a program gets all of it.
#[test]
fn a_long_message_fills_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.log");
    std::fs::write(&path, format!("ERROR {}\n", "é".repeat(100_000))).unwrap();
    let path = path.to_str().unwrap();
    let (people, program) = (scan(&[path]), scan(&["--format", "json", path]));
    assert!(people.stdout.len() < 8_000, "{} bytes for one message", people.stdout.len());
    assert!(text(&people.stdout).contains("… (200000 bytes)"), "{}", text(&people.stdout));
    let answer: Value = serde_json::from_slice(&program.stdout).unwrap();
    assert_eq!(answer["groups"][0]["message"].as_str().unwrap().len(), 200_000);
}
