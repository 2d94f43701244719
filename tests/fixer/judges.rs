//! The fixer against judges it never sees: each judge is a Go test of *correct behaviour* that is laid
//! beside a patched copy of the module.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::harness::{copy_folder, errors_of, go, hephaestus, project, run, succeed};

/// One latent defect and the test that tells whether it was mended rightly.
#[derive(Debug, Deserialize)]
struct Judge {
    defect: String,
    class: String,
    function: String,
    package: Option<PathBuf>,
    file: Option<PathBuf>,
    test: Option<String>,
    expect: Expectation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expectation {
    Proven,
    Plausible,
    Operational,
}

/// A module, its judges, and what the fixer made of its logs.
struct Case {
    module: PathBuf,
    judges: PathBuf,
    report: Value,
}

impl Case {
    fn run(module: PathBuf, judges: PathBuf, logs: &[PathBuf]) -> Self {
        let before = snapshot(&module);
        let mut command = hephaestus();
        command.args(["fix", "--format", "json", "--repo"]).arg(&module);
        for log in logs {
            command.arg("--log").arg(log);
        }
        let output = run(&mut command);
        assert_eq!(output.status.code(), Some(0), "{}", errors_of(&output));
        assert_eq!(snapshot(&module), before, "without --apply nothing in the repository changes");
        let report = serde_json::from_slice(&output.stdout).expect("one JSON object");
        Self { module, judges, report }
    }

    fn judges(&self) -> Vec<Judge> {
        let text = std::fs::read_to_string(self.judges.join("judges.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn suggestions(&self) -> &Vec<Value> {
        self.report["suggestions"].as_array().unwrap()
    }

    /// The suggestion for a defect: the one of its class in whose stack its function stands first of all.
    fn suggestion(&self, judge: &Judge) -> Option<&Value> {
        let function = judge.function.rsplit('/').next().unwrap_or_default();
        let function = function.split_once('.').map_or(function, |(_, function)| function);
        let of_class = |value: &&Value| value["class"] == judge.class.as_str();
        let mut all = self.suggestions().iter().filter(of_class);
        if judge.class == "logged_error" {
            return all.next();
        }
        let is_it = |place: &Value| {
            let place = place["function"].as_str().unwrap_or_default();
            place == function || place.starts_with(&format!("{function}."))
        };
        all.filter_map(|value| Some((value["locations"].as_array()?.iter().position(is_it)?, value)))
            .min_by_key(|(at, _)| *at)
            .map(|(_, value)| value)
    }

    /// Whether a judge is satisfied with a patch; the reason why not.
    fn judge(&self, judge: &Judge, patch: Option<&str>) -> Result<(), String> {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(&self.module, copy.path());
        if let Some(patch) = patch {
            let file = copy.path().join("fix.patch");
            std::fs::write(&file, patch).unwrap();
            succeed(
                std::process::Command::new("git")
                    .args(["apply", "--unsafe-paths", "fix.patch"])
                    .current_dir(copy.path()),
            );
            std::fs::remove_file(file).unwrap();
        }
        let (Some(package), Some(file), Some(test)) = (&judge.package, &judge.file, &judge.test) else {
            panic!("{} has no judge", judge.defect);
        };
        let package = copy.path().join(package);
        std::fs::copy(self.judges.join(file), package.join(file.file_name().unwrap())).unwrap();
        let pattern = format!("^{test}$");
        let output = run(go().args(["test", "-count=1", "-run", &pattern, "."]).current_dir(&package));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let ran = !text.contains("no tests to run");
        if output.status.success() && ran { Ok(()) } else { Err(format!("{text}{}", errors_of(&output))) }
    }

    /// Every proven fix must satisfy its judge; gives how many did.
    fn proven_and_right(&self) -> usize {
        let mut right = 0;
        let (mut table, mut wrong) = (Vec::new(), Vec::new());
        for judge in self.judges() {
            if judge.expect == Expectation::Operational {
                continue;
            }
            let Some(suggestion) = self.suggestion(&judge) else {
                table.push(format!("{}: not found in the log", judge.defect));
                continue;
            };
            let verdict = suggestion["verdict"].as_str().unwrap();
            let judged = suggestion["patch"].as_str().map(|patch| self.judge(&judge, Some(patch)));
            table.push(format!("{}: {verdict}, judge: {judged:?}", judge.defect));
            let satisfied = judged == Some(Ok(()));
            right += usize::from(verdict == "proven" && satisfied);
            if verdict == "proven" && (!satisfied || judge.expect != Expectation::Proven) {
                wrong.push(judge.defect);
            }
        }
        // Shown when a test fails, or with --nocapture.
        println!("{}", table.join("\n"));
        assert!(wrong.is_empty(), "called proven, but the judge says otherwise: {wrong:?}");
        right
    }
}

/// Every file of a folder and its contents.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            let contents = std::fs::read(&path).unwrap();
            files.insert(path, contents);
        }
    }
    files
}

/// A copy of a module outside this project.
fn copied_out(module: &Path, to: &Path) -> PathBuf {
    let root = to.join("module");
    copy_folder(module, &root);
    root
}

#[test]
fn every_judge_fails_on_the_code_as_it_is() {
    for (module, judges) in [
        ("examples/shop", "tests/fixer/shop_judges"),
        ("tests/fixer/cases/gridcalc/module", "tests/fixer/cases/gridcalc/judges"),
    ] {
        let case =
            Case { module: project().join(module), judges: project().join(judges), report: Value::Null };
        for judge in case.judges() {
            if judge.expect != Expectation::Operational {
                assert!(case.judge(&judge, None).is_err(), "{} does not judge anything", judge.defect);
            }
        }
    }
}

#[test]
fn the_shop_is_mended_as_its_judges_want() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    succeed(std::process::Command::new("bash").arg(project().join("examples/demo/traffic.sh")).arg(&logs));
    let module = copied_out(&project().join("examples/shop"), folder.path());
    let case = Case::run(
        module,
        project().join("tests/fixer/shop_judges"),
        &[logs.join("shop.log"), logs.join("shop.err")],
    );

    let expected: BTreeMap<String, u64> =
        serde_json::from_slice(&std::fs::read(logs.join("expected.json")).unwrap()).unwrap();
    for judge in case.judges() {
        let of_class = |value: &&Value| value["class"] == judge.class.as_str();
        let found = match judge.expect {
            Expectation::Operational => case.report["operational"].as_array().unwrap().iter().find(of_class),
            _ => case.suggestion(&judge),
        };
        let found = found.unwrap_or_else(|| panic!("{} is not found", judge.defect));
        assert_eq!(
            found["count"].as_u64(),
            expected.get(&judge.defect).copied(),
            "count of {}",
            judge.defect
        );
    }
    let operational = case.report["operational"].as_array().unwrap();
    assert_eq!(operational.len(), 1, "one operational failure, without a patch: {operational:?}");
    assert!(case.proven_and_right() >= 6, "at least six defects are proven and right");
}

#[test]
fn the_same_rules_mend_a_module_of_another_shape() {
    let folder = tempfile::tempdir().unwrap();
    let root = project().join("tests/fixer/cases/gridcalc");
    let logs = folder.path().join("logs");
    succeed(std::process::Command::new("bash").arg(root.join("produce.sh")).arg(&logs));
    let module = copied_out(&root.join("module"), folder.path());
    let case = Case::run(module, root.join("judges"), &[logs.join("gridcalc.log")]);
    assert!(case.proven_and_right() >= 3, "at least three defects are proven and right");
}
