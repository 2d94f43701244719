//! `hephaestus exec`: the program does not notice, and its errors are told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::depot::Depot;
use crate::harness::{errors_of, hephaestus, run, succeed};

const CRASH: &str = "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:7 +0x1d\nexit status 2\n";

fn exec(script: &str) -> Command {
    let mut command = hephaestus();
    command.args(["exec", "--", "sh", "-c", script]);
    command
}

#[test]
fn output_and_exit_code_pass_and_the_error_is_told() {
    let output = run(exec("cat; cat >&2; exit 7").stdin(Stdio::null()));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(7), 0));

    let output =
        run(&mut exec(&format!("printf 'out\\n'; printf '{}' >&2; exit 3", CRASH.replace('\n', "\\n"))));
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stdout, b"out\n");
    let errors = errors_of(&output);
    assert!(errors.starts_with(CRASH), "{errors}");
    assert!(errors[CRASH.len()..].contains("nil map write in main.main"), "{errors}");
}

#[test]
fn how_much_is_left_to_be_worked_on_is_told_unless_it_is_to_be_quiet() {
    let depot = Depot::new();
    let log = depot.repository().join("crash.log");
    std::fs::write(&log, depot.index()).unwrap();
    for (quiet, told) in [(&[][..], 1), (&["-q"], 0)] {
        let mut command = hephaestus();
        command.args(quiet).arg("exec").arg("--repo").arg(depot.repository());
        let output = run(command.args(["--", "cat"]).arg(&log));
        assert_eq!(output.status.code(), Some(0));
        let errors = errors_of(&output);
        let line = "hephaestus: 1 defect is being worked on; Ctrl-C ends\n";
        assert_eq!(errors.matches(line).count(), told, "{errors}");
        assert!(errors.contains("verdict      proven"), "{errors}");
    }
}

#[test]
fn an_attempt_that_was_not_decided_is_promised_again_only_while_the_program_runs() {
    let depot = Depot::new();
    let log = depot.repository().join("crash.log");
    std::fs::write(&log, depot.index()).unwrap();
    std::fs::write(depot.repository().join("basket/basket.go"), "package basket\n\nfunc Last(\n").unwrap();
    let mut command = hephaestus();
    command.arg("exec").arg("--repo").arg(depot.repository());
    let errors = errors_of(&run(command.args(["--", "cat"]).arg(&log)));
    assert!(errors.contains("an attempt was not decided"), "{errors}");
    assert!(errors.contains("if the program still runs by then"), "{errors}");
}

#[test]
fn a_last_line_without_an_end_counts_though_something_holds_the_output_open() {
    let line = r#"{"level":"error","msg":"order not saved"}"#;
    let output = run(&mut exec(&format!("sleep 8 & printf '%s' '{line}'; exit 3")));
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stdout), line);
    assert!(errors_of(&output).contains("order not saved"), "{}", errors_of(&output));
}

#[test]
fn any_bytes_pass_in_both_directions() {
    let mut child = exec("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let bytes: Vec<u8> =
        (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut input = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let sending = std::thread::spawn(move || input.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    sending.join().unwrap();
    assert!(output.stdout == bytes, "{} bytes came of {}", output.stdout.len(), bytes.len());
}

#[test]
fn a_slow_reader_gets_everything() {
    let mut child = exec("head -c 100000 /dev/zero; exit 3").stdout(Stdio::piped()).spawn().unwrap();
    // By then the program has long ended, and half of what it wrote is with us.
    std::thread::sleep(Duration::from_secs(4));
    let mut taken = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut taken).unwrap();
    assert_eq!((taken.len(), child.wait().unwrap().code()), (100_000, Some(3)));
}

/// Starts it and waits until the program says that it is ready.
fn ready(script: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = exec(script).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (child, output)
}

#[test]
fn signals_pass_and_a_killed_program_is_told_as_a_shell_would() {
    for signal in ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"] {
        let trap =
            format!("trap 'echo {signal}; exit 42' {signal}; echo ready; while :; do sleep 0.05; done");
        let (mut child, mut output) = ready(&trap);
        succeed(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]));
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!((child.wait().unwrap().code(), rest), (Some(42), format!("{signal}\n")));
    }
    assert_eq!(run(&mut exec("kill -9 $$")).status.code(), Some(137));
}

#[test]
fn what_a_killed_one_has_left_is_removed_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let left = || std::fs::read_dir(folder.path()).unwrap().count();
    let mut child =
        exec("echo ready; sleep 5").env("TMPDIR", folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!((&*line, left()), ("ready\n", 1));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(left(), 1, "it could do nothing about it");
    assert!(run(exec("exit 0").env("TMPDIR", folder.path())).status.success());
    assert_eq!(left(), 0);
}

#[test]
fn the_exit_code_is_the_programs_though_nobody_listens_to_us() {
    for follow in [&[][..], &["--follow"]] {
        let script = format!("sleep 0.3; printf '{}' >&2; sleep 0.3; exit 7", CRASH.replace('\n', "\\n"));
        let mut command = hephaestus();
        command.arg("exec").args(follow).args(["--", "sh", "-c", &script]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        // The program itself may meet with a closed pipe, as it would without us.
        let code = child.wait().unwrap().code();
        assert_eq!(code, Some(7), "{follow:?}");
    }
}

#[test]
fn a_program_that_is_not_there_is_a_clear_error() {
    let output = run(hephaestus().args(["exec", "--", "/no/such/program"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(errors_of(&output).contains("cannot start /no/such/program"), "{}", errors_of(&output));
}
