//! A fix of one source in, the same fix for another out. Each file of `cases/` has a head (`class`, in `then` and `now` a
//! text of the failing lines, maybe the `index`), the file that was mended `before` and `after`, what fails `now`, and the
//! lines that are expected to change. Set `UPDATE_CASES=1` to write what comes out now, then read the difference.

use std::fmt::Write as _;
use std::path::Path;

use super::{Precedent, recall};
use crate::domain::{Class, Fault, FaultFacts, FileChange, Location, RepoPath};
use crate::repository::go::File;
use crate::repository::{Repository, unified_diff};

struct Case {
    head: Vec<(String, String)>,
    sections: Vec<(String, String)>,
}

impl Case {
    fn read(text: &str) -> Self {
        let mut parts = text.split("\n-- ");
        let head = parts.next().unwrap().lines().filter_map(|line| line.split_once(": "));
        let sections = parts.map(|section| {
            let (name, body) = section.split_once(" --\n").unwrap();
            (name.to_owned(), format!("{}\n", body.trim_end()))
        });
        Self {
            head: head.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            sections: sections.collect(),
        }
    }

    fn get(&self, key: &str) -> &str {
        &self.head.iter().find(|(name, _)| name == key).unwrap().1
    }

    fn section(&self, name: &str) -> &str {
        &self.sections.iter().find(|(known, _)| known == name).unwrap().1
    }

    fn class(&self) -> Class {
        *Class::ALL.iter().find(|class| class.as_str() == self.get("class")).unwrap()
    }

    fn precedent(&self) -> Precedent {
        let (before, after) = (self.section("before").to_owned(), self.section("after").to_owned());
        Precedent {
            id: "0123-1".to_owned(),
            class: self.class(),
            locations: vec![location("old/old.go", &before, self.get("then"))],
            changes: vec![FileChange { path: RepoPath::new("old/old.go").unwrap(), before, after }],
            explanation: "It asks first.".to_owned(),
        }
    }

    fn outcome(&self) -> String {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("go.mod", "module example.com/m\n\ngo 1.21\n");
        write("new.go", self.section("now"));
        let stack = vec![location("new.go", self.section("now"), self.get("now"))];
        let index =
            self.head.iter().find(|(name, _)| name == "index").map(|(_, index)| index.parse().unwrap());
        let (message, facts) = (String::new(), FaultFacts { index, ..FaultFacts::default() });
        let fault = Fault { class: self.class(), message, facts, stack, others: Vec::new() };
        let repository = Repository::open(folder.path()).unwrap();
        let mut shown = String::new();
        for candidate in recall(&fault, &repository, &[self.precedent()]) {
            writeln!(shown, "# recalled").unwrap();
            for line in unified_diff(&candidate.changes).lines() {
                if line.starts_with(['+', '-']) && !line.starts_with("---") && !line.starts_with("+++") {
                    writeln!(shown, "{line}").unwrap();
                }
            }
        }
        if shown.is_empty() { "none\n".to_owned() } else { shown }
    }
}

fn location(file: &str, text: &str, needle: &str) -> Location {
    let line = text.lines().position(|line| line.contains(needle)).expect(needle) + 1;
    let line = u32::try_from(line).unwrap();
    let file = RepoPath::new(file).unwrap();
    let parsed = File::parse(file.clone(), text.to_owned());
    let function = parsed.function_at(line).map(|function| function.name.clone()).unwrap_or_default();
    Location { file, line, function }
}

#[test]
fn fixes_are_made_anew_under_other_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generator/recall/cases");
    let mut wrong = Vec::new();
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let case = Case::read(&text);
        let outcome = case.outcome();
        if outcome == case.section("expected") {
            continue;
        }
        if std::env::var_os("UPDATE_CASES").is_some() {
            let head = text.split("\n-- expected --\n").next().unwrap();
            std::fs::write(&path, format!("{head}\n-- expected --\n{outcome}")).unwrap();
        }
        wrong.push(format!("{}:\n{outcome}", path.display()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file of two functions with one defect, and the fix of the first.
fn two_functions() -> (tempfile::TempDir, String, Precedent) {
    let folder = tempfile::tempdir().unwrap();
    let first = "func First(xs []int) (int, error) {\n\tx := xs[0]\n\treturn x, nil\n}\n";
    let other = "func Head(names []string) (string, error) {\n\tname := names[0]\n\treturn name, nil\n}\n";
    let before = format!("package m\n\nimport \"errors\"\n\n{first}\n{other}");
    let guard = "\tif len(xs) == 0 {\n\t\treturn 0, errors.New(\"no xs\")\n\t}\n\tx := xs";
    let after = before.replace("\tx := xs", guard);
    std::fs::write(folder.path().join("go.mod"), "module example.com/m\n\ngo 1.21\n").unwrap();
    std::fs::write(folder.path().join("m.go"), &before).unwrap();
    let precedent = Precedent {
        id: "0123-1".to_owned(),
        class: Class::IndexOutOfRange,
        locations: vec![location("m.go", &before, "x := xs")],
        changes: vec![FileChange { path: RepoPath::new("m.go").unwrap(), before: before.clone(), after }],
        explanation: String::new(),
    };
    (folder, before, precedent)
}

#[test]
fn the_same_function_is_mended_in_the_same_way_and_another_of_its_file_in_its_own() {
    let (folder, before, precedent) = two_functions();
    let repository = Repository::open(folder.path()).unwrap();
    let recalled = |class, needle| {
        let stack = vec![location("m.go", &before, needle)];
        let (message, facts) = (String::new(), FaultFacts::default());
        let fault = Fault { class, message, facts, stack, others: Vec::new() };
        let candidates = recall(&fault, &repository, std::slice::from_ref(&precedent));
        candidates.into_iter().map(|candidate| candidate.changes[0].after.clone()).collect::<Vec<_>>()
    };
    assert_eq!(recalled(Class::IndexOutOfRange, "x := xs"), [precedent.changes[0].after.clone()]);
    let other = recalled(Class::IndexOutOfRange, "name := names");
    let [other] = other.as_slice() else { panic!("{other:?}") };
    assert!(
        other.contains("if len(names) == 0 {\n\t\treturn \"\", errors.New(") && !other.contains("len(xs)"),
        "{other}"
    );
    // What mended another class of failure says nothing.
    assert!(recalled(Class::SliceBounds, "x := xs").is_empty());
}
