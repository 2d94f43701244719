//! `hephaestus exec`: the program does not notice, and its errors are told.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

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
fn signals_pass_and_a_killed_program_is_told_as_a_shell_would() {
    let child = exec("trap 'exit 42' TERM; echo ready; while :; do sleep 0.05; done")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1_000));
    succeed(Command::new("kill").args(["-TERM", &child.id().to_string()]));
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(42));
    assert_eq!(run(&mut exec("kill -9 $$")).status.code(), Some(137));
}

#[test]
fn a_program_that_is_not_there_is_a_clear_error() {
    let output = run(hephaestus().args(["exec", "--", "/no/such/program"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(errors_of(&output).contains("cannot start /no/such/program"), "{}", errors_of(&output));
}
