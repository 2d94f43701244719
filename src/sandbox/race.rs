//! The race detector of a Go toolchain.
//!
//! What it watches is built with cgo, and so with a C compiler: its runtime is C. That is the one build for which
//! cgo is on. C code of the repository or its modules is not compiled even then: see [`GoToolchain::own_c_code`].
//! It reserves terabytes of addresses, of which little becomes memory: a job's memory is what is resident, so that
//! limits need not be wider for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Folders, GoToolchain, Job};

/// Where programs stand that a job may run, as its `PATH` names them.
const PROGRAMS: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// Compilers that Go can work with, where the one that it asks for is not there.
const COMPILERS: [&str; 3] = ["gcc", "clang", "cc"];

/// The race detector, where it can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaceDetector {
    compiler: PathBuf,
}

/// Why the race detector cannot be used, as a sentence that goes on after "since".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRaceDetector {
    /// Its runtime is not there.
    #[error("the Go toolchain has no race detector for this machine")]
    Runtime,
    /// There is no C compiler.
    #[error("it needs a C compiler, and there is none in /usr/bin")]
    Compiler,
}

impl NoRaceDetector {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Runtime => {
                "fixes of data races stay plausible; run on amd64 or arm64 with Go's own release"
            }
            Self::Compiler => {
                "install gcc and the headers of the C library, as by `apt-get install gcc libc6-dev`"
            }
        }
    }
}

impl GoToolchain {
    /// The race detector, if it can be used here.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn race_detector(&self) -> Result<RaceDetector, NoRaceDetector> {
        let runtime = self.root().join("src/runtime/race");
        let names = [
            format!("race_linux_{}.syso", self.arch()),
            format!("internal/{}v1/race_linux.syso", self.arch()),
        ];
        if !names.iter().any(|name| runtime.join(name).is_file()) {
            return Err(NoRaceDetector::Runtime);
        }
        let wanted =
            self.compiler().split_whitespace().next().and_then(|program| Path::new(program).file_name());
        let names = wanted.into_iter().chain(COMPILERS.iter().map(std::ffi::OsStr::new));
        let mut places = names.flat_map(|name| PROGRAMS.map(|folder| Path::new(folder).join(name)));
        let compiler = places.find(|program| program.is_file()).ok_or(NoRaceDetector::Compiler)?;
        Ok(RaceDetector { compiler })
    }

    /// Lists the packages outside of the standard library that hold C code, one a line, of those that the tests of
    /// the package in folder `package` are built from: with cgo on they would be compiled.
    #[must_use]
    pub fn own_c_code(&self, folders: Folders<'_>, package: &Path, wall: Duration) -> Job {
        let format =
            "{{if and (or .CgoFiles .SwigFiles .SwigCXXFiles) (not .Standard)}}{{.ImportPath}}{{end}}";
        with_cgo(self.go(folders, package, &["list", "-e", "-deps", "-test", "-f", format, "."], wall))
    }
}

impl RaceDetector {
    /// The compiler that it is built with.
    #[must_use]
    pub fn compiler(&self) -> &Path {
        &self.compiler
    }

    /// The same build, `go build` or `go test -c`, of a program that the detector watches.
    #[must_use]
    pub fn watching(&self, job: Job) -> Job {
        let mut job = with_cgo(job);
        job.args.insert(1.min(job.args.len()), "-race".into());
        job.env.push(("CC".to_owned(), self.compiler.to_string_lossy().into_owned()));
        job
    }
}

fn with_cgo(mut job: Job) -> Job {
    job.env.retain(|(name, _)| name != "CGO_ENABLED");
    job.env.push(("CGO_ENABLED".to_owned(), "1".to_owned()));
    job
}
