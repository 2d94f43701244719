//! What many logs hold back shares one ceiling.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use super::instance::{Instance, PATIENCE, Place};

/// Lines that have not ended, in so many logs: many times what may be held, and less than a line may have.
const LOGS: usize = 200;
const LINE_BYTES: usize = 900_000;
/// What all of it may take. About half of it the process takes for itself, as this build is.
const CEILING_KIB: u64 = 128 << 10;

/// A number that the instance measures.
fn measured(instance: &Instance, metric: &str) -> Option<u64> {
    let metrics = instance.served("/metrics")?;
    let line = metrics.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    Some(line.and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0) as u64)
}

/// The most memory that a process has had, in KiB.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().split(' ').next()?.parse().ok());
    peak.unwrap()
}

#[test]
fn lines_that_do_not_end_share_one_ceiling_and_keep_nobody_from_reading() {
    let place = Place::new();
    let mut instance = place.start();
    instance.await_start();
    let begun = format!("level=error msg=\"line not ended\" pad={}", "x".repeat(LINE_BYTES));
    let mut logs: Vec<_> =
        (0..LOGS).map(|index| File::create(place.log(&format!("{index}.log"))).unwrap()).collect();
    logs.iter_mut().for_each(|log| log.write_all(begun.as_bytes()).unwrap());
    let since = Instant::now();
    while measured(&instance, "hephaestus_source_bytes_read_total") < Some((LOGS * begun.len()) as u64) {
        assert!(since.elapsed() < PATIENCE, "it reads no more: {}", instance.said());
        std::thread::sleep(Duration::from_millis(50));
    }
    let peak = peak_kib(instance.id());
    assert!(
        peak < CEILING_KIB,
        "{peak} KiB for {} KiB of lines that have not ended",
        LOGS * begun.len() / 1024
    );
    let cut = measured(&instance, "hephaestus_lines_truncated_total").unwrap();
    assert!(cut > LOGS as u64 / 2, "{cut} lines were cut");
    assert!(instance.said().contains("raise it to keep them whole"), "{}", instance.said());

    // Neither they nor what follows them is lost, and none is counted twice.
    logs.iter_mut().for_each(|log| log.write_all(b"\nlevel=error msg=\"order not saved\"\n").unwrap());
    let each = LOGS as u64;
    let expected = [("line not ended".to_owned(), each), ("order not saved".to_owned(), each)];
    instance.await_served(&BTreeMap::from(expected));
    assert!(instance.terminate().success());
}
