//! The inside: the same binary, run as [`NAME`], restricts itself and then becomes the program.
//!
//! It runs before anything else of the binary, on its only thread, since Landlock and seccomp bind the
//! calling thread. The order matters: what needs rights first, Landlock before seccomp (the filter
//! depends on what Landlock can do), the ready line last of all.

use std::io::{self, Write};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal};

use super::policy::{Policy, ProcessLimits, Surround, Task};
use super::{descriptors, filesystem, syscalls};

/// The name under which the binary is a launcher.
pub(super) const NAME: &str = "hephaestus-sandbox";

/// What the launcher is given as its one argument. It does not look at it; a binary that is no launcher,
/// such as a test runner, stumbles over it instead of doing what it does without arguments.
pub(super) const ARGUMENT: &str = "--sandbox-launcher";

/// The exit code when the program was not run.
const REFUSED: i32 = 125;

/// Becomes the sandbox's inside and never returns, if this process was started as one. Every binary that
/// is to serve as launcher calls this first thing in `main`, before it starts a thread.
pub fn launch_if_requested() {
    if is_requested() {
        std::process::exit(launch());
    }
}

/// Whether this process was started as a launcher.
pub(super) fn is_requested() -> bool {
    let name = std::env::args_os().next();
    name.as_deref().and_then(|name| Path::new(name).file_name()).is_some_and(|name| name == NAME)
}

fn launch() -> i32 {
    // Bytes read ahead would be lost to the program: the descriptor is read without a buffer.
    let policy = match stdin_unbuffered().and_then(Policy::from_reader) {
        Ok(policy) => policy,
        Err(what) => {
            say(&format!("hephaestus-sandbox refused: {what}\n"));
            return REFUSED;
        }
    };
    let refuse = |what: String| {
        say(&format!("{}{what}\n", Policy::refusal_start(&policy.nonce)));
        REFUSED
    };
    let landlock = match confine(&policy) {
        Ok(landlock) => landlock,
        Err(what) => return refuse(what),
    };
    match &policy.task {
        Task::Run { program, args, env, .. } => {
            let mut command = Command::new(program);
            command.args(args).env_clear().envs(env.iter().map(|(key, value)| (key, value)));
            say(&Policy::ready_line(&policy.nonce));
            let error = command.exec();
            refuse(format!("cannot run {}: {error}", program.display()))
        }
        Task::Probe { outside } => match escape(Path::new(outside), policy.surround) {
            Ok(()) => {
                say(&Policy::ready_line(&policy.nonce));
                say(&format!("{landlock}\n"));
                0
            }
            Err(what) => refuse(what),
        },
    }
}

fn stdin_unbuffered() -> Result<std::fs::File, String> {
    let stdin = io::stdin().as_fd().try_clone_to_owned();
    stdin.map(std::fs::File::from).map_err(|error| format!("no standard input: {error}"))
}

fn say(line: &str) {
    // Nobody is left to tell when standard error is gone; the exit code still says it.
    io::stderr().write_all(line.as_bytes()).ok();
}

/// Enters every restriction, or says which one could not be entered. Returns the Landlock version.
fn confine(policy: &Policy) -> Result<u32, String> {
    let failed = |what: &'static str| move |error: rustix::io::Errno| format!("{what}: {error}");
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(failed("cannot tie the job's life to its parent's"))?;
    // It may have died before that. (Under bubblewrap the parent is another, and bubblewrap sees to it.)
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    if policy.surround == Surround::Bare && parent != policy.parent {
        return Err("the process that watches the job is gone".to_owned());
    }
    if let Task::Run { cwd, .. } = &policy.task {
        std::env::set_current_dir(cwd).map_err(|error| format!("cannot enter {}: {error}", cwd.display()))?;
    }
    // The watchdog must get its turn whatever the job does, and so must the service beside us.
    rustix::process::nice(10).map_err(failed("cannot lower the job's priority"))?;
    // When memory runs out in earnest, the kernel shall take the job first. Not all kernels let us ask.
    std::fs::write("/proc/self/oom_score_adj", "1000").ok();
    descriptors::close_all_but_standard_on_exec()
        .map_err(|error| format!("cannot close inherited descriptors (Linux 5.11 or newer): {error}"))?;
    limit(&policy.limits).map_err(failed("cannot set a resource limit"))?;
    rustix::thread::set_no_new_privs(true).map_err(failed("cannot give up new privileges"))?;
    let none = rustix::thread::CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        rustix::thread::CapabilitySets { effective: none, permitted: none, inheritable: none },
    )
    .map_err(failed("cannot drop capabilities"))?;
    let landlock = filesystem::restrict(policy)?;
    syscalls::restrict(policy.surround, landlock)?;
    Ok(landlock)
}

fn limit(limits: &ProcessLimits) -> rustix::io::Result<()> {
    let set = |resource, value: u64| {
        // A hard limit that is lower already cannot be raised, and need not be.
        let hard = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX).min(value);
        rustix::process::setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })
    };
    set(Resource::Core, 0)?;
    set(Resource::Cpu, limits.cpu_seconds)?;
    set(Resource::Fsize, limits.file_bytes)?;
    set(Resource::Nofile, limits.open_files)?;
    limits.tasks.map_or(Ok(()), |tasks| set(Resource::Nproc, tasks))
}

/// Tries the ways out that a job must not find. An error names the one that was open.
fn escape(outside: &Path, surround: Surround) -> Result<(), String> {
    if std::fs::read(outside).is_ok() {
        return Err(format!("the file {} outside could be read", outside.display()));
    }
    if std::fs::write(outside, "broken out").is_ok() {
        return Err(format!("the file {} outside could be written", outside.display()));
    }
    match surround {
        Surround::Bare if UdpSocket::bind("127.0.0.1:0").is_ok() || UnixDatagram::unbound().is_ok() => {
            Err("a socket could be opened".to_owned())
        }
        // An address of the documentation range: the kernel only looks for a route, nothing is sent.
        Surround::Namespaces
            if UdpSocket::bind("0.0.0.0:0").is_ok_and(|socket| socket.connect("192.0.2.1:9").is_ok()) =>
        {
            Err("there is a route to the network".to_owned())
        }
        Surround::Bare | Surround::Namespaces => Ok(()),
    }
}
