//! The system calls of an instance, in the order in which they happened.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{errors_of, run};

/// What the tests look at.
const CALLS: &str = "openat,write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2";

/// One call. `begun` and `ended` are moments: of two calls, one that ended at a lower moment than the other
/// began at was over before it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) begun: usize,
    pub(super) ended: usize,
    /// The file a descriptor stands for, or the first path that is named.
    pub(super) path: String,
    /// The texts among the arguments: what is written, or paths.
    pub(super) texts: Vec<Vec<u8>>,
    /// The arguments as they were traced.
    pub(super) arguments: String,
}

impl Call {
    pub(super) fn is_sync(&self) -> bool {
        matches!(self.name.as_str(), "fsync" | "fdatasync")
    }

    pub(super) fn is_write(&self) -> bool {
        matches!(self.name.as_str(), "write" | "pwrite64" | "writev")
    }

    pub(super) fn is_rename(&self) -> bool {
        self.name.starts_with("rename")
    }

    /// Whether some of what it wrote is this.
    pub(super) fn wrote(&self, what: &[u8]) -> bool {
        self.is_write() && self.texts.iter().any(|text| text.windows(what.len()).any(|part| part == what))
    }
}

/// A command that runs another under the tracer, which writes to `trace`. The tracer keeps signals to itself.
pub(super) fn traced(command: &Command, trace: &Path) -> Command {
    assert_tracing_is_allowed();
    let mut tracer = Command::new("strace");
    tracer.args(["-f", "-y", "--seccomp-bpf", "-s", "10000000", "-e"]).arg(format!("trace={CALLS}"));
    tracer.arg("-o").arg(trace).arg("--").arg(command.get_program()).args(command.get_args());
    tracer.stdout(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        tracer.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tracer.env(name, value),
            None => tracer.env_remove(name),
        };
    }
    tracer
}

fn assert_tracing_is_allowed() {
    let output = match Command::new("strace").arg("-V").output() {
        Ok(_) => run(Command::new("strace").args(["-f", "-o", "/dev/null", "true"])),
        Err(error) => panic!("this test needs strace ({error}): run `make setup`"),
    };
    assert!(
        output.status.success(),
        "this test must be allowed to trace its own child: give the container the capability SYS_PTRACE, or \
         set kernel.yama.ptrace_scope to 1 or lower; strace says: {}",
        errors_of(&output)
    );
}

/// Reads a trace; calls that failed are left out.
pub(super) fn read(trace: &Path) -> Vec<Call> {
    let text = std::fs::read_to_string(trace).unwrap();
    let mut calls = Vec::new();
    let mut unfinished = std::collections::HashMap::new();
    for (moment, line) in text.lines().enumerate() {
        let (thread, line) = line.split_once(' ').unwrap();
        let line = line.trim_start();
        if let Some(begin) = line.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread.to_owned(), (moment, begin.to_owned()));
        } else if let Some((_, end)) =
            line.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>"))
        {
            let Some((begun, begin)) = unfinished.remove(thread) else { continue };
            calls.extend(call(&format!("{begin}{end}"), begun, moment));
        } else {
            calls.extend(call(line, moment, moment));
        }
    }
    calls
}

fn call(line: &str, begun: usize, ended: usize) -> Option<Call> {
    let (line, result) = line.rsplit_once(" = ")?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let (name, arguments) = line.trim_end().strip_suffix(')')?.split_once('(')?;
    let texts = texts(arguments);
    let of_descriptor =
        arguments.split_once('<').filter(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()));
    let path = match of_descriptor.and_then(|(_, rest)| rest.split_once('>')) {
        Some((path, _)) => path.to_owned(),
        None => texts.first().map(|path| String::from_utf8_lossy(path).into_owned()).unwrap_or_default(),
    };
    Some(Call { name: name.to_owned(), begun, ended, path, texts, arguments: arguments.to_owned() })
}

/// The texts in double quotes, with their escapes undone.
fn texts(arguments: &str) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    let mut bytes = arguments.bytes().peekable();
    while bytes.any(|byte| byte == b'"') {
        let mut text = Vec::new();
        while let Some(byte) = bytes.next().filter(|byte| *byte != b'"') {
            if byte != b'\\' {
                text.push(byte);
                continue;
            }
            text.push(match bytes.next().unwrap() {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'v' => 0x0b,
                b'f' => 0x0c,
                first @ b'0'..=b'7' => {
                    let mut value = u32::from(first - b'0');
                    for _ in 0..2 {
                        let Some(next) = bytes.next_if(|byte| (b'0'..=b'7').contains(byte)) else { break };
                        value = value * 8 + u32::from(next - b'0');
                    }
                    u8::try_from(value).unwrap()
                }
                other => other,
            });
        }
        texts.push(text);
    }
    texts
}

#[test]
fn texts_are_read_as_they_were_written() {
    assert_eq!(texts(r#"3</x>, "a\n\0011\"\\\377", 7"#), [b"a\n\x011\"\\\xff"]);
    let line = r#"rename("/a", "/b") = 0"#;
    assert_eq!(call(line, 1, 2).unwrap().texts, [b"/a", b"/b"]);
    let line = r#"fdatasync(15</state/bus/000009.log>) = 0"#;
    assert_eq!(call(line, 1, 2).unwrap().path, "/state/bus/000009.log");
    assert!(call("fsync(3</x>) = -1 EIO (Input/output error)", 1, 2).is_none());
}
