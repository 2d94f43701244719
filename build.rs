//! Determinises the built-in patterns of the analyzer, so that the binary starts with the finished
//! automaton instead of computing it.

#![allow(dead_code, reason = "the included modules serve the crate; the build needs a part of them")]
#![allow(clippy::expect_used, reason = "a build script fails by panicking")]

#[path = "src/analyzer/gate/automaton.rs"]
mod automaton;
#[path = "src/analyzer/gate/patterns.rs"]
mod patterns;

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/analyzer/gate/automaton.rs");
    println!("cargo:rerun-if-changed=src/analyzer/gate/patterns.rs");

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
