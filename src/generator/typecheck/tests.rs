//! Who uses which functions, as the type checker tells it.

use std::fmt::Write as _;
use std::process::Command;

use tempfile::TempDir;

use super::PROGRAM;
use super::plain::type_check;
use crate::domain::RepoPath;
use crate::repository::Repository;
use crate::repository::go::{How, Resolver, nodes_of};

const BOX: &str = "package box

import . \"example.com/m/print\"

type base struct{ n int }

func (b *base) Size() int { return b.n }

func (b *base) grow(by int) { b.n += by }

// Box holds things.
type Box[T any] struct {
\tbase
\tall []T
}

// Push adds one.
func (b *Box[T]) Push(v T) {
\tb.all = append(b.all, v)
\tb.grow(1)
}

type pot struct{ n int }

func (p *pot) grow(by int) { p.n -= by }

func fill[T any](b *Box[T], all ...T) {
\tfor _, one := range all {
\t\tb.Push(one)
\t}
\tPrint(b)
}

// Fill fills all kinds.
func Fill(b Box[int], p *pot, sized interface{ Size() int }) int {
\tfill[int](&b, 1)
\t(fill[int])(&b, 2)
\tp.grow(3)
\tgrow := func(by int) {}
\tgrow(4)
\tlater := b.grow
\tlater(5)
\t(*base).grow(&b.base, 6)
\tgo b.grow(7)
\treturn sized.Size()
}
";

const PRINT: &str = "package print

// Sized has a size.
type Sized interface{ Size() int }

// Print prints it.
func Print(s Sized) { println(s.Size()) }
";

const TEST: &str = "package box

import \"testing\"

func TestGrow(t *testing.T) {
\tb := &base{}
\tb.grow(8)
\tmade := made()
\tmade.grow(9)
}
";

struct Module {
    folder: TempDir,
    repository: Repository,
}

impl Module {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("go.mod", "module example.com/m\n\ngo 1.21\n")].iter().chain(files) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let repository = Repository::open(folder.path()).unwrap();
        Self { folder, repository }
    }

    fn check(&self, packages: &[&str]) {
        let packages: Vec<String> = packages.iter().map(|package| (*package).to_owned()).collect();
        type_check(&self.repository, self.folder.path(), &packages);
    }

    /// The uses of a function, one a line: how, and the text.
    fn uses(&self, path: &str, function: &str) -> Option<String> {
        let file = self.repository.go_file(&RepoPath::new(path).unwrap()).unwrap();
        let function = file.function(function).unwrap();
        let resolver = Resolver::new(&self.repository);
        let mut shown = String::new();
        for place in resolver.uses_of(&file, function, true)? {
            let how = match place.how {
                How::Called => "called",
                How::Through => "through",
                How::Taken => "taken",
                How::Unknown => "unknown",
            };
            writeln!(shown, "{how} {}", place.file.text_of(place.node().unwrap())).unwrap();
        }
        Some(shown)
    }
}

fn boxes() -> Module {
    let module = Module::new(&[("box/box.go", BOX), ("box/box_test.go", TEST), ("print/print.go", PRINT)]);
    module.check(&["./box", "./print"]);
    module
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// The program is written as Go programs are, in the language of the oldest toolchain that may build it.
#[test]
fn the_program_is_in_order() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("go.mod"), "module typecheck\n\ngo 1.21\n").unwrap();
    for (name, text) in PROGRAM {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for (program, arguments) in [("gofmt", ["-l", "."]), ("go", ["vet", "."])] {
        let output = Command::new(program).args(arguments).current_dir(&folder).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && said.is_empty(), "{program}: {}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn uses_are_told_apart_whatever_the_names() {
    let module = boxes();
    let uses = |function: &str| module.uses("box/box.go", function).unwrap();
    // Of the test, which is not checked, syntax tells what it can.
    assert_eq!(
        sorted(&uses("(*base).grow")),
        [
            "called b.grow(1)",
            "called b.grow(7)",
            "called b.grow(8)",
            "taken grow",
            "taken grow",
            "unknown grow"
        ]
    );
    assert_eq!(sorted(&uses("(*pot).grow")), ["called p.grow(3)", "unknown grow"]);
    assert_eq!(sorted(&uses("fill")), ["called (fill[int])(&b, 2)", "called fill[int](&b, 1)"]);
    assert_eq!(sorted(&uses("(*Box).Push")), ["called b.Push(one)"]);
    // What embeds the type is taken for interfaces, here and elsewhere.
    assert_eq!(sorted(&uses("(*base).Size")), ["through s.Size()", "through sized.Size()"]);
    assert_eq!(sorted(&module.uses("print/print.go", "Print").unwrap()), ["called Print(b)"]);
}

#[test]
fn interfaces_ask_for_what_satisfies_them() {
    let module = boxes();
    let file = module.repository.go_file(&RepoPath::new("box/box.go").unwrap()).unwrap();
    let resolver = Resolver::new(&module.repository);
    let asked = |name: &str| resolver.is_asked_for(&file, file.function(name).unwrap());
    assert!(asked("(*base).Size") && !asked("(*base).grow") && !asked("fill"));
}

/// Of a package with a name that nobody declares not all uses are known: syntax tells them.
#[test]
fn of_broken_packages_syntax_tells() {
    let broken = BOX.replace("\treturn sized.Size()", "\tnowhere(b)\n\treturn sized.Size()");
    let module = Module::new(&[("box/box.go", &broken), ("print/print.go", PRINT)]);
    module.check(&["./box", "./print"]);
    let uses = module.uses("box/box.go", "(*base).grow").unwrap();
    assert_eq!(
        sorted(&uses),
        [
            "called b.grow(1)",
            "called b.grow(7)",
            "unknown grow",
            "unknown grow",
            "unknown grow",
            "unknown grow"
        ]
    );
}

#[test]
fn nobody_is_told_of_too_many_uses() {
    for (calls, told) in [(200, true), (201, false)] {
        let text = format!("package p\n\nfunc f() {{}}\n\nfunc g() {{\n{}}}\n", "\tf()\n".repeat(calls));
        let module = Module::new(&[("p/p.go", &text)]);
        module.check(&["./p"]);
        assert_eq!(module.uses("p/p.go", "f").is_some(), told, "{calls}");
    }
}

/// Types that functions declare go by their names only where nothing else in the package has them.
#[test]
fn types_of_one_name_are_told_apart() {
    let text = "package p\n\ntype row struct{ a int }\n\nfunc f() {\n\ttype row struct{ b int }\n\ttype cell struct{ c int }\n\tone, two := []row{}, []cell{}\n\tuse(one, two)\n}\n\nfunc g[row any, K comparable](in map[K]row) {\n\tuse(in, nil)\n}\n\nfunc h(own []row) {\n\ttype item struct{ d int }\n\tvar three item\n\tuse(own, three)\n}\n\nfunc i[K any](four K) {\n\ttype item struct{ e int }\n\tvar five item\n\tuse(four, five)\n}\n\nfunc use(a, b any) {}\n";
    let module = Module::new(&[("p/p.go", text)]);
    module.check(&["./p"]);
    let file = module.repository.go_file(&RepoPath::new("p/p.go").unwrap()).unwrap();
    let resolver = Resolver::new(&module.repository);
    let calls = nodes_of(file.tree.root_node(), |node| {
        node.kind() == "call_expression" && file.text_of(node).starts_with("use(")
    });
    let mut told = Vec::new();
    for call in calls {
        let list = call.child_by_field_name("arguments").unwrap();
        for argument in list.named_children(&mut list.walk()).filter(|node| node.kind() == "identifier") {
            let ty = resolver.type_of(&file, argument).map_or("?".to_owned(), |ty| ty.text);
            told.push(format!("{} {ty}", file.text_of(argument)));
        }
    }
    assert_eq!(told, ["one ?", "two []cell", "in ?", "own []row", "three ?", "four K", "five ?"]);
}
