//! A running instance, its state directory and its logs.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{hephaestus, succeed};

/// How long anything that must happen may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Numbers that are the same in every run.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// The next number below a limit (xorshift64).
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Logs, and a state directory for one instance after the other.
pub(super) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.set_up(&place.folder.path().join("state"), "");
        place
    }

    /// With its state elsewhere, and further settings.
    pub(super) fn with_state_dir(state_dir: &Path, settings: &str) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.set_up(state_dir, settings);
        place
    }

    fn set_up(&self, state_dir: &Path, settings: &str) {
        std::fs::create_dir(self.logs()).unwrap();
        let settings = format!(
            "state_dir: {}\nserver: {{listen: '127.0.0.1:0'}}\ncollector: {{polling_interval: 100ms}}\n{settings}\n",
            state_dir.display()
        );
        std::fs::write(self.folder.path().join("hephaestus.yaml"), settings).unwrap();
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(name)
    }

    pub(super) fn command(&self) -> Command {
        let mut command = hephaestus();
        command.arg("--config").arg(self.folder.path().join("hephaestus.yaml"));
        command
    }

    /// Where an instance keeps what is durable.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts an instance that follows every log.
    pub(super) fn start(&self) -> Instance {
        self.launch(self.run_command())
    }

    /// What starts it.
    pub(super) fn run_command(&self) -> Command {
        let mut command = self.command();
        command.arg("run").arg(self.logs().join("*")).stdout(Stdio::null());
        command
    }

    pub(super) fn launch(&self, mut command: Command) -> Instance {
        let errors = self.folder.path().join("stderr");
        command.stderr(std::fs::File::create(&errors).unwrap());
        Instance { child: command.spawn().unwrap(), errors }
    }

    /// What the last instance has said on standard error.
    pub(super) fn errors(&self) -> String {
        said(&self.folder.path().join("stderr"))
    }

    /// The counts of all groups by their title.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let output = succeed(self.command().args(["groups", "list", "--limit", "1000", "--format", "json"]));
        counts_in(&serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Waits until the counts are as expected.
    #[track_caller]
    pub(super) fn await_counts(&self, expected: &BTreeMap<String, u64>) {
        let (mut before, mut changed) = (BTreeMap::new(), Instant::now());
        loop {
            let counts = self.counts();
            if counts == *expected {
                return;
            }
            // A slow machine counts for long what was written in minutes.
            if counts != before {
                (before, changed) = (counts.clone(), Instant::now());
            }
            assert!(changed.elapsed() < PATIENCE, "counted {counts:?}, written {expected:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A running instance. It is killed when the test is over.
pub(super) struct Instance {
    child: Child,
    errors: PathBuf,
}

impl Instance {
    /// Waits until it says that it follows something.
    #[track_caller]
    pub(super) fn await_start(&mut self) {
        self.await_said("following ");
    }

    /// Waits until it has said something.
    #[track_caller]
    pub(super) fn await_said(&mut self, what: &str) {
        let begun = Instant::now();
        while !self.said().contains(what) {
            self.assert_runs();
            assert!(begun.elapsed() < PATIENCE, "it does not say {what:?}: {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// It has not ended.
    #[track_caller]
    pub(super) fn assert_runs(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", self.said());
    }

    /// What it has said on standard error so far.
    pub(super) fn said(&self) -> String {
        said(&self.errors)
    }

    /// Waits for its end, which has another cause.
    pub(super) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What its web server answers; none where it does not.
    pub(super) fn served(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address()).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| body.to_owned())
    }

    /// The counts of the worst groups by their title, as the web server tells them.
    pub(super) fn served_counts(&self) -> Option<BTreeMap<String, u64>> {
        serde_json::from_str(&self.served("/api/v1/groups?limit=1000")?).ok().map(|list| counts_in(&list))
    }

    /// Waits until the web server tells these counts.
    #[track_caller]
    pub(super) fn await_served(&mut self, expected: &BTreeMap<String, u64>) {
        let begun = Instant::now();
        loop {
            let counts = self.served_counts();
            if counts.as_ref() == Some(expected) {
                return;
            }
            self.assert_runs();
            let sum = |counts: &BTreeMap<_, u64>| (counts.len(), counts.values().sum::<u64>());
            let (told, wanted) = (counts.as_ref().map(sum), sum(expected));
            let said = self.said();
            assert!(begun.elapsed() < PATIENCE, "counted {told:?}, written {wanted:?}; it said {said}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where its server listens.
    pub(super) fn address(&self) -> SocketAddr {
        let errors = said(&self.errors);
        let rest = errors.split_once("http://").expect("it tells its address").1;
        rest.split(';').next().unwrap().parse().unwrap()
    }

    /// As the kernel does it when memory runs out.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As Kubernetes does it; gives how it ended.
    pub(super) fn terminate(mut self) -> ExitStatus {
        succeed(Command::new("kill").args(["-TERM", &self.child.id().to_string()]));
        self.child.wait().unwrap()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The counts in a list of groups, by title.
fn counts_in(list: &Value) -> BTreeMap<String, u64> {
    let groups = list["groups"].as_array().unwrap().iter();
    groups
        .map(|group| (group["title"].as_str().unwrap().to_owned(), group["count"].as_u64().unwrap()))
        .collect()
}

fn said(errors: &Path) -> String {
    std::fs::read_to_string(errors).unwrap_or_default()
}
