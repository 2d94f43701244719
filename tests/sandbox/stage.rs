//! A place to try things: the launcher, the probe, a scratch directory, and a world outside.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use hephaestus::sandbox::{Config, Job, Outcome, Sandbox, TierChoice};

/// Where the shared programs are, for a process that was started to use them.
pub(super) const TOOLS: &str = "HEPHAESTUS_TEST_TOOLS";

/// The launcher and the probe, where every user can run them.
pub(super) struct Tools {
    pub(super) dir: PathBuf,
    owned: Option<tempfile::TempDir>,
}

impl Tools {
    /// One set, built once, removed with its last user.
    fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Mutex<Weak<Tools>>> = OnceLock::new();
        let mut shared = SHARED.get_or_init(Mutex::default).lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let tools = Arc::new(Self::build());
            *shared = Arc::downgrade(&tools);
            tools
        })
    }

    fn build() -> Self {
        if let Some(dir) = std::env::var_os(TOOLS) {
            return Self { dir: dir.into(), owned: None };
        }
        let owned = tempfile::tempdir().unwrap();
        let dir = owned.path().to_owned();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_hephaestus"), dir.join("hephaestus")).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox/probe.go");
        let mut go = Command::new("go");
        go.env("CGO_ENABLED", "0").env("GOTOOLCHAIN", "local").args(["build", "-o"]);
        assert!(go.arg(dir.join("probe")).arg(source).status().expect("Go is installed").success());
        Self { dir, owned: Some(owned) }
    }

    pub(super) fn probe(&self) -> PathBuf {
        self.dir.join("probe")
    }

    pub(super) fn is_owned(&self) -> bool {
        self.owned.is_some()
    }
}

pub(super) struct Stage {
    pub(super) config: Config,
    pub(super) tools: Arc<Tools>,
    /// The only place a job may write.
    pub(super) scratch: tempfile::TempDir,
    /// A place it may not see.
    outside: tempfile::TempDir,
}

impl Stage {
    pub(super) fn new(tier: TierChoice) -> Self {
        let tools = Tools::shared();
        let launcher = Some(tools.dir.join("hephaestus"));
        let config = Config { tier, launcher, ..Config::default() };
        Self { config, tools, scratch: tempfile::tempdir().unwrap(), outside: tempfile::tempdir().unwrap() }
    }

    pub(super) fn sandbox(&self) -> Sandbox {
        Sandbox::detect(&self.config).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(super) fn job(&self, arguments: &[&str]) -> Job {
        let mut job = Job::new(self.tools.probe(), self.scratch.path());
        job.args = arguments.iter().map(Into::into).collect();
        job.read = vec![self.tools.dir.clone()];
        job
    }

    pub(super) async fn inside(&self, arguments: &[&str]) -> Outcome {
        self.sandbox().run(self.job(arguments)).await.unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// The same probe without any isolation.
    pub(super) fn outside(&self, arguments: &[&str]) -> String {
        let output = Command::new(self.tools.probe())
            .args(arguments)
            .current_dir(self.scratch.path())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(super) fn world(&self) -> World {
        World::new(self.outside.path())
    }
}

/// Things outside, and whether they were touched.
pub(super) struct World {
    pub(super) file: PathBuf,
    mode: u32,
    pub(super) tcp: TcpListener,
    pub(super) udp: UdpSocket,
    pub(super) unix: (PathBuf, UnixDatagram),
    pub(super) abstract_name: (String, UnixDatagram),
    pub(super) process: Child,
}

impl World {
    fn new(dir: &Path) -> Self {
        let dir = tempfile::tempdir_in(dir).unwrap().keep();
        let file = dir.join("file");
        fs::write(&file, "untouched").unwrap();
        let unix = dir.join("socket");
        let name = format!("hephaestus-test-{}-{}", std::process::id(), dir.display());
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        let world = Self {
            mode: mode(&file),
            file,
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            unix: (unix.clone(), UnixDatagram::bind(unix).unwrap()),
            abstract_name: (name, UnixDatagram::bind_addr(&abstract_address).unwrap()),
            process: Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap(),
        };
        world.tcp.set_nonblocking(true).unwrap();
        world.udp.set_nonblocking(true).unwrap();
        world.unix.1.set_nonblocking(true).unwrap();
        world.abstract_name.1.set_nonblocking(true).unwrap();
        world
    }

    /// What of it was touched. It takes a moment for a signal to end a process, and longer on a busy
    /// machine: `patience` is for when it is expected to end.
    pub(super) fn touched(&mut self, patience: Duration) -> Vec<&'static str> {
        let received = &mut [0; 16];
        let started = Instant::now();
        while self.process.try_wait().unwrap().is_none() && started.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        let process = self.process.id();
        let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap_or_default();
        let limited = limits.lines().any(|l| l.starts_with("Max open files") && l.contains(" 64 "));
        let checks = [
            ("content", fs::read(&self.file).ok().as_deref() != Some(b"untouched")),
            ("attributes", self.file.exists() && (mode(&self.file) != self.mode || is_backdated(&self.file))),
            ("new file", self.file.with_file_name("file.new").exists()),
            ("tcp", self.tcp.accept().is_ok()),
            ("udp", self.udp.recv(received).is_ok()),
            ("unix", self.unix.1.recv(received).is_ok()),
            ("abstract", self.abstract_name.1.recv(received).is_ok()),
            ("process", self.process.try_wait().unwrap().is_some()),
            ("limits", limited),
        ];
        checks.into_iter().filter(|(_, touched)| *touched).map(|(what, _)| what).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().mode()
}

/// Whether it has the time that the probe sets, and no write does.
fn is_backdated(file: &Path) -> bool {
    fs::metadata(file).unwrap().mtime() == 1
}

/// Whether this machine lets bubblewrap make namespaces, found out without our own code.
pub(super) fn namespaces_are_allowed() -> bool {
    static ALLOWED: OnceLock<bool> = OnceLock::new();
    *ALLOWED.get_or_init(|| {
        let arguments = ["--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "--proc", "/proc", "true"];
        Command::new("bwrap").args(arguments).output().is_ok_and(|output| output.status.success())
    })
}

/// The tiers that must work here.
pub(super) fn tiers() -> &'static [TierChoice] {
    if namespaces_are_allowed() {
        &[TierChoice::Landlock, TierChoice::Bubblewrap]
    } else {
        &[TierChoice::Landlock]
    }
}
