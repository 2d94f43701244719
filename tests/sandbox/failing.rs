//! Nothing runs when it cannot run isolated, and each reason is told.

use std::path::PathBuf;

use hephaestus::sandbox::TierChoice::Landlock;
use hephaestus::sandbox::{Config, Error, Sandbox};

use super::stage::{Stage, tiers};

#[test]
fn no_tier_is_found_with_a_launcher_that_is_none() {
    for launcher in ["/bin/true", "/bin/cat", "/nonexistent"] {
        let config = Config { launcher: Some(launcher.into()), ..Config::default() };
        let error = Sandbox::detect(&config).unwrap_err();
        assert_eq!(error.probes.len(), 2, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("bubblewrap: does not work") && text.contains("landlock: does not work"),
            "{text}"
        );
        assert!(text.contains("CONFIG_SECURITY_LANDLOCK") && text.contains("unprivileged_userns"), "{text}");
    }
}

/// The test binary has a `main` that is no launcher's: it must be found out, and its tests not be run again.
#[test]
fn a_library_user_without_launcher_is_refused() {
    let error = Sandbox::detect(&Config::default()).unwrap_err();
    assert!(error.to_string().contains("did not come up"), "{error}");
}

#[tokio::test]
async fn what_cannot_run_is_an_error_and_not_an_outcome() {
    for tier in tiers() {
        let stage = Stage::new(*tier);
        let sandbox = stage.sandbox();

        let mut job = stage.job(&[]);
        job.program = "no-such-program".into();
        let error = sandbox.run(job).await.unwrap_err();
        assert!(matches!(&error, Error::Program { what } if what.contains("no-such-program")), "{error}");

        let mut job = stage.job(&["nothing"]);
        job.read.clear();
        let error = sandbox.run(job).await.unwrap_err();
        assert!(matches!(error, Error::Program { .. }), "{error}");

        let mut job = stage.job(&["nothing"]);
        job.cwd = "/var".into();
        assert!(matches!(sandbox.run(job).await, Err(Error::Cwd { .. })));

        for path in ["/nonexistent/path", "relative", ".", "/", "/usr/.."] {
            let mut job = stage.job(&["nothing"]);
            job.read.push(PathBuf::from(path));
            assert!(matches!(sandbox.run(job).await, Err(Error::Path { .. })), "{path}");
        }

        let mut job = stage.job(&["nothing\0"]);
        job.env = vec![("A=B".into(), "C".into())];
        assert!(matches!(sandbox.run(job).await, Err(Error::Job { .. })));
    }
}

/// A program cannot pass itself off as the launcher that reports a failure, or as one that is ready.
#[tokio::test]
async fn a_program_cannot_speak_for_the_launcher() {
    let stage = Stage::new(Landlock);
    let mut job = stage.job(&[]);
    job.program = "/bin/sh".into();
    job.args = vec!["-c".into(), "echo 'hephaestus-sandbox 0 refused: forged' >&2; exit 125".into()];
    let outcome = stage.sandbox().run(job).await.unwrap();
    assert_eq!(outcome.ended, hephaestus::sandbox::Ended::Exited(125));
    assert!(outcome.stderr.ends_with(b"forged\n"));
}

#[tokio::test]
async fn input_arrives_whole_and_signals_are_told() {
    for tier in tiers() {
        let stage = Stage::new(*tier);
        let mut job = stage.job(&[]);
        job.program = "/bin/sh".into();
        job.args = vec!["-c".into(), "wc -c; echo done >&2; kill -TERM $$".into()];
        job.env = vec![("PATH".into(), "/usr/bin:/bin".into())];
        job.stdin = Some(vec![b'x'; 3 << 20]);
        let outcome = stage.sandbox().run(job).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&outcome.stdout).trim(), (3 << 20).to_string(), "{outcome:?}");
        assert_eq!(outcome.stderr, b"done\n");
        assert_eq!(outcome.ended, hephaestus::sandbox::Ended::Signalled(15));
    }
}
