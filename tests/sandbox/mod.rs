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
