//! The outside: starts a launcher, feeds and drains it, watches it, and leaves nothing behind.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use super::capture::Capture;
use super::error::Error;
use super::job::{Ended, Outcome};
use super::policy::{Paths, Policy, Surround};
use super::preamble::Preamble;
use super::watch::{self, Disk, Group};

/// How often a job is looked at: often while it is young, so that short ones are seen at all.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LOOKS_APART: Duration = Duration::from_millis(40);
const MOST_APART: Duration = Duration::from_millis(150);
/// A stream may be this many times longer than what is kept of it.
const OUTPUT_FACTOR: u64 = 64;
/// How long killed processes may take to go.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a whole job may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) wall: Duration,
    pub(super) memory_bytes: u64,
    pub(super) processes: u32,
    pub(super) output_bytes: u64,
    pub(super) disk_bytes: u64,
}

impl Bounds {
    /// Threads of the whole job.
    pub(super) fn threads(&self) -> u64 {
        /// What a process of Go is granted.
        const EACH: u64 = 32;
        u64::from(self.processes) * EACH
    }
}

/// Everything needed to start one job.
#[derive(Debug)]
pub(super) struct Launch {
    command: Command,
    program: PathBuf,
    nonce: String,
    surround: Surround,
    input: Vec<u8>,
    bounds: Bounds,
    disk: Disk,
}

impl Launch {
    pub(super) fn new(
        mut command: Command,
        program: PathBuf,
        policy: &Policy,
        stdin: Option<Vec<u8>>,
        paths: Paths,
        bounds: Bounds,
    ) -> Result<Self, Error> {
        let mut input = policy.to_frame().map_err(|what| Error::Job { what })?;
        input.extend(stdin.unwrap_or_default());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.current_dir("/").process_group(0);
        let disk = Disk::new(&paths.write, bounds.disk_bytes);
        Ok(Self {
            command,
            program,
            nonce: policy.nonce.clone(),
            surround: policy.surround,
            input,
            bounds,
            disk,
        })
    }
}

/// The job's process group, as far as somebody else may kill it.
#[derive(Debug, Default, Clone)]
pub(super) struct Handle(Arc<Mutex<State>>);

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    NotStarted,
    Running(Pid),
    /// Waited for: the number may belong to another by now.
    Over,
    Cancelled,
}

impl Handle {
    pub(super) fn kill_on_drop(self) -> KillOnDrop {
        KillOnDrop(self)
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Kills the job when dropped, if it still runs.
#[derive(Debug)]
pub(super) struct KillOnDrop(Handle);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.with(|state| match *state {
            State::Running(group) => kill(group),
            State::NotStarted => *state = State::Cancelled,
            State::Over | State::Cancelled => {}
        });
    }
}

fn kill(group: Pid) {
    // That there is nobody left to kill is no failure.
    rustix::process::kill_process_group(group, Signal::KILL).ok();
}

/// Runs a job to its end, on the calling thread.
pub(super) fn supervise(mut launch: Launch, handle: &Handle) -> Result<Outcome, Error> {
    let started = Instant::now();
    let (child, group) = start(&mut launch, handle)?;
    // From here on whatever happens, a panic included, the group is killed.
    let guard = handle.clone().kill_on_drop();
    let mut run = Run::new(&launch, child, group, started)?;
    let watched = run.watch(&mut launch);
    let ended = run.end(handle, &launch);
    drop(guard);
    let (cause, (status, cpu)) = (watched?, ended?);
    run.outcome(&launch, cause, status, cpu)
}

fn start(launch: &mut Launch, handle: &Handle) -> Result<(Child, Pid), Error> {
    handle.with(|state| {
        if let State::Cancelled = state {
            return Err(Error::Job { what: "it was cancelled".to_owned() });
        }
        let child = launch.command.spawn().map_err(|error| Error::Refused {
            program: launch.program.clone(),
            what: format!("cannot start {}: {error}", launch.command.get_program().display()),
        })?;
        let group = Pid::from_child(&child);
        *state = State::Running(group);
        Ok((child, group))
    })
}

fn system(what: &'static str) -> impl Fn(rustix::io::Errno) -> Error {
    move |error| Error::System { what, source: error.into() }
}

/// A job under way.
struct Run {
    child: Child,
    group: Pid,
    /// The same, as it is looked at.
    members: Group,
    exited: OwnedFd,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    sent: usize,
    kept: [Capture; 2],
    preamble: Preamble,
    started: Instant,
    peak_memory_bytes: u64,
    seen_cpu: Duration,
}

impl Run {
    fn new(launch: &Launch, mut child: Child, group: Pid, started: Instant) -> Result<Self, Error> {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let unblock = |fd: BorrowedFd<'_>| {
            let flags = rustix::fs::fcntl_getfl(fd)?;
            rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK)
        };
        let fds = [
            stdin.as_ref().map(AsFd::as_fd),
            stdout.as_ref().map(AsFd::as_fd),
            stderr.as_ref().map(AsFd::as_fd),
        ];
        fds.into_iter().flatten().try_for_each(unblock).map_err(system("set up the pipes"))?;
        let exited = rustix::process::pidfd_open(group, PidfdFlags::empty());
        let keep = || Capture::new(launch.bounds.output_bytes);
        Ok(Self {
            child,
            group,
            members: Group::new(group),
            exited: exited.map_err(system("watch the process"))?,
            stdin,
            stdout,
            stderr,
            sent: 0,
            kept: [keep(), keep()],
            preamble: Preamble::new(&launch.nonce),
            started,
            peak_memory_bytes: 0,
            seen_cpu: Duration::ZERO,
        })
    }

    /// Feeds and drains until the first process ended by itself, or there is a reason to kill it.
    fn watch(&mut self, launch: &mut Launch) -> Result<Option<Ended>, Error> {
        let bounds = launch.bounds;
        let mut next_look = FIRST_LOOK;
        loop {
            let elapsed = self.started.elapsed();
            if elapsed >= bounds.wall {
                return Ok(Some(Ended::TimedOut));
            }
            if elapsed >= next_look {
                if let Some(ended) = self.look(bounds, &mut launch.disk) {
                    return Ok(Some(ended));
                }
                let now = self.started.elapsed();
                // On a machine with very many processes a look takes long. It shall not take over, nor leave
                // a job alone for long that slows it down on purpose.
                let apart = now.clamp(FIRST_LOOK, LOOKS_APART).max((now - elapsed) * 10);
                next_look = now + apart.min(MOST_APART);
            }
            let until = next_look.min(bounds.wall).saturating_sub(self.started.elapsed());
            if self.exchange(&launch.input, until)? {
                return Ok(None);
            }
            if self.kept.iter().any(|kept| kept.total() > bounds.output_bytes.saturating_mul(OUTPUT_FACTOR)) {
                return Ok(Some(Ended::TooMuchOutput));
            }
        }
    }

    fn look(&mut self, bounds: Bounds, disk: &mut Disk) -> Option<Ended> {
        let usage = self.members.usage(bounds.processes);
        self.peak_memory_bytes = self.peak_memory_bytes.max(usage.memory_bytes);
        self.seen_cpu = self.seen_cpu.max(usage.cpu);
        if usage.memory_bytes > bounds.memory_bytes {
            return Some(Ended::OutOfMemory);
        }
        if usage.processes > bounds.processes || usage.threads > bounds.threads() {
            return Some(Ended::TooManyProcesses);
        }
        disk.is_exceeded(self.started.elapsed()).then_some(Ended::TooMuchDisk)
    }

    /// Waits a while for something to do, and does it. True when the first process has ended.
    fn exchange(&mut self, input: &[u8], wait: Duration) -> Result<bool, Error> {
        let mut fds = vec![PollFd::new(&self.exited, PollFlags::IN)];
        fds.extend(self.stdin.as_ref().map(|fd| PollFd::new(fd, PollFlags::OUT)));
        fds.extend(self.stdout.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        fds.extend(self.stderr.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        let wait = Timespec {
            tv_sec: wait.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        match rustix::event::poll(&mut fds, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(system("wait for the process")(error)),
        }
        let exited = !fds[0].revents().is_empty();
        drop(fds);
        self.feed(input);
        self.drain();
        Ok(exited)
    }

    /// Sends what the pipe takes; a program that reads no more is not an error.
    fn feed(&mut self, input: &[u8]) {
        let Some(stdin) = &mut self.stdin else { return };
        while self.sent < input.len() {
            match stdin.write(&input[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.stdin = None;
    }

    /// Takes what is there, but not for ever: a program that prints without end must not keep us here.
    fn drain(&mut self) {
        let [out, err] = &mut self.kept;
        read_some(&mut self.stdout, |bytes| out.push(bytes));
        let preamble = &mut self.preamble;
        read_some(&mut self.stderr, |bytes| {
            if let Some(rest) = preamble.push(bytes) {
                err.push(&rest);
            }
        });
    }

    /// Kills what is left, waits for it to be gone, and takes the last output.
    fn end(&mut self, handle: &Handle, launch: &Launch) -> Result<(ExitStatus, Duration), Error> {
        self.stdin = None;
        kill(self.group);
        let ready = &mut [PollFd::new(&self.exited, PollFlags::IN)];
        let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
        let ended = rustix::event::poll(ready, Some(&patience));
        if ended.map_err(system("wait for the killed process"))? == 0 {
            return Err(Error::Survivors { program: launch.program.clone(), count: 1 });
        }
        // Ended, but not waited for: its times can be read, and its number is still its own.
        let cpu = watch::cpu_time(self.group);
        kill(self.group);
        let status = handle.with(|state| {
            *state = State::Over;
            self.child.wait()
        });
        let status = status.map_err(|source| Error::System { what: "wait for the process", source })?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.drain();
            // Orphans of the group are ours to wait for if we are the container's first process.
            while let Ok(Some(_)) = rustix::process::waitpgid(self.group, WaitOptions::NOHANG) {}
            let count = Group::new(self.group).usage(u32::MAX).processes;
            if count == 0 {
                self.drain();
                return Ok((status, cpu));
            }
            // It has members, so the number is still theirs.
            kill(self.group);
            if Instant::now() >= deadline {
                return Err(Error::Survivors { program: launch.program.clone(), count });
            }
            std::thread::sleep(FIRST_LOOK);
        }
    }

    fn outcome(
        self,
        launch: &Launch,
        cause: Option<Ended>,
        status: ExitStatus,
        cpu: Duration,
    ) -> Result<Outcome, Error> {
        let [out, err] = self.kept;
        let ((stdout, out_cut), (stderr, err_cut)) = (out.finish(), err.finish());
        // A limit that was reached before the program began is still a limit.
        if !self.preamble.is_over() && cause.is_none() {
            let what = self.preamble.complaint(status);
            return Err(Error::Refused { program: launch.program.clone(), what });
        }
        let refusal = Policy::refusal_start(&launch.nonce);
        if let Some(what) = stderr.strip_prefix(refusal.as_bytes()) {
            return Err(Error::Program { what: String::from_utf8_lossy(what).trim().to_owned() });
        }
        Ok(Outcome {
            ended: cause.unwrap_or_else(|| ended(launch.surround, status)),
            stdout,
            stderr,
            truncated: out_cut || err_cut,
            wall: self.started.elapsed(),
            cpu: cpu.max(self.seen_cpu),
            peak_memory_bytes: self.peak_memory_bytes,
        })
    }
}

fn ended(surround: Surround, status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        // So does bubblewrap tell a signal, as shells do.
        (Some(code @ 129..=192), _) if surround == Surround::Namespaces => Ended::Signalled(code - 128),
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Signalled(signal.unwrap_or(0)),
    }
}

/// Reads up to a bound from a stream; closes it at its end.
fn read_some<R: Read>(stream: &mut Option<R>, mut take: impl FnMut(&[u8])) {
    const MAX_READS: usize = 64;
    let mut buffer = [0; 16 << 10];
    for _ in 0..MAX_READS {
        let Some(reader) = stream else { return };
        match reader.read(&mut buffer) {
            Ok(0) => *stream = None,
            Ok(count) => take(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => *stream = None,
        }
    }
}
