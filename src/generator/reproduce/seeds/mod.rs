//! What the search starts from: texts and numbers of the log near the crash, of the functions on the
//! stack, and of the package and its tests. The log is hostile: everything is capped.

mod log;
mod passed;
mod source;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use self::passed::Passed;
use super::surface::Surface;
use crate::domain::Fault;
use crate::repository::Repository;
use crate::repository::go::{File, Symbol};

const MAX_TEXTS: usize = 400;
const MAX_TEXT_BYTES: usize = 2048;
const MAX_LOG_BYTES: usize = 256 * 1024;
const MAX_KEYS: usize = 40;
const MAX_TESTDATA_FILES: usize = 16;
/// Lengths beyond this are no arguments that a reproduction needs.
const MAX_LENGTH: i64 = 4096;
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

/// A request, or a pattern of one. An empty method stands for any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Route {
    pub(super) method: String,
    pub(super) path: String,
}

/// A member of a document that the functions on the stack read. The kind is empty where the source does
/// not tell it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) kind: String,
}

/// The dictionary of one package's search.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Seeds {
    /// Literals of the functions on the stack; what is compared with stands there more than once.
    pub(super) hot: Vec<String>,
    /// Literals of the tests of the packages on the stack.
    pub(super) samples: Vec<String>,
    /// Texts of the log.
    pub(super) log: Vec<String>,
    /// What the fuzzer found before a change. No text need be UTF-8.
    pub(super) fuzzed: Vec<Vec<u8>>,
    pub(super) keys: Vec<Key>,
    /// Literals of the package and its tests, small test data.
    pub(super) words: Vec<String>,
    pub(super) numbers: Vec<i64>,
    pub(super) lengths: Vec<i64>,
    pub(super) json: Vec<String>,
    pub(super) uses_json: bool,
    /// Whether the package works with types that it does not know.
    pub(super) uses_reflect: bool,
    /// Tags of the fields of structs.
    pub(super) tags: Vec<String>,
    pub(super) routes: Vec<Route>,
    /// Routes that lead to the functions on the stack, as the source and the log spell them.
    pub(super) hot_route: Vec<Route>,
    pub(super) requests: Vec<Route>,
    pub(super) query: Vec<String>,
    pub(super) headers: Vec<String>,
    pub(super) passed: Vec<Passed>,
}

impl Seeds {
    /// Gathers everything that bears on a crash in `package`.
    pub(super) fn gather(
        fault: &Fault,
        log: &[String],
        repository: &Repository,
        package: &Surface,
        neighbours: &[Surface],
    ) -> Self {
        let mut seeds = Self::default();
        for text in log.iter().take(MAX_TEXTS) {
            seeds.read_log(text);
        }
        for location in &fault.stack {
            let Ok(file) = repository.go_file(&location.file) else { continue };
            let Some(function) = file.function(Symbol::declared(&location.function)) else { continue };
            let node = file.tree.root_node();
            let node = node
                .named_descendant_for_byte_range(function.range.start, function.range.end)
                .unwrap_or(node);
            seeds.read_source(&file, node, true, &[]);
        }
        let handlers: Vec<String> =
            fault.stack.iter().map(|location| identifier(&location.function).to_owned()).collect();
        for file in package.sources.iter().chain(&package.tests) {
            seeds.read_source(file, file.tree.root_node(), false, &handlers);
        }
        for file in neighbours.iter().flat_map(|neighbour| &neighbour.sources) {
            seeds.read_source(file, file.tree.root_node(), false, &handlers);
        }
        let on_stack = |file: &&std::sync::Arc<File>| {
            fault.stack.iter().any(|location| location.file.folder() == file.path.folder())
        };
        let tests = std::iter::once(package).chain(neighbours).flat_map(|part| &part.tests);
        for file in tests.filter(on_stack) {
            let mut of_test = Self::default();
            of_test.read_source(file, file.tree.root_node(), false, &[]);
            seeds.samples.append(&mut of_test.words);
            seeds.json.append(&mut of_test.json);
            seeds.requests.append(&mut of_test.routes);
        }
        let asked: Vec<Route> =
            seeds.requests.iter().filter(|request| matches_any(request, &seeds.hot_route)).cloned().collect();
        seeds.hot_route.extend(asked);
        seeds.read_test_data(repository, package);
        seeds.read_facts(fault);
        seeds.passed = passed::passed(fault, log, &package.folder);
        let all = std::iter::once(package).chain(neighbours);
        seeds.uses_json = all.clone().any(|surface| surface.imports("encoding/json"));
        seeds.uses_reflect = all.clone().any(|surface| surface.imports("reflect"));
        seeds.bound();
        seeds
    }

    fn bound(&mut self) {
        // What stands there more than once is drawn more often.
        keep_short(&mut self.hot);
        self.hot.truncate(MAX_TEXTS);
        for texts in [
            &mut self.samples,
            &mut self.log,
            &mut self.words,
            &mut self.tags,
            &mut self.json,
            &mut self.query,
            &mut self.headers,
        ] {
            keep_short(texts);
            distinct(texts, MAX_TEXTS);
        }
        for routes in [&mut self.routes, &mut self.hot_route, &mut self.requests] {
            distinct(routes, MAX_TEXTS);
        }
        distinct(&mut self.keys, MAX_KEYS);
        distinct(&mut self.numbers, MAX_TEXTS);
        let hot: BTreeSet<&String> = self.hot.iter().collect();
        self.words.retain(|word| !hot.contains(word));
    }

    /// `index [5] with length 3`: lists of 3, the number 5, and their neighbours.
    fn read_facts(&mut self, fault: &Fault) {
        let facts = &fault.facts;
        let told = [facts.index, facts.length, facts.bounds.0, facts.bounds.1];
        for value in told.into_iter().flatten() {
            // The more often it stands there, the more often it is drawn.
            self.numbers.splice(0..0, [value]);
            if (0..=MAX_LENGTH).contains(&value) {
                self.lengths.push(value);
            }
        }
    }

    fn read_test_data(&mut self, repository: &Repository, package: &Surface) {
        let folder = if package.folder.is_empty() {
            "testdata".to_owned()
        } else {
            format!("{}/testdata", package.folder)
        };
        let inside = |path: &&crate::domain::RepoPath| {
            path.as_str().strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        for path in repository.files().iter().filter(inside).take(MAX_TESTDATA_FILES) {
            if let Ok(text) = repository.read(path)
                && text.len() <= MAX_TEXT_BYTES
            {
                if is_json(&text) {
                    self.json.push(text.clone());
                }
                self.words.push(text);
            }
        }
    }
}

/// `(*Server).handleGet.func1` is handleGet.
fn identifier(function: &str) -> &str {
    let declared = Symbol::declared(function);
    declared.rsplit('.').next().unwrap_or(declared)
}

/// Whether a request fits one of the patterns.
fn matches_any(request: &Route, patterns: &[Route]) -> bool {
    let path = request.path.split('?').next().unwrap_or_default();
    patterns.iter().any(|pattern| {
        let mut parts = path.split('/');
        let fits = pattern.path.split('/').all(|want| match parts.next() {
            Some(part) => want.is_empty() || want.starts_with('{') || want == part,
            None => false,
        });
        (pattern.method.is_empty() || request.method.is_empty() || pattern.method == request.method)
            && fits
            && (parts.next().is_none() || pattern.path.ends_with('/') || pattern.path.contains("...}"))
    })
}

/// Removes texts that are too long.
fn keep_short(texts: &mut Vec<String>) {
    texts.retain(|text| text.len() <= MAX_TEXT_BYTES);
}

/// Removes repetitions, keeping the order, and what is too many.
fn distinct<T: Ord + Clone>(values: &mut Vec<T>, most: usize) {
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
    values.truncate(most);
}

fn is_json(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(['{', '[']) && serde_json::from_str::<Value>(text).is_ok()
}
