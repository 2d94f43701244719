//! Whatever is wrong with the input: one clear error or verdict, with what to do about it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::module::Till;
use crate::harness::small_disk::SmallDisk;
use crate::harness::{errors_of, hephaestus, run, succeed};

fn fix(repository: &Path, log: &Path) -> Command {
    let mut command = hephaestus();
    command.args(["fix", "--format", "json", "--repo"]).arg(repository).arg("--log").arg(log);
    command
}

/// The error of a command that cannot do its work: exit code 2, no output, and words that help.
fn refusal(command: &mut Command, words: &[&str]) {
    let output = run(command);
    let errors = errors_of(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(output.stdout.is_empty(), "nothing on standard output");
    for word in words {
        assert!(errors.contains(word), "{word:?} is not in: {errors}");
    }
    assert!(!errors.contains("panicked"), "{errors}");
}

fn only_suggestion(output: &Output) -> Value {
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let suggestions = report["suggestions"].as_array().unwrap();
    assert_eq!(suggestions.len(), 1, "{report}");
    suggestions[0].clone()
}

#[test]
fn a_missing_log_or_repository_is_named() {
    let till = Till::new();
    let log = till.crash_log();
    refusal(&mut fix(&till.repository(), Path::new("/nowhere/app.log")), &["/nowhere/app.log"]);
    refusal(&mut fix(&till.repository(), till.outside()), &["directory"]);
    refusal(&mut fix(Path::new("/nowhere/repo"), &log), &["/nowhere/repo", "--repo"]);
    refusal(&mut fix(&log, &log), &["not a directory"]);
    let empty = tempfile::tempdir().unwrap();
    refusal(&mut fix(empty.path(), &log), &["holds no Go code", "--repo"]);
}

/// A path may be longer than the system takes in one piece; for root, no rights keep a folder closed.
#[test]
fn a_folder_of_the_repository_that_cannot_be_read_is_named() {
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    let till = Till::new();
    let log = till.outside().join("healthy.log");
    std::fs::write(&log, "all is well\n").unwrap();
    let name = "deep".repeat(60);
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = openat(CWD, till.repository(), flags, Mode::empty()).unwrap();
    for _ in 0..20 {
        mkdirat(&folder, name.as_str(), Mode::RWXU).unwrap();
        folder = openat(&folder, name.as_str(), flags, Mode::empty()).unwrap();
    }
    let output = succeed(&mut fix(&till.repository(), &log));
    let errors = errors_of(&output);
    assert!(errors.contains("cannot be read; it is left out") && errors.contains("deepdeep"), "{errors}");
}

#[test]
fn a_binary_log_holds_nothing_to_mend() {
    let till = Till::new();
    let log = till.outside().join("noise.log");
    std::fs::write(&log, blake3_noise(1 << 20)).unwrap();
    let output = succeed(&mut fix(&till.repository(), &log));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["suggestions"], serde_json::json!([]));
    assert!(errors_of(&output).contains("noise.log looks binary"), "{}", errors_of(&output));
}

/// Bytes without any order, the same each time.
fn blake3_noise(length: usize) -> Vec<u8> {
    let mut noise = vec![0; length];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut noise);
    noise
}

#[test]
fn a_log_that_breaks_off_is_worked_on_as_far_as_it_goes() {
    let till = Till::new();
    let log = till.outside().join("cut.log.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&std::fs::read(till.crash_log()).unwrap()).unwrap();
    let whole = encoder.finish().unwrap();
    std::fs::write(&log, &whole[..whole.len() - 4]).unwrap();
    // Nothing is run, so that it takes no time.
    till.write("basket/more.go", "package basket\n\nvar broken int = \"text\"\n");
    let output = run(&mut fix(&till.repository(), &log));
    assert_eq!(output.status.code(), Some(2), "{}", errors_of(&output));
    assert!(errors_of(&output).contains("cut.log.gz: cannot be read after"), "{}", errors_of(&output));
    only_suggestion(&output);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["unread"][0].as_str().unwrap().contains("cut.log.gz"), "{report}");
}

#[test]
fn a_reader_who_leaves_changes_no_answer() {
    let till = Till::new();
    let log = till.crash_log();
    till.write("basket/more.go", "package basket\n\nvar broken int = \"text\"\n");
    for format in ["json", "text"] {
        let mut command = hephaestus();
        command.args(["fix", "--format", format, "--repo"]).arg(till.repository()).arg("--log").arg(&log);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(1), "{format}: nothing was proven");
    }
}

#[test]
fn code_that_does_not_build_is_said_so() {
    let till = Till::new();
    let log = till.crash_log();
    till.write("basket/more.go", "package basket\n\nvar broken int = \"text\"\n");
    let output = run(&mut fix(&till.repository(), &log));
    assert_eq!(output.status.code(), Some(1));
    let suggestion = only_suggestion(&output);
    assert_eq!(suggestion["verdict"], "inconclusive");
    let reason = suggestion["reason"].as_str().unwrap();
    assert!(reason.contains("does not build before any change") && reason.contains("more.go"), "{reason}");
}

#[test]
fn tests_that_fail_already_are_told_apart() {
    let till = Till::new();
    let log = till.crash_log();
    till.write(
        "basket/other_test.go",
        "package basket\n\nimport \"testing\"\n\nfunc TestSulks(t *testing.T) { t.Fatal(\"always\") }\n",
    );
    let output = succeed(&mut fix(&till.repository(), &log));
    let suggestion = only_suggestion(&output);
    assert_eq!(suggestion["verdict"], "proven", "{suggestion}");
    let steps = suggestion["evidence"]["steps"].as_array().unwrap();
    let tests = steps.iter().find(|step| step["name"] == "package_tests").unwrap();
    assert!(tests["detail"].as_str().unwrap().contains("1 failed already before"), "{tests}");
}

#[test]
fn tests_that_do_not_compile_leave_it_open() {
    let till = Till::new();
    let log = till.crash_log();
    till.write("basket/other_test.go", "package basket\n\nvar missing = nothing\n");
    let output = run(&mut fix(&till.repository(), &log));
    assert_eq!(output.status.code(), Some(1));
    let suggestion = only_suggestion(&output);
    assert_eq!(suggestion["verdict"], "inconclusive", "{suggestion}");
    assert!(suggestion["reason"].as_str().unwrap().contains("compile"), "{suggestion}");
}

#[test]
fn a_log_of_another_program_or_version_is_said_so() {
    let till = Till::new();
    let log = till.crash_log();
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("go.mod"), "module example.com/other\n\ngo 1.21\n").unwrap();
    // Its words stand in any crash: a stack that does not touch the repository outweighs them.
    let words = "package other\n\nimport \"log/slog\"\n\nfunc Save(items []int, err error) {\n\tslog.Error(\"x\", \"error\", err, \"last\", items[0])\n}\n";
    std::fs::write(other.path().join("other.go"), words).unwrap();
    let output = run(&mut fix(other.path(), &log));
    assert_eq!(output.status.code(), Some(1));
    let suggestion = only_suggestion(&output);
    assert_eq!(suggestion["verdict"], "inconclusive");
    assert_eq!((&suggestion["patch"], &suggestion["locations"]), (&Value::Null, &Value::Array(Vec::new())));
    assert!(suggestion["reason"].as_str().unwrap().contains("--repo"), "{suggestion}");

    // The same function further down: it is found by its name, and the diagnosis warns.
    let text = std::fs::read_to_string(till.repository().join("basket/basket.go")).unwrap();
    let drifted =
        text.replace("// Last returns", &format!("{}// Last returns", "// More words.\n".repeat(20)));
    till.write("basket/basket.go", &drifted);
    let suggestion = only_suggestion(&run(&mut fix(&till.repository(), &log)));
    assert_eq!(suggestion["locations"][0]["function"], "Last");
    assert!(suggestion["diagnosis"].as_str().unwrap().contains("another version"), "{suggestion}");
}

/// What was cut off behind its first line is not of another program.
#[test]
fn a_panic_whose_stack_is_cut_off_is_said_so() {
    let till = Till::new();
    let log = till.outside().join("cut.log");
    std::fs::write(&log, "panic: runtime error: index out of range [1] with length 1\n").unwrap();
    let suggestion = only_suggestion(&run(&mut fix(&till.repository(), &log)));
    assert_eq!(suggestion["verdict"], "inconclusive");
    for told in ["reason", "diagnosis"] {
        let told = suggestion[told].as_str().unwrap();
        assert!(told.contains("he log holds no stack of it") && !told.contains("version"), "{told}");
    }
}

#[test]
fn errors_of_other_languages_are_counted_and_not_worked_on() {
    let till = Till::new();
    let log = till.outside().join("mixed.log");
    let python =
        "Traceback (most recent call last):\n  File \"/app/x.py\", line 3, in f\n    g()\nKeyError: 'x'\n";
    let java = "Exception in thread \"main\" java.lang.IllegalStateException: boom\n\
                \tat com.acme.Shop.main(Shop.java:12)\n\tat com.acme.Shop.pay(Shop.java:19)\n";
    std::fs::write(&log, [python, java, python].concat()).unwrap();
    let output = succeed(&mut fix(&till.repository(), &log));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["suggestions"], serde_json::json!([]));
    assert_eq!(report["other_languages"], serde_json::json!({"java": 1, "python": 2}));
    let mut command = hephaestus();
    command.args(["fix", "--quiet", "--repo"]).arg(till.repository()).arg("--log").arg(&log);
    let output = succeed(&mut command);
    let shown = String::from_utf8_lossy(&output.stdout);
    let told = "errors of other languages, seen and not worked on: 1 of java, 2 of python\n";
    assert!(shown.contains(told), "{shown}");
}

#[test]
fn a_configuration_without_a_source_that_works_here_is_said_so() {
    let till = Till::new();
    let log = till.outside().join("cut.log");
    std::fs::write(&log, "panic: runtime error: index out of range [1] with length 1\n").unwrap();
    let config = till.outside().join("hephaestus.yaml");
    for (kind, warned) in [("recalled", true), ("rule", false)] {
        let strategies = format!("generator: {{fix_strategies: [{{type: {kind}, priority: 1}}]}}\n");
        std::fs::write(&config, strategies).unwrap();
        let output = run(fix(&till.repository(), &log).arg("--config").arg(&config));
        let errors = errors_of(&output);
        assert_eq!(
            errors.contains("does not list `rule`, and nothing else finds a fix here"),
            warned,
            "{errors}"
        );
    }
}

#[test]
fn no_toolchain_or_sandbox_means_no_execution() {
    let till = Till::new();
    let log = till.crash_log();
    let config = till.outside().join("hephaestus.yaml");
    std::fs::write(&config, "repository:\n  go: /nowhere/go\n").unwrap();
    refusal(fix(&till.repository(), &log).arg("--config").arg(&config), &["/nowhere/go", "install Go"]);
    // Bubblewrap is asked for, and there is none.
    std::fs::write(&config, "sandbox:\n  tier: bubblewrap\n").unwrap();
    let no_path = tempfile::tempdir().unwrap();
    let mut command = fix(&till.repository(), &log);
    refusal(command.arg("--config").arg(&config).env("PATH", no_path.path()), &["bubblewrap", "install"]);
}

#[test]
fn a_full_disk_is_refused_before_any_work() {
    let till = Till::new();
    let log = till.crash_log();
    let small = SmallDisk::new(2);
    let output = run(fix(&till.repository(), &log).env("TMPDIR", small.path()));
    let doctor = run(hephaestus().arg("doctor").env("TMPDIR", small.path()));
    let errors = errors_of(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    for words in ["MiB free in", "256 MiB are needed", "TMPDIR"] {
        assert!(errors.contains(words), "{words:?} is not in: {errors}");
    }
    assert_eq!(doctor.status.code(), Some(1));
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(said.contains("missing  scratch") && said.contains("256 MiB are needed"), "{said}");
}

#[test]
fn a_wrong_folder_for_scratch_is_not_blamed_on_the_sandbox() {
    let doctor = run(hephaestus().arg("doctor").env("TMPDIR", "/nowhere"));
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert_eq!(doctor.status.code(), Some(1), "{said}");
    assert!(said.contains("set TMPDIR to a folder that can be written"), "{said}");
    assert!(
        !said.contains("install the package bubblewrap") && !said.contains("CONFIG_SECURITY_LANDLOCK"),
        "{said}"
    );
}

#[test]
fn broken_off_it_leaves_nothing_behind() {
    let till = Till::new();
    let log = till.crash_log();
    let scratch = tempfile::tempdir().unwrap();
    let start = |repository: &Path| {
        let child = fix(repository, &log)
            .env("TMPDIR", scratch.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // The copy is made before anything runs in it.
        let begun = std::time::Instant::now();
        while copies(scratch.path()).is_empty() {
            assert!(begun.elapsed().as_secs() < 60, "no scratch copy was made");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        child
    };
    // Killed, it cannot clean up.
    let mut killed = start(&till.repository());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = copies(scratch.path());
    assert_eq!(left.len(), 1, "{left:?}");

    // The next one does it, and for itself when it is asked to end.
    let ended = start(&till.repository());
    let begun = std::time::Instant::now();
    while copies(scratch.path()).iter().all(|copy| *copy == left[0]) || left[0].exists() {
        assert!(begun.elapsed().as_secs() < 60, "what the killed one left is not removed");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    succeed(Command::new("kill").arg(ended.id().to_string()));
    let output = ended.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{}", errors_of(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("what is done is still told");
    assert_eq!(report["broken_off"], true);
    let [unfinished] = &report["unfinished"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!((&unfinished["class"], &unfinished["count"]), (&"index_out_of_range".into(), &1.into()));
    let left: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The scratch copies in a folder.
fn copies(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("hephaestus-"));
    ours.map(|entry| entry.path()).filter(|path| path.join("tree").exists()).collect()
}
