//! What the launcher is told, and the part of the system every job may see.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What stands around the launcher, which decides what it must deny itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Surround {
    /// Nothing: the host's network, processes and file system are all there.
    Bare,
    /// Namespaces made by bubblewrap: an own network with loopback, own processes, only bound paths.
    Namespaces,
}

/// The instructions for one launch. They go down standard input ahead of the job's own input, so that
/// neither a command line nor an environment shows them and no extra descriptor has to be inherited.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Policy {
    pub(super) nonce: String,
    pub(super) surround: Surround,
    /// The process that watches the job.
    pub(super) parent: u32,
    pub(super) read: Vec<OsString>,
    pub(super) write: Vec<OsString>,
    pub(super) task: Task,
    pub(super) limits: ProcessLimits,
    /// The newest version of Landlock to use.
    pub(super) landlock_abi_at_most: u32,
}

/// What to do once confined.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    /// Become this program.
    Run { program: OsString, args: Vec<OsString>, cwd: OsString, env: Vec<(String, String)> },
    /// Try to break out: read `outside`, open a socket, start a session. Exit 0 when all of it is denied.
    Probe { outside: OsString },
}

/// Limits the kernel keeps for each process; those of the whole job are the watchdog's.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ProcessLimits {
    pub(super) cpu_seconds: u64,
    pub(super) file_bytes: u64,
    pub(super) open_files: u64,
    /// Tasks of the user, where that can be said.
    pub(super) tasks: Option<u64>,
}

/// A policy has to fit into memory before anything is confined.
const MAX_POLICY_BYTES: u32 = 16 << 20;

impl Policy {
    /// The bytes to send: a length, then JSON.
    pub(super) fn to_frame(&self) -> Result<Vec<u8>, String> {
        let json = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        let length = u32::try_from(json.len()).ok().filter(|length| *length <= MAX_POLICY_BYTES);
        let length = length.ok_or_else(|| format!("a policy of {} bytes is too long", json.len()))?;
        let mut frame = length.to_le_bytes().to_vec();
        frame.extend_from_slice(&json);
        Ok(frame)
    }

    /// Reads exactly one frame and not a byte of what follows it.
    pub(super) fn from_reader(mut reader: impl Read) -> Result<Self, String> {
        let mut length = [0; 4];
        reader.read_exact(&mut length).map_err(|error| format!("no policy on standard input: {error}"))?;
        let length = u32::from_le_bytes(length);
        if length > MAX_POLICY_BYTES {
            return Err(format!("a policy of {length} bytes is too long"));
        }
        let mut json = vec![0; length as usize];
        reader.read_exact(&mut json).map_err(|error| format!("the policy ended early: {error}"))?;
        serde_json::from_slice(&json).map_err(|error| format!("the policy is not understood: {error}"))
    }

    /// The line that says the restrictions hold. Only the launcher knows the nonce, and it forgets it by
    /// becoming the program, so that no program can say it.
    pub(super) fn ready_line(nonce: &str) -> String {
        format!("hephaestus-sandbox {nonce} ready\n")
    }

    /// The start of the line that says what went wrong, before or after the restrictions.
    pub(super) fn refusal_start(nonce: &str) -> String {
        format!("hephaestus-sandbox {nonce} refused: ")
    }
}

/// Directories and files with the system's programs and the little they read. All are optional.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/etc/alternatives",
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
];

/// Devices that hold nothing.
pub(super) const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// The system paths that are there.
pub(super) fn system_paths() -> impl Iterator<Item = &'static Path> {
    SYSTEM.iter().map(Path::new).filter(|path| path.exists())
}

/// The paths of a job, each as it was named and as it really is, when both are needed to reach it.
#[derive(Debug, Default, Clone)]
pub(super) struct Paths {
    /// (name, real path)
    pub(super) read: Vec<(PathBuf, PathBuf)>,
    /// (name, real path)
    pub(super) write: Vec<(PathBuf, PathBuf)>,
}

impl Paths {
    /// Resolves the paths; every one must exist, be absolute, and be less than everything.
    pub(super) fn resolve(read: &[PathBuf], write: &[PathBuf]) -> Result<Self, (PathBuf, std::io::Error)> {
        let resolve = |paths: &[PathBuf]| {
            paths
                .iter()
                .map(|path| match path.canonicalize() {
                    Ok(_) if path.is_relative() => Err((path.clone(), invalid("it is not absolute"))),
                    Ok(real) if real.parent().is_none() => Err((path.clone(), invalid("it is everything"))),
                    Ok(real) => Ok((path.clone(), real)),
                    Err(error) => Err((path.clone(), error)),
                })
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { read: resolve(read)?, write: resolve(write)? })
    }

    /// Whether `path`, which is real, may be seen.
    pub(super) fn covers(&self, path: &Path) -> bool {
        self.read.iter().chain(&self.write).any(|(_, real)| path.starts_with(real))
            || system_paths().any(|system| path.starts_with(system))
    }

    pub(super) fn real_read(&self) -> Vec<OsString> {
        self.read.iter().map(|(_, real)| real.clone().into()).collect()
    }

    pub(super) fn real_write(&self) -> Vec<OsString> {
        self.write.iter().map(|(_, real)| real.clone().into()).collect()
    }
}

fn invalid(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, what.to_owned())
}

/// Whether an argument can be handed to a program at all.
pub(super) fn has_nul(text: &std::ffi::OsStr) -> bool {
    text.as_bytes().contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn policy() -> Policy {
        Policy {
            nonce: "n".to_owned(),
            surround: Surround::Bare,
            parent: 1,
            read: vec![OsString::from_vec(b"/not/utf-8/\xff".to_vec())],
            write: Vec::new(),
            task: Task::Probe { outside: "/x".into() },
            limits: ProcessLimits { cpu_seconds: 1, file_bytes: 2, open_files: 3, tasks: None },
            landlock_abi_at_most: 9,
        }
    }

    #[test]
    fn a_frame_is_read_whole_and_nothing_after_it() {
        let policy = policy();
        let mut bytes = policy.to_frame().unwrap();
        bytes.extend_from_slice(b"input");
        let mut rest = bytes.as_slice();
        let read = Policy::from_reader(&mut rest).unwrap();
        assert_eq!(read.read, policy.read);
        assert_eq!(rest, b"input");
    }

    #[test]
    fn a_frame_that_is_cut_or_too_long_is_an_error() {
        let bytes = policy().to_frame().unwrap();
        for end in 0..bytes.len() {
            assert!(Policy::from_reader(&bytes[..end]).is_err(), "{end}");
        }
        assert!(Policy::from_reader(&b"\xff\xff\xff\xff{}"[..]).unwrap_err().contains("too long"));
    }
}
