//! What can be checked of the Dockerfile without building it: there is no image registry here.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::chart::{documents, our_chart};
use crate::harness::{copy_folder, project, succeed};

/// The libraries that the images have, beside those of the loader and the C library.
const LIBRARIES: [&str; 5] =
    ["libstdc++.so.6", "libgcc_s.so.1", "libssl.so.3", "libcrypto.so.3", "libz.so.1"];
const C_LIBRARY: [&str; 7] =
    ["linux-vdso.so.1", "libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "ld-linux"];

/// The instructions, with lines that continue joined and comments left out.
fn instructions() -> Vec<String> {
    let text = std::fs::read_to_string(project().join("Dockerfile")).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    joined.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// The stages by name, each with its instructions; the first tells what it is from.
fn stages() -> Vec<(String, Vec<String>)> {
    let mut stages: Vec<(String, Vec<String>)> = Vec::new();
    for instruction in instructions() {
        if instruction.starts_with("FROM ") {
            let (_, name) = instruction.rsplit_once(" AS ").expect("every stage has a name");
            stages.push((name.to_owned(), Vec::new()));
        }
        stages.last_mut().expect("FROM comes first").1.push(instruction);
    }
    stages
}

fn values() -> Value {
    let text = std::fs::read_to_string(our_chart().join("values.yaml")).unwrap();
    documents(&text).remove(0)
}

#[test]
fn the_chart_names_stages_that_exist_and_run_as_its_user() {
    let (stages, values) = (stages(), values());
    let user = format!("USER {0}:{0}", values.pointer("/podSecurityContext/runAsUser").unwrap());
    let images = values["images"].as_object().unwrap();
    let named: BTreeSet<&String> =
        images.iter().filter(|(_, image)| image.is_object()).map(|(name, _)| name).collect();
    assert_eq!(named.len(), 2);
    for name in named {
        let (_, stage) = stages.iter().find(|(stage, _)| stage == name).expect(name);
        let last = stage.iter().rfind(|line| line.starts_with("USER "));
        assert_eq!(last, Some(&user), "the image {name}");
    }
}

#[test]
fn stages_copy_only_from_earlier_ones() {
    let mut earlier: Vec<String> = Vec::new();
    for (name, stage) in stages() {
        for source in stage.iter().filter_map(|line| line.strip_prefix("COPY --from=")) {
            let (from, _) = source.split_once(' ').unwrap();
            assert!(earlier.iter().any(|stage| stage == from), "{name} copies from {from}");
        }
        earlier.push(name);
    }
}

/// Copies what the Dockerfile copies, as far as `.dockerignore` lets it.
fn lay_context(into: &Path) {
    let ignore = std::fs::read_to_string(project().join(".dockerignore")).unwrap();
    let allowed: Vec<&str> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut copied = BTreeSet::new();
    let instructions = instructions();
    let copies = instructions.iter().filter_map(|line| line.strip_prefix("COPY "));
    for copy in copies.filter(|copy| !copy.starts_with("--from")) {
        let words: Vec<&str> = copy.split_whitespace().collect();
        let (target, sources) = words.split_last().unwrap();
        for source in sources {
            assert!(allowed.contains(source), ".dockerignore leaves out {source}");
            let from = project().join(source);
            if from.is_dir() {
                copy_folder(&from, &into.join(target));
            } else {
                std::fs::copy(&from, into.join(target).join(source))
                    .unwrap_or_else(|e| panic!("{source}: {e}"));
            }
            copied.insert(*source);
        }
    }
    assert_eq!(copied, BTreeSet::from_iter(allowed), ".dockerignore lets in what is not copied");
}

/// The files that a source takes in where it is compiled, its unit tests left out.
fn included(source: &str) -> Vec<&str> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let pieces = source.split("include_").skip(1).filter_map(|piece| {
        let text = piece.strip_prefix("str!(\"").or_else(|| piece.strip_prefix("bytes!(\""))?;
        Some(text.split('"').next().unwrap_or_default())
    });
    pieces.collect()
}

#[test]
fn the_build_has_all_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let context = folder.path();
    lay_context(context);
    std::fs::create_dir(context.join("tests")).unwrap();
    std::fs::write(context.join("tests/it.rs"), "").unwrap();
    succeed(
        Command::new(env!("CARGO"))
            .args(["metadata", "--offline", "--no-deps", "--format-version=1"])
            .current_dir(context),
    );
    let mut seen = 0;
    for entry in walkdir::WalkDir::new(context.join("src")).into_iter().map(Result::unwrap) {
        let name = entry.path().strip_prefix(context).unwrap().to_str().unwrap();
        if !name.ends_with(".rs") || name.contains("/tests/") || name.ends_with("/tests.rs") {
            continue;
        }
        for path in included(&std::fs::read_to_string(entry.path()).unwrap()) {
            let included = entry.path().parent().unwrap().join(path);
            assert!(included.exists(), "{} includes {path}, which is not copied", entry.path().display());
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn the_compiler_is_the_one_that_the_manifest_asks_for() {
    let manifest = std::fs::read_to_string(project().join("Cargo.toml")).unwrap();
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap();
    let from = format!("FROM rust:{}-bookworm AS build", version.trim_end_matches('"'));
    assert!(instructions().contains(&from), "the Dockerfile lacks: {from}");
}

#[test]
fn the_images_have_the_libraries_that_the_binary_links() {
    let output = succeed(Command::new("ldd").arg(env!("CARGO_BIN_EXE_hephaestus")));
    let text = String::from_utf8(output.stdout).unwrap();
    for library in text.lines().filter_map(|line| line.split_whitespace().next()) {
        let name = library.rsplit('/').next().unwrap();
        let known = C_LIBRARY.iter().chain(&LIBRARIES).any(|known| name.starts_with(known));
        assert!(
            known,
            "{name} is not in the images: install its package in the Dockerfile, and name it here"
        );
    }
}
