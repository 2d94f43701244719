//! How an instance ends: what was read of files and not looked at yet is left to the next process, and who asks
//! is answered.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use hephaestus::knowledge::{GroupFilter, GroupOrder, View};

use super::depot::append;
use super::instance::{Instance, PATIENCE, Place};

/// How many crashes stand in the log: more than are worked off at once, and all within what may be read ahead.
const CRASHES: usize = 9_000;

/// Crashes each of which is a group of its own.
fn crashes() -> Vec<u8> {
    let letter = |number: usize| char::from(b'a' + u8::try_from(number % 26).unwrap());
    let crash = |number: usize| {
        let name: String = [1, 26, 676].map(|place| letter(number / place)).iter().collect();
        format!(
            "panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\nshop/store.put{name}(0x1)\n\
             \t/src/shop/store/store.go:7 +0x1d\nmain.main()\n\t/src/shop/main.go:9 +0x1d\nexit status 2\n"
        )
    };
    (0..CRASHES).map(crash).collect::<String>().into_bytes()
}

/// Waits until it has counted so many groups.
fn await_groups(instance: &mut Instance, wanted: usize) {
    let begun = Instant::now();
    let counted = |metrics: String| -> Option<usize> {
        let line = metrics.lines().find_map(|line| line.strip_prefix("hephaestus_groups_active "))?;
        line.parse().ok()
    };
    while instance.served("/metrics").and_then(counted).unwrap_or(0) < wanted {
        instance.assert_runs();
        assert!(begun.elapsed() < 2 * PATIENCE, "{}", instance.said());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The counts of all groups.
fn counts(place: &Place) -> Vec<u64> {
    let view = View::open(&place.state().join("knowledge")).unwrap();
    let groups = view.groups(GroupFilter::default(), GroupOrder::Worst, 2 * CRASHES).unwrap();
    groups.iter().map(|record| record.group.count).collect()
}

#[test]
fn what_was_read_ahead_is_left_to_the_next_process_and_counted_once() {
    let place = Place::new();
    append(&place.log("app.log"), &crashes());
    let mut instance = place.start();
    instance.await_start();
    await_groups(&mut instance, 50);
    assert!(instance.terminate().success());
    assert!(!place.errors().contains("the grace period is over"), "{}", place.errors());
    let counted = counts(&place).len();
    assert!((50..CRASHES).contains(&counted), "{counted} were counted: it worked off what it could leave");

    let mut instance = place.start();
    instance.await_start();
    await_groups(&mut instance, CRASHES);
    assert!(instance.terminate().success());
    assert_eq!(counts(&place), [1; CRASHES]);
}

#[test]
fn a_request_that_is_under_way_is_answered_first() {
    let place = Place::new();
    let mut instance = place.start();
    instance.await_start();
    let mut asking = UnixStream::connect(place.state().join("hephaestus.sock")).unwrap();
    let head = "POST /api/v1/suggestions/00000000000000000000000000000000-1/approve HTTP/1.1\r\n\
                Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n";
    asking.write_all(head.as_bytes()).unwrap();
    let ending = std::thread::spawn(move || instance.terminate());
    // It has nothing to make durable, so all that is left by then is this request.
    std::thread::sleep(Duration::from_millis(700));
    asking.write_all(b"{}").unwrap();
    let mut answer = String::new();
    asking.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer:?}");
    assert!(ending.join().unwrap().success(), "{}", place.errors());
}
