//! Small Go sources in, candidates out. Each file of `cases/` is one fault: a head (`class`, facts, and the
//! stack as `file: text of the line`), the sources, and the candidates expected, best first, as the lines
//! they remove and add. `types: checked` asks the type checker about the packages of the stack, as an attempt does;
//! without it syntax alone tells. Set `UPDATE_CASES=1` to write what is proposed now, then read the difference.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Rule, propose};
use crate::domain::{Class, Fault, FaultFacts, FixCandidate, Location, RepoPath};
use crate::generator::typecheck::plain::type_check;
use crate::repository::{Repository, unified_diff};

struct Case {
    path: PathBuf,
    head: Vec<(String, String)>,
    files: Vec<(String, String)>,
    expected: String,
}

impl Case {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut sections = text.split("\n-- ");
        let head = sections.next().unwrap().lines().filter_map(|line| line.split_once(": "));
        let head = head.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let mut files: Vec<(String, String)> = sections
            .map(|section| {
                let (name, body) = section.split_once(" --\n").unwrap();
                (name.to_owned(), format!("{}\n", body.trim_end()))
            })
            .collect();
        let expected = match files.last() {
            Some((name, _)) if name == "expected" => files.pop().unwrap().1,
            _ => String::new(),
        };
        Self { path: path.to_owned(), head, files, expected }
    }

    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generator/rules/cases");
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty());
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.head.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    fn name(&self) -> &str {
        self.path.file_stem().unwrap().to_str().unwrap()
    }

    fn fault(&self) -> Fault {
        let class = self.get("class").unwrap();
        let class = *Class::ALL.iter().find(|known| known.as_str() == class).unwrap();
        let number = |key: &str| self.get(key).map(|value| value.parse().unwrap());
        let stack = self.head.iter().filter(|(key, _)| key == "stack").map(|(_, place)| self.location(place));
        Fault {
            class,
            message: self.get("message").unwrap_or_default().to_owned(),
            facts: FaultFacts {
                index: number("index"),
                length: number("length"),
                wanted_type: self.get("wanted").map(str::to_owned),
                actual_type: self.get("actual").map(str::to_owned),
                ..FaultFacts::default()
            },
            stack: stack.collect(),
            others: Vec::new(),
        }
    }

    fn location(&self, place: &str) -> Location {
        let (file, needle) = place.split_once(": ").unwrap();
        let (_, text) = self.files.iter().find(|(name, _)| name == file).unwrap();
        let line = text.lines().position(|line| line.contains(needle)).expect(place) + 1;
        let line = u32::try_from(line).unwrap();
        let file = RepoPath::new(file).unwrap();
        let parsed = crate::repository::go::File::parse(file.clone(), text.clone());
        let function = parsed.function_at(line).map(|function| function.name.clone()).unwrap_or_default();
        Location { file, line, function }
    }

    fn candidates(&self) -> Vec<FixCandidate> {
        self.propose(&self.fault())
    }

    fn propose(&self, fault: &Fault) -> Vec<FixCandidate> {
        self.propose_while(fault, &|| true)
    }

    fn propose_while(&self, fault: &Fault, is_wanted: &dyn Fn() -> bool) -> Vec<FixCandidate> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module example.com/m\n\ngo 1.21\n").unwrap();
        for (name, text) in &self.files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let repository = Repository::open(folder.path()).unwrap();
        if self.get("types") == Some("checked") {
            let mut packages: Vec<String> =
                fault.stack.iter().map(|place| format!("./{}", place.file.folder())).collect();
            packages.dedup();
            type_check(&repository, folder.path(), &packages);
        }
        propose(fault, &repository, is_wanted).candidates
    }
}

/// The candidates as a text that is easy to read and compare.
fn show(candidates: &[FixCandidate]) -> String {
    let mut text = String::new();
    for candidate in candidates {
        let crate::domain::Provenance::Rule { rule } = &candidate.provenance else { panic!() };
        let masks = if candidate.masks { ", masks" } else { "" };
        writeln!(text, "# {rule}{masks}").unwrap();
        if let Some(open) = &candidate.unsettled {
            writeln!(text, "but {open}").unwrap();
        }
        for line in unified_diff(&candidate.changes).lines() {
            if let Some(file) = line.strip_prefix("+++ b/") {
                writeln!(text, "{file}").unwrap();
            } else if (line.starts_with('+') || line.starts_with('-')) && !line.starts_with("---") {
                writeln!(text, "{line}").unwrap();
            } else if line.starts_with("@@") {
                writeln!(text, "@@").unwrap();
            }
        }
    }
    if text.is_empty() { "none\n".to_owned() } else { text }
}

#[test]
fn every_case_gets_its_candidates() {
    let update = std::env::var_os("UPDATE_CASES").is_some();
    let mut wrong = String::new();
    for case in Case::all() {
        let shown = show(&case.candidates());
        if shown == case.expected {
            continue;
        }
        if update {
            let text = std::fs::read_to_string(&case.path).unwrap();
            let kept = text.split("\n-- expected --\n").next().unwrap().trim_end();
            std::fs::write(&case.path, format!("{kept}\n\n-- expected --\n{shown}")).unwrap();
        } else {
            writeln!(wrong, "{}\nexpected:\n{}proposed:\n{shown}", case.name(), case.expected).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// All candidates of all cases in one module: formatted as gofmt does, and accepted by `go vet`.
#[test]
fn every_candidate_is_formatted_and_builds() {
    let module = tempfile::tempdir().unwrap();
    let root = module.path();
    std::fs::write(root.join("go.mod"), "module example.com/m\n\ngo 1.21\n").unwrap();
    let mut count = 0;
    for case in Case::all() {
        for (at, candidate) in case.candidates().into_iter().enumerate() {
            let folder = format!("{}_{at}", case.name());
            let inner = format!("\"example.com/m/{folder}/");
            for (name, before) in &case.files {
                let change = candidate.changes.iter().find(|change| change.path.as_str() == name);
                let text = change.map_or(before, |change| &change.after);
                let path = root.join(&folder).join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                // gofmt writes one kind of line end.
                let text = text.replace("\"example.com/m/", &inner).replace("\r\n", "\n");
                std::fs::write(path, text).unwrap();
            }
            count += 1;
        }
    }
    assert!(count > 0);
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(root)
            .env("GOFLAGS", "-mod=mod")
            .env("GOTOOLCHAIN", "local")
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    };
    let (_, unformatted) = run("gofmt", &["-d", "."]);
    assert!(unformatted.is_empty(), "{unformatted}");
    let (built, complaints) = run("go", &["vet", "./..."]);
    assert!(built, "{complaints}");
}

/// A file whose lines end in CR LF is changed in kind, imports included.
#[test]
fn line_ends_are_kept() {
    let mut changed = 0;
    for mut case in Case::all() {
        let fault = case.fault();
        let plain = case.propose(&fault);
        for (_, text) in &mut case.files {
            *text = text.replace("\r\n", "\n").replace('\n', "\r\n");
        }
        let dos = case.propose(&fault);
        assert_eq!(plain.len(), dos.len(), "{}", case.name());
        for (plain, dos) in plain.iter().zip(&dos).flat_map(|(a, b)| a.changes.iter().zip(&b.changes)) {
            let wanted = plain.after.replace("\r\n", "\n").replace('\n', "\r\n");
            assert_eq!(dos.after, wanted, "{}", case.name());
            changed += 1;
        }
    }
    assert!(changed > 50);
}

/// Sources that end in the middle of anything: whatever is proposed, nothing panics.
#[test]
fn broken_sources_are_no_danger() {
    for mut case in Case::all() {
        let fault = case.fault();
        for part in [3, 5, 7] {
            for (_, text) in &mut case.files {
                let cut = text.floor_char_boundary(text.len() * part / 8);
                text.truncate(cut);
            }
            let _candidates = case.propose(&fault);
        }
    }
}

#[test]
fn no_rule_is_asked_when_nobody_waits_any_more() {
    let case = Case::all().into_iter().find(|case| case.name() == "own_error_literal").unwrap();
    let asked = std::cell::Cell::new(0);
    let is_wanted_once = || asked.replace(asked.get() + 1) == 0;
    assert!(!case.candidates().is_empty());
    assert!(case.propose_while(&case.fault(), &is_wanted_once).is_empty());
    assert!(asked.get() > 1);
}

#[test]
fn names_are_stable_and_unique() {
    let mut names: Vec<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(Rule::ALL.iter().all(|rule| !rule.explanation().is_empty() && !rule.classes().is_empty()));
}
