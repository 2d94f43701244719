//! Hephaestus inside another program: what goes in by each of its ways comes out counted, while it runs and
//! when it has ended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use hephaestus::Hephaestus;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::fixer::module::Till;
use crate::harness::{go, project, succeed};

/// How long what must happen may take.
const PATIENCE: Duration = Duration::from_secs(60);

const CRASH: &str = "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nexample.com/shop/stock.Hold(...)\n\t/app/stock/hold.go:12\nmain.main()\n\t/app/main.go:7 +0x1d\n";
const CRASHED: &str = "nil map write in stock.Hold";

fn error(message: &str) -> String {
    format!("{{\"level\":\"error\",\"msg\":\"{message}\"}}\n")
}

/// An instance that mends nothing.
async fn start(state: &Path) -> Hephaestus {
    Hephaestus::builder().unwrap().state_dir(state).service_name("shop").start().await.unwrap()
}

fn counts(hephaestus: &Hephaestus) -> BTreeMap<String, u64> {
    let groups = hephaestus.groups(1_000).unwrap().into_iter();
    groups.map(|record| (record.group.first.title, record.group.count)).collect()
}

fn expected(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(title, count)| ((*title).to_owned(), *count)).collect()
}

/// Waits until that much was counted, and no more.
async fn await_counts(hephaestus: &Hephaestus, wanted: &[(&str, u64)]) {
    let (begun, wanted) = (Instant::now(), expected(wanted));
    while counts(hephaestus) != wanted {
        assert!(begun.elapsed() < PATIENCE, "counted {:?}, given {wanted:?}", counts(hephaestus));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What an instance remembers that is started after another.
async fn remembered(state: &TempDir) -> BTreeMap<String, u64> {
    let hephaestus = start(state.path()).await;
    let counts = counts(&hephaestus);
    hephaestus.stop().await.unwrap();
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_in_is_counted_while_it_runs() {
    let (state, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let glob = logs.path().join("*.log");
    let builder = Hephaestus::builder().unwrap().state_dir(state.path()).service_name("shop");
    let hephaestus = builder.follow(glob.to_str().unwrap()).unwrap().start().await.unwrap();

    for piece in error("pushed in pieces").repeat(3).as_bytes().chunks(7) {
        hephaestus.ingest(piece).await;
    }
    let (mut writer, reader) = tokio::io::duplex(64);
    hephaestus.monitor_reader("reader", reader);
    writer.write_all(error("read").repeat(4).as_bytes()).await.unwrap();
    let mut log = File::create(logs.path().join("app.log")).unwrap();
    log.write_all(error("followed").repeat(5).as_bytes()).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("printf '{}' >&2; exit 7", CRASH.replace('\n', "\\n"))]);
    let status = hephaestus.monitor_command(command).await.unwrap();
    assert_eq!(status.code(), Some(7));

    // Nothing has ended but the command, and nothing more is written.
    let all = [("pushed in pieces", 3), ("read", 4), ("followed", 5), (CRASHED, 1)];
    await_counts(&hephaestus, &all).await;
    let service = hephaestus.groups(1).unwrap().remove(0).service;
    assert_eq!(service, "shop");
    hephaestus.stop().await.unwrap();
    assert_eq!(remembered(&state).await, expected(&all));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_counts_what_is_still_open() {
    let state = tempfile::tempdir().unwrap();
    let hephaestus = start(state.path()).await;
    // Neither the reader nor the traces have come to an end, and the last line has none either.
    let (mut writer, reader) = tokio::io::duplex(4096);
    hephaestus.monitor_reader("reader", reader);
    let text = format!("{}{CRASH}", error("read").repeat(3));
    writer.write_all(text.as_bytes()).await.unwrap();
    hephaestus.ingest(format!("{}{}", error("pushed").repeat(9), error("cut").trim_end()).as_bytes()).await;
    // Taken in is what has left the reader's pipe.
    let (mut probe, begun) = (writer, Instant::now());
    while tokio::time::timeout(Duration::from_millis(50), probe.write_all(&[b'\n'; 4096])).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "nobody reads");
    }
    hephaestus.stop().await.unwrap();
    let all = [("read", 3), (CRASHED, 1), ("pushed", 9), ("cut", 1)];
    assert_eq!(remembered(&state).await, expected(&all));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_heard_to_its_end() {
    let state = tempfile::tempdir().unwrap();
    let hephaestus = start(state.path()).await;
    let mut command = Command::new("awk");
    let line = error("printed").trim_end().replace('"', "\\\"");
    command.arg(format!("BEGIN {{ for (i = 0; i < 5000; i++) print \"{line}\" }}"));
    assert!(hephaestus.monitor_command(command).await.unwrap().success());
    hephaestus.stop().await.unwrap();
    assert_eq!(remembered(&state).await, expected(&[("printed", 5_000)]));

    let hephaestus = start(state.path()).await;
    let missing = hephaestus.monitor_command(Command::new("/no/such/program")).await.unwrap_err();
    assert!(format!("{missing:#}").contains("/no/such/program"), "{missing:#}");
    // What a command leaves behind holds nobody up, and is heard too.
    let left = format!("(sleep 0.2; printf '{}'; sleep 1000) & echo $!", error("left behind").trim_end());
    let mut command = Command::new("sh");
    command.args(["-c", &left.replace("printf '", "printf '%s\\n' '")]);
    assert!(hephaestus.monitor_command(command).await.unwrap().success());
    await_counts(&hephaestus, &[("printed", 5_000), ("left behind", 1)]).await;
    hephaestus.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_suggestions_ends_with_the_instance() {
    let state = tempfile::tempdir().unwrap();
    let hephaestus = start(state.path()).await;
    let mut suggestions = JoinSet::new();
    suggestions.spawn(hephaestus.suggestions().count());
    hephaestus.ingest(CRASH.as_bytes()).await;
    await_counts(&hephaestus, &[(CRASHED, 1)]).await;
    assert!(suggestions.try_join_next().is_none(), "something may still come");
    hephaestus.stop().await.unwrap();
    let count = tokio::time::timeout(PATIENCE, suggestions.join_next()).await.expect("the stream ends");
    assert_eq!(count.unwrap().unwrap(), 0, "without a repository nothing is mended");
}

#[tokio::test(flavor = "multi_thread")]
async fn finishing_counts_everything() {
    let state = tempfile::tempdir().unwrap();
    let mut hephaestus = start(state.path()).await;
    hephaestus.monitor_reader("reader", std::io::Cursor::new(error("read").repeat(100)));
    hephaestus.read_to_end().await;
    hephaestus.ingest(CRASH.as_bytes()).await;
    hephaestus.finish().await.unwrap();
    assert_eq!(counts(&hephaestus), expected(&[("read", 100), (CRASHED, 1)]));
    // From here on nothing is taken in.
    hephaestus.ingest(CRASH.as_bytes()).await;
    hephaestus.monitor_reader("late", std::io::Cursor::new(CRASH));
    hephaestus.stop().await.unwrap();
    assert_eq!(remembered(&state).await, expected(&[("read", 100), (CRASHED, 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_belongs_to_one_instance() {
    let state = tempfile::tempdir().unwrap();
    let hephaestus = start(state.path()).await;
    let second = Hephaestus::builder().unwrap().state_dir(state.path()).start().await.unwrap_err();
    let told = format!("{second:#}");
    assert!(
        told.contains(&format!("belongs to a running Hephaestus (process {}", std::process::id())),
        "{told}"
    );
    hephaestus.stop().await.unwrap();
    start(state.path()).await.stop().await.unwrap();
}

#[tokio::test]
async fn a_runtime_with_one_thread_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let refused = Hephaestus::builder().unwrap().state_dir(state.path()).start().await.unwrap_err();
    assert!(refused.to_string().contains("several threads"), "{refused:#}");
}

/// The built example: the one that was built with these tests, where it is up to date.
fn example() -> PathBuf {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.current_dir(project()).args(["build", "--locked", "--offline", "--quiet", "--example", "embed"]);
    let output = succeed(cargo.arg("--message-format=json"));
    let messages = String::from_utf8(output.stdout).unwrap();
    let path = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        (message["target"]["name"] == "embed").then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    path.expect("cargo tells where the example is")
}

#[test]
fn the_example_proves_a_fix() {
    let till = Till::new();
    let log = till.crash_log();
    let program = go().get_program().to_owned();
    let tools = Path::new(&program).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(tools.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut command = std::process::Command::new("timeout");
    command.arg("180").arg(example()).arg(&log).arg(till.repository()).env("PATH", path.unwrap());
    let output = succeed(&mut command);
    let told = String::from_utf8(output.stdout).unwrap();
    let title = "index out of range in basket.Last";
    assert_eq!(told, format!("proven: {title}\n     1  suggested  {title}\n"));
}
