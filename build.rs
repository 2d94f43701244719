//! Determinises the built-in patterns of the analyzer, so that the binary starts with the finished
//! automaton instead of computing it.

#![allow(dead_code, reason = "the included modules serve the crate; the build needs a part of them")]
#![allow(clippy::expect_used, reason = "a build script fails by panicking")]

#[path = "src/analyzer/gate/automaton.rs"]
mod automaton;
#[path = "src/analyzer/gate/patterns.rs"]
mod patterns;

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/analyzer/gate/automaton.rs");
    println!("cargo:rerun-if-changed=src/analyzer/gate/patterns.rs");

    tell_about_the_build();
    let parsed: Vec<_> = patterns::BUILT_IN
        .iter()
        .map(|pattern| {
            automaton::parse(pattern).unwrap_or_else(|error| panic!("pattern {pattern:?}: {error}"))
        })
        .collect();
    let nfa = automaton::nfa(&parsed).expect("the built-in patterns compile");
    let dfa = automaton::determinise(&nfa).expect("the built-in patterns fit the limits");
    let little = std::env::var("CARGO_CFG_TARGET_ENDIAN").is_ok_and(|endian| endian == "little");
    let (bytes, padding) = if little { dfa.to_bytes_little_endian() } else { dfa.to_bytes_big_endian() };
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("built_in.dfa");
    std::fs::write(out, &bytes[padding..]).expect("the output folder can be written");
}

/// What `hephaestus version` tells beside the version.
fn tell_about_the_build() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let rustc = Command::new(variable("RUSTC")).arg("--version").output();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    println!("cargo:rustc-env=HEPHAESTUS_RUSTC={}", rustc.unwrap_or_default());
    println!("cargo:rustc-env=HEPHAESTUS_TARGET={}", variable("TARGET"));
    println!("cargo:rustc-env=HEPHAESTUS_FEATURES={}", variable("CARGO_CFG_FEATURE"));
}
