//! The toolchain that the sandbox is for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hephaestus::sandbox::Ended;

use super::stage::Stage;

const PANIC: &str = "package m\n\nfunc Third(x []int) int { return x[2] }\n";
const TESTS: &str = "package m\n\nimport \"testing\"\n\nfunc TestThird(t *testing.T) {\n\tif Third([]int{1, 2, 3}) != 3 {\n\t\tt.Fatal(\"wrong\")\n\t}\n}\n\nfunc TestNone(t *testing.T) { Third(nil) }\n";

pub(super) async fn works(stage: &Stage) {
    let root = stage.scratch.path();
    fs::write(root.join("go.mod"), "module example.test/m\n\ngo 1.21\n").unwrap();
    fs::write(root.join("m.go"), PANIC).unwrap();
    fs::write(root.join("m_test.go"), TESTS).unwrap();
    fs::create_dir_all(root.join("tmp")).unwrap();
    let cache = cache(stage);

    for (arguments, ended, says) in [
        (&["vet", "./..."][..], Ended::Exited(0), ""),
        (&["build", "-o", "m.a", "."], Ended::Exited(0), ""),
        (&["test", "-run", "TestThird", "."], Ended::Exited(0), "ok  \texample.test/m"),
        (&["test", "-count=1", "."], Ended::Exited(1), "index out of range [2] with length 0"),
        (&["test", "-c", "-o", "m.test", "."], Ended::Exited(0), ""),
    ] {
        let mut job = stage.job(arguments);
        job.program = "go".into();
        job.wall = Duration::from_secs(240);
        job.write.push(cache.clone());
        let root = root.to_str().unwrap();
        job.env = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("HOME", root.to_owned()),
            ("TMPDIR", format!("{root}/tmp")),
            ("GOCACHE", cache.to_str().unwrap().to_owned()),
            ("GOPATH", format!("{root}/path")),
            ("GOTOOLCHAIN", "local".to_owned()),
            ("GOPROXY", "off".to_owned()),
            ("CGO_ENABLED", "0".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec();
        job.read.push(go_root());
        let outcome = stage.sandbox().run(job).await.unwrap();
        assert_eq!(outcome.ended, ended, "{arguments:?}: {outcome:?}");
        assert!(String::from_utf8_lossy(&outcome.stdout).contains(says), "{arguments:?}: {outcome:?}");
    }
    let mut job = stage.job(&["-test.run", "TestThird"]);
    job.program = root.join("m.test");
    assert!(stage.sandbox().run(job).await.unwrap().ended.is_success());
}

fn go_root() -> PathBuf {
    let output = Command::new("go").args(["env", "GOROOT"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// A build cache that is kept between runs of the tests, if this process may write there.
fn cache(stage: &Stage) -> PathBuf {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox-go-cache");
    if stage.tools.is_owned() && fs::create_dir_all(&kept).is_ok() {
        return kept;
    }
    // Another user, who was given a copy.
    stage.tools.dir.join("go-cache")
}
