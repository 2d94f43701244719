//! The Go toolchain as jobs for the sandbox.
//!
//! Building and running are kept apart: the compiler writes the build cache but runs nothing of the
//! repository (cgo is off but for the race detector's runtime, `go generate` is never called), while the test binaries run the repository's
//! code but see neither the cache nor a writable copy of the sources. So code under test can poison
//! neither later builds nor the proof of its own fix.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use super::{Job, Limits};

/// The oldest Go whose output and tools are known to work.
const OLDEST: (u32, u32) = (1, 21);

/// Why no Go toolchain can be used.
#[derive(Debug, thiserror::Error)]
pub enum GoError {
    /// There is none.
    #[error("no Go toolchain was found{0}")]
    Missing(String),
    /// It does not answer.
    #[error("{go} does not answer `go env`: {reason}")]
    Broken {
        /// The program that was asked.
        go: PathBuf,
        /// What it said.
        reason: String,
    },
    /// It is too old.
    #[error("{go} is {version}, but Go 1.21 or newer is needed")]
    TooOld {
        /// The program that was asked.
        go: PathBuf,
        /// Its version.
        version: String,
    },
    /// The build cache cannot be made or written.
    #[error("cannot write the build cache {path}: {source}")]
    Cache {
        /// Where it was tried.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl GoError {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::TooOld { .. } => {
                "install Go 1.21 or newer and put `go` on PATH, or set repository.go to its path"
            }
            Self::Broken { .. } => "reinstall it, or set repository.go to another one",
            Self::Cache { .. } => "set repository.go_cache to a folder that can be written",
        }
    }
}

/// A Go toolchain on this machine.
#[derive(Debug, Clone)]
pub struct GoToolchain {
    root: PathBuf,
    version: String,
    module_cache: PathBuf,
    build_cache: PathBuf,
    /// The architecture, as Go names it.
    arch: String,
    /// The C compiler that it asks for, and maybe flags.
    compiler: String,
}

/// The folders one job works in.
#[derive(Debug, Clone, Copy)]
pub struct Folders<'a> {
    /// The sources: read, never written.
    pub tree: &'a Path,
    /// Temporary files: written.
    pub tmp: &'a Path,
    /// Where binaries are put.
    pub bin: &'a Path,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct GoEnv {
    goroot: PathBuf,
    goversion: String,
    gomodcache: PathBuf,
    goarch: String,
    cc: String,
}

impl GoToolchain {
    /// Finds a Go toolchain: the one given, else the first on PATH, else the usual place.
    ///
    /// `cache` is the build cache of Hephaestus alone; the user's own is neither read nor written.
    ///
    /// # Errors
    /// When there is none, it is too old, or the cache cannot be made.
    pub fn detect(go: Option<&Path>, cache: &Path) -> Result<Self, GoError> {
        let go = match go {
            Some(go) if go.is_file() => go.to_owned(),
            Some(go) => return Err(GoError::Missing(format!(": {} is not a file", go.display()))),
            None => on_path("go").ok_or_else(|| GoError::Missing(" on PATH".to_owned()))?,
        };
        let env = ask(&go)?;
        if minor_version(&env.goversion).is_some_and(|version| version < OLDEST) {
            return Err(GoError::TooOld { go, version: env.goversion });
        }
        let failed = |source| GoError::Cache { path: cache.to_owned(), source };
        std::fs::create_dir_all(cache).map_err(failed)?;
        let build_cache = cache.canonicalize().map_err(failed)?;
        // That the folder is there does not mean that it can be written.
        drop(tempfile::tempfile_in(&build_cache).map_err(failed)?);
        Ok(Self {
            root: env.goroot,
            version: env.goversion,
            module_cache: env.gomodcache,
            build_cache,
            arch: env.goarch,
            compiler: env.cc,
        })
    }

    /// Its version as it calls itself: `go1.26.1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The architecture that it builds for, as Go names it.
    pub(super) fn arch(&self) -> &str {
        &self.arch
    }

    /// The C compiler that it asks for, and maybe flags.
    pub(super) fn compiler(&self) -> &str {
        &self.compiler
    }

    /// Its root folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the modules lie that were downloaded; the folder need not be there.
    #[must_use]
    pub fn module_cache(&self) -> &Path {
        &self.module_cache
    }

    /// The build cache of Hephaestus.
    #[must_use]
    pub fn build_cache(&self) -> &Path {
        &self.build_cache
    }

    /// Any `go` subcommand that compiles or inspects but runs none of the repository's code:
    /// `build`, `vet`, `list`, `test -c`.
    #[must_use]
    pub fn go(&self, folders: Folders<'_>, package: &Path, args: &[&str], wall: Duration) -> Job {
        self.beside_go(self.root.join("bin/go"), folders, package, args, wall)
    }

    /// A program of ours that calls `go` as [`GoToolchain::go`] would, and runs none of the repository's code either.
    #[must_use]
    pub fn beside_go(
        &self,
        program: PathBuf,
        folders: Folders<'_>,
        package: &Path,
        args: &[&str],
        wall: Duration,
    ) -> Job {
        let mut job = self.job(program, folders, package, args, wall);
        without_home(&mut job);
        job.write.extend([self.build_cache.clone(), folders.bin.to_owned()]);
        job.read.push(self.root.clone());
        // It comes into being with the first module that is downloaded.
        job.read.extend(self.module_cache.is_dir().then(|| self.module_cache.clone()));
        job
    }

    /// `go test -c` of the package in folder `package`, into `output` below `folders.bin`. A package
    /// without test files compiles to nothing: success, and no output file.
    #[must_use]
    pub fn compile_tests(&self, folders: Folders<'_>, package: &Path, output: &Path, wall: Duration) -> Job {
        let mut job = self.go(folders, package, &["test", "-c", "-vet=off", "-o"], wall);
        job.args.extend([output.as_os_str().to_owned(), OsString::from(".")]);
        job
    }

    /// A compiled test binary, run in its package's folder. The sources are read-only to it.
    #[must_use]
    pub fn run_tests(
        &self,
        folders: Folders<'_>,
        package: &Path,
        binary: &Path,
        args: &[&str],
        wall: Duration,
    ) -> Job {
        let mut job = self.job(binary.to_owned(), folders, package, args, wall);
        job.read.push(binary.to_owned());
        job
    }

    /// `gofmt` with `args`, `source` on its standard input.
    #[must_use]
    pub fn gofmt(&self, folders: Folders<'_>, args: &[&str], source: &str, wall: Duration) -> Job {
        let mut job = self.job(self.root.join("bin/gofmt"), folders, folders.tmp, args, wall);
        without_home(&mut job);
        job.read.push(self.root.clone());
        job.stdin = Some(source.as_bytes().to_vec());
        job
    }

    fn job(&self, program: PathBuf, folders: Folders<'_>, cwd: &Path, args: &[&str], wall: Duration) -> Job {
        Job {
            program,
            args: args.iter().map(OsString::from).collect(),
            cwd: cwd.to_owned(),
            env: self.environment(folders, cwd),
            read: vec![folders.tree.to_owned()],
            write: vec![folders.tmp.to_owned()],
            wall,
            stdin: None,
            limits: Limits::default(),
        }
    }

    /// The whole environment of a job: no network, no other toolchain, no cgo, no user settings.
    fn environment(&self, folders: Folders<'_>, cwd: &Path) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        [
            ("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", text(&self.root.join("bin")))),
            ("HOME", text(folders.tmp)),
            ("TMPDIR", text(folders.tmp)),
            ("GOTMPDIR", text(folders.tmp)),
            ("GOROOT", text(&self.root)),
            ("GOCACHE", text(&self.build_cache)),
            ("GOMODCACHE", text(&self.module_cache)),
            ("GOPATH", text(&folders.tmp.join("gopath"))),
            ("GOWORK", work_file(folders.tree, cwd)),
            ("GOENV", "off".to_owned()),
            // As `go test` links what it runs: debug information costs half of a link, and traces need none.
            ("GOFLAGS", "-buildvcs=false -ldflags=-s".to_owned()),
            ("GOPROXY", "off".to_owned()),
            ("GOSUMDB", "off".to_owned()),
            ("GOTELEMETRY", "off".to_owned()),
            ("GOTOOLCHAIN", "local".to_owned()),
            ("CGO_ENABLED", "0".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// Go's own programs want to start a process for their telemetry in the user's settings, and complain where
/// they may not. With no home there are no settings; everything they need has a variable of its own.
fn without_home(job: &mut Job) {
    job.env.retain(|(name, _)| name != "HOME");
}

/// The work file that Go would find from `cwd` upwards, but none above the tree: what lies there is not the
/// repository's.
fn work_file(tree: &Path, cwd: &Path) -> String {
    let within = cwd.ancestors().take_while(|folder| folder.starts_with(tree));
    let found = within.map(|folder| folder.join("go.work")).find(|file| file.is_file());
    found.map_or_else(|| "off".to_owned(), |file| file.to_string_lossy().into_owned())
}

/// The first program of this name on PATH, else below the folder the Go installer uses.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/local/go/bin")])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// Asks the toolchain where its parts are, from a neutral folder so that no `go.mod` or `go.work` of a
/// repository has a say.
fn ask(go: &Path) -> Result<GoEnv, GoError> {
    let broken = |reason: String| GoError::Broken { go: go.to_owned(), reason };
    let output = Command::new(go)
        .args(["env", "-json", "GOROOT", "GOVERSION", "GOMODCACHE", "GOARCH", "CC"])
        .current_dir("/")
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env_remove("GOFLAGS")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| broken(error.to_string()))?;
    if !output.status.success() {
        return Err(broken(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| broken(error.to_string()))
}

/// `go1.26.1` is (1, 26); a development version tells none.
fn minor_version(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix("go")?.split(['.', 'r', 'b', ' ']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{minor_version, work_file};

    #[test]
    fn no_work_file_above_the_tree_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        std::fs::create_dir_all(tree.join("a/b")).unwrap();
        std::fs::write(folder.path().join("go.work"), "go 1.21\n").unwrap();
        assert_eq!(work_file(&tree, &tree.join("a/b")), "off");
        assert_eq!(work_file(&tree, folder.path()), "off");
        for place in [&tree, &tree.join("a")] {
            let file = place.join("go.work");
            std::fs::write(&file, "go 1.21\n").unwrap();
            assert_eq!(work_file(&tree, &tree.join("a/b")), file.to_str().unwrap());
        }
    }

    #[test]
    fn versions_of_every_shape() {
        for (text, version) in [
            ("go1.21", Some((1, 21))),
            ("go1.26.8", Some((1, 26))),
            ("go1.22rc1", Some((1, 22))),
            ("go1.27-custom", None),
            ("devel go1.27-abc", None),
        ] {
            assert_eq!(minor_version(text), version, "{text}");
        }
    }
}
