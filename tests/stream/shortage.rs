//! A disk that is full: what waits for it is told, nothing is lost, and an end is still an end.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::instance::{Instance, PATIENCE, Place};

/// A file system of 32 MiB, gone with the value. Only root may make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["-t", "tmpfs", "-o", "size=32m", "tmpfs"];
        let mounted = Command::new("mount").args(arguments).arg(folder.path()).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("skipped: this user may not mount a tmpfs, so there is no disk to fill");
        }
        mounted.then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all space that is left.
    fn fill(&self) {
        let mut ballast = File::create(self.path().join("ballast")).unwrap();
        let mut chunk = 1 << 20;
        while chunk > 0 {
            if ballast.write_all(&vec![0; chunk]).is_err() {
                chunk /= 2;
            }
        }
    }

    fn clear(&self) {
        std::fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.path()).output());
    }
}

/// The answer of a probe: whether it is ready, and the parts that are not.
fn readiness(instance: &Instance) -> (u16, Vec<String>) {
    let mut stream = TcpStream::connect(instance.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let parts = body["reasons"].as_array().unwrap().iter();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, parts.map(|reason| reason["part"].as_str().unwrap().to_owned()).collect())
}

/// Does something again and again until the probe is answered as wanted.
fn await_status(instance: &Instance, place: &Place, wanted: u16, mut act: impl FnMut()) {
    let begun = Instant::now();
    loop {
        let (status, parts) = readiness(instance);
        if status == wanted {
            assert_eq!(parts.is_empty(), wanted == 200);
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "it answers {status} {parts:?}; {}", place.errors());
        act();
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Writes one error after the other, and keeps count.
struct Writer {
    log: File,
    written: u64,
}

impl Writer {
    fn write(&mut self, lines: u64) {
        for _ in 0..lines {
            self.written += 1;
            // Random enough that compression does not help.
            let noise: String = (0..200_u64)
                .map(|i| char::from(33 + (((i + 7) * (i + self.written) * 2_654_435_761) >> 7) as u8 % 57))
                .filter(|c| !"\"\\".contains(*c))
                .collect();
            writeln!(
                self.log,
                "{{\"level\":\"error\",\"msg\":\"order not saved\",\"seq\":{},\"noise\":\"{noise}\"}}",
                self.written
            )
            .unwrap();
        }
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        BTreeMap::from([("order not saved".to_owned(), self.written)])
    }
}

#[test]
fn a_full_disk_is_told_and_waited_for() {
    let Some(disk) = SmallDisk::new() else { return };
    let place = Place::with_state_dir(&disk.path().join("state"), "grace_period: 3s");
    let log = OpenOptions::new().create(true).append(true).open(place.log("app.log")).unwrap();
    let mut writer = Writer { log, written: 0 };
    let mut instance = place.start();
    instance.await_start();
    writer.write(10);
    place.await_counts(&writer.counts());
    await_status(&instance, &place, 200, || ());

    disk.fill();
    await_status(&instance, &place, 503, || writer.write(100));
    let full = Instant::now();
    while full.elapsed() < Duration::from_secs(5) {
        writer.write(20);
        std::thread::sleep(Duration::from_millis(100));
    }
    disk.clear();
    await_status(&instance, &place, 200, || ());
    place.await_counts(&writer.counts());
    let errors = place.errors();
    assert!(errors.matches("errors cannot be counted").count() <= 1, "{errors}");
    assert!(errors.matches("errors are counted again").count() <= 1, "{errors}");

    disk.fill();
    await_status(&instance, &place, 503, || writer.write(100));
    let asked = Instant::now();
    assert!(instance.terminate().success(), "{}", place.errors());
    assert!(asked.elapsed() < PATIENCE, "it ended after {:?}", asked.elapsed());
    disk.clear();
    let mut instance = place.start();
    instance.await_start();
    place.await_counts(&writer.counts());
    assert!(instance.terminate().success());
}
