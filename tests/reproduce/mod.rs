//! Real crashes of small modules, made to happen again.
//!
//! A case is one file: the module, a driver that crashes it (or input for its own program), and the
//! source with the defect mended. The driver is really run; what it prints is read like any log.

mod aftermath;
mod fuzz;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use hephaestus::analyzer::go::{fault_facts, parse_trace};
use hephaestus::domain::{Class, Fault, FaultFacts, Location, RepoPath, Reproducer};
use hephaestus::generator::reproduce::{Reproduction, Request, reproduce};
use hephaestus::repository::{Repository, Workspace};
use hephaestus::sandbox::{Config, Folders, GoToolchain, Sandbox};

use crate::harness::go_cache;

struct Case {
    reach: String,
    context: Vec<String>,
    module: BTreeMap<String, String>,
    driver: Option<String>,
    stdin: Option<String>,
    fixed: BTreeMap<String, String>,
}

fn parse(text: &str) -> Case {
    let mut parts = text.split("\n-- ");
    let head = parts.next().unwrap();
    let value =
        |key: &str| head.lines().filter_map(|l| l.strip_prefix(key)).map(str::to_owned).collect::<Vec<_>>();
    let mut case = Case {
        reach: value("reach: ").remove(0),
        context: value("context: "),
        module: BTreeMap::new(),
        driver: None,
        stdin: None,
        fixed: BTreeMap::new(),
    };
    for part in parts {
        let (name, body) = part.split_once(" --\n").unwrap();
        let body = format!("{body}\n");
        match name.strip_prefix("fixed/") {
            Some(name) => drop(case.fixed.insert(name.to_owned(), body)),
            None if name == "driver/main.go" => case.driver = Some(body),
            None if name == "stdin" => case.stdin = Some(body),
            None => drop(case.module.insert(name.to_owned(), body)),
        }
    }
    case
}

fn write(folder: &Path, files: &BTreeMap<String, String>) {
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// What the crash prints: the driver is really run.
fn crash(case: &Case) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &case.module);
    let target = match &case.driver {
        Some(driver) => {
            write(folder.path(), &BTreeMap::from([("driver/main.go".to_owned(), driver.clone())]));
            "./driver"
        }
        None => ".",
    };
    let program = folder.path().join("program");
    let build = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(target)
        .current_dir(folder.path())
        .env("GOCACHE", go_cache())
        .env("GOFLAGS", "-mod=mod")
        .output()
        .unwrap();
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    if let Some(input) = &case.stdin {
        use std::io::Write;
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    }
    String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
}

fn fault(log: &str, repository: &Repository) -> Fault {
    let crash = parse_trace(log).unwrap_or_else(|| panic!("no crash in {log}"));
    let stack: Vec<_> = crash.trace.frames.iter().filter_map(|frame| repository.locate(frame)).collect();
    assert!(!stack.is_empty(), "no frame of {log} is in the repository");
    let facts = fault_facts(&crash.message, crash.trace.fault_address);
    Fault { class: crash.class, message: crash.message, facts, stack, others: Vec::new() }
}

fn sandbox() -> Sandbox {
    let launcher = Some(PathBuf::from(env!("CARGO_BIN_EXE_hephaestus")));
    Sandbox::detect(&Config { launcher, ..Config::default() }).unwrap()
}

/// Runs the reproducer alone in the scratch copy; the output, and whether it passed.
async fn run(
    test: &Reproducer,
    workspace: &Workspace,
    go: &GoToolchain,
    sandbox: &Sandbox,
) -> (bool, String) {
    workspace.write(&test.file, &test.source).unwrap();
    let (tree, tmp, bin) = (workspace.tree(), workspace.tmp(), workspace.bin());
    let folders = Folders { tree: &tree, tmp: &tmp, bin: &bin };
    let package = workspace.folder(test.file.folder());
    let binary = bin.join("check.test");
    let minute = Duration::from_secs(60);
    let built = sandbox.run(go.compile_tests(folders, &package, &binary, minute)).await.unwrap();
    assert!(built.ended.is_success(), "{}", String::from_utf8_lossy(&built.stderr));
    let only = format!("-test.run=^{}$", test.test);
    let ran =
        sandbox.run(go.run_tests(folders, &package, &binary, &[&only, "-test.v"], minute)).await.unwrap();
    let output = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(output.contains(&format!("=== RUN   {}", test.test)), "{output}");
    workspace.remove(&test.file).unwrap();
    (ran.ended.is_success(), output)
}

fn listing(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut out: Vec<_> = ignore::WalkBuilder::new(folder)
        .standard_filters(false)
        .build()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(|entry| (entry.path().to_owned(), std::fs::read(entry.path()).unwrap()))
        .collect();
    out.sort();
    out
}

async fn check(text: &str) {
    let case = parse(text);
    let log = crash(&case);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &case.module);
    let repository = Repository::open(folder.path()).unwrap();
    let workspace = Workspace::copy_of(&repository, Path::new("/nowhere")).unwrap();
    let fault = fault(&log, &repository);
    let (go, sandbox) = (GoToolchain::detect(None, &go_cache()).unwrap(), sandbox());
    let before = listing(workspace.tree().parent().unwrap());
    let context: Vec<String> = case.context.iter().cloned().chain([log]).collect();
    let request = Request {
        fault: &fault,
        repository: &repository,
        workspace: &workspace,
        log_context: &context,
        time_limit: Duration::from_secs(60),
        search_limit: Duration::from_secs(10),
        fuzz_limit: Duration::ZERO,
        by_force: true,
        seed: 7,
        aftermath: None,
    };
    let begun = std::time::Instant::now();
    let result = reproduce(request, &go, &sandbox, &|step| println!("{step}")).await.unwrap();
    assert_eq!(before, listing(workspace.tree().parent().unwrap()), "the workspace is left as found");
    let Reproduction::Reproduced { reproducer, how, .. } = result else { panic!("{result:?}") };
    println!("{how} in {:.1}s\n{}", begun.elapsed().as_secs_f64(), reproducer.source);
    assert_eq!(reproducer.reach.as_str(), case.reach);
    let code = reproducer.source.lines().filter(|line| !line.starts_with("//"));
    assert!(!code.into_iter().any(|line| line.contains("hephaestus") || line.contains("reflect.")));

    let (passed, output) = run(&reproducer, &workspace, &go, &sandbox).await;
    let again = parse_trace(&output).unwrap_or_else(|| panic!("no crash in {output}"));
    assert!(!passed && again.class == fault.class, "{output}");
    write(&workspace.tree(), &case.fixed);
    let (passed, output) = run(&reproducer, &workspace, &go, &sandbox).await;
    assert!(passed, "the mended source must pass: {output}");
}

macro_rules! cases {
    ($($name:ident)+) => {$(
        #[tokio::test]
        async fn $name() {
            check(include_str!(concat!("cases/", stringify!($name), ".txt"))).await;
        }
    )+};
}

cases! {
    assertion_on_json
    divide_by_zero
    generic_function
    handler_behind_mux
    index_by_parsing
    nil_argument
    nil_map_write
    nil_receiver
    only_inside
    package_main
    recovered_by_the_code
    slice_bounds
    three_packages_deep
    type_of_a_caller
    worker_goroutine
}

#[tokio::test]
async fn what_cannot_be_reproduced_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let module = "module m\n\ngo 1.21\n".to_owned();
    let sound =
        "package m\n\nfunc F(s string) byte {\n\tif s == \"\" {\n\t\treturn 0\n\t}\n\treturn s[0]\n}\n";
    let broken = "package broken\n\nfunc F(s string) byte { return s[undefined] }\n";
    let files = [("go.mod", module.as_str()), ("m.go", sound), ("broken/b.go", broken)];
    write(folder.path(), &files.map(|(path, text)| (path.to_owned(), text.to_owned())).into());
    let repository = Repository::open(folder.path()).unwrap();
    let workspace = Workspace::copy_of(&repository, Path::new("/nowhere")).unwrap();
    let (go, sandbox) = (GoToolchain::detect(None, &go_cache()).unwrap(), sandbox());
    for (class, file, line, expected) in [
        (Class::LoggedError, "m.go", 7, "no crash to reproduce"),
        (Class::ConnectionRefused, "m.go", 7, "not of the code"),
        (Class::IndexOutOfRange, "m.go", 7, "no call of"),
        (Class::IndexOutOfRange, "broken/b.go", 3, "does not build"),
    ] {
        let place = Location { file: RepoPath::new(file).unwrap(), line, function: "F".to_owned() };
        let message = "runtime error: index out of range [0] with length 0".to_owned();
        let facts = FaultFacts::default();
        let fault = Fault { class, message, facts, stack: vec![place], others: Vec::new() };
        let request = Request {
            fault: &fault,
            repository: &repository,
            workspace: &workspace,
            log_context: &[],
            time_limit: Duration::from_secs(4),
            search_limit: Duration::from_secs(10),
            fuzz_limit: Duration::ZERO,
            by_force: true,
            seed: 1,
            aftermath: None,
        };
        let result = reproduce(request, &go, &sandbox, &|_| ()).await.unwrap();
        let Reproduction::NotReproduced { reason, .. } = result else { panic!("{result:?}") };
        assert!(reason.contains(expected), "{reason}");
    }
}

/// The line of the log holds nothing that fails in this way: what crashes is told with its own line.
#[tokio::test]
async fn a_crash_that_is_not_where_the_log_says_tells_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let source = "package m\n\nfunc F(s string) byte {\n\tn := 0\n\treturn s[n]\n}\n";
    let files = [("go.mod", "module m\n\ngo 1.21\n"), ("m.go", source)];
    write(folder.path(), &files.map(|(path, text)| (path.to_owned(), text.to_owned())).into());
    let repository = Repository::open(folder.path()).unwrap();
    let workspace = Workspace::copy_of(&repository, Path::new("/nowhere")).unwrap();
    let (go, sandbox) = (GoToolchain::detect(None, &go_cache()).unwrap(), sandbox());
    for (line, wanted) in [(4, Some(5)), (5, None)] {
        let place = Location { file: RepoPath::new("m.go").unwrap(), line, function: "F".to_owned() };
        let message = "runtime error: index out of range [0] with length 0".to_owned();
        let facts = FaultFacts::default();
        let class = Class::IndexOutOfRange;
        let fault = Fault { class, message, facts, stack: vec![place], others: Vec::new() };
        let request = Request {
            fault: &fault,
            repository: &repository,
            workspace: &workspace,
            log_context: &[],
            time_limit: Duration::from_secs(60),
            search_limit: Duration::from_secs(10),
            fuzz_limit: Duration::ZERO,
            by_force: false,
            seed: 1,
            aftermath: None,
        };
        let result = reproduce(request, &go, &sandbox, &|_| ()).await.unwrap();
        let Reproduction::Reproduced { reproducer, astray, .. } = result else { panic!("{result:?}") };
        assert_eq!(astray.map(|place| place.line), wanted);
        assert_eq!(reproducer.reach.as_str(), if wanted.is_some() { "internal_call" } else { "entry_point" });
    }
}

/// The search's own oracle compares panics as the judge of printed crashes does.
#[test]
fn the_oracle_knows_the_crash_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let harness = sources.join("src/generator/reproduce/harness");
    let parts = std::fs::read_dir(harness).unwrap().map(|entry| entry.unwrap().path());
    let others =
        ["src/repository/words.txt", "tests/reproduce/oracle_test.go"].map(|file| sources.join(file));
    for file in parts.chain(others) {
        std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    std::fs::write(folder.path().join("go.mod"), "module harness\n\ngo 1.21\n").unwrap();
    crate::harness::succeed(crate::harness::go().args(["test", "-vet=off", "."]).current_dir(folder.path()));
}
