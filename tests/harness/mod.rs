//! What every test needs: the real binary, and folders that clean up after themselves.

/// The library's own tests use it too.
#[path = "../../src/storage/small_disk.rs"]
#[expect(dead_code, reason = "only those make a disk read-only")]
pub(crate) mod small_disk;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of this project.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder that holds what the tests leave for each other, and what else goes to a cache: what takes back a fix
/// that was applied has no place among what a developer keeps.
pub(crate) const CACHE: &str = env!("CARGO_TARGET_TMPDIR");

/// Go's build cache in it, which is filled once for all tests.
pub(crate) fn go_cache() -> PathBuf {
    Path::new(CACHE).join("hephaestus/go-build")
}

/// The real binary, deaf to the environment's configuration, colours and width, with a cache folder of the tests.
pub(crate) fn hephaestus() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hephaestus"));
    for variable in ["HEPHAESTUS_CONFIG", "HEPHAESTUS_LOG", "CLICOLOR_FORCE", "OTEL_SERVICE_NAME", "COLUMNS"]
    {
        command.env_remove(variable);
    }
    command.env("NO_COLOR", "1").env("XDG_CACHE_HOME", CACHE).current_dir(std::env::temp_dir());
    command
}

/// Runs a command to its end and gives its output, its errors as text in the panic if it cannot start.
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Runs a command that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = run(command);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    output
}

/// Standard error as text.
pub(crate) fn errors_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The Go program that the tests use: the first on PATH, else the usual place.
pub(crate) fn go() -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found: Option<PathBuf> = std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/local/go/bin")])
        .map(|folder| folder.join("go"))
        .find(|program| program.is_file());
    let mut command = Command::new(found.expect("the tests need a Go toolchain: run `make setup`"));
    command.env("GOTOOLCHAIN", "local").env("GOPROXY", "off").env("GOFLAGS", "-mod=mod");
    command
}

/// The fenced blocks of a language in a section of a document, which ends where the next one begins.
pub(crate) fn blocks(document: &str, section: &str, language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(project().join(document)).unwrap();
    let (_, rest) = text.split_once(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("no {section}"));
    let section = rest.split("\n## ").next().unwrap();
    let opening = format!("```{language}\n");
    let fences = section.split(&opening).skip(1);
    let blocks: Vec<String> = fences.map(|rest| rest.split("```").next().unwrap().to_owned()).collect();
    assert!(!blocks.is_empty(), "{document} shows no {language}");
    blocks
}

/// The commands that such blocks show, a line each, without what stands behind a `#`.
pub(crate) fn commands(document: &str, section: &str) -> Vec<String> {
    let console = blocks(document, section, "console").concat().replace("\\\n", " ");
    let commands = console.lines().filter_map(|line| line.strip_prefix("$ "));
    commands.map(|command| command.split(" #").next().unwrap().trim_end().to_owned()).collect()
}

/// Copies a folder whole.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
