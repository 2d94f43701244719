//! Code that builds where it runs, but not as it lies here: without a `go.mod`, as it was before modules, or
//! with requirements that were never downloaded.

use super::soundness::{Trial, judged};
use crate::harness::{errors_of, go, run};

const SHARE: &str = "package split\n\nimport \"example.com/lib/count\"\n\n// Share is the part of one of n in total.\nfunc Share(total, n int) (int, error) {\n\treturn count.Half(total) / n, nil\n}\n";
const LIB: &str = "package count\n\n// Half is half of n.\nfunc Half(n int) int { return n / 2 }\n";
const TEST: &str = "package split_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/split\"\n)\n\nfunc TestShare(t *testing.T) {\n\tif got, _ := split.Share(12, 3); got != 2 {\n\t\tt.Fatal(got)\n\t}\n}\n";
const ASKS: &str = "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/split\"\n)\n\nfunc main() {\n\tfmt.Println(split.Share(10, 0))\n}\n";

/// It lay in a GOPATH where the log was written, and what it needs in `vendor`.
#[test]
fn code_of_the_time_before_modules_is_mended() {
    let share = SHARE.replace("example.com/lib/count", "gopkg.in/count.v2");
    let trial = Trial::new(&[
        ("split.go", share.as_str()),
        ("split_test.go", TEST),
        ("vendor/gopkg.in/count.v2/count.go", LIB),
        ("cmd/run/main.go", ASKS),
    ]);
    std::fs::remove_file(trial.repository().join("go.mod")).unwrap();
    let gopath = tempfile::tempdir().unwrap();
    let place = gopath.path().join("src/example.com/split");
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::rename(trial.repository(), &place).unwrap();
    let output = run(go()
        .args(["run", "example.com/split/cmd/run"])
        .current_dir(&place)
        .env("GO111MODULE", "off")
        .env("GOPATH", gopath.path()));
    std::fs::rename(&place, trial.repository()).unwrap();
    let log = errors_of(&output);
    assert!(log.contains("integer divide by zero"), "{log}");

    let suggestion = &trial.fix_log(&log)[0];
    assert_eq!(judged(suggestion), ("proven", None), "{suggestion:#}");
    let patch = suggestion["patch"].as_str().unwrap();
    assert!(
        patch.contains("+++ b/split.go") && !patch.contains("go.mod") && !patch.contains("vendor"),
        "{patch}"
    );
}

/// Go looks into such a `vendor` folder only where it is told to.
#[test]
fn what_was_vendored_before_go_1_14_is_found() {
    let trial = Trial::new(&[
        ("split.go", SHARE),
        ("split_test.go", TEST),
        ("vendor/example.com/lib/count/count.go", LIB),
        ("vendor/modules.txt", "# example.com/lib v1.0.0\nexample.com/lib/count\n"),
        ("cmd/run/main.go", ASKS),
    ]);
    let requires = "module example.com/split\n\ngo 1.13\n\nrequire example.com/lib v1.0.0\n";
    std::fs::write(trial.repository().join("go.mod"), requires).unwrap();
    let mut program = go();
    let output = run(program.args(["run", "-mod=vendor", "./cmd/run"]).current_dir(trial.repository()));
    let log = errors_of(&output);
    assert!(log.contains("integer divide by zero"), "{log}");
    let suggestion = &trial.fix_log(&log)[0];
    assert_eq!(judged(suggestion), ("proven", None), "{suggestion:#}");
    assert_eq!(std::fs::read_to_string(trial.repository().join("go.mod")).unwrap(), requires);
}

/// A module that is not on this machine stands only in the way of packages that need it.
#[test]
fn a_module_that_was_never_downloaded_hinders_only_who_needs_it() {
    let requires = "module example.com/split\n\ngo 1.21\n\nrequire example.com/far v1.2.3\n";
    let share = SHARE.replace("example.com/lib/count", "example.com/split/count");
    let files = [("split.go", share.as_str()), ("count/count.go", LIB), ("cmd/run/main.go", ASKS)];
    let trial = Trial::new(&files);
    let log = trial.crash();
    std::fs::write(trial.repository().join("go.mod"), requires).unwrap();
    let other = "package other\n\nimport _ \"example.com/far/away\"\n";
    std::fs::create_dir(trial.repository().join("other")).unwrap();
    std::fs::write(trial.repository().join("other/other.go"), other).unwrap();
    // Who uses the package works with the other one too, which the search would look at for values.
    let user = "package user\n\nimport (\n\t_ \"example.com/split\"\n\t_ \"example.com/split/other\"\n)\n";
    std::fs::create_dir(trial.repository().join("user")).unwrap();
    std::fs::write(trial.repository().join("user/user.go"), user).unwrap();
    let suggestion = &trial.fix_log(&log)[0];
    assert_eq!(judged(suggestion), ("proven", None), "{suggestion:#}");
    assert_eq!(std::fs::read_to_string(trial.repository().join("go.mod")).unwrap(), requires);

    let needs = share.replace("import ", "import _ \"example.com/far/away\"\nimport ");
    std::fs::write(trial.repository().join("split.go"), needs).unwrap();
    let suggestion = &trial.fix_log(&log)[0];
    assert_eq!(suggestion["verdict"], "inconclusive");
    let reason = suggestion["reason"].as_str().unwrap();
    assert!(reason.contains("example.com/far") && reason.contains("go mod download"), "{reason}");
}
