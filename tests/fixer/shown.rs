//! What a person sees of `hephaestus fix`: findings as they are done, what was tried, what was written and
//! how it is taken back.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::module::{BASKET, Till};
use crate::harness::{CACHE, errors_of, go, go_cache, hephaestus, run, succeed};

/// A till with a second defect in the file of the first, and the log of both.
pub(super) fn two_defects(till: &Till) -> PathBuf {
    let basket = till.repository().join("basket/basket.go");
    let text = std::fs::read_to_string(&basket).unwrap();
    let second = "\n// Share returns what each of so many people pays.\nfunc Share(total, people int) (int, error) {\n\
                  \tif total < 0 {\n\t\treturn 0, ErrUnknown\n\t}\n\treturn total / people, nil\n}\n";
    till.write("basket/basket.go", &(text + second));
    till.write(
        "main.go",
        "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\n\t\"example.com/till/basket\"\n)\n\nfunc main() {\n\
         \tif len(os.Args) > 1 {\n\t\tfmt.Println(basket.Share(10, len(os.Args)-2))\n\t\treturn\n\t}\n\
         \tfmt.Println(basket.Last(os.Args[1:]))\n}\n",
    );
    let mut log = Vec::new();
    for arguments in [&["run", "."][..], &["run", ".", "share"]] {
        log.extend(run(go().args(arguments).current_dir(till.repository())).stderr);
    }
    let path = till.outside().join("both.log");
    std::fs::write(&path, &log).unwrap();
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains("integer divide by zero") && log.contains("index out of range [-1]"), "{log}");
    path
}

pub(super) fn fix(till: &Till, log: &std::path::Path) -> Command {
    let mut command = hephaestus();
    command.args(["fix", "--repo"]).arg(till.repository()).arg("--log").arg(log);
    command
}

fn git(till: &Till, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(arguments);
    let output = succeed(command.current_dir(till.repository()));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that is told to a person, from wherever that person stands.
pub(super) fn run_pasted(command: &str) {
    succeed(Command::new("sh").args(["-c", command]).current_dir("/"));
}

/// The command that is told to take back what was applied.
pub(super) fn undo_command(shown: &str) -> String {
    let (_, rest) = shown.split_once("to undo:\n  ").expect(shown);
    rest.lines().next().unwrap().to_owned()
}

/// Takes back what was applied to the basket: it was written, and is as it was afterwards.
pub(super) fn take_back(till: &Till, command: &str) {
    let basket = till.repository().join("basket/basket.go");
    assert_ne!(std::fs::read_to_string(&basket).unwrap(), BASKET);
    run_pasted(command);
    assert_eq!(std::fs::read_to_string(&basket).unwrap(), BASKET);
}

/// Works on two defects at once: that of the basket, and one of another repository, which is done long before.
pub(super) fn fix_beside_another(till: &Till) -> Command {
    let crash = std::fs::read_to_string(till.crash_log()).unwrap();
    let elsewhere = "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nelsewhere/store.Put(0x1)\n\
                     \t/src/elsewhere/store/store.go:7 +0x1d\nmain.main()\n\t/src/elsewhere/main.go:9 +0x1d\n\
                     exit status 2\n";
    let path = till.outside().join("two.log");
    std::fs::write(&path, [&crash, elsewhere, &crash].concat()).unwrap();
    let config = till.outside().join("hephaestus.yaml");
    std::fs::write(&config, "fixer: {parallel: 2}\n").unwrap();
    let mut command = fix(till, &path);
    command.arg("--config").arg(config);
    command
}

#[test]
fn two_fixes_of_one_file_are_both_written_and_taken_back() {
    let till = Till::new();
    let log = two_defects(&till);
    git(&till, &["init", "-q"]);
    git(&till, &["add", "."]);
    git(&till, &["commit", "-qm", "as it is"]);
    let output = run(fix(&till, &log).args(["--apply", "-v"]));
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), errors_of(&output));
    assert_eq!(output.status.code(), Some(0), "{shown}{errors}");
    for words in [
        "2 code defects: 2 proven, 0 plausible, 0 rejected, 0 inconclusive; 0 operational\n",
        "applied: index out of range in basket.Last, to basket/basket.go",
        "applied: divide by zero in basket.Share, to basket/basket.go",
        "each was proven alone: run your tests",
        "this test is not written",
        "func Test",
    ] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
    assert!(!errors.contains("not committed"), "{errors}");
    assert!(
        shown.lines().filter(|line| line.starts_with("  evidence ")).all(|line| line.chars().count() <= 100)
    );
    for argument in ["", "share"] {
        let arguments = ["run", ".", argument];
        let arguments = &arguments[..if argument.is_empty() { 2 } else { 3 }];
        succeed(go().args(arguments).current_dir(till.repository()));
    }
    let undo = undo_command(&shown);
    assert!(undo.contains(CACHE), "tests leave nothing among what a developer keeps: {undo}");
    run_pasted(&undo);
    assert_eq!(git(&till, &["status", "--porcelain"]), "");
}

/// A number that means nothing stands for a division by zero where no error can be told.
#[test]
fn a_fix_that_may_mask_is_called_so_wherever_its_verdict_stands_and_never_proven() {
    let till = Till::new();
    till.write(
        "basket/share.go",
        "package basket\n\n// Share returns what each of so many people pays.\nfunc Share(total, people int) int {\n\
         \treturn total / people\n}\n",
    );
    till.write(
        "main.go",
        "package main\n\nimport (\n\t\"os\"\n\n\t\"example.com/till/basket\"\n)\n\nfunc main() {\n\
         \tprintln(basket.Share(10, len(os.Args)-1))\n}\n",
    );
    let log = till.outside().join("share.log");
    std::fs::write(&log, run(go().args(["run", "."]).current_dir(till.repository())).stderr).unwrap();
    let output = run(&mut fix(&till, &log));
    assert_eq!(output.status.code(), Some(1), "nothing is proven");
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), errors_of(&output));
    for words in [
        "  verdict      plausible, may mask in ",
        "  may mask     With this patch the crash goes, but its cause may stay",
        "1 code defect: 0 proven, 1 plausible (1 may mask), 0 rejected, 0 inconclusive; 0 operational\n",
    ] {
        assert!(shown.contains(words), "{words:?} is not in {shown}{errors}");
    }
    assert!(errors.contains("[1/1] divide by zero in basket.Share: plausible, may mask ("), "{errors}");
}

#[test]
fn changes_that_are_not_committed_are_warned_about() {
    let till = Till::new();
    let log = till.crash_log();
    git(&till, &["init", "-q"]);
    git(&till, &["add", "main.go"]);
    git(&till, &["commit", "-qm", "without the basket"]);
    // It is about what the user has: nothing silences it.
    let output = succeed(fix(&till, &log).args(["--apply", "--format", "json", "-q"]));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let uncommitted = serde_json::json!({"kind": "git", "uncommitted": ["basket/basket.go"]});
    assert_eq!(report["work_tree"], uncommitted, "{report}");
    let errors = errors_of(&output);
    assert!(errors.contains("warning: basket/basket.go had changes that are not committed"), "{errors}");
    assert_eq!(report["applied"][0]["files"], serde_json::json!(["basket/basket.go"]));
    // It is taken back without those changes.
    take_back(&till, report["undo"].as_str().unwrap());
}

/// The README's recipe, below the root of git's work tree, where `git apply` alone passes over every file.
#[test]
fn a_patch_is_taken_by_hand_below_the_root_of_the_work_tree() {
    let till = Till::new();
    let log = till.crash_log();
    succeed(Command::new("git").args(["init", "-q"]).current_dir(till.outside()));
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, recipe) = readme.split_once("$ hephaestus fix --repo . --log app.err --format json").unwrap();
    let (_, recipe) = recipe.split_once("\n$ ").unwrap();
    let (recipe, _) = recipe.split_once("\n```").unwrap();
    let (_, apply) = recipe.split_once("findings.json |\n").unwrap();
    let help = String::from_utf8(succeed(hephaestus().args(["fix", "--help"])).stdout).unwrap();
    assert!(recipe.lines().all(|line| help.contains(line.trim())), "{recipe} is not in {help}");
    let output = succeed(fix(&till, &log).args(["--format", "json"]));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let patch = till.outside().join("one.patch");
    std::fs::write(&patch, report["suggestions"][0]["patch"].as_str().unwrap()).unwrap();
    for (back, mended) in [("", true), (" -R", false)] {
        let command = format!("{}{back} < '{}'", apply.trim(), patch.display());
        succeed(Command::new("sh").args(["-c", &command]).current_dir(till.repository()));
        let now = std::fs::read_to_string(till.repository().join("basket/basket.go")).unwrap();
        assert_eq!(now != BASKET, mended, "{command}: {now}");
    }
}

#[test]
fn what_was_applied_is_told_though_the_report_cannot_be_printed() {
    let till = Till::new();
    let log = till.crash_log();
    for format in ["json", "text"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = run(fix(&till, &log).args(["--apply", "--format", format]).stdout(full));
        let errors = errors_of(&output);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains("cannot write to standard output"), "{errors}");
        assert!(
            errors.contains("applied: index out of range in basket.Last, to basket/basket.go"),
            "{errors}"
        );
        take_back(&till, &undo_command(&errors));
    }
}

#[test]
fn nothing_is_applied_that_could_not_be_taken_back() {
    let till = Till::new();
    let log = till.crash_log();
    let cache = till.outside().join("cache/hephaestus");
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(cache.join("undo"), "in the way").unwrap();
    // A build cache that is filled already.
    let config = till.outside().join("hephaestus.yaml");
    std::fs::write(&config, format!("repository: {{go_cache: {}}}\n", go_cache().display())).unwrap();
    let mut command = fix(&till, &log);
    command.arg("--apply").arg("--config").arg(&config).env("XDG_CACHE_HOME", cache.parent().unwrap());
    let output = run(&mut command);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}{}", errors_of(&output));
    assert!(shown.contains("not applied: index out of range in basket.Last: the patch that"), "{shown}");
    assert!(!shown.contains("to undo"), "{shown}");
    assert_eq!(std::fs::read_to_string(till.repository().join("basket/basket.go")).unwrap(), BASKET);
}

#[test]
fn what_is_done_is_printed_at_once_and_kept_at_a_signal() {
    let till = Till::new();
    let log = two_defects(&till);
    let config = till.outside().join("hephaestus.yaml");
    std::fs::write(&config, "fixer: {parallel: 1}\n").unwrap();
    let mut child = fix(&till, &log)
        .arg("--config")
        .arg(&config)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (mut shown, mut line) = (String::new(), String::new());
    while !line.starts_with("  verdict") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "it ended without a verdict: {shown}");
        shown.push_str(&line);
    }
    assert!(child.try_wait().unwrap().is_none(), "the first is shown before the second is done");
    assert!(shown.starts_with("1. index out of range in basket.Last"), "{shown}");
    succeed(Command::new("kill").arg("-INT").arg(child.id().to_string()));
    output.read_to_string(&mut shown).unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{shown}{errors}");
    for words in [
        "2 code defects: 1 proven, 0 plausible, 0 rejected, 0 inconclusive, 1 not worked out; 0 operational",
        "not worked out: 2. divide by zero in basket.Share, seen once: broken off while ",
    ] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
    assert!(errors.contains("broken off by SIGINT"), "{errors}");
}

/// A defect of another repository is done at once, long before the one that stands first.
#[test]
fn a_finding_bears_the_number_of_its_progress() {
    let till = Till::new();
    let output = succeed(&mut fix_beside_another(&till));
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), errors_of(&output));
    let is_heading = |line: &&str| line.starts_with("1. ") || line.starts_with("2. ");
    let headings: Vec<_> = shown.lines().filter(is_heading).collect();
    // In the order of the numbers, though the second was done first.
    assert_eq!(
        headings,
        ["1. index out of range in basket.Last", "2. nil map write in store.Put"],
        "{shown}{errors}"
    );
    let done = |number: usize| errors.rfind(&format!("[{number}/2] "));
    assert!(done(2) < done(1), "{errors}");
    assert!(errors.contains("[1/2] index out of range in basket.Last: begun\n"), "{errors}");
    for heading in headings {
        let (number, title) = heading.split_once(". ").unwrap();
        assert!(errors.contains(&format!("[{number}/2] {title}: ")), "{heading}: {errors}");
    }
}

#[test]
fn a_patch_that_could_not_be_judged_to_the_end_is_shown() {
    let till = Till::new();
    let log = till.crash_log();
    till.write("basket/other_test.go", "package basket\n\nvar missing = nothing\n");
    let output = run(fix(&till, &log).arg("-q"));
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("tried ") && shown.contains("+++ b/basket/basket.go"), "{shown}");
    assert!(shown.contains("could not be judged to the end"), "{shown}");
    assert_eq!(errors_of(&output), "", "-q silences the progress");
}

/// An access line is no place in the code: only the crash is worked on.
#[test]
fn failed_requests_of_an_access_log_are_counted_and_not_mended() {
    let till = Till::new();
    let crash = std::fs::read(till.crash_log()).unwrap();
    // Nothing is run, so that it takes no time.
    till.write("basket/more.go", "package basket\n\nvar broken int = \"text\"\n");
    // The route of the line, which this did not write.
    till.write("routes.go", "package main\n\nfunc init() { println(\"/v1/orders/\") }\n");
    let access =
        |id| format!("[GIN] 2024/05/01 - 10:00:01 | 500 | 1.2ms | 10.0.0.7 | GET \"/v1/orders/{id}\"\n");
    let path = till.outside().join("gin.log");
    std::fs::write(&path, [access(9).into_bytes(), access(10).into_bytes(), crash].concat()).unwrap();
    let output = run(fix(&till, &path).args(["--format", "json"]));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let classes = |list: &str| -> Vec<String> {
        let list = report[list].as_array().unwrap().iter();
        list.map(|finding| finding["class"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(classes("suggestions"), ["index_out_of_range"], "{report}");
    assert_eq!(classes("operational"), ["failed_request"], "{report}");
    let failed = &report["operational"][0];
    assert_eq!((&failed["count"], &failed["locations"]), (&2.into(), &serde_json::json!([])), "{failed}");
    assert!(failed["remedy"].as_str().unwrap().contains("log the error"), "{failed}");
}

#[test]
fn an_error_of_standard_output_names_it() {
    let till = Till::new();
    let log = till.outside().join("healthy.log");
    std::fs::write(&log, "all is well\n").unwrap();
    for mut command in [fix(&till, &log), hephaestus()] {
        if command.get_args().next().is_none() {
            command.args(["config", "defaults"]);
        }
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = run(command.stdout(full));
        assert_eq!(output.status.code(), Some(2));
        let errors = errors_of(&output);
        assert!(errors.contains("cannot write to standard output: No space left"), "{errors}");
    }
}
