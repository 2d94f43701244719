//! The ladder of proof itself, climbed by changes that no rule would make.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hephaestus::domain::{
    Class, Fault, FaultFacts, FileChange, FixCandidate, Location, Provenance, Reach, RepoPath, Reproducer,
    Step, StepName, StepResult, VerdictKind, VerdictRecord,
};
use hephaestus::repository::{Repository, Workspace};
use hephaestus::sandbox::{self, GoToolchain, Sandbox};
use hephaestus::validator::{Baseline, Broken, Config, Subject, Validator};
use tempfile::TempDir;

use crate::harness::go_cache;

const LIB: &str = "package lib\n\n// Share is the part of one of n in total.\nfunc Share(total, n int) int {\n\treturn total / n\n}\n";
const USER: &str = "package user\n\nimport \"example.com/m/lib\"\n\n// Half is the half of total.\nfunc Half(total int) int { return lib.Share(total, 2) }\n";

/// A repository whose package `lib` fails in line 5, and a scratch copy of it.
struct Bench {
    _folder: TempDir,
    repository: Repository,
    workspace: Workspace,
    fault: Fault,
    go: GoToolchain,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let module = [("go.mod", "module example.com/m\n\ngo 1.21\n"), ("lib/lib.go", LIB)];
        for (path, text) in module.iter().chain(files) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let repository = Repository::open(folder.path()).unwrap();
        let workspace = Workspace::copy_of(&repository, Path::new("/nowhere")).unwrap();
        let file = RepoPath::new("lib/lib.go").unwrap();
        let fault = Fault {
            class: Class::DivideByZero,
            message: "runtime error: integer divide by zero".to_owned(),
            facts: FaultFacts::default(),
            stack: vec![Location { file, line: 5, function: "Share".to_owned() }],
            others: Vec::new(),
        };
        let cache = go_cache();
        let go = GoToolchain::detect(None, &cache).unwrap();
        Self { _folder: folder, repository, workspace, fault, go }
    }

    fn subject(&self) -> Subject<'_> {
        Subject { repository: &self.repository, workspace: &self.workspace, fault: &self.fault }
    }

    /// Builds what would take more than a small sandbox allows.
    async fn warm_up(&self) {
        Validator::new(&config(), &self.go, &sandbox(None)).warm_up(&self.workspace).await.unwrap();
    }

    async fn survey(&self, baseline: &Baseline, config: &Config, sandbox: &Sandbox) -> Result<(), Broken> {
        Validator::new(config, &self.go, sandbox).survey(self.subject(), baseline).await.unwrap()
    }

    /// Judges that `lib/lib.go` becomes `after`.
    async fn judge(&self, after: &str) -> VerdictRecord {
        self.judge_within(&Baseline::default(), &config(), &sandbox(None), None, after).await
    }

    async fn judge_within(
        &self,
        baseline: &Baseline,
        config: &Config,
        sandbox: &Sandbox,
        reproducer: Option<Reproducer>,
        after: &str,
    ) -> VerdictRecord {
        let path = RepoPath::new("lib/lib.go").unwrap();
        let change = FileChange { path, before: LIB.to_owned(), after: after.to_owned() };
        self.judge_change(baseline, config, sandbox, reproducer, change).await
    }

    async fn judge_change(
        &self,
        baseline: &Baseline,
        config: &Config,
        sandbox: &Sandbox,
        reproducer: Option<Reproducer>,
        change: FileChange,
    ) -> VerdictRecord {
        let validator = Validator::new(config, &self.go, sandbox);
        self.survey(baseline, config, sandbox).await.unwrap_or_else(|broken| panic!("{broken}"));
        let confirmed = match reproducer {
            Some(reproducer) => Some(validator.confirm(self.subject(), reproducer).await.unwrap()),
            None => None,
        };
        let candidate = FixCandidate {
            provenance: Provenance::Rule { rule: "none".to_owned() },
            explanation: String::new(),
            changes: vec![change],
            masks: false,
            unsettled: None,
        };
        let (subject, mut climb) = (self.subject(), validator.begin());
        let verdict = validator.validate(subject, baseline, confirmed.as_ref(), &candidate, &mut climb).await;
        verdict.unwrap().into_record()
    }
}

fn config() -> Config {
    Config {
        reproducer_runs: 1,
        step_timeout: Duration::from_secs(120),
        max_dependents: 8,
        max_patch_lines: 40,
    }
}

/// A sandbox whose jobs may hold so much memory.
fn sandbox(memory_bytes: Option<u64>) -> Sandbox {
    let mut config = sandbox::Config {
        launcher: Some(PathBuf::from(env!("CARGO_BIN_EXE_hephaestus"))),
        ..sandbox::Config::default()
    };
    config.memory_bytes = memory_bytes.unwrap_or(config.memory_bytes);
    Sandbox::detect(&config).unwrap()
}

fn step(record: &VerdictRecord, name: StepName) -> &Step {
    let step = record.evidence.steps.iter().find(|step| step.name == name);
    step.unwrap_or_else(|| panic!("no {name:?} in {record:#?}"))
}

/// `LIB` with a guard.
fn guarded() -> String {
    LIB.replace("\treturn total", "\tif n == 0 {\n\t\treturn 0\n\t}\n\treturn total")
}

/// Where something else keeps the module from building as a whole, and where another module joins in.
#[tokio::test]
async fn packages_without_tests_that_import_the_changed_one_must_build() {
    let broken = ("broken/broken.go", "package broken\n\nvar n int = \"text\"\n");
    let renamed = LIB.replace("Share", "Part");
    let bench = Bench::new(&[broken, ("user/user.go", USER)]);
    let record = bench.judge(&renamed).await;
    assert_eq!(record.kind, VerdictKind::Rejected, "{record:#?}");
    assert!(step(&record, StepName::Build).detail.contains("lib.Share"), "{record:#?}");
    let record = bench.judge(&guarded()).await;
    assert_eq!(record.kind, VerdictKind::Plausible, "{record:#?}");
    let told = &step(&record, StepName::Build).detail;
    assert!(told.contains("the changed packages build, and 1 more that import"), "{told}");

    let joined = "module example.com/other\n\ngo 1.21\n\nrequire example.com/m v0.0.0\n\nreplace example.com/m => ../\n";
    let bench = Bench::new(&[("other/go.mod", joined), ("other/user.go", USER)]);
    let record = bench.judge(&renamed).await;
    assert_eq!(record.kind, VerdictKind::Rejected, "{record:#?}");
    let record = bench.judge(&guarded()).await;
    let told = &step(&record, StepName::Build).detail;
    assert!(told.contains("the whole module builds, and 1 more that import"), "{told}");

    // Those that are beyond the limit are told of.
    let none = Config { max_dependents: 0, ..config() };
    let baseline = Baseline::default();
    let record = bench.judge_within(&baseline, &none, &sandbox(None), None, &guarded()).await;
    let told = &step(&record, StepName::Build).detail;
    assert!(told.contains("1 more that import them were left out"), "{told}");
}

#[tokio::test]
async fn a_limit_is_no_answer_and_names_its_setting() {
    // Not even gofmt comes to its end.
    let bench = Bench::new(&[]);
    let hasty = Config { step_timeout: Duration::from_millis(1), ..config() };
    let broken = bench.survey(&Baseline::default(), &hasty, &sandbox(None)).await.unwrap_err();
    assert!(broken.to_string().contains("validator.step_timeout"), "{broken}");

    let baseline = Baseline::default();
    bench.survey(&baseline, &config(), &sandbox(None)).await.unwrap();
    let record = bench.judge_within(&baseline, &hasty, &sandbox(None), None, &guarded()).await;
    assert_eq!(record.kind, VerdictKind::Inconclusive, "{record:#?}");
    assert!(step(&record, StepName::Format).detail.contains("validator.step_timeout"), "{record:#?}");

    // With the change the tests need more than they may have.
    let hungry = guarded().replace("return 0", "return len(grown())")
        + "\nfunc grown() []byte {\n\tall := make([]byte, 900<<20)\n\tfor i := range all {\n\t\tall[i] = 1\n\t}\n\treturn all\n}\n";
    let test = "package lib\n\nimport \"testing\"\n\nfunc TestShare(t *testing.T) {\n\tdefer func() { recover() }()\n\tShare(1, 0)\n}\n";
    let bench = Bench::new(&[("lib/lib_test.go", test)]);
    bench.warm_up().await;
    let small = sandbox(Some(600 << 20));
    let record = bench.judge_within(&Baseline::default(), &config(), &small, None, &hungry).await;
    assert_eq!(record.kind, VerdictKind::Inconclusive, "{record:#?}");
    assert!(step(&record, StepName::PackageTests).detail.contains("raise sandbox.memory"), "{record:#?}");
}

#[tokio::test]
async fn what_a_limit_hid_is_asked_again() {
    let hungry = "package lib\n\nimport \"testing\"\n\nfunc TestShare(t *testing.T) {\n\tall := make([]byte, 900<<20)\n\tfor i := range all {\n\t\tall[i] = 1\n\t}\n\tif Share(4, 2) != 2 {\n\t\tt.Fatal(len(all))\n\t}\n}\n";
    let bench = Bench::new(&[("lib/lib_test.go", hungry)]);
    bench.warm_up().await;
    let baseline = Baseline::default();
    let hasty = Config { step_timeout: Duration::from_millis(1), ..config() };
    let broken = bench.survey(&baseline, &hasty, &sandbox(None)).await.unwrap_err();
    assert!(broken.to_string().contains("raise validator.step_timeout"), "{broken}");
    for (memory, kind, told) in [
        (Some(600 << 20), VerdictKind::Inconclusive, "raise sandbox.memory"),
        (None, VerdictKind::Plausible, "1 pass"),
    ] {
        let record = bench.judge_within(&baseline, &config(), &sandbox(memory), None, &guarded()).await;
        assert_eq!(record.kind, kind, "{record:#?}");
        assert!(step(&record, StepName::PackageTests).detail.contains(told), "{record:#?}");
    }
}

#[tokio::test]
async fn a_module_that_go_cannot_list_keeps_nothing_else_from_proof() {
    let bench = Bench::new(&[
        ("tools/go.mod", "module example.com/tools\n\ngo 1.999\n"),
        ("tools/tools.go", "package tools\n"),
        ("user/user.go", USER),
    ]);
    let record = bench.judge(&guarded()).await;
    assert_eq!(record.kind, VerdictKind::Plausible, "{record:#?}");
    let told = &step(&record, StepName::DependentTests).detail;
    assert!(told.contains("not looked at: tools (go list in tools failed: "), "{told}");
}

#[tokio::test]
async fn what_vet_says_of_the_written_test_is_no_finding() {
    let source = "package lib\n\nimport (\n\t\"fmt\"\n\t\"testing\"\n)\n\nfunc TestNobody(t *testing.T) {\n\tfmt.Printf(\"%d\\n\", \"text\")\n\tShare(1, 0)\n}\n";
    let reproducer = Reproducer {
        file: RepoPath::new("lib/nobody_test.go").unwrap(),
        test: "TestNobody".to_owned(),
        source: source.to_owned(),
        reach: Reach::EntryPoint,
        race: false,
    };
    let bench = Bench::new(&[("user/user.go", USER)]);
    let baseline = Baseline::default();
    let record = bench.judge_within(&baseline, &config(), &sandbox(None), Some(reproducer), &guarded()).await;
    assert_eq!(record.kind, VerdictKind::Proven, "{record:#?}");
    let names: BTreeMap<_, _> = record.evidence.steps.iter().map(|step| (step.name, step.result)).collect();
    assert!(
        names.contains_key(&StepName::Vet) && names.contains_key(&StepName::ReproducerAfter),
        "{names:?}"
    );
}

/// They say nothing of the change, and whoever reads the evidence learns which they are.
#[tokio::test]
async fn dependents_that_did_not_compile_before_are_named_and_decide_nothing() {
    let test = "package user\n\nimport \"testing\"\n\nfunc TestHalf(t *testing.T) {\n\tmissing(Half(4))\n}\n";
    let bench = Bench::new(&[("user/user.go", USER), ("user/user_test.go", test)]);
    let record = bench.judge(&guarded()).await;
    assert_eq!(record.kind, VerdictKind::Plausible, "{record:#?}");
    let step = record.evidence.steps.iter().find(|step| step.name == StepName::DependentTests).unwrap();
    assert_eq!(step.result, StepResult::Skipped, "{step:?}");
    assert!(step.detail.ends_with("before any change these do not build here: user"), "{step:?}");
}

#[tokio::test]
async fn dependents_whose_tests_print_too_much_are_named_and_decide_nothing() {
    let test = "package user\n\nimport (\n\t\"fmt\"\n\t\"strings\"\n\t\"testing\"\n)\n\nfunc TestHalf(t *testing.T) {\n\tfmt.Println(strings.Repeat(\"x\", 32<<20))\n}\n";
    let bench = Bench::new(&[("user/user.go", USER), ("user/user_test.go", test)]);
    let record = bench.judge(&guarded()).await;
    assert_eq!(record.kind, VerdictKind::Plausible, "{record:#?}");
    let step = record.evidence.steps.iter().find(|step| step.name == StepName::DependentTests).unwrap();
    assert_eq!(step.result, StepResult::Skipped, "{step:?}");
    assert!(
        step.detail.contains("tell nothing: user (") && step.detail.contains("sandbox.output"),
        "{step:?}"
    );
}

#[tokio::test]
async fn dependents_whose_tests_all_failed_before_decide_nothing() {
    let test = "package user\n\nimport \"testing\"\n\nfunc TestHalf(t *testing.T) {\n\tt.Fatal(Half(4))\n}\n";
    let bench = Bench::new(&[("user/user.go", USER), ("user/user_test.go", test)]);
    let record = bench.judge(&guarded()).await;
    assert_eq!(record.kind, VerdictKind::Plausible, "{record:#?}");
    let step = record.evidence.steps.iter().find(|step| step.name == StepName::DependentTests).unwrap();
    assert_eq!((step.result, &*step.detail), (StepResult::Skipped, "all 1 failed already before the change"));
}

/// Time runs out while a candidate is judged: the steps that it has taken are kept.
#[tokio::test]
async fn what_was_judged_so_far_is_kept() {
    let test = "package lib\n\nimport (\n\t\"testing\"\n\t\"time\"\n)\n\nfunc TestShare(t *testing.T) {\n\tif Share(4, 2) == 2 {\n\t\ttime.Sleep(pause)\n\t}\n}\n";
    let pause = "package lib\n\nimport \"time\"\n\nconst pause = 0 * time.Second\n";
    let bench = Bench::new(&[("lib/lib_test.go", test), ("lib/pause_test.go", pause)]);
    let (config, sandbox, baseline) = (config(), sandbox(None), Baseline::default());
    // Everything is known of the code as it stands; with the change the tests take long.
    bench.judge_within(&baseline, &config, &sandbox, None, &guarded()).await;
    let slow = pause.replace("0 *", "60 *");
    let path = RepoPath::new("lib/pause_test.go").unwrap();
    std::fs::write(bench.workspace.path(&path), slow).unwrap();
    let validator = Validator::new(&config, &bench.go, &sandbox);
    let path = RepoPath::new("lib/lib.go").unwrap();
    let candidate = FixCandidate {
        provenance: Provenance::Rule { rule: "none".to_owned() },
        explanation: String::new(),
        changes: vec![FileChange { path, before: LIB.to_owned(), after: guarded() }],
        masks: false,
        unsettled: None,
    };
    let mut climb = validator.begin();
    let judged = validator.validate(bench.subject(), &baseline, None, &candidate, &mut climb);
    assert!(tokio::time::timeout(Duration::from_secs(20), judged).await.is_err());
    let record = climb.broken_off().into_record();
    assert_eq!(record.kind, VerdictKind::Inconclusive, "{record:#?}");
    assert_eq!(record.reason, "package tests: it was broken off before it came to its end");
    assert_eq!(step(&record, StepName::Build).result, StepResult::Passed, "{record:#?}");
}

/// A test under the race detector is run so before a change and after it, and by far not once.
#[tokio::test]
async fn a_race_must_be_gone_in_every_run() {
    let gauge = "package lib\n\n// Gauge is a level.\ntype Gauge struct {\n\tlevel, sets int\n}\n\n// Set changes it.\nfunc (g *Gauge) Set(level int) {\n\tg.level = level\n}\n";
    let source = "package lib\n\nimport (\n\t\"sync\"\n\t\"testing\"\n)\n\nfunc TestSet(t *testing.T) {\n\tvar gauge Gauge\n\tvar wg sync.WaitGroup\n\tfor i := 0; i < 4; i++ {\n\t\twg.Add(1)\n\t\tgo func() {\n\t\t\tdefer wg.Done()\n\t\t\tfor n := 0; n < 100; n++ {\n\t\t\t\tgauge.Set(n)\n\t\t\t}\n\t\t}()\n\t}\n\twg.Wait()\n}\n";
    let path = RepoPath::new("lib/gauge.go").unwrap();
    let mut bench = Bench::new(&[(path.as_str(), gauge)]);
    bench.fault.class = Class::DataRace;
    bench.fault.stack = vec![Location { file: path.clone(), line: 10, function: "(*Gauge).Set".to_owned() }];
    let locked = gauge
        .replace("\n// Gauge", "\nimport \"sync\"\n\n// Gauge")
        .replace("sets int\n", "sets int\n\n\tmu sync.Mutex\n")
        .replace("\tg.level =", "\tg.mu.Lock()\n\tdefer g.mu.Unlock()\n\tg.level =");
    let counted = locked.replace("\tg.mu.Lock()", "\tg.sets++\n\tg.mu.Lock()");
    let moved = gauge.replace("// Set changes it.", "// Set changes the level.\n// It takes any.");
    let baseline = Baseline::default();
    for (after, kind, told) in [
        (&moved, VerdictKind::Rejected, "run 1 still fails:"),
        (
            &counted,
            VerdictKind::Inconclusive,
            "the race of the log is gone, but another shows in run 1: lib.(*Gauge).Set",
        ),
        (&locked, VerdictKind::Proven, "passes each time under the race detector"),
    ] {
        let reproducer = Reproducer {
            file: RepoPath::new("lib/set_test.go").unwrap(),
            test: "TestSet".to_owned(),
            source: source.to_owned(),
            reach: Reach::EntryPoint,
            race: true,
        };
        let change = FileChange { path: path.clone(), before: gauge.to_owned(), after: after.clone() };
        let (config, sandbox) = (config(), sandbox(None));
        let record = bench.judge_change(&baseline, &config, &sandbox, Some(reproducer), change).await;
        let (before, after) =
            (step(&record, StepName::ReproducerBefore), step(&record, StepName::ReproducerAfter));
        assert_eq!((record.kind, before.runs), (kind, 3), "{record:#?}");
        assert!(after.detail.starts_with(told), "{record:#?}");
    }
}
