//! Where the object of the log comes from.
//!
//! A reproducer of an inner method makes its object with the constructor that it finds. A fix of the constructor
//! mends that; whether it mends the object of the log, nothing shows, if a function on the log's stack makes
//! one in its own way and is left as it was.

use similar::{DiffOp, TextDiff};

use crate::domain::{Fault, FixCandidate, Location};
use crate::repository::Repository;
use crate::repository::go::{Function, Symbol};

/// The first place on the log's stack that makes an object of the failing method's type, in a function that
/// the change leaves as it is. None where the change concerns the failing method itself: that holds for
/// every object.
pub(super) fn unmended(
    repository: &Repository,
    fault: &Fault,
    candidate: &FixCandidate,
) -> Option<(Location, String)> {
    let mut functions = fault.stack.iter().filter_map(|place| {
        let file = repository.go_file(&place.file).ok()?;
        let function = file.function(Symbol::declared(&place.function))?.clone();
        Some((place, file, function))
    });
    let (place, _, failing) = functions.next()?;
    let ty = failing.receiver.as_ref()?.type_name.clone();
    if is_changed(candidate, place, &failing) {
        return None;
    }
    functions.filter(|(place, _, function)| !is_changed(candidate, place, function)).find_map(
        |(place, file, function)| {
            let body = file.text.get(function.body.clone())?;
            let at = body.lines().position(|line| makes(line, &ty))?;
            let opens = file.text.get(..function.body.start)?.matches('\n').count();
            let line = u32::try_from(opens + at + 1).ok()?;
            Some((Location { line, ..place.clone() }, ty.clone()))
        },
    )
}

/// Whether a change touches a function.
fn is_changed(candidate: &FixCandidate, place: &Location, function: &Function) -> bool {
    let lines = |line: usize| u32::try_from(line + 1).is_ok_and(|line| function.lines.contains(&line));
    candidate.changes.iter().filter(|change| change.path == place.file).any(|change| {
        let diff = TextDiff::from_lines(&change.before, &change.after);
        diff.ops().iter().filter(|op| !matches!(op, DiffOp::Equal { .. })).any(|op| {
            let old = op.old_range();
            // What is only added stands before the line at which it is added.
            old.clone().any(lines)
                || old.is_empty() && old.start > 0 && lines(old.start) && lines(old.start - 1)
        })
    })
}

/// Whether a line makes a value of a type: `T{`, `new(T)`, `make([]T`, `var x T`.
fn makes(line: &str, ty: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(ty).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + ty.len()..]);
        let stands_alone = !before.ends_with(word) && !after.starts_with(word);
        // The name of the package belongs to it.
        let before = match before.strip_suffix('.') {
            Some(package) => package.trim_end_matches(word),
            None => before,
        };
        stands_alone
            && (after.starts_with('{')
                || before.ends_with("new(")
                || before.ends_with(']') && before.contains("make(")
                || before.trim_start().starts_with("var ") && before.ends_with(' '))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Class, FaultFacts, FileChange, Provenance, RepoPath};

    const SOURCE: &str = "package m\n\ntype Box struct{ words map[string]int }\n\nfunc New() *Box {\n\treturn &Box{}\n}\n\nfunc Serve() {\n\tboxes := make([]Box, 1)\n\tboxes[0].put()\n}\n\nfunc Other() {\n\tNew().put()\n}\n\nfunc (b *Box) put() {\n\tb.words[\"a\"] = 1\n}\n";

    #[test]
    fn an_object_that_is_made_on_the_stack_is_another() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        std::fs::write(folder.path().join("m.go"), SOURCE).unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        let file = RepoPath::new("m.go").unwrap();
        let at = |line, function: &str| Location { file: file.clone(), line, function: function.to_owned() };
        let line = |caller: (u32, &str), from: &str, to: &str| {
            let fault = Fault {
                class: Class::NilMapWrite,
                message: String::new(),
                facts: FaultFacts::default(),
                stack: vec![at(19, "(*Box).put"), at(caller.0, caller.1)],
                others: Vec::new(),
            };
            let candidate = FixCandidate {
                provenance: Provenance::Rule { rule: "x".to_owned() },
                explanation: String::new(),
                changes: vec![FileChange {
                    path: file.clone(),
                    before: SOURCE.to_owned(),
                    after: SOURCE.replace(from, to),
                }],
                masks: false,
                unsettled: None,
            };
            unmended(&repository, &fault, &candidate).map(|(place, _)| place.line)
        };
        let made = "&Box{words: map[string]int{}}";
        assert_eq!(line((11, "Serve"), "&Box{}", made), Some(10));
        // It comes from the constructor.
        assert_eq!(line((15, "Other"), "&Box{}", made), None);
        // The method itself is mended, or the place.
        assert_eq!(
            line((11, "Serve"), "\tb.words", "\tif b.words == nil {\n\t\treturn\n\t}\n\tb.words"),
            None
        );
        assert_eq!(
            line((11, "Serve"), "\tboxes[0].put", "\tboxes[0].words = map[string]int{}\n\tboxes[0].put"),
            None
        );
    }

    #[test]
    fn a_line_makes_a_value_of_a_type() {
        for (line, makes_one) in [
            ("\tbox := &Box{name: x}", true),
            ("\tbox := m.Box{}", true),
            ("\treturn new(Box)", true),
            ("\treturn new(m.Box)", true),
            ("\tvar box Box", true),
            ("\tboxes := make([]m.Box, 3)", true),
            ("\tbox := NewBox()", false),
            ("\tbox, ok := any.(*Box)", false),
            ("\tboxes := BigBox{}", false),
            ("\t// Box{} is made elsewhere", false),
            ("\tfor _, box := range all {", false),
        ] {
            assert_eq!(makes(line, "Box"), makes_one, "{line}");
        }
    }
}
