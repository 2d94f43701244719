//! Repositories whose modules are not what they say.

use std::fs;
use std::os::unix::fs::symlink;

use super::super::module::BASKET;
use super::logs::{crash, crash_with};
use super::{Expected, Input};

use Expected::{Refused, Unproven};

const NOT_BUILT: Expected = Unproven("does not build before any change");

pub(super) fn inputs() -> Vec<Input> {
    go_mods().into_iter().chain(elsewhere()).collect()
}

/// What go.mod is.
fn go_mods() -> Vec<Input> {
    vec![
        Input::new(
            "go.mod is a folder",
            |stage| {
                stage.remove("go.mod");
                stage.write("go.mod/x.go", "package x\n");
            },
            crash,
            Refused("go.mod is a folder", "--repo"),
        ),
        Input::new(
            "go.mod is empty",
            |stage| {
                stage.write("go.mod", "");
                stage.break_build();
            },
            crash,
            NOT_BUILT,
        ),
        Input::new(
            "go.mod is huge",
            |stage| {
                stage.write(
                    "go.mod",
                    &format!("module example.com/till\n\ngo 1.21\n{}", "// x\n".repeat(1_000_000)),
                );
                stage.break_build();
            },
            crash,
            NOT_BUILT,
        ),
        Input::new(
            "go.mod is no text",
            |stage| {
                fs::write(stage.root().join("go.mod"), b"module \xff\xfe\0\n").unwrap();
                stage.break_build();
            },
            crash,
            NOT_BUILT,
        ),
        Input::new(
            "go.mod is a link",
            |stage| {
                fs::rename(stage.root().join("go.mod"), stage.beside("victim/go.mod")).unwrap();
                symlink(stage.beside("victim/go.mod"), stage.root().join("go.mod")).unwrap();
                stage.break_build();
            },
            crash,
            NOT_BUILT,
        ),
    ]
}

/// What leads elsewhere.
fn elsewhere() -> Vec<Input> {
    vec![
        Input::new(
            "a module that is replaced by a folder of the system",
            |stage| {
                let replace = "require example.com/x v1.0.0\n\nreplace example.com/x => /etc\n";
                stage.write("go.mod", &format!("module example.com/till\n\ngo 1.21\n\n{replace}"));
                stage.write("basket/x.go", "package basket\n\nimport _ \"example.com/x\"\n");
            },
            crash,
            NOT_BUILT,
        ),
        Input::new(
            "a toolchain to be downloaded",
            |stage| {
                stage.write("go.mod", "module example.com/till\n\ngo 1.99\n\ntoolchain go1.99.0\n");
            },
            crash,
            NOT_BUILT,
        ),
        Input::new(
            "a module path that climbs",
            |stage| stage.write("go.mod", "module ../..\n\ngo 1.21\n"),
            || crash_with("example.com/till/", "../../victim/"),
            Unproven(""),
        ),
        Input::new(
            "a module path that is Go",
            |stage| {
                stage.write("go.mod", "module \"example.com/till\"+os.Exit(0)+\"\"\n\ngo 1.21\n");
            },
            crash,
            Unproven(""),
        ),
        Input::new(
            "a work file that leads out",
            |stage| {
                stage.write("go.work", "go 1.21\n\nuse .\nuse ../victim\nuse /etc\n");
            },
            crash,
            NOT_BUILT,
        ),
        Input::new(
            "a vendored package of the same name",
            |stage| {
                stage.write("vendor/example.com/till/basket/basket.go", BASKET);
                let list = "# example.com/till v1.0.0\n## explicit\nexample.com/till/basket\n";
                stage.write("vendor/modules.txt", list);
            },
            crash,
            Unproven("inconsistent vendoring"),
        ),
        Input::new(
            "no Go at all",
            |stage| {
                fs::remove_dir_all(stage.root()).unwrap();
                stage.write("README", "go away");
            },
            crash,
            Refused("holds no Go code", "--repo"),
        ),
    ]
}
