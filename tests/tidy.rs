//! What the house looks like, kept by tests: who imports whom, that no files do so in a circle, how long
//! files are, which names and words are not used, where `unsafe` may stand, and that links lead somewhere.
//!
//! Rust source is read without its comments and literals, so that only code counts. The checks are
//! functions of a path and a text; the tests at the end show that each of them can fail.

mod circles;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Who may import whom, from the ground up. A room that is not listed may not exist.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("telemetry", &[]),
    ("collector", &["domain", "telemetry"]),
    ("analyzer", &["domain", "telemetry"]),
    ("bus", &["domain", "telemetry"]),
    ("knowledge", &["domain", "telemetry"]),
    ("repository", &["domain", "telemetry"]),
    ("sandbox", &["domain", "telemetry"]),
    // Crash output of the sandbox is judged with the same eyes as logs, so both may use `analyzer`.
    ("generator", &["domain", "telemetry", "analyzer", "knowledge", "repository", "sandbox"]),
    ("validator", &["domain", "telemetry", "analyzer", "repository", "sandbox"]),
    ("fixer", &["domain", "telemetry", "knowledge", "repository", "sandbox", "generator", "validator"]),
    ("deployment", &["domain", "telemetry", "validator", "knowledge", "repository"]),
    ("server", &["domain", "telemetry", "knowledge"]),
    ("config", &[EVERY_ROOM_ABOVE]),
    ("app", &[EVERY_ROOM_ABOVE]),
    ("cli", &["domain", "telemetry", "config", "app"]),
    ("main", &["cli", "sandbox"]),
];

/// Stands for all that the table lists before.
const EVERY_ROOM_ABOVE: &str = "every room above";

/// Files that may contain `unsafe`: kernel calls that have no safe wrapper.
const UNSAFE_ALLOWED: &[&str] = &["src/sandbox/"];

/// The hard limit; about 400 is the custom.
const LONGEST_FILE: usize = 500;

const BANNED_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc"];
const BANNED_MACROS: &[&str] = &["todo!", "unimplemented!"];

/// Spelled in two halves, so that this file does not hold it.
const BANNED_WORDS: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X:")];

// --- reading source ---------------------------------------------------------------------------

/// Rust source with comments blanked and literals emptied; line breaks stay.
fn code_of(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped(bytes, at);
        if end == at {
            code.push(bytes[at]);
            at += 1;
        } else {
            code.push(b' ');
            code.extend(bytes[at..end].iter().filter(|byte| **byte == b'\n'));
            at = end;
        }
    }
    String::from_utf8(code).expect("comments and literals start and end on character boundaries")
}

/// Where the comment or literal at `at` ends; `at` itself where there is none.
fn skipped(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let within = |length: Option<usize>| length.map_or(bytes.len(), |length| (at + length).min(bytes.len()));
    if rest.starts_with(b"//") {
        return within(rest.iter().position(|byte| *byte == b'\n'));
    }
    if rest.starts_with(b"/*") {
        let mut depth = 0_usize;
        let mut index = 0;
        while index + 1 < rest.len() {
            match &rest[index..index + 2] {
                b"/*" => (depth, index) = (depth + 1, index + 2),
                b"*/" => (depth, index) = (depth - 1, index + 2),
                _ => index += 1,
            }
            if depth == 0 {
                return at + index;
            }
        }
        return bytes.len();
    }
    let follows_name = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if !follows_name && (rest[0] == b'r' || rest.starts_with(b"br")) {
        let start = if rest[0] == b'b' { 2 } else { 1 };
        let hashes = rest[start..].iter().take_while(|byte| **byte == b'#').count();
        if rest.get(start + hashes) == Some(&b'"') {
            let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            let body = start + hashes + 1;
            let end = rest[body..].windows(close.len()).position(|window| window == close);
            return within(end.map(|end| body + end + close.len()));
        }
    }
    if rest[0] == b'"' {
        return within(end_of_quoted(rest, b'"'));
    }
    // A character literal, and not a lifetime.
    let is_char = rest[0] == b'\'' && (rest.get(1) == Some(&b'\\') || short_char(rest));
    if is_char { within(end_of_quoted(rest, b'\'')) } else { at }
}

fn short_char(rest: &[u8]) -> bool {
    let width = match rest.get(1) {
        Some(byte) if *byte < 0x80 => 1,
        Some(byte) if *byte >= 0xF0 => 4,
        Some(byte) if *byte >= 0xE0 => 3,
        Some(_) => 2,
        None => return false,
    };
    rest.get(1 + width) == Some(&b'\'')
}

fn end_of_quoted(rest: &[u8], quote: u8) -> Option<usize> {
    let mut index = 1;
    while index < rest.len() {
        match rest[index] {
            b'\\' => index += 2,
            byte if byte == quote => return Some(index + 1),
            _ => index += 1,
        }
    }
    None
}

/// The words of code, with `::`, `{`, `}` and `,` as words of their own.
fn words(code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        words.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    words
}

/// The rooms that code names after `root::`, also in braces: `use crate::{domain::Line, config}`.
fn rooms_named(code: &str, root: &str) -> BTreeSet<String> {
    let words = words(code);
    let mut rooms = BTreeSet::new();
    for (index, pair) in words.windows(2).enumerate() {
        let preceded = index > 0 && words[index - 1] == "$";
        if pair != [root, "::"] || preceded && root != "crate" {
            continue;
        }
        match words.get(index + 2) {
            Some(&"{") => rooms.extend(first_names(&words[index + 3..])),
            Some(name) => drop(rooms.insert((*name).to_owned())),
            None => {}
        }
    }
    rooms.retain(|name| ROOMS.iter().any(|(room, _)| room == name));
    rooms
}

/// The first name of every path in a brace group that has been opened.
fn first_names(words: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let (mut depth, mut at_start) = (1, true);
    for word in words {
        match *word {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," => at_start |= depth == 1,
            name if depth == 1 && at_start => {
                names.insert(name.to_owned());
                at_start = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

// --- the checks: each returns what is wrong ---------------------------------------------------

/// The room of a file under `src/`: its first folder, or its name. `lib` is no room.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let room = inside.split_once('/').map_or_else(|| inside.trim_end_matches(".rs"), |(room, _)| room);
    (room != "lib").then_some(room)
}

fn check_imports(path: &str, source: &str) -> Vec<String> {
    let Some(room) = room_of(path) else { return Vec::new() };
    let Some(floor) = ROOMS.iter().position(|(name, _)| *name == room) else {
        return vec![format!("{path}: `{room}` is not a room of the house")];
    };
    let allowed = ROOMS[floor].1;
    let may = |named: &str| match allowed {
        [EVERY_ROOM_ABOVE] => ROOMS[..floor].iter().any(|(room, _)| *room == named),
        rooms => rooms.contains(&named),
    };
    let root = if room == "main" { "hephaestus" } else { "crate" };
    rooms_named(&code_of(source), root)
        .into_iter()
        .filter(|named| named != room && !may(named))
        .map(|named| format!("{path}: `{room}` may not import `{named}`; it may import {allowed:?}"))
        .collect()
}

fn check_source(path: &str, source: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines = source.lines().count();
    if lines > LONGEST_FILE {
        wrong.push(format!("{path}: {lines} lines; the limit is {LONGEST_FILE}"));
    }
    let parts = path.trim_end_matches(".rs").split('/');
    wrong.extend(
        parts.filter(|part| BANNED_NAMES.contains(part)).map(|part| format!("{path}: `{part}` says nothing")),
    );
    wrong.extend(
        BANNED_WORDS
            .iter()
            .filter(|word| source.contains(**word))
            .map(|word| format!("{path}: holds {word}")),
    );
    let code = code_of(source);
    let words = words(&code);
    for pair in words.windows(2) {
        if BANNED_MACROS.contains(&pair.concat().as_str()) {
            wrong.push(format!("{path}: {}{}", pair[0], pair[1]));
        }
        if pair[0] == "mod" && BANNED_NAMES.contains(&pair[1]) {
            wrong.push(format!("{path}: module `{}` says nothing", pair[1]));
        }
    }
    if words.contains(&"unsafe") && !UNSAFE_ALLOWED.iter().any(|allowed| path.starts_with(allowed)) {
        wrong.push(format!("{path}: `unsafe` outside {UNSAFE_ALLOWED:?}"));
    }
    wrong
}

/// Links of a Markdown text to files that do not exist. Links to the web are not followed.
fn check_links(path: &str, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut wrong = Vec::new();
    let mut in_fence = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        for piece in line.split("](").skip(1).filter(|_| !in_fence) {
            let target = piece.split(')').next().unwrap_or_default();
            let file = target.split(['#', ' ']).next().unwrap_or_default();
            let elsewhere = file.is_empty() || file.contains("://") || file.starts_with("mailto:");
            if !elsewhere && !exists(&folder.join(file)) {
                wrong.push(format!("{path}: link to `{file}`, which does not exist"));
            }
        }
    }
    wrong
}

// --- the house itself -------------------------------------------------------------------------

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files of the project with an extension, as paths from its root. Hidden and built things are left out.
fn files(folders: &[&str], extension: &str) -> Vec<String> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            if path.is_dir() && !hidden && entry.file_name() != "target" {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    folders.iter().for_each(|folder| walk(&root().join(folder), extension, &mut found));
    found.sort();
    found.iter().map(|path| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn assert_tidy(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn rooms_import_only_what_they_may() {
    let sources = files(&["src"], "rs");
    assert!(sources.len() > 20, "{sources:?}");
    let wrong: Vec<_> = sources.iter().flat_map(|path| check_imports(path, &read(path))).collect();
    assert_tidy(&wrong);
}

#[test]
fn sources_are_tidy() {
    let sources = files(&["src", "tests", "benches", "examples"], "rs");
    let wrong: Vec<_> = sources.iter().flat_map(|path| check_source(path, &read(path))).collect();
    assert_tidy(&wrong);
}

#[test]
fn links_lead_to_files() {
    let mut pages = files(&["docs", "examples", "config", "helm", "tests"], "md");
    if root().join("README.md").exists() {
        pages.push("README.md".into());
    }
    let exists = |path: &Path| root().join(path).exists();
    let wrong: Vec<_> = pages.iter().flat_map(|path| check_links(path, &read(path), exists)).collect();
    assert_tidy(&wrong);
}

#[test]
fn the_rule_has_no_circles() {
    for (index, (room, allowed)) in ROOMS.iter().enumerate() {
        for import in allowed.iter().filter(|import| **import != EVERY_ROOM_ABOVE) {
            let floor = ROOMS.iter().position(|(name, _)| name == import);
            assert!(floor.is_some_and(|floor| floor < index), "{room} imports {import}");
        }
    }
}

// --- the checks can fail ----------------------------------------------------------------------

#[test]
fn a_forbidden_import_is_found_in_every_spelling() {
    for source in [
        "use crate::sandbox::Sandbox;",
        "use crate::{domain::Line, sandbox};",
        "use crate::{\n    domain::{Line, Span},\n    sandbox::{self, Tier},\n};",
        "fn f() { crate::sandbox::run() }",
        "use crate :: sandbox as other;",
        "let text = \"\\\"\"; use crate::sandbox;",
        "let c = '\"'; use crate::sandbox; let d = '\"';",
        "let r = r#\"a \" b\"#; use crate::sandbox;",
        "/* /* */ */ use crate::sandbox;",
    ] {
        let wrong = check_imports("src/analyzer/gate.rs", source);
        assert_eq!(wrong.len(), 1, "{source}: {wrong:?}");
    }
}

#[test]
fn what_only_looks_like_an_import_is_left_alone() {
    for source in [
        "// use crate::sandbox;",
        "/// [`crate::sandbox`]",
        "/* crate::sandbox */",
        "let text = \"crate::sandbox\";",
        "let text = r#\"crate::sandbox\"#;",
        "use crate::domain::Line;",
        "use crate::analyzer::sandbox;",
        "use crate::{domain::{sandbox, Line}};",
        "fn f<'a>(x: &'a str) {} // crate::sandbox",
    ] {
        assert_tidy(&check_imports("src/analyzer/gate.rs", source));
    }
}

#[test]
fn unknown_rooms_and_a_reaching_main_are_found() {
    assert_eq!(check_imports("src/attic/mod.rs", "").len(), 1);
    assert_eq!(check_imports("src/attic.rs", "").len(), 1);
    assert_eq!(check_imports("src/main.rs", "use hephaestus::fixer;").len(), 1);
    assert_eq!(check_imports("src/config/mod.rs", "use crate::app;").len(), 1);
    assert_tidy(&check_imports("src/config/mod.rs", "use crate::fixer;"));
    assert_tidy(&check_imports("src/lib.rs", "pub use crate::fixer;"));
}

#[test]
fn untidy_sources_are_found() {
    for (path, source) in [
        ("src/domain/a.rs", "x\n".repeat(LONGEST_FILE + 1).as_str()),
        ("src/domain/utils.rs", ""),
        ("src/domain/helpers/a.rs", ""),
        ("src/domain/a.rs", "mod common;"),
        ("src/domain/a.rs", "fn f() { todo!() }"),
        ("src/domain/a.rs", "fn f() { unimplemented! (\"later\") }"),
        ("src/domain/a.rs", concat!("// FIX", "ME: later")),
        ("src/domain/a.rs", "fn f() { unsafe { g() } }"),
    ] {
        let wrong = check_source(path, source);
        assert_eq!(wrong.len(), 1, "{path}: {wrong:?}");
    }
    assert_tidy(&check_source(
        "src/domain/a.rs",
        "// unsafe todo! \nlet t = \"unsafe todo!()\"; fn unsafe_name() {}",
    ));
    assert_tidy(&check_source("src/sandbox/launch.rs", "unsafe { g() }"));
}

#[test]
fn dead_links_are_found() {
    let exists = |path: &Path| path == Path::new("docs/performance.md");
    let check = |text: &str| check_links("docs/index.md", text, exists);
    assert_eq!(check("see [a](missing.md) and [b](performance.md)").len(), 1);
    assert_eq!(check("[a](../README.md#promises)").len(), 1);
    assert_tidy(&check(
        "[a](performance.md#how) [b](https://example.org/x) [c](#here)\n```\n[d](missing.md)\n```",
    ));
}
