//! Folders that are read-only, too few file handles, a clock that jumps: it stays up and says so, and
//! nothing is lost.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::instance::{Instance, Place};
use super::namespace::{enter, within};

/// Errors that were written, by title.
type Written = BTreeMap<String, u64>;

/// A word of letters for a number: digits would be masked.
fn word(number: u32) -> String {
    (0..6).map(|place| char::from(b'a' + (number / 26_u32.pow(place) % 26) as u8)).collect()
}

/// Writes errors of many kinds, each with a long text, and one kind often: more than a database takes
/// without a new file.
fn write_much(place: &Place, written: &mut Written, from: u32) {
    let mut log = OpenOptions::new().create(true).append(true).open(place.log("app.log")).unwrap();
    let padding = "x ".repeat(6 << 10);
    for number in from..from + 450 {
        let title = format!("cannot save {}", word(number));
        writeln!(log, r#"{{"level":"error","msg":"{title}","detail":"{padding}"}}"#).unwrap();
        writeln!(log, r#"{{"level":"error","msg":"order not saved","number":{number}}}"#).unwrap();
        *written.entry(title).or_default() += 1;
        *written.entry("order not saved".to_owned()).or_default() += 1;
    }
    writeln!(log, r#"{{"level":"info","msg":"fine"}}"#).unwrap();
}

/// Nothing can be written for a while, and then again.
fn survive(
    place: &Place,
    mut instance: Instance,
    trouble: impl FnOnce(&Instance),
    relief: impl FnOnce(&Instance),
) -> Written {
    instance.await_start();
    let mut written = Written::new();
    write_much(place, &mut written, 0);
    instance.await_served(&written);
    trouble(&instance);
    write_much(place, &mut written, 450);
    instance.await_said(
        "the registry of read positions cannot be written; make room or make its folder writable",
    );
    instance.await_said("the bus cannot be written");
    instance.assert_runs();
    assert!(instance.served("/livez").is_some(), "it lives");
    let during = instance.served_counts().expect("what was counted before can be asked for");
    assert!(during.iter().all(|(title, count)| *count <= written[title]), "{during:?}");

    relief(&instance);
    instance.await_served(&written);
    let status = instance.terminate();
    assert!(status.success(), "{status}");
    written
}

#[test]
fn a_state_directory_that_becomes_read_only_loses_nothing() {
    let place = Place::new();
    let instance = place.launch(within(&place, &place.run_command(), "true"));
    // Files that are open stay writable; new ones cannot be made.
    let read_only = "mount --bind \"$state\" \"$state\"; mount -o remount,bind,ro \"$state\"";
    let written = survive(
        &place,
        instance,
        |instance| enter(instance, &place, read_only),
        |instance| enter(instance, &place, "umount \"$state\""),
    );
    // What was written down is there for the next one too, and is not counted twice.
    let mut next = place.start();
    next.await_start();
    next.await_served(&written);
    assert!(next.terminate().success());
}

#[test]
fn a_read_only_state_directory_is_a_clear_error() {
    let place = Place::new();
    let read_only = "mount --bind \"$state\" \"$state\"; mount -o remount,bind,ro \"$state\"";
    for prepared in [false, true] {
        if prepared {
            let mut first = place.start();
            first.await_start();
            assert!(first.terminate().success());
        }
        let mut instance = place.launch(within(&place, &place.run_command(), read_only));
        let status = instance.wait();
        let said = instance.said();
        assert_eq!(status.code(), Some(2), "{said}");
        assert!(
            said.contains(&format!("cannot use the state directory {}", place.state().display())),
            "{said}"
        );
        assert!(said.contains("set state_dir to a folder that can be written"), "{said}");
    }
}

#[test]
fn too_few_file_handles_count_everything() {
    let place = Place::new();
    let mut command = Command::new("sh");
    let run = place.run_command();
    command.args(["-c", "ulimit -n 64; exec \"$@\"", "sh"]).arg(run.get_program()).args(run.get_args());
    command.current_dir(std::env::temp_dir()).env("NO_COLOR", "1").stdout(Stdio::null());
    let mut written = Written::new();
    let mut logs: Vec<_> = (0..80).map(|number| place.log(&format!("{number}.log"))).collect();
    for round in 0..2 {
        for (number, log) in logs.iter().enumerate() {
            let mut log = OpenOptions::new().create(true).append(true).open(log).unwrap();
            let title = format!("cannot save {}", word(number as u32));
            for _ in 0..=round {
                writeln!(log, r#"{{"level":"error","msg":"{title}"}}"#).unwrap();
                *written.entry(title.clone()).or_default() += 1;
            }
        }
    }
    let mut instance = place.launch(command);
    instance.await_start();
    place.await_counts(&written);
    // While it runs, in another order.
    logs.reverse();
    for (number, log) in logs.iter().rev().enumerate() {
        let mut log = OpenOptions::new().append(true).open(log).unwrap();
        writeln!(log, r#"{{"level":"error","msg":"cannot save {}"}}"#, word(number as u32)).unwrap();
    }
    written.values_mut().for_each(|count| *count += 1);
    place.await_counts(&written);
    instance.assert_runs();
    let status = instance.terminate();
    assert!(status.success(), "{status}");
    assert_eq!(place.counts(), written);
}

/// The library that lies about the time, from Debian's package `faketime`.
fn liar() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    found.expect("this test needs libfaketime: run `make setup`")
}

#[test]
fn a_clock_that_jumps_neither_loses_nor_delays_counts() {
    let place = Place::new();
    let offset = place.log("../offset");
    let set = |by: &str| std::fs::write(&offset, by).unwrap();
    set("+0");
    let mut command = place.run_command();
    command
        .env("LD_PRELOAD", liar())
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_NO_CACHE", "1")
        // What measures lengths of time does not jump.
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut instance = place.launch(command);
    instance.await_start();
    let mut log = File::create(place.log("app.log")).unwrap();
    let mut written = Written::new();
    // Waiting for a count has a limit far below these jumps.
    for by in ["+0", "+2d", "-2d", "+0", "-400d", "+30d"] {
        set(by);
        for title in ["order not saved", "cart not found", &format!("cannot save {}", word(by.len() as u32))]
        {
            log.write_all(format!("{{\"level\":\"error\",\"msg\":\"{title}\"}}\n").repeat(50).as_bytes())
                .unwrap();
            *written.entry(title.to_owned()).or_default() += 50;
        }
        place.await_counts(&written);
    }
    instance.assert_runs();
    assert!(instance.terminate().success());
    assert_eq!(place.counts(), written);
}
