//! The generated file that tells the harness what the package offers: one registration a line, so that
//! those which do not compile can be dropped.

use std::collections::BTreeSet;

use super::surface::{Surface, function_parameters, instantiations};
use super::target::Target;
use crate::repository::go::Function;

/// The name of the file, in the package's folder.
pub(super) const FILE: &str = "hephaestus_register_test.go";
/// The file beside it that Go's fuzzer looks for, and what stands there.
pub(super) const FUZZ_FILE: &str = "hephaestus_fuzz_test.go";
pub(super) const FUZZ_TARGET: &str = "FuzzHephaestus";
/// The folder of the harness below the module's root; its package.
pub(super) const HARNESS: &str = "hephaestus_harness";
/// More functions than this are no help to a search of seconds, and cost time to compile. Those that are to be
/// called come first, then those that stand in one file with them, then what the package exports.
const MAX_FUNCTIONS: usize = 500;
const MAX_FOREIGN: usize = 150;

/// The registration file: lines, and which of them may be dropped.
#[derive(Debug)]
pub(super) struct Registration {
    lines: Vec<String>,
    dropped: BTreeSet<usize>,
}

impl Registration {
    /// Registers everything of `package` and what `neighbours` export.
    pub(super) fn new(
        package: &Surface,
        targets: &[Target],
        neighbours: &[Surface],
        module_path: &str,
    ) -> Self {
        let mut lines = vec![
            format!("package {}", package.name),
            "import (".to_owned(),
            "\thephaestusOS \"os\"".to_owned(),
            "\thephaestusTesting \"testing\"".to_owned(),
            format!("\thephaestusHarness \"{module_path}/{HARNESS}\""),
        ];
        for (number, neighbour) in neighbours.iter().enumerate() {
            lines.push(format!("\thephaestus{number} \"{}\"", neighbour.import_path));
        }
        lines.extend(
            [
                ")",
                "type hephaestusSelf struct{}",
                "func TestMain(m *hephaestusTesting.M) {",
                "\tr := hephaestusHarness.New(hephaestusSelf{})",
            ]
            .map(str::to_owned),
        );
        register(&mut lines, package, targets, None);
        for (number, neighbour) in neighbours.iter().enumerate() {
            register(&mut lines, neighbour, &[], Some(&format!("hephaestus{number}.")));
        }
        lines.extend(["\thephaestusOS.Exit(hephaestusHarness.Main(r, m))", "}"].map(str::to_owned));
        Self { lines, dropped: BTreeSet::new() }
    }

    /// The file as it stands. A dropped line is left empty, so that numbers stay.
    pub(super) fn text(&self) -> String {
        let line = |(at, line): (usize, &String)| {
            if self.dropped.contains(&(at + 1)) { "\n".to_owned() } else { format!("{line}\n") }
        };
        self.lines.iter().enumerate().map(line).collect()
    }

    /// Drops the lines that the compiler complains about; false when it complains about none.
    pub(super) fn drop_failing(&mut self, output: &str) -> bool {
        let before = self.dropped.len();
        for (at, _) in output.match_indices(FILE) {
            let rest = output[at + FILE.len()..].strip_prefix(':').unwrap_or_default();
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let Ok(number) = digits.parse::<usize>() else { continue };
            let droppable = self.lines.get(number.wrapping_sub(1)).is_some_and(|line| {
                line.starts_with("\tr.") || line.starts_with("\thephaestus") && line.ends_with('"')
            });
            if droppable {
                self.dropped.insert(number);
            }
        }
        self.dropped.len() > before
    }
}

/// The fuzz target: the harness is all of it.
pub(super) fn fuzz_target(package: &Surface, module_path: &str) -> String {
    format!(
        "package {}\n\nimport (\n\thephaestusTesting \"testing\"\n\n\thephaestusHarness \"{module_path}/{HARNESS}\"\n)\n\n\
         func {FUZZ_TARGET}(f *hephaestusTesting.F) {{ hephaestusHarness.Fuzz(f) }}\n",
        package.name
    )
}

/// `prefix` is the import's name with a dot; none for the package under test itself.
fn register(lines: &mut Vec<String>, package: &Surface, targets: &[Target], prefix: Option<&str>) {
    let of = prefix.unwrap_or_default();
    let (path, name) = match prefix {
        Some(_) => (package.import_path.as_str(), package.name.as_str()),
        None => ("", package.name.as_str()),
    };
    for decl in &package.types {
        if prefix.is_some() && !is_exported(&decl.name) {
            continue;
        }
        for arguments in instantiations(decl.parameters) {
            let pointer = format!("(*{of}{}{arguments})(nil)", decl.name);
            lines.push(format!("\tr.Type({pointer})"));
            if package.builds(&decl.name) {
                lines.push(format!("\tr.Built({pointer})"));
            }
        }
    }
    let most = if prefix.is_some() { MAX_FOREIGN } else { MAX_FUNCTIONS };
    let mut functions: Vec<_> = package
        .functions()
        .filter(|(_, function)| {
            !matches!(function.identifier.as_str(), "_" | "init" | "main")
                && (prefix.is_none() || function.is_exported())
        })
        .collect();
    let is_target = |function: &Function| targets.iter().any(|target| target.names(&function.name));
    functions.sort_by_cached_key(|(file, function)| {
        let beside = file.functions.iter().any(&is_target);
        (!is_target(function), !beside, !function.is_exported())
    });
    for (file, function) in functions.into_iter().take(most) {
        let parameters = match &function.receiver {
            Some(receiver) => package.parameters_of(&receiver.type_name),
            None => function_parameters(file, function),
        };
        for arguments in instantiations(parameters) {
            let (shown, call) = match &function.receiver {
                None => (
                    format!("{}{arguments}", function.identifier),
                    format!("{of}{}{arguments}", function.identifier),
                ),
                Some(receiver) => {
                    let star = if receiver.pointer { "*" } else { "" };
                    let ty = |of: &str| format!("({star}{of}{}{arguments})", receiver.type_name);
                    let shown =
                        if receiver.pointer { ty("") } else { format!("{}{arguments}", receiver.type_name) };
                    (
                        format!("{shown}.{}", function.identifier),
                        format!("{}.{}", ty(of), function.identifier),
                    )
                }
            };
            lines.push(format!("\tr.Func({path:?}, {name:?}, {shown:?}, {call})"));
        }
    }
}

fn is_exported(name: &str) -> bool {
    name.chars().next().is_some_and(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::reproduce::target::Call;
    use crate::repository::Repository;

    #[test]
    fn what_is_to_be_called_is_there_however_large_the_package() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        let many: String = (0..2 * MAX_FUNCTIONS).map(|number| format!("func f{number}() {{}}\n")).collect();
        std::fs::write(folder.path().join("a.go"), format!("package p\n\n{many}")).unwrap();
        std::fs::write(folder.path().join("y.go"), "package p\n\nfunc Make() {}\n").unwrap();
        std::fs::write(folder.path().join("z.go"), "package p\n\nfunc help() {}\nfunc last() {}\n").unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        let surface = Surface::read(&repository, "").unwrap();
        let target = Target { call: Call::Function("last".to_owned()), entry: true };
        let text = Registration::new(&surface, &[target], &[], "m").text();
        let registered: Vec<&str> = text.lines().filter(|line| line.contains("r.Func(")).collect();
        assert_eq!(registered.len(), MAX_FUNCTIONS);
        for (at, name) in ["last", "help", "Make", "f0"].into_iter().enumerate() {
            assert!(registered[at].contains(&format!("\"{name}\"")), "{}", registered[at]);
        }
    }

    #[test]
    fn failing_lines_are_dropped_and_the_rest_keeps_its_place() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("go.mod"), "module m\n").unwrap();
        let source = "package p\n\ntype S struct{}\n\nfunc New() *S { return &S{} }\nfunc (s S) V() {}\nfunc (s *S) P() {}\nfunc G[T any]() {}\n";
        std::fs::write(folder.path().join("p.go"), source).unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        let surface = Surface::read(&repository, "").unwrap();
        let mut registration = Registration::new(&surface, &[], &[], "m");
        let text = registration.text();
        for line in [
            "\tr.Type((*S)(nil))",
            "\tr.Func(\"\", \"p\", \"New\", New)",
            "\tr.Func(\"\", \"p\", \"S.V\", (S).V)",
            "\tr.Func(\"\", \"p\", \"(*S).P\", (*S).P)",
            "\tr.Func(\"\", \"p\", \"G[int]\", G[int])",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let number = text.lines().position(|line| line.contains("\"New\"")).unwrap() + 1;
        assert!(registration.drop_failing(&format!("./{FILE}:{number}:9: undefined: New\n")));
        assert!(!registration.drop_failing(&format!("./{FILE}:1:9: never the package clause\nx.go:5:1: y")));
        assert!(!registration.text().contains("\"New\""));
        assert_eq!(registration.text().lines().count(), text.lines().count());
    }
}
