//! What a job uses, as `/proc` and the file systems tell it.
//!
//! The kernel's own limits are per process or per user, and do not bind root: what a whole job may use is
//! kept from outside, by looking often. Resident memory is summed over processes, so that pages they
//! share count more than once: an overestimate, on the safe side.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Pid;

use super::process_group;

/// One look at a process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    pub(super) processes: u32,
    /// Threads of all of them, the first of each included.
    pub(super) threads: u64,
    pub(super) memory_bytes: u64,
    /// Processor time, children that were waited for included.
    pub(super) cpu: Duration,
}

/// The fields of a `stat` file of `/proc` from the third on: the second is a name in parentheses that may hold anything.
fn stat_fields(process: &Path) -> Option<Vec<u64>> {
    let stat = fs::read(process.join("stat")).ok()?;
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

fn folder_of(pid: i32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

const STATE: usize = 0;
const GROUP: usize = 2;
const USER_TIME: usize = 11;
const CHILDREN_SYSTEM_TIME: usize = 14;
const THREADS: usize = 17;

/// Whether a process still runs. One whose first thread ended looks dead while its other threads live on.
fn is_alive(fields: &[u64]) -> bool {
    const ZOMBIE: u64 = b'Z' as u64;
    fields.get(STATE).is_some_and(|state| *state != ZOMBIE) || fields.get(THREADS).is_some_and(|n| *n > 1)
}

fn cpu(fields: &[u64]) -> Duration {
    /// What Linux counts in towards programs, whatever it counts in itself.
    const TICKS_PER_SECOND: u64 = 100;
    let ticks: u64 = fields.get(USER_TIME..=CHILDREN_SYSTEM_TIME).unwrap_or_default().iter().sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The number that the newest process or thread of the machine (or of this container) got; none where `/proc` does not
/// tell, as in some containers' own kernels.
fn newest() -> Option<u64> {
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    load.split_ascii_whitespace().nth(4)?.parse().ok().filter(|number| *number > 0)
}

/// A process group that is looked at again and again.
#[derive(Debug)]
pub(super) struct Group {
    id: i32,
    /// Its processes, as far as they were found.
    members: Vec<i32>,
    /// What was the newest process of the machine when they were.
    newest: Option<u64>,
    /// How many looks ago that was another.
    quiet: u32,
}

/// Where nothing was started only the known members of a group are looked at, but for every so manieth look: some
/// containers tell late what was.
const FULL_LOOKS_APART: u32 = 4;

impl Group {
    pub(super) const fn new(id: Pid) -> Self {
        Self { id: id.as_raw_nonzero().get(), members: Vec::new(), newest: None, quiet: 0 }
    }

    /// The living processes of the group and what they hold.
    ///
    /// Counting stops when there are more than `enough`: to look at all of a fork bomb takes time that it
    /// uses to grow.
    pub(super) fn usage(&mut self, enough: u32) -> Usage {
        let newest = newest();
        self.quiet = if newest.is_some() && newest == self.newest { self.quiet + 1 } else { 0 };
        self.newest = newest;
        // A process has its number a moment before it can be seen: hence once more after a change.
        if self.quiet <= 1 || self.quiet.is_multiple_of(FULL_LOOKS_APART) {
            let id = self.id;
            // Most of a machine's processes are nobody's business here, and a call is far cheaper than a file of
            // `/proc`. One that the kernel says nothing about is looked at.
            let may_be_of = |pid: &i32| process_group::of(*pid).is_none_or(|its| its == id);
            self.members.clear();
            self.measure(processes().filter(may_be_of), enough)
        } else {
            let known = std::mem::take(&mut self.members);
            self.measure(known.into_iter(), enough)
        }
    }

    /// What those of some processes hold that are living members, who are noted.
    fn measure(&mut self, processes: impl Iterator<Item = i32>, enough: u32) -> Usage {
        let mut usage = Usage::default();
        for pid in processes {
            let process = folder_of(pid);
            let Some(fields) = stat_fields(&process) else { continue };
            if fields.get(GROUP) == Some(&u64::from(self.id.unsigned_abs())) && is_alive(&fields) {
                self.members.push(pid);
                usage.processes += 1;
                usage.threads += fields.get(THREADS).copied().unwrap_or(1);
                usage.memory_bytes += resident_bytes(&process).unwrap_or(0);
                usage.cpu += cpu(&fields);
                if usage.processes > enough {
                    break;
                }
            }
        }
        usage
    }
}

fn resident_bytes(process: &Path) -> Option<u64> {
    // The first thread may have ended: then another one tells the process's answer.
    resident_by(process).or_else(|| {
        fs::read_dir(process.join("task")).ok()?.flatten().find_map(|task| resident_by(&task.path()))
    })
}

/// Resident memory of a process, as one of its threads tells.
fn resident_by(thread: &Path) -> Option<u64> {
    let pages: u64 = fs::read_to_string(thread.join("statm")).ok()?.split(' ').nth(1)?.parse().ok()?;
    (pages > 0).then(|| pages.saturating_mul(rustix::param::page_size() as u64))
}

/// Processor time of a process that has ended but was not yet waited for, and of children it waited for.
pub(super) fn cpu_time(pid: Pid) -> Duration {
    cpu(&stat_fields(&folder_of(pid.as_raw_nonzero().get())).unwrap_or_default())
}

/// Tasks (threads) of a user, which `RLIMIT_NPROC` counts.
pub(super) fn tasks_of(user: u32) -> u64 {
    let owned = processes()
        .map(folder_of)
        .filter(|process| fs::metadata(process).is_ok_and(|metadata| metadata.uid() == user));
    owned.filter_map(|process| stat_fields(&process)).filter_map(|fields| fields.get(THREADS).copied()).sum()
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
    at_start: Free,
}

/// What a file system has left.
#[derive(Debug, Clone, Copy)]
struct Free {
    bytes: u64,
    /// Files that can still be made; 0 throughout where the file system has no such limit.
    files: u64,
}

/// Below this much free space a job is ended, whoever filled the disk.
const FLOOR_BYTES: u64 = 64 << 20;
/// Files that no honest job makes, and more entries than a walk may take time for.
const MAX_FILES: u64 = 500_000;

impl Disk {
    pub(super) fn new(write: &[(PathBuf, PathBuf)], limit_bytes: u64) -> Self {
        let places =
            write.iter().filter_map(|(_, real)| Some(Place { path: real.clone(), at_start: free(real)? }));
        Self { places: places.collect(), limit_bytes, since: SystemTime::now(), next_walk: Duration::ZERO }
    }

    /// Whether the job wrote more than it may, or the disk is full. `elapsed` is the job's age.
    ///
    /// Free space is one cheap call, but others use the disk too. Only when it fell by more than the limit
    /// are the job's directories walked, counting what changed since the start, and that seldom.
    pub(super) fn is_exceeded(&mut self, elapsed: Duration) -> bool {
        let mut fell = false;
        for place in &self.places {
            let Some(free) = free(&place.path) else { continue };
            let filled = free.bytes < FLOOR_BYTES && place.at_start.bytes >= FLOOR_BYTES;
            if filled || place.at_start.files.saturating_sub(free.files) > MAX_FILES {
                return true;
            }
            fell |= place.at_start.bytes.saturating_sub(free.bytes) > self.limit_bytes;
        }
        if !fell || elapsed < self.next_walk {
            return false;
        }
        let started = Instant::now();
        let since = self.since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let since = i64::try_from(since).unwrap_or(i64::MAX);
        let written: u64 = self.places.iter().map(|place| written_bytes(&place.path, since)).sum();
        self.next_walk = elapsed + started.elapsed() * 20;
        written > self.limit_bytes
    }
}

fn free(path: &Path) -> Option<Free> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(Free { bytes: stat.f_bavail.saturating_mul(stat.f_frsize), files: stat.f_favail })
}

/// Blocks of files that changed since a time; the time of change cannot be set by a program.
fn written_bytes(path: &Path, since: i64) -> u64 {
    let mut sum: u64 = 0;
    let mut seen = 0;
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MAX_FILES {
                return sum;
            }
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                directories.push(entry.path());
            } else if metadata.ctime() >= since {
                sum = sum.saturating_add(metadata.blocks().saturating_mul(512));
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command};

    use super::*;

    /// Processes that sleep, each in a group of its own until it is dropped.
    struct Sleepers(Vec<Child>);

    impl Sleepers {
        fn new(count: usize) -> Self {
            let sleeper = |_| Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
            Self((0..count).map(sleeper).collect())
        }
    }

    impl Drop for Sleepers {
        fn drop(&mut self) {
            for child in &mut self.0 {
                child.kill().ok();
                child.wait().ok();
            }
        }
    }

    /// Calls of `read` that this thread has made.
    fn reads() -> u64 {
        let io = fs::read_to_string("/proc/thread-self/io").unwrap();
        io.lines().find_map(|line| line.strip_prefix("syscr: ")).unwrap().parse().unwrap()
    }

    #[test]
    fn who_joins_a_group_later_is_counted_and_who_ended_is_not() {
        let mut first = Sleepers::new(1);
        let id = Pid::from_child(&first.0[0]);
        let mut group = Group::new(id);
        assert_eq!(group.usage(u32::MAX).processes, 1);
        let mut sleeper = Command::new("sleep");
        sleeper.arg("1000").process_group(id.as_raw_nonzero().get());
        first.0.push(sleeper.spawn().unwrap());
        let seen = (0..=FULL_LOOKS_APART).any(|_| group.usage(u32::MAX).processes == 2);
        assert!(seen, "{group:?}");
        let mut ended = first.0.pop().unwrap();
        ended.kill().unwrap();
        ended.wait().unwrap();
        for _ in 0..=FULL_LOOKS_APART {
            assert_eq!(group.usage(u32::MAX).processes, 1);
        }
    }

    #[test]
    fn a_look_reads_nothing_of_other_groups() {
        const OTHERS: usize = 60;
        let sleepers = Sleepers::new(1 + OTHERS);
        let before = reads();
        let usage = Group::new(Pid::from_child(&sleepers.0[0])).usage(u32::MAX);
        let made = reads() - before;
        assert_eq!((usage.processes, usage.threads), (1, 1), "{usage:?}");
        assert!(usage.memory_bytes > 0, "{usage:?}");
        assert!(made < OTHERS as u64 / 2, "{made} reads for one process");
    }
}
