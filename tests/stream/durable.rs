//! What is acknowledged is on the disk: the order of the system calls themselves.
//!
//! A killed process cannot show this, since what it wrote stays in the page cache. So the program is traced:
//! what stage after stage is told of an error must come after the sync of the stage before.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::instance::Place;
use super::trace::{self, Call};
use crate::harness::succeed;

/// Errors of one kind each, told apart by their last word.
const WORDS: [&str; 5] = ["aardvark", "badger", "caracal", "dugong", "ermine"];
/// An error that comes often: it is counted, and its count promised in the outbox.
const OFTEN: &str = "wallaby";

const HEALTHY: &str = "{\"level\":\"info\",\"msg\":\"order saved\"}\n";

fn line(word: &str) -> String {
    format!("{{\"level\":\"error\",\"msg\":\"order lost {word}\"}}\n")
}

/// Runs a traced instance over these errors. Gives its calls, and for each word the offset behind its line.
fn observe(place: &Place) -> (Vec<Call>, BTreeMap<&'static str, u64>) {
    let trace = place.log("../trace");
    let mut instance = place.launch(trace::traced(&place.run_command(), &trace));
    instance.await_start();
    let mut log = OpenOptions::new().create(true).append(true).open(place.log("app.log")).unwrap();
    let (mut counts, mut ends, mut length) = (BTreeMap::new(), BTreeMap::new(), 0);
    let mut write = |word: &'static str, times: u64| {
        let text = line(word).repeat(usize::try_from(times).unwrap());
        // An error may go on with the next line: only a line that is no part of it ends it for sure.
        log.write_all(format!("{text}{HEALTHY}").as_bytes()).unwrap();
        ends.insert(word, length + text.len() as u64);
        length += (text.len() + HEALTHY.len()) as u64;
        counts.insert(format!("order lost {word}"), times);
        place.await_counts(&counts);
        await_checkpoint(&place.state(), length);
    };
    WORDS.into_iter().for_each(|word| write(word, 1));
    write(OFTEN, 100);
    let process = std::fs::read_to_string(place.state().join("lock")).unwrap();
    succeed(Command::new("kill").args(["-TERM", process.trim()]));
    assert!(instance.wait().success(), "the tracer passes on how it ended");
    (trace::read(&trace), ends)
}

/// Waits until the registry says that a log is done up to here.
fn await_checkpoint(state: &Path, length: u64) {
    let begun = Instant::now();
    loop {
        let registry = std::fs::read(state.join("registry.json")).unwrap_or_default();
        let mut known = Value::Null;
        // Its last line may be about to be written.
        let whole_lines =
            registry.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        whole_lines.for_each(|line| take_line(&mut known, line));
        let committed = committed(&known);
        if committed == length {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the checkpoint stays at {committed} of {length}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Takes in one line of a registry: the first is all of it, each further one what has changed since.
fn take_line(known: &mut Value, line: &[u8]) {
    let line: Value = serde_json::from_slice(line).unwrap();
    if line["version"].is_number() {
        *known = line;
        return;
    }
    for file in line["files"].as_array().unwrap() {
        known["files"][file["id"].as_str().unwrap()] = file.clone();
    }
    let outbox = known["outbox"].as_array_mut().unwrap();
    outbox.retain(|promise| !line["kept"].as_array().unwrap().contains(&promise["id"]));
    outbox.extend(line["promised"].as_array().unwrap().iter().cloned());
}

/// The checkpoint of the one file in a registry.
fn committed(registry: &Value) -> u64 {
    let files = registry["files"].as_object().into_iter().flat_map(|files| files.values());
    files.map(|file| file["committed"].as_u64().unwrap()).max().unwrap_or(0)
}

/// One writing of the registry.
struct Registry {
    /// What it says then.
    content: Value,
    begun: usize,
    /// When it was synced.
    durable: usize,
}

/// Every writing of the registry: whole, which is checked to have been synced before it was renamed into place,
/// and its folder after; or one more line, which is checked to have been synced.
fn registries(calls: &[Call], state: &str) -> Vec<Registry> {
    let (unfinished, finished) = (format!("{state}/registry.json.new"), format!("{state}/registry.json"));
    let (mut found, mut known, mut content) = (Vec::new(), Value::Null, Vec::new());
    let mut last_write = 0;
    let is_meant = |call: &&Call| call.path == unfinished || call.path == finished;
    for call in calls.iter().filter(is_meant) {
        let is_added = call.path == finished;
        match call.name.as_str() {
            "openat" => content.clear(),
            _ if call.is_write() => {
                content.extend(call.texts.concat());
                last_write = call.ended;
                if is_added && content.ends_with(b"\n") {
                    take_line(&mut known, &content);
                    let durable = synced_between(calls, &finished, last_write, usize::MAX, "what is added");
                    found.push(Registry { content: known.clone(), begun: call.begun, durable });
                }
            }
            _ if call.is_rename() => {
                assert_eq!(call.texts[1], finished.as_bytes());
                let what = "a registry that is put into place";
                synced_between(calls, &unfinished, last_write, call.begun, what);
                take_line(&mut known, &content);
                let what = "the folder of a registry put into place";
                let durable = synced_between(calls, state, call.ended, usize::MAX, what);
                found.push(Registry { content: known.clone(), begun: call.begun, durable });
            }
            _ => {}
        }
    }
    assert!(found.windows(2).all(|pair| pair[0].durable < pair[1].begun), "one writing waits for the other");
    found
}

/// When the first sync of a path within these moments was over.
#[track_caller]
fn synced_between(calls: &[Call], path: &str, after: usize, before: usize, what: &str) -> usize {
    let sync = calls
        .iter()
        .find(|call| call.is_sync() && call.path == path && call.begun > after && call.ended < before);
    sync.unwrap_or_else(|| panic!("no sync of {path} within {after}..{before}: {what}")).ended
}

/// When the first record that holds something was written to the log of a database and synced there, the
/// folder with the name of that log too.
#[track_caller]
fn recorded(calls: &[Call], database: &str, what: &str, before: usize) -> usize {
    let is_log = |call: &&Call| call.path.starts_with(&format!("{database}/")) && call.path.ends_with(".log");
    let mut logged = calls.iter().filter(is_log);
    let write = logged.find(|call| call.wrote(what.as_bytes()));
    let write = write.unwrap_or_else(|| panic!("{what} was never written to a log in {database}"));
    let created = calls
        .iter()
        .find(|call| {
            call.name == "openat"
                && call.arguments.contains("O_CREAT")
                && call.texts[0] == write.path.as_bytes()
        })
        .unwrap_or_else(|| panic!("{} was never created", write.path));
    synced_between(calls, database, created.ended, before, what);
    synced_between(calls, &write.path, write.ended, before, what)
}

/// When the consumer's position was written to the bus, and what it was.
fn positions(calls: &[Call], bus: &str) -> Vec<(usize, u64)> {
    // The key ends with the name of the group, and the value is one number of eight bytes.
    let key = b"hephaestus-fixer\x08";
    let mut found = Vec::new();
    for call in calls.iter().filter(|call| call.is_write() && call.path.starts_with(&format!("{bus}/"))) {
        let bytes = call.texts.concat();
        let at = bytes.windows(key.len()).position(|part| part == key).map(|at| at + key.len());
        let value = at.and_then(|at| bytes.get(at..at + 8)).and_then(|value| value.try_into().ok());
        if call.path.ends_with(".log") {
            found.extend(value.map(|value| (call.begun, u64::from_be_bytes(value))));
        }
    }
    found
}

#[test]
fn every_stage_is_synced_before_the_stage_before_it_forgets() {
    let place = Place::new();
    let (calls, ends) = observe(&place);
    let state = place.state().display().to_string();
    let (bus, knowledge) = (format!("{state}/bus"), format!("{state}/knowledge"));

    let registries = registries(&calls, &state);
    let positions = positions(&calls, &bus);
    for (offset, word) in WORDS.into_iter().enumerate() {
        // Log -> bus: the checkpoint passes an error only after the bus has synced it.
        let passes = |registry: &&Registry| committed(&registry.content) >= ends[word];
        let checkpoint = registries.iter().find(passes).expect("the checkpoint reaches the end").begun;
        let published = recorded(&calls, &bus, word, checkpoint);
        // Bus -> knowledge: the bus may forget it only after knowledge has synced it. These errors are the
        // first on the bus, in the order in which they were written.
        let passed = |(_, next): &&(usize, u64)| *next > offset as u64;
        let (forgotten, _) = *positions.iter().find(passed).expect("the position reaches the end");
        let counted = recorded(&calls, &knowledge, word, forgotten);
        assert!(published < counted, "what is counted is what the bus has synced");
    }

    // Counts: promised in a synced registry before they are published.
    let promises = registries.iter().flat_map(|registry| {
        let outbox = registry.content["outbox"].as_array().unwrap();
        outbox.iter().map(|promise| (promise["id"].as_str().unwrap(), registry.durable))
    });
    let mut first = BTreeMap::new();
    for (id, moment) in promises {
        first.entry(id).or_insert(moment);
    }
    assert!(!first.is_empty(), "{OFTEN} is counted");
    for (id, moment) in first {
        let published =
            calls.iter().find(|call| call.path.starts_with(&format!("{bus}/")) && call.wrote(id.as_bytes()));
        let published = published.unwrap_or_else(|| panic!("{id} was promised and never published"));
        assert!(moment < published.begun, "{id} was published before its promise was durable");
    }
}
