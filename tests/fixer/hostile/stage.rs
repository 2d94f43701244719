//! Where a hostile input is played: a repository, and beside it what nobody may touch.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use super::super::module::Till;
use crate::harness::{hephaestus, run};

/// The longest that any input may take, reading the log and building included; attempts are over far earlier.
const LIMIT: Duration = Duration::from_secs(240);
/// Files that are larger are not read to see whether they changed.
const LARGE: u64 = 64 << 20;
/// How long what was ended may take to be gone.
const GONE: Duration = Duration::from_secs(5);

/// A till, a home, a folder for temporary files, and a victim.
pub(super) struct Stage {
    till: Till,
}

/// How a run ended, and what it wrote.
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
}

impl Stage {
    pub(super) fn new() -> Self {
        let stage = Self { till: Till::new() };
        for folder in ["victim", "home/.config/go/telemetry", "tmp"] {
            fs::create_dir_all(stage.beside(folder)).unwrap();
        }
        fs::write(stage.beside("victim/kept"), "untouched").unwrap();
        // Go counts its own use in the home, whoever calls it, unless it is told not to.
        fs::write(stage.beside("home/.config/go/telemetry/mode"), "off").unwrap();
        stage
    }

    pub(super) fn root(&self) -> PathBuf {
        self.till.repository()
    }

    /// What lies beside the repository.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.till.outside().join(name)
    }

    /// A path outside of all that belongs to the input, where everybody may write.
    pub(super) fn far(&self) -> PathBuf {
        self.till.outside().with_extension("escaped")
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        self.till.write(path, text);
    }

    pub(super) fn remove(&self, path: &str) {
        fs::remove_file(self.root().join(path)).unwrap();
    }

    /// Nothing is run of what does not build, so that it takes no time.
    pub(super) fn break_build(&self) {
        self.write("basket/more.go", "package basket\n\nvar broken int = \"text\"\n");
    }

    /// Another text in the place of a part of the package at fault.
    pub(super) fn replace(&self, part: &str, text: &str) {
        let path = self.root().join("basket/basket.go");
        let source = fs::read_to_string(&path).unwrap();
        assert!(source.contains(part), "{part}");
        fs::write(path, source.replacen(part, text, 1)).unwrap();
    }

    /// A package whose `init` does what the text says; `VICTIM` in it is a folder that nobody may touch, `BOX` the
    /// one in which it lies, `FAR` a path where everybody may write.
    pub(super) fn init(&self, imports: &[&str], body: &str) {
        let imports: String = imports.iter().map(|name| format!("\t\"{name}\"\n")).collect();
        let body = body
            .replace("VICTIM", &self.beside("victim").display().to_string())
            .replace("BOX", &self.till.outside().display().to_string())
            .replace("FAR", &self.far().display().to_string());
        self.write(
            "basket/init.go",
            &format!("package basket\n\nimport (\n{imports})\n\nfunc init() {{\n{body}\n}}\n"),
        );
    }

    /// Runs the fixer on the repository and a log, and waits for its end no longer than it may take.
    pub(super) fn fix(&self, log: &[u8], format: &str, timeout: u32) -> Result<Ended, String> {
        let io = tempfile::tempdir().unwrap();
        let file = |name: &str| io.path().join(name);
        fs::write(file("app.log"), log).unwrap();
        let config = format!(
            "generator:\n  timeout: {timeout}s\n  reproduction_timeout: 5s\nvalidator:\n  reproducer_runs: 1\n\
             sandbox:\n  memory: 1GiB\n  disk: 256MiB\n  file_size: 64MiB\n"
        );
        fs::write(file("hephaestus.yaml"), config).unwrap();
        let mut command = hephaestus();
        command.args(["fix", "--apply", "--format", format, "--config"]).arg(file("hephaestus.yaml"));
        command.arg("--repo").arg(self.root()).arg("--log").arg(file("app.log"));
        command
            .env("HOME", self.beside("home"))
            .env("TMPDIR", self.beside("tmp"))
            .current_dir(self.beside("victim"));
        // A deep recursion must not be saved by what the tests are given.
        command.env_remove("RUST_MIN_STACK");
        command.stdout(File::create(file("out")).unwrap()).stderr(File::create(file("err")).unwrap());
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if begun.elapsed() < LIMIT => std::thread::sleep(Duration::from_millis(20)),
                None => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    let err = fs::read(file("err")).unwrap();
                    return Err(format!("it does not end: {}", String::from_utf8_lossy(&err)));
                }
            }
        };
        let (out, err) = (fs::read(file("out")).unwrap(), fs::read(file("err")).unwrap());
        Ok(Ended { code: status.code(), out, err })
    }

    /// Everything of the stage: of each path what it is and what it holds.
    pub(super) fn snapshot(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.till.outside().to_owned()];
        while let Some(folder) = folders.pop() {
            // A path may be longer than the system takes in one piece.
            for entry in fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                let Ok(metadata) = path.symlink_metadata() else { continue };
                let kind = metadata.file_type();
                let holds = if kind.is_dir() {
                    folders.push(path.clone());
                    "folder".to_owned()
                } else if kind.is_symlink() {
                    format!("link to {}", fs::read_link(&path).unwrap().display())
                } else if kind.is_fifo() || kind.is_socket() {
                    "special".to_owned()
                } else if metadata.len() > LARGE {
                    format!("{} bytes", metadata.len())
                } else {
                    blake3::hash(&fs::read(&path).unwrap()).to_string()
                };
                let path = path.strip_prefix(self.till.outside()).unwrap().to_owned();
                found.insert(path, format!("{:o} {holds}", metadata.mode()));
            }
        }
        found
    }

    /// Processes that still work here, once those are gone that were just ended.
    pub(super) fn processes(&self) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let found = processes_in(self.till.outside());
            if found.is_empty() || begun.elapsed() > GONE {
                return found;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Processes whose program or working folder lies in a folder.
fn processes_in(folder: &Path) -> Vec<String> {
    let lies_there = |process: &Path| {
        let link =
            |name: &str| fs::read_link(process.join(name)).is_ok_and(|place| place.starts_with(folder));
        link("cwd") || link("exe")
    };
    let all = fs::read_dir("/proc").unwrap().flatten().map(|process| process.path());
    let here = all.filter(|process| lies_there(process));
    here.map(|process| fs::read_to_string(process.join("cmdline")).unwrap_or_default()).collect()
}

/// Fills the build cache of the tests once, which belongs to no input.
pub(super) fn fill_the_build_cache() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let stage = Stage::new();
        stage.break_build();
        let log = stage.beside("app.log");
        fs::write(&log, super::logs::crash()).unwrap();
        let mut command: Command = hephaestus();
        run(command.args(["fix", "--repo"]).arg(stage.root()).arg("--log").arg(log));
    });
}
