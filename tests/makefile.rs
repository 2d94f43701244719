//! What `make` does where something is missing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::harness::project;

fn program(path: &Path, script: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Builds with a `.ci/rocksdb` that is a given script; says whether make was content, and how cargo was called.
fn build(rocksdb: &str) -> (bool, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (root, cache) = (folder.path(), folder.path().join("cache"));
    std::fs::copy(project().join("Makefile"), root.join("Makefile")).unwrap();
    program(&root.join(".ci/setup"), "exit 0");
    program(&root.join(".ci/rocksdb"), rocksdb);
    program(&cache.join("bin/cargo"), r#"echo "$ROCKSDB_LIB_DIR $*" > "$HEPHAESTUS_CACHE/called""#);
    let made = Command::new("make")
        .args(["-C", root.to_str().unwrap(), "build"])
        .env("HEPHAESTUS_CACHE", &cache)
        // Of the make that may be running these tests.
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .output()
        .unwrap();
    (made.status.success(), std::fs::read_to_string(cache.join("called")).ok())
}

#[test]
fn nothing_is_built_without_the_library_it_links() {
    assert_eq!(build("echo /lib/of/rocksdb"), (true, Some("/lib/of/rocksdb build --locked\n".to_owned())));
    assert_eq!(build("exit 1"), (false, None));
}
