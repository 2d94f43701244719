//! One package's harness: written, compiled, and run in the sandbox. Nothing of it is written into the
//! tree: the Go tool's overlay puts the files where they belong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tempfile::TempDir;

use super::Error;
use super::register::{self, FILE, FUZZ_FILE, FUZZ_TARGET, HARNESS, Registration};
use super::surface::{Surface, neighbours};
use super::target::Target;
use crate::domain::Reproducer;
use crate::repository::{Folder, Repository, Workspace};
use crate::sandbox::{Folders, GoToolchain, Job, Outcome, RaceDetector, Sandbox, hindrance};

/// How long a compiler may take.
const BUILD_TIME: Duration = Duration::from_secs(60);
/// And where the race detector is built in, whose standard library may have to be compiled first.
const RACE_BUILD_TIME: Duration = Duration::from_secs(120);
/// How long a written test may run.
const TEST_TIME: Duration = Duration::from_secs(20);
/// How often lines that do not compile are dropped before we give up.
const ROUNDS: usize = 8;

const PARTS: [(&str, &str); 21] = [
    ("after.go", include_str!("harness/after.go")),
    ("asleep.go", include_str!("harness/asleep.go")),
    ("config.go", include_str!("harness/config.go")),
    ("eval.go", include_str!("harness/eval.go")),
    ("gen.go", include_str!("harness/gen.go")),
    ("json.go", include_str!("harness/json.go")),
    ("object.go", include_str!("harness/object.go")),
    ("oracle.go", include_str!("harness/oracle.go")),
    ("passed.go", include_str!("harness/passed.go")),
    ("words.go", include_str!("harness/words.go")),
    ("render.go", include_str!("harness/render.go")),
    ("run.go", include_str!("harness/run.go")),
    ("shape.go", include_str!("harness/shape.go")),
    ("shrink.go", include_str!("harness/shrink.go")),
    ("spell.go", include_str!("harness/spell.go")),
    ("splice.go", include_str!("harness/splice.go")),
    ("std.go", include_str!("harness/std.go")),
    ("stress.go", include_str!("harness/stress.go")),
    ("term.go", include_str!("harness/term.go")),
    ("text.go", include_str!("harness/text.go")),
    ("watch.go", include_str!("harness/watch.go")),
];
/// Parts that are linked only where the package uses what they need: linking costs time.
const OPTIONAL_PARTS: [(&str, &str, &str); 2] = [
    ("net/http", "web.go", include_str!("harness/web.go")),
    ("log/slog", "slog.go", include_str!("harness/slog.go")),
];

/// What Go's fuzzer needs.
const FUZZ_PART: (&str, &str) = ("fuzz.go", include_str!("harness/fuzz.go"));

/// Files put over the tree; an absent one is to be left out.
type Files = BTreeMap<PathBuf, Option<PathBuf>>;

/// What builds and runs need.
#[derive(Clone, Copy)]
pub(super) struct Bench<'a> {
    pub(super) repository: &'a Repository,
    pub(super) workspace: &'a Workspace,
    pub(super) go: &'a GoToolchain,
    pub(super) sandbox: &'a Sandbox,
}

/// Folders of our own inside the scratch copy, gone when dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: TempDir,
}

/// The Go tool's description of files that stand elsewhere, or are absent.
#[derive(Debug, Default, Serialize)]
struct Overlay {
    #[serde(rename = "Replace")]
    replace: BTreeMap<PathBuf, PathBuf>,
}

impl Scratch {
    pub(super) fn new(workspace: &Workspace) -> Result<Self, Error> {
        let failed = |source| Error::Io { what: "make a scratch folder", source };
        let folder = TempDir::with_prefix_in("reproduce-", workspace.tmp()).map_err(failed)?;
        for name in ["tmp", "bin"] {
            std::fs::create_dir(folder.path().join(name)).map_err(failed)?;
        }
        Ok(Self { folder })
    }

    /// The compiler's temporary files; code under test sees nothing of them.
    fn tmp(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// Where only the compiler writes.
    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Writes a file where code under test cannot; its name may begin with that of a folder.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let failed = |source| Error::Io { what: "write the harness", source };
        let path = self.bin().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
        Ok(path)
    }
}

/// A harness that compiles.
pub(super) struct Harness {
    pub(super) binary: PathBuf,
    /// The packages whose exported parts it knows besides.
    pub(super) neighbours: Vec<Surface>,
    /// What it is made of, and where its package stands.
    files: Files,
    home: PathBuf,
    module_path: String,
}

/// How a build ended.
pub(super) enum Built {
    /// The test binary.
    Binary(PathBuf),
    /// It does not compile; what the compiler said.
    Failed(String),
}

/// How tests are compiled.
#[derive(Clone, Copy)]
struct Build<'a> {
    /// The binary's name.
    name: &'a str,
    flags: &'a [&'a str],
    time: Duration,
    /// Who watches for races, where somebody does.
    detector: Option<&'a RaceDetector>,
}

impl<'a> Build<'a> {
    const fn of(name: &'a str) -> Self {
        Self { name, flags: &[], time: BUILD_TIME, detector: None }
    }
}

impl Bench<'_> {
    /// Compiles the tests of a package.
    async fn compile(
        self,
        scratch: &Scratch,
        folder: &str,
        files: &Files,
        build: Build<'_>,
    ) -> Result<Built, Error> {
        let Build { name, flags, time, detector } = build;
        let replace = files.iter().map(|(at, from)| (at.clone(), from.clone().unwrap_or_default())).collect();
        let overlay = serde_json::to_string(&Overlay { replace }).unwrap_or_default();
        let overlay = scratch.write(&format!("{name}.json"), &overlay)?;
        let binary = scratch.bin().join(name);
        let (tree, tmp, bin) = (self.workspace.tree(), scratch.tmp(), scratch.bin());
        let folders = Folders { tree: &tree, tmp: &tmp, bin: &bin };
        let (overlay, output) = (text(&overlay), text(&binary));
        let mut args = vec!["test", "-c", "-vet=off", "-overlay", &overlay, "-o", &output];
        args.extend_from_slice(flags);
        args.push(".");
        let job = self.go.go(folders, &self.workspace.folder(folder), &args, time);
        let job = match detector {
            Some(detector) => detector.watching(job),
            None => job,
        };
        let outcome = self.sandbox.run(job).await?;
        if outcome.ended.is_success() && binary.is_file() {
            return Ok(Built::Binary(binary));
        }
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&outcome.stderr),
            String::from_utf8_lossy(&outcome.stdout)
        );
        if let Some(hindrance) = hindrance(&said) {
            return Err(Error::Hindered(hindrance));
        }
        Ok(Built::Failed(if outcome.ended.is_success() {
            said
        } else {
            format!("{said}({})", outcome.ended)
        }))
    }

    /// Compiles the harness of a package; the inner error is what the compiler said. The package's own tests
    /// are left out: they cost time, and their `TestMain` would come first.
    pub(super) async fn build_harness(
        self,
        scratch: &Scratch,
        package: &Surface,
        targets: &[Target],
        number: usize,
    ) -> Result<Result<Harness, String>, Error> {
        let Some(module) = package.sources.first().and_then(|file| self.repository.module_of(&file.path))
        else {
            return Ok(Err("the package belongs to no module".to_owned()));
        };
        let mut neighbours = neighbours(self.repository, package);
        let mut files = Files::new();
        for test in &package.tests {
            files.insert(self.workspace.path(&test.path), None);
        }
        let home = self.workspace.folder(&module.folder).join(HARNESS);
        let uses = |path: &str| std::iter::once(package).chain(&neighbours).any(|part| part.imports(path));
        let optional =
            OPTIONAL_PARTS.iter().filter(|(needs, _, _)| uses(needs)).map(|(_, name, text)| (*name, *text));
        for (name, text) in PARTS.into_iter().chain(optional) {
            files.insert(home.join(name), Some(scratch.write(name, text)?));
        }
        let mut registration = Registration::new(package, targets, &neighbours, &module.path);
        let place = self.workspace.folder(&package.folder).join(FILE);
        let mut said = String::new();
        for _ in 0..ROUNDS {
            let written = scratch.write(&format!("{number}/{FILE}"), &registration.text())?;
            files.insert(place.clone(), Some(written));
            let name = format!("harness{number}.test");
            // Every error at once, so that every line that fails is dropped at once.
            let build = Build { flags: &["-gcflags=-e"], ..Build::of(&name) };
            match self.compile(scratch, &package.folder, &files, build).await? {
                Built::Binary(binary) => {
                    let module_path = module.path.clone();
                    return Ok(Ok(Harness { binary, neighbours, files, home, module_path }));
                }
                Built::Failed(text) if registration.drop_failing(&text) => said = text,
                // One of them, or what it imports, cannot even be loaded: a module may not be downloaded.
                Built::Failed(text) if text.contains("[setup failed]") && !neighbours.is_empty() => {
                    neighbours.clear();
                    registration = Registration::new(package, targets, &neighbours, &module.path);
                    said = text;
                }
                Built::Failed(text) => return Ok(Err(text)),
            }
        }
        Ok(Err(said))
    }

    /// Compiles a harness once more, such that Go's fuzzer sees which way the code goes.
    pub(super) async fn build_fuzzer(
        self,
        scratch: &Scratch,
        package: &Surface,
        harness: &Harness,
        time: Duration,
    ) -> Result<Built, Error> {
        let mut files = harness.files.clone();
        let (name, text) = FUZZ_PART;
        files.insert(harness.home.join(name), Some(scratch.write(name, text)?));
        let target = register::fuzz_target(package, &harness.module_path);
        let place = self.workspace.folder(&package.folder).join(FUZZ_FILE);
        files.insert(place, Some(scratch.write(FUZZ_FILE, &target)?));
        let flag = format!("-fuzz=^{FUZZ_TARGET}$");
        let build = Build { flags: &[&flag], time, ..Build::of("fuzz.test") };
        self.compile(scratch, &package.folder, &files, build).await
    }

    /// Compiles the tests of one package with more of them, watched by the race detector or not.
    pub(super) async fn build_tests(
        self,
        scratch: &Scratch,
        tests: &[Reproducer],
        detector: Option<&RaceDetector>,
    ) -> Result<Built, Error> {
        let mut files = Files::new();
        for (number, test) in tests.iter().enumerate() {
            let written = scratch.write(&format!("regression{number}_test.go"), &test.source)?;
            files.insert(self.workspace.path(&test.file), Some(written));
        }
        let folder = tests.first().map(|test| test.file.folder()).unwrap_or_default();
        let time = if detector.is_some() { RACE_BUILD_TIME } else { BUILD_TIME };
        let build = Build { time, detector, ..Build::of("regression.test") };
        self.compile(scratch, folder, &files, build).await
    }

    /// Builds what every test under the race detector needs of the standard library, unless the cache holds it.
    pub(super) async fn build_detector(
        self,
        scratch: &Scratch,
        detector: &RaceDetector,
    ) -> Result<(), Error> {
        let (tree, tmp, bin) = (self.workspace.tree(), scratch.tmp(), scratch.bin());
        let folders = Folders { tree: &tree, tmp: &tmp, bin: &bin };
        let args = ["build", "-o", "/dev/null", "testing"];
        self.sandbox.run(detector.watching(self.go.go(folders, &tmp, &args, RACE_BUILD_TIME))).await?;
        Ok(())
    }

    /// What holds C code, if the tests of a package are built from it, or may be: a file of the repository, or a package
    /// outside of it and of the standard library. What cannot be listed may.
    pub(super) async fn own_c_code(self, scratch: &Scratch, folder: &str) -> Result<Option<String>, Error> {
        let (tree, tmp, bin) = (self.workspace.tree(), scratch.tmp(), scratch.bin());
        let folders = Folders { tree: &tree, tmp: &tmp, bin: &bin };
        if let Some(file) = self.repository.file_with_c_code() {
            return Ok(Some(file.to_string()));
        }
        let job = self.go.own_c_code(folders, &self.workspace.folder(folder), BUILD_TIME);
        let outcome = self.sandbox.run(job).await?;
        if !outcome.ended.is_success() {
            return Ok(Some("what cannot be listed".to_owned()));
        }
        let listed = String::from_utf8_lossy(&outcome.stdout).into_owned();
        Ok(listed.split_whitespace().next().map(str::to_owned))
    }

    /// Runs one written test alone; what it printed, errors last.
    pub(super) async fn run_test(self, test: &Reproducer, binary: &Path) -> Result<Vec<u8>, Error> {
        let only = format!("-test.run=^{}$", test.test);
        let args = [only.as_str(), "-test.v", "-test.count=1"];
        let outcome = self.run(test.file.folder(), binary, &args, TEST_TIME).await?;
        // What the test printed last need not end its line.
        Ok([outcome.stdout, b"\n".to_vec(), outcome.stderr].concat())
    }

    /// Runs a test binary in its package's folder.
    async fn run(self, folder: &str, binary: &Path, args: &[&str], wall: Duration) -> Result<Outcome, Error> {
        let tmp = self.fresh_tmp()?;
        Ok(self.sandbox.run(self.job(&tmp, folder, binary, args, wall)).await?)
    }

    /// Runs a harness, which reads what it is to do from the file `config`, and writes its answer into `tmp`.
    /// The code under test runs in the same process: it can read the one, and put anything into the other.
    pub(super) async fn run_harness(
        self,
        tmp: &Folder,
        config: &Path,
        folder: &str,
        binary: &Path,
        args: &[&str],
        wall: Duration,
    ) -> Result<Outcome, Error> {
        let mut job = self.job(tmp, folder, binary, args, wall);
        job.read.push(config.to_owned());
        job.env.push(("HEPHAESTUS_HARNESS".to_owned(), text(config)));
        Ok(self.sandbox.run(job).await?)
    }

    fn job(self, tmp: &Folder, folder: &str, binary: &Path, args: &[&str], wall: Duration) -> Job {
        let (tree, bin) = (self.workspace.tree(), self.workspace.bin());
        let folders = Folders { tree: &tree, tmp: tmp.path(), bin: &bin };
        self.go.run_tests(folders, &self.workspace.folder(folder), binary, args, wall)
    }

    /// Temporary files of one run: nothing of ours is ever written where code under test was before.
    pub(super) fn fresh_tmp(self) -> Result<Folder, Error> {
        let failed =
            |error| Error::Io { what: "make a scratch folder", source: std::io::Error::other(error) };
        self.workspace.fresh_tmp().map_err(failed)
    }

    /// The source as gofmt writes it; as it was where gofmt refuses.
    pub(super) async fn format(self, scratch: &Scratch, source: String) -> Result<String, Error> {
        let (tree, tmp, bin) = (self.workspace.tree(), scratch.tmp(), scratch.bin());
        let folders = Folders { tree: &tree, tmp: &tmp, bin: &bin };
        let job = self.go.gofmt(folders, &[], &source, Duration::from_secs(10));
        let outcome = self.sandbox.run(job).await?;
        match String::from_utf8(outcome.stdout) {
            Ok(formatted) if outcome.ended.is_success() && !formatted.is_empty() => Ok(formatted),
            _ => Ok(source),
        }
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
