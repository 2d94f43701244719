//! What a job uses, as `/proc` and the file systems tell it.
//!
//! The kernel's own limits are per process or per user, and do not bind root: what a whole job may use is
//! kept from outside, by looking often. Resident memory is summed over processes, so that pages they
//! share count more than once: an overestimate, on the safe side.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Pid;

/// One look at a process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    pub(super) processes: u32,
    pub(super) memory_bytes: u64,
}

/// The fields of `/proc/N/stat` from the third on: the second is a name in parentheses that may hold anything.
fn stat_fields(pid: i32) -> Option<Vec<u64>> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let (_, fields) = stat.rsplit_once(')')?;
    // Some fields are letters or negative; none of those is looked at but the state, kept by its code.
    Some(
        fields
            .split_ascii_whitespace()
            .map(|field| field.parse().unwrap_or_else(|_| u64::from(field.as_bytes()[0])))
            .collect(),
    )
}

const STATE: usize = 0;
const GROUP: usize = 2;
const USER_TIME: usize = 11;
const CHILDREN_SYSTEM_TIME: usize = 14;
const ZOMBIE: u64 = b'Z' as u64;

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The living processes of a group and what they hold. None if `/proc` cannot be read.
pub(super) fn usage(group: Pid) -> Usage {
    let group = u64::from(group.as_raw_nonzero().get().unsigned_abs());
    let mut usage = Usage::default();
    for pid in processes() {
        let member = stat_fields(pid).is_some_and(|fields| {
            fields.get(GROUP) == Some(&group) && fields.get(STATE).is_some_and(|state| *state != ZOMBIE)
        });
        if member {
            usage.processes += 1;
            usage.memory_bytes += resident_bytes(pid).unwrap_or(0);
        }
    }
    usage
}

fn resident_bytes(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Processor time of a process that has ended but was not yet waited for, and of children it waited for.
pub(super) fn cpu_time(pid: Pid) -> Duration {
    /// What Linux counts in towards programs, whatever it counts in itself.
    const TICKS_PER_SECOND: u64 = 100;
    let fields = stat_fields(pid.as_raw_nonzero().get()).unwrap_or_default();
    let ticks: u64 = fields.get(USER_TIME..=CHILDREN_SYSTEM_TIME).unwrap_or_default().iter().sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// Tasks (threads) of a user, which `RLIMIT_NPROC` counts.
pub(super) fn tasks_of(user: u32) -> u64 {
    let owned = processes()
        .filter(|pid| fs::metadata(format!("/proc/{pid}")).is_ok_and(|metadata| metadata.uid() == user));
    owned.filter_map(stat_fields).filter_map(|fields| fields.get(17).copied()).sum()
}

/// Watches the file systems a job can write to.
#[derive(Debug)]
pub(super) struct Disk {
    places: Vec<Place>,
    limit_bytes: u64,
    since: SystemTime,
    next_walk: Duration,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    free_at_start: u64,
}

/// Below this much free space a job is ended, whoever filled the disk.
const FLOOR_BYTES: u64 = 64 << 20;

impl Disk {
    pub(super) fn new(write: &[(PathBuf, PathBuf)], limit_bytes: u64) -> Self {
        let places = write
            .iter()
            .filter_map(|(_, real)| Some(Place { path: real.clone(), free_at_start: free_bytes(real)? }));
        Self { places: places.collect(), limit_bytes, since: SystemTime::now(), next_walk: Duration::ZERO }
    }

    /// Whether the job wrote more than it may, or the disk is full. `elapsed` is the job's age.
    ///
    /// Free space is one cheap call, but others use the disk too. Only when it fell by more than the limit
    /// are the job's directories walked, counting what changed since the start, and that seldom.
    pub(super) fn is_exceeded(&mut self, elapsed: Duration) -> bool {
        let mut fell = false;
        for place in &self.places {
            let Some(free) = free_bytes(&place.path) else { continue };
            if free < FLOOR_BYTES && place.free_at_start >= FLOOR_BYTES {
                return true;
            }
            fell |= place.free_at_start.saturating_sub(free) > self.limit_bytes;
        }
        if !fell || elapsed < self.next_walk {
            return false;
        }
        let started = std::time::Instant::now();
        let since = self.since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        let written: u64 = self.places.iter().map(|place| written_bytes(&place.path, since)).sum();
        self.next_walk = elapsed + started.elapsed() * 20;
        written > self.limit_bytes
    }
}

fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail * stat.f_frsize)
}

/// Blocks of files that changed since a time; the time of change cannot be set by a program.
fn written_bytes(path: &Path, since: i64) -> u64 {
    let mut sum = 0;
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                directories.push(entry.path());
            } else if metadata.ctime() >= since {
                sum += metadata.blocks() * 512;
            }
        }
    }
    sum
}
