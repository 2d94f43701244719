//! No file imports one that imports it, over whatever detour: a reader can begin at the ground.
//!
//! A folder's own file stands for what it holds, so it is taken to import its files; that these use the
//! names which it declares for them is no circle.

use std::collections::{BTreeMap, BTreeSet};

use super::{assert_tidy, code_of, files, read, words};

/// `src/generator/rules/mod.rs` is `generator/rules`.
fn module_of(path: &str) -> String {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    inside.strip_suffix("/mod").unwrap_or(inside).to_owned()
}

fn parent(module: &str) -> &str {
    module.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn child(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}/{name}") }
}

/// What the words behind `base::` name: the innermost module of each path, braces included.
fn follow(base: &str, words: &[&str], modules: &BTreeSet<String>, named: &mut BTreeSet<String>) {
    match words {
        ["super", "::", rest @ ..] => follow(parent(base), rest, modules, named),
        ["{", rest @ ..] => {
            let (mut depth, mut at_start) = (1, true);
            for (at, word) in rest.iter().enumerate() {
                if depth == 1 && at_start && *word != "}" {
                    follow(base, &rest[at..], modules, named);
                }
                at_start = depth == 1 && *word == ",";
                depth += usize::from(*word == "{");
                depth -= usize::from(*word == "}");
                if depth == 0 {
                    break;
                }
            }
        }
        [name, rest @ ..] if modules.contains(&child(base, name)) => {
            let inner = child(base, name);
            match rest {
                ["::", rest @ ..] => follow(&inner, rest, modules, named),
                _ => drop(named.insert(inner)),
            }
        }
        _ => drop(named.insert(base.to_owned())),
    }
}

fn imports(module: &str, source: &str, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let code = code_of(source);
    let words = words(&code);
    let mut named = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        let rest = &words[at + 1..];
        match (*word, rest) {
            _ if at > 0 && words[at - 1] == "::" => {}
            ("crate", ["::", rest @ ..]) => follow("", rest, modules, &mut named),
            ("super", ["::", rest @ ..]) => follow(parent(module), rest, modules, &mut named),
            ("mod", [name, ";", ..]) => drop(named.insert(child(module, name))),
            _ => {}
        }
    }
    let around = |other: &String| format!("{module}/").starts_with(&format!("{other}/"));
    named.retain(|other| modules.contains(other) && !around(other));
    named
}

/// The modules that stand in a circle, or between two.
fn check_circles(sources: &BTreeMap<String, String>) -> Vec<String> {
    let modules: BTreeSet<String> = sources.keys().cloned().collect();
    let mut left: BTreeMap<&String, BTreeSet<String>> =
        sources.iter().map(|(module, source)| (module, imports(module, source, &modules))).collect();
    loop {
        let before = left.len();
        let known: BTreeSet<&String> = left.keys().copied().collect();
        let imported: BTreeSet<&String> = left.values().flatten().collect();
        let ends: BTreeSet<String> = left
            .iter()
            .filter(|(module, imports)| {
                !imported.contains(*module) || !imports.iter().any(|import| known.contains(import))
            })
            .map(|(module, _)| (*module).clone())
            .collect();
        left.retain(|module, _| !ends.contains(*module));
        if left.len() == before {
            break;
        }
    }
    let inside: BTreeSet<String> = left.keys().map(|module| (*module).clone()).collect();
    left.iter().map(|(module, imports)| format!("{module} imports {:?}", imports & &inside)).collect()
}

#[test]
fn files_import_each_other_in_no_circle() {
    let sources: BTreeMap<String, String> =
        files(&["src"], "rs").iter().map(|path| (module_of(path), read(path))).collect();
    let modules = sources.keys().cloned().collect();
    let rule = imports("generator/rules/divide", &sources["generator/rules/divide"], &modules);
    assert!(rule.contains("generator/repair/check"), "imports are seen: {rule:?}");
    assert_tidy(&check_circles(&sources));
}

#[test]
fn circles_are_found_in_every_spelling() {
    let circles = |sources: &[(&str, &str)]| {
        let sources = sources.iter().map(|(at, text)| ((*at).to_owned(), (*text).to_owned())).collect();
        check_circles(&sources).len()
    };
    let first = ("a/x", "use super::y::Y;");
    for second in [
        "use super::x;",
        "use super::{x, z};",
        "use crate::{b::B, a::{z::Z, x::{self, X}}};",
        "fn f() { super::x::run() }",
        "fn f(x: crate::a::x::X) {}",
    ] {
        assert_eq!(circles(&[first, ("a", ""), ("a/y", second), ("a/z", ""), ("b", "")]), 2, "{second}");
    }
    // Over a folder, its file and one of its parts.
    let folder = [("a/x", "use super::y::Y;"), ("a/y", "mod z;"), ("a/y/z", "use super::super::x;")];
    assert_eq!(circles(&folder), 3);
    for innocent in ["// use super::x;", "use super::Name;", "use super::z;", "use super::super::b::x;"] {
        assert_eq!(circles(&[first, ("a", "mod x; mod y;"), ("a/y", innocent), ("a/z", ""), ("b", "")]), 0);
    }
}
