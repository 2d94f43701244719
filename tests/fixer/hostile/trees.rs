//! Repositories that lead elsewhere, that lie, and that are too much.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, mkfifoat, openat};

use super::super::module::BASKET;
use super::logs::{crash, crash_below, crash_with};
use super::stage::Stage;
use super::{Expected, Input};

use Expected::{Proven, Unproven};

const NOT_FOUND: Expected = Unproven("nothing of it is found in this repository");
const NOT_BUILT: Expected = Unproven("does not build before any change");

/// The statement of a till that fails.
const FAILING: &str = "\tlast := items[len(items)-1]\n";

pub(super) fn inputs() -> Vec<Input> {
    let mut inputs = files();
    inputs.extend(sources());
    inputs.extend(deceiving());
    inputs.extend(special());
    inputs
}

/// What is no ordinary file, or is called as none is.
fn files() -> Vec<Input> {
    vec![
        Input::new("a package that is a link", |stage| {
            fs::rename(stage.root().join("basket"), stage.beside("victim/basket")).unwrap();
            symlink(stage.beside("victim/basket"), stage.root().join("basket")).unwrap();
        }, crash, NOT_FOUND),
        Input::new("a source that is a link", |stage| {
            fs::rename(stage.root().join("basket/basket.go"), stage.beside("victim/basket.go")).unwrap();
            symlink(stage.beside("victim/basket.go"), stage.root().join("basket/basket.go")).unwrap();
        }, crash, NOT_FOUND),
        Input::new("links, pipes and sockets all over", |stage| {
            let root = stage.root();
            symlink(".", root.join("loop")).unwrap();
            symlink("../..", root.join("basket/up")).unwrap();
            symlink("self", root.join("self")).unwrap();
            symlink("/proc/self/fd/1", root.join("basket/fd.go")).unwrap();
            symlink("/dev/zero", root.join("basket/zero.go")).unwrap();
            let pipe = |path: &str| mkfifoat(CWD, root.join(path), Mode::RWXU).unwrap();
            pipe("basket/pipe.go");
            pipe("basket/testdata");
            // Its address must be short.
            drop(UnixListener::bind(stage.beside("s")).unwrap());
            fs::rename(stage.beside("s"), root.join("basket/socket.go")).unwrap();
        }, crash, Proven).within(150),
        Input::new("names that are commands", |stage| {
            for name in ["$(touch x).txt", "`id`", "; touch x", "-rf", "--output=x", "'\"", "a\\b", "%s%n"] {
                fs::write(stage.root().join("basket").join(name), "package basket\n").unwrap();
            }
            stage.break_build();
        }, crash, NOT_BUILT),
        Input::new("names that paint", |stage| {
            let names: [&[u8]; 5] =
                [b"a\nb.go", b"\x1b]0;x\x07.go", b"\xff\xfe.go", "\u{202e}og.go".as_bytes(), b"\x7f.go"];
            for name in names {
                let path = stage.root().join("basket").join(OsStr::from_bytes(name));
                fs::write(path, "package basket\n\nvar broken int = \"text\"\n").unwrap();
            }
        }, crash, NOT_BUILT),
        Input::new("a file larger than the disk", |stage| {
            let file = fs::File::create(stage.root().join("basket/big.bin")).unwrap();
            file.set_len(1 << 40).unwrap();
        }, crash, Unproven("is too large")),
        Input::new("ten thousand files", |stage| {
            for number in 0..10_000 {
                stage.write(&format!("many/f{number}.go"), "package many\n");
            }
            stage.break_build();
        }, crash, NOT_BUILT),
        Input::new("folders deeper than a path, that paint", too_deep, crash, NOT_BUILT),
        Input::new("two hundred folders deep", |stage| {
            stage.write(&format!("{}x.go", "d/".repeat(200)), "package d\n");
            stage.break_build();
        }, crash, NOT_BUILT),
        Input::new("a source of twenty million bytes", |stage| {
            let ones = "\t1,\n".repeat(6_000_000);
            stage.write("huge/huge.go", &format!("package huge\n\nvar Huge = []int{{\n{ones}}}\n"));
            stage.break_build();
        }, crash, NOT_BUILT),
        Input::new("a .git that is elsewhere, and attributes that run", |stage| {
            stage.write(".git", "gitdir: ../victim\n");
            stage.write(".gitattributes", "*.go filter=evil diff=evil\n");
            let config = "[core]\n\trepositoryformatversion = 0\n\tfsmonitor = touch kept2\n\
                          [filter \"evil\"]\n\tclean = touch kept3\n[diff \"evil\"]\n\ttextconv = touch kept4\n";
            fs::write(stage.beside("victim/config"), config).unwrap();
            fs::write(stage.beside("victim/HEAD"), "ref: refs/heads/main\n").unwrap();
            fs::create_dir_all(stage.beside("victim/objects")).unwrap();
            fs::create_dir_all(stage.beside("victim/refs")).unwrap();
        }, crash, Proven).within(150),
    ]
}

/// A path may be longer than the system takes in one piece.
fn too_deep(stage: &Stage) {
    let name = "\u{1b}]0;x\u{7}\u{202e}\u{9b}2J".repeat(8);
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = openat(CWD, stage.root(), flags, Mode::empty()).unwrap();
    for _ in 0..50 {
        mkdirat(&folder, name.as_str(), Mode::RWXU).unwrap();
        folder = openat(&folder, name.as_str(), flags, Mode::empty()).unwrap();
    }
    stage.break_build();
}

/// Sources that do not build.
fn sources() -> Vec<Input> {
    vec![
        Input::new(
            "an import cycle",
            |stage| {
                stage.write(
                    "a/a.go",
                    "package a\n\nimport \"example.com/till/basket\"\n\nvar _ = basket.Last\n",
                );
                stage.write("basket/c.go", "package basket\n\nimport _ \"example.com/till/a\"\n");
            },
            crash,
            Unproven("import cycle"),
        ),
        Input::new(
            "a failing file that no build takes",
            |stage| {
                stage.write("basket/basket.go", &format!("//go:build never\n\n{BASKET}"));
            },
            crash_below,
            Unproven("build constraints exclude all Go files"),
        ),
        Input::new(
            "a failing file that is no Go",
            |stage| stage.replace("func Last", "}}} func Last"),
            crash,
            NOT_BUILT,
        ),
        Input::new(
            "a failing file that was generated",
            |stage| {
                stage.write("basket/basket.go", &format!("// Code generated by x. DO NOT EDIT.\n\n{BASKET}"));
                stage.break_build();
            },
            crash_below,
            NOT_BUILT,
        ),
        Input::new(
            "files of the system embedded",
            |stage| {
                let embed = "package basket\n\nimport _ \"embed\"\n\n\
                         //go:embed ../../victim/kept /etc/passwd\nvar leaked string\n";
                stage.write("basket/e.go", embed);
            },
            crash,
            NOT_BUILT,
        ),
    ]
}

/// Sources that are not what they say.
fn deceiving() -> Vec<Input> {
    vec![
        Input::new(
            "C that runs as it is built",
            |stage| {
                let c = "package basket\n\n/*\n#cgo CFLAGS: -fplugin=./x.so\n#cgo LDFLAGS: -Wl,-rpath,/tmp\n\
                     #include \"/etc/passwd\"\n*/\nimport \"C\"\n";
                stage.write("basket/c.go", c);
                stage.write("basket/c.c", "#error built\n");
                stage.break_build();
            },
            crash,
            Unproven(""),
        ),
        Input::new(
            "lines said to be of another file",
            |stage| {
                stage.replace("\tlast := items", "//line /etc/passwd:1\n\tlast := items");
                stage.break_build();
            },
            || crash_with("/src/till/basket/basket.go:10", "/etc/passwd:1"),
            Unproven(""),
        ),
        Input::new(
            "types that make types",
            |stage| {
                let types = "package basket\n\ntype T[A any] struct{ f *T[T[A]] }\n\nfunc G[A any](n int) {\n\
                         \tif n > 0 {\n\t\tG[T[A]](n - 1)\n\t}\n}\n\nfunc Use() { G[int](3) }\n";
                stage.write("basket/g.go", types);
            },
            crash,
            NOT_BUILT,
        ),
        Input::new(
            "constants and arrays beyond measure",
            |stage| {
                let large = "package basket\n\nconst Slow = 1 << 500000 >> 499999\n\nvar X = 1 << 1e9 >> 1e9\n\n\
                         var Big [1 << 50]byte\n";
                stage.write("basket/k.go", large);
            },
            crash,
            NOT_BUILT,
        ),
        Input::new(
            "every package is called main",
            |stage| {
                for folder in ["a", "b", "basket"] {
                    let main = "package main\n\nfunc main() { Last(nil) }\n";
                    stage.write(&format!("{folder}/main.go"), main);
                    stage.write(
                        &format!("{folder}/basket.go"),
                        &BASKET.replace("package basket", "package main"),
                    );
                }
            },
            crash,
            Unproven(""),
        ),
        Input::new(
            "a generator in the failing file",
            |stage| {
                stage.replace("// Last returns", "//go:generate touch ../../victim/kept2\n\n// Last returns");
                stage.break_build();
            },
            crash_below,
            NOT_BUILT,
        ),
    ]
}

/// Sources on which a parser, or whoever walks a tree, may hang.
fn special() -> Vec<Input> {
    vec![
        Input::new(
            "ten thousand brackets beside",
            |stage| {
                let (open, close) = ("(".repeat(10_000), ")".repeat(10_000));
                stage.write("basket/deep.go", &format!("package basket\n\nvar Deep = {open}1{close}\n"));
                stage.break_build();
            },
            crash,
            NOT_BUILT,
        ),
        Input::new(
            "a failing function of twenty thousand lines",
            |stage| {
                let lines = "\tx++\n".repeat(20_000);
                stage.replace(FAILING, &format!("{FAILING}\tx := 0\n{lines}\t_ = x\n"));
            },
            crash,
            Unproven(""),
        )
        .within(12),
    ]
}

/// What takes its time until the limits end it.
pub(super) fn slow_inputs() -> Vec<Input> {
    vec![
        Input::new(
            "the failing statement in ten thousand blocks",
            |stage| {
                let (open, close) = ("{".repeat(10_000), "}".repeat(10_000));
                let block = format!("\tvar last string\n{open}last = items[len(items)-1]{close}\n");
                stage.replace(FAILING, &block);
            },
            crash,
            Unproven(""),
        ),
        Input::new(
            "the failing index in ten thousand brackets",
            |stage| {
                let (open, close) = ("(".repeat(10_000), ")".repeat(10_000));
                stage.replace("len(items)-1", &format!("{open}len(items)-1{close}"));
            },
            crash,
            Unproven(""),
        ),
        Input::new(
            "ten thousand variables",
            |stage| {
                let one = |number| format!("\tx{number} := len(items)\n\t_ = x{number}\n");
                let variables: String = (0..10_000).map(one).collect();
                stage.replace(FAILING, &format!("{FAILING}{variables}"));
            },
            crash,
            Unproven(""),
        ),
        Input::new(
            "three thousand alternatives",
            |stage| {
                let one = |number| format!(" else if last == \"{number}\" {{\n\t}}");
                let others: String = (0..3_000).map(one).collect();
                stage.replace("ErrUnknown\n\t}\n", &format!("ErrUnknown\n\t}}{others}\n"));
            },
            crash,
            Unproven(""),
        ),
        Input::new(
            "twenty thousand functions",
            |stage| {
                let one = |number| format!("func F{number}(x []int) int {{ return x[{number}] }}\n");
                let functions: String = (0..20_000).map(one).collect();
                stage.write("basket/many.go", &format!("package basket\n\n{functions}"));
            },
            crash,
            Unproven(""),
        ),
        Input::new(
            "a type of twenty thousand parts",
            |stage| {
                let parts = "[]".repeat(20_000);
                stage.write("basket/deep.go", &format!("package basket\n\nvar Deep {parts}int\n"));
            },
            crash,
            Unproven(""),
        ),
    ]
}
