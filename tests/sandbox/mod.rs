//! What code under test cannot reach, in every tier, plainly and as in a restricted pod.

use hephaestus::sandbox::{Config, Ended, Job, Sandbox, TierChoice};

fn config(tier: TierChoice) -> Config {
    Config { tier, launcher: Some(env!("CARGO_BIN_EXE_hephaestus").into()), ..Config::default() }
}

#[tokio::test]
async fn smoke() {
    for tier in [TierChoice::Landlock, TierChoice::Bubblewrap] {
        let sandbox = Sandbox::detect(&config(tier)).unwrap();
        println!("{}", sandbox.tier());
        let dir = tempfile::tempdir().unwrap();
        let mut job = Job::new("sh", dir.path());
        job.args = vec!["-c".into(), "cat; echo out; pwd; echo err >&2; ls -la / /tmp; id; exit 3".into()];
        job.env = vec![("PATH".into(), "/usr/bin:/bin".into())];
        job.stdin = Some(b"hello\n".to_vec());
        let outcome = sandbox.run(job).await.unwrap();
        println!(
            "{}\n{}\n{:?}",
            String::from_utf8_lossy(&outcome.stdout),
            String::from_utf8_lossy(&outcome.stderr),
            outcome.wall
        );
        assert_eq!(outcome.ended, Ended::Exited(3));
    }
}

#[tokio::test]
async fn go_works() {
    for tier in [TierChoice::Landlock, TierChoice::Bubblewrap] {
        let sandbox = Sandbox::detect(&config(tier)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let d = dir.path().display().to_string();
        std::fs::write(dir.path().join("go.mod"), "module example.test/m\n\ngo 1.21\n").unwrap();
        std::fs::write(dir.path().join("m.go"), "package m\n\nfunc F(x []int) int { return x[3] }\n")
            .unwrap();
        std::fs::write(dir.path().join("m_test.go"), "package m\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) { if F([]int{1,2,3,4}) != 4 { t.Fatal() } }\nfunc TestG(t *testing.T) { F(nil) }\n").unwrap();
        for sub in ["tmp", "cache", "path"] {
            std::fs::create_dir(dir.path().join(sub)).unwrap();
        }
        for args in [
            &["build", "./..."][..],
            &["vet", "./..."],
            &["test", "-c", "-o", "x.test"],
            &["test", "-run", "TestF", "./..."],
            &["test", "./..."],
            &["test", "-race", "-run", "TestF", "./..."],
        ] {
            let mut job = Job::new("/usr/local/go/bin/go", dir.path());
            job.args = args.iter().map(Into::into).collect();
            job.wall = std::time::Duration::from_secs(300);
            job.env = [
                ("PATH", "/usr/local/go/bin:/usr/bin:/bin".to_owned()),
                ("HOME", d.clone()),
                ("TMPDIR", format!("{d}/tmp")),
                ("GOCACHE", format!("{d}/cache")),
                ("GOPATH", format!("{d}/path")),
                ("GOFLAGS", "-mod=mod".into()),
                ("GOTOOLCHAIN", "local".into()),
                ("GOPROXY", "off".into()),
                ("GOTELEMETRY", "off".into()),
                ("CGO_ENABLED", if args.contains(&"-race") { "1" } else { "0" }.to_owned()),
            ]
            .map(|(a, b)| (a.to_owned(), b))
            .to_vec();
            let outcome = sandbox.run(job).await.unwrap();
            println!(
                "{} {args:?} {:?} {:?} cpu {:?} mem {}\n{}{}",
                sandbox.tier(),
                outcome.ended,
                outcome.wall,
                outcome.cpu,
                outcome.peak_memory_bytes >> 20,
                String::from_utf8_lossy(&outcome.stdout),
                String::from_utf8_lossy(&outcome.stderr)
            );
        }
    }
}
