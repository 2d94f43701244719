//! Programs that want too much, and programs that stay too long.

use std::time::{Duration, Instant};

use hephaestus::sandbox::{Ended, Limits};

use super::stage::Stage;

const MIB: u64 = 1 << 20;

pub(super) async fn is_bounded(stage: &Stage) {
    limits_hold(stage).await;
    a_larger_file_is_refused(stage).await;
    nothing_outlives_its_job(stage).await;
    dropping_kills(stage).await;
}

async fn limits_hold(stage: &Stage) {
    let memory = Limits { memory_bytes: Some(256 * MIB), ..Limits::default() };
    let processes = Limits { processes: Some(30), ..Limits::default() };
    let output = Limits { output_bytes: Some(64 << 10), ..Limits::default() };
    let disk = Limits { disk_bytes: Some(64 * MIB), ..Limits::default() };
    for (name, limits, ended) in [
        ("hog", memory, Ended::OutOfMemory),
        ("orphan", memory, Ended::OutOfMemory),
        ("fork", processes, Ended::TooManyProcesses),
        ("threads", processes, Ended::TooManyProcesses),
        ("print", output, Ended::TooMuchOutput),
        ("fill", disk, Ended::TooMuchDisk),
        ("spin", Limits::default(), Ended::TimedOut),
        ("sleep", Limits::default(), Ended::TimedOut),
    ] {
        let mut job = stage.job(&[name]);
        let quick = ended == Ended::TimedOut;
        job.wall = Duration::from_secs(if quick { 1 } else { 60 });
        job.limits = limits;
        let outcome = stage.sandbox().run(job).await.unwrap();
        assert_eq!(outcome.ended, ended, "{name}: {outcome:?}");
        assert!(outcome.wall < Duration::from_secs(if quick { 8 } else { 40 }), "{name}: {:?}", outcome.wall);
        match name {
            "hog" | "orphan" => assert!(outcome.peak_memory_bytes > 256 * MIB),
            "print" => assert!(outcome.truncated && outcome.stdout.len() < 65 << 10),
            // How much of a second it gets is a matter of what else runs.
            "spin" => assert!(outcome.cpu > Duration::from_millis(20), "{:?}", outcome.cpu),
            _ => {}
        }
        assert_eq!(probes_running(stage), 0, "{name} is still running");
    }
}

async fn a_larger_file_is_refused(stage: &Stage) {
    assert!(stage.inside(&["large"]).await.ended.is_success());
    let mut job = stage.job(&["large"]);
    job.limits.file_bytes = Some(MIB);
    let outcome = stage.sandbox().run(job).await.unwrap();
    assert!(!outcome.ended.is_success(), "{outcome:?}");
    assert!(std::fs::metadata(stage.scratch.path().join("large")).unwrap().len() <= MIB);
}

async fn nothing_outlives_its_job(stage: &Stage) {
    let sign = stage.scratch.path().join("sign");
    let arguments = ["daemon", sign.to_str().unwrap()];
    stage.outside(&arguments);
    wait_until("the daemon to show itself outside", || sign.exists());
    std::fs::remove_file(&sign).unwrap();

    assert!(stage.inside(&arguments).await.ended.is_success());
    assert_eq!(probes_running(stage), 0);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!sign.exists(), "the daemon outlived its job");
}

async fn dropping_kills(stage: &Stage) {
    let sandbox = stage.sandbox();
    let run = sandbox.run(stage.job(&["family"]));
    let all_there = async {
        // The probe and its three children; other processes of the job may be seen with them.
        while probes_running(stage) < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        outcome = run => panic!("it sleeps for an hour: {outcome:?}"),
        () = all_there => {}
    }
    wait_until("the dropped job to be gone", || probes_running(stage) == 0);
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(10), "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Probes that run in this stage's scratch directory, in whatever namespace.
fn probes_running(stage: &Stage) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|process| {
            let cwd = std::fs::read_link(process.path().join("cwd"));
            cwd.is_ok_and(|cwd| cwd == stage.scratch.path())
        })
        .count()
}
