//! What the search starts from: texts and numbers of the log near the crash, of the functions on the
//! stack, and of the package and its tests. The log is hostile: everything is capped.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use tree_sitter::Node;

use super::surface::Surface;
use crate::domain::Fault;
use crate::repository::Repository;
use crate::repository::go::File;

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
    pub(super) keys: Vec<Key>,
    /// Literals of the package and its tests, small test data.
    pub(super) words: Vec<String>,
    pub(super) numbers: Vec<i64>,
    pub(super) lengths: Vec<i64>,
    pub(super) json: Vec<String>,
    pub(super) uses_json: bool,
    pub(super) routes: Vec<Route>,
    /// Routes that lead to the functions on the stack, as the source and the log spell them.
    pub(super) hot_route: Vec<Route>,
    pub(super) requests: Vec<Route>,
    pub(super) query: Vec<String>,
    pub(super) headers: Vec<String>,
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
            seeds.read_log(cap(text, MAX_LOG_BYTES));
        }
        for location in &fault.stack {
            let Ok(file) = repository.go_file(&location.file) else { continue };
            let Some(function) = file.function(super::target::declared(&location.function)) else { continue };
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
        let all = std::iter::once(package).chain(neighbours);
        seeds.uses_json = all.clone().any(|surface| surface.imports("encoding/json"));
        seeds.bound();
        seeds
    }

    fn bound(&mut self) {
        for texts in [
            &mut self.samples,
            &mut self.log,
            &mut self.words,
            &mut self.json,
            &mut self.query,
            &mut self.headers,
        ] {
            distinct(texts);
        }
        for texts in [
            &mut self.hot,
            &mut self.samples,
            &mut self.log,
            &mut self.words,
            &mut self.json,
            &mut self.query,
            &mut self.headers,
        ] {
            texts.retain(|text| text.len() <= MAX_TEXT_BYTES);
            texts.truncate(MAX_TEXTS);
        }
        distinct(&mut self.keys);
        self.keys.truncate(MAX_KEYS);
        for routes in [&mut self.routes, &mut self.hot_route, &mut self.requests] {
            distinct(routes);
            routes.truncate(MAX_TEXTS);
        }
        distinct(&mut self.numbers);
        self.numbers.truncate(MAX_TEXTS);
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

    /// Literals of a piece of source.
    fn read_source(&mut self, file: &File, node: Node<'_>, hot: bool, handlers: &[String]) {
        if file.is_generated() && !hot {
            return;
        }
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            match node.kind() {
                "interpreted_string_literal" | "raw_string_literal" => {
                    if !is_import(node) {
                        self.read_literal(file, node, hot, handlers);
                    }
                    continue;
                }
                "field_declaration" if hot => self.keys.extend(tagged(file, node)),
                "int_literal" => self.numbers.extend(integer(file.text_of(node))),
                _ => {}
            }
            let mut cursor = node.walk();
            let children: Vec<_> = node.named_children(&mut cursor).collect();
            stack.extend(children.into_iter().rev());
        }
    }

    fn read_literal(&mut self, file: &File, node: Node<'_>, hot: bool, handlers: &[String]) {
        let Some(text) = literal(file.text_of(node)) else { return };
        if let Some(route) = route(&text) {
            if leads_to(file, node, handlers) {
                self.hot_route.push(route.clone());
            }
            self.routes.push(route);
        }
        match called(file, node) {
            Some("Get" | "Values" | "FormValue" | "PostFormValue" | "Has") if is_name(&text) => {
                self.query.push(text.clone());
                if text.starts_with(|c: char| c.is_ascii_uppercase()) {
                    self.headers.push(text.clone());
                }
            }
            _ => {}
        }
        if is_json(&text) {
            self.json.push(text.clone());
        }
        let parent = node.parent().map_or("", |parent| parent.kind());
        if hot {
            if parent == "index_expression" {
                self.keys.push(Key { name: text.clone(), kind: String::new() });
            }
            if parent == "argument_list" && is_name(&text) {
                self.query.push(text.clone());
            }
            // A text that is compared with decides where the program goes; words for people do not.
            let compared = parent == "binary_expression"
                || node
                    .parent()
                    .and_then(|list| list.parent())
                    .is_some_and(|n| n.kind() == "expression_case");
            let weight = if compared { 4 } else { usize::from(!text.contains([' ', '%'])) };
            self.hot.extend(std::iter::repeat_n(text, weight));
        } else {
            self.words.push(text);
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

    /// A text of the log: JSON, logfmt or plain; requests in it, and its values.
    fn read_log(&mut self, text: &str) {
        let mut lines = text.lines().take(MAX_TEXTS).peekable();
        while let Some(line) = lines.next() {
            // Lines of a stack hold places, not inputs.
            if line.starts_with('\t') || lines.peek().is_some_and(|next| next.starts_with('\t')) {
                continue;
            }
            match serde_json::from_str::<Value>(line) {
                Ok(value @ (Value::Object(_) | Value::Array(_))) => self.read_json(&value, 0),
                _ => self.read_plain(line),
            }
        }
    }

    fn read_json(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Object(members) if depth < 8 => {
                let text = |keys: &[&str]| keys.iter().find_map(|key| members.get(*key)?.as_str());
                let path = text(&["path", "url", "uri", "request_uri", "http.target", "http.path", "target"]);
                if let Some(path) = path.and_then(path_of) {
                    let method =
                        text(&["method", "http.method", "request_method", "verb"]).unwrap_or_default();
                    let query = text(&["query", "raw_query", "http.query"]).unwrap_or_default();
                    let path = if query.is_empty() { path } else { format!("{path}?{query}") };
                    self.requests.push(Route { method: method.to_owned(), path });
                }
                for (key, member) in members {
                    // The record's own fields say nothing of the input.
                    if !matches!(key.as_str(), "time" | "ts" | "timestamp" | "level" | "stack" | "stacktrace")
                    {
                        self.read_json(member, depth + 1);
                    }
                }
            }
            Value::Array(members) if depth < 8 => {
                members.iter().for_each(|member| self.read_json(member, depth + 1));
            }
            Value::String(text) => {
                if is_json(text) {
                    self.json.push(text.clone());
                }
                self.read_values(text);
            }
            Value::Number(number) => self.numbers.extend(number.as_i64()),
            _ => {}
        }
    }

    /// `GET /path`, `key=value`, quoted and plain words.
    fn read_plain(&mut self, line: &str) {
        let line = cap(line, MAX_TEXT_BYTES);
        let words: Vec<&str> = line.split_whitespace().map(trim).collect();
        for pair in words.windows(2) {
            if let [method, path] = pair
                && METHODS.contains(method)
                && let Some(path) = path_of(path)
            {
                self.requests.push(Route { method: (*method).to_owned(), path });
            }
        }
        let field = |keys: &[&str]| {
            let value = |word: &&str| {
                let (key, value) = word.split_once('=')?;
                keys.contains(&key).then(|| trim(value).to_owned())
            };
            words.iter().find_map(value)
        };
        if let Some(path) = field(&["path", "url", "uri", "target"]).as_deref().and_then(path_of) {
            self.requests.push(Route { method: field(&["method", "verb"]).unwrap_or_default(), path });
        }
        if !line.starts_with("goroutine ") {
            self.read_values(line);
        }
    }

    fn read_values(&mut self, text: &str) {
        let text = cap(text, MAX_TEXT_BYTES);
        if !text.contains(' ') && !text.is_empty() {
            self.log.push(text.to_owned());
        }
        let quoted = text.split('"').skip(1).step_by(2).filter(|part| !part.is_empty());
        self.log.extend(quoted.map(str::to_owned));
        for word in text.split_whitespace().map(trim).take(64) {
            let value = word.split_once('=').map_or(word, |(_, value)| trim(value));
            if let Ok(number) = value.parse::<i64>() {
                self.numbers.push(number);
            } else if value.contains(|c: char| c.is_ascii_digit() || "/@_-.:".contains(c)) && value.len() > 1
            {
                self.log.push(value.to_owned());
            }
        }
    }
}

/// `(*Server).handleGet.func1` is handleGet.
fn identifier(function: &str) -> &str {
    let declared = super::target::declared(function);
    declared.rsplit('.').next().unwrap_or(declared)
}

/// Whether a route's literal is registered together with one of these functions.
fn leads_to(file: &File, literal: Node<'_>, handlers: &[String]) -> bool {
    let Some(arguments) = literal.parent().and_then(|list| file.text.get(list.byte_range())) else {
        return false;
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    arguments.len() < 400
        && arguments.split(|c| !is_word(c)).any(|word| handlers.iter().any(|name| name == word))
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

/// The key of a field with a json tag.
fn tagged(file: &File, field: Node<'_>) -> Option<Key> {
    let tag = file.text_of(field.child_by_field_name("tag")?);
    let name = tag.split_once("json:\"")?.1.split(['"', ',']).next()?;
    let kind = file.text_of(field.child_by_field_name("type")?);
    (!name.is_empty() && name != "-").then(|| Key { name: name.to_owned(), kind: kind.to_owned() })
}

/// Removes repetitions, keeping the order.
fn distinct<T: Ord + Clone>(values: &mut Vec<T>) {
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
}

fn cap(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn trim(word: &str) -> &str {
    word.trim_matches(|c: char| "\"'`,;()[]<>".contains(c)).trim_end_matches(':')
}

/// The path and query of `/a?b` or `http://host/a?b`.
fn path_of(text: &str) -> Option<String> {
    let path = match text.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => text,
    };
    let sound = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    (sound && path.len() <= MAX_TEXT_BYTES).then(|| path.to_owned())
}

/// `GET /items/{id}` or `/items/` as a route table writes it.
fn route(text: &str) -> Option<Route> {
    let (method, path) = match text.split_once(' ') {
        Some((method, path)) if METHODS.contains(&method) => (method, path.trim()),
        Some(_) => return None,
        None => ("", text),
    };
    let path = &path[path.find('/')?..];
    let sound = !path.contains(char::is_whitespace) && !path.starts_with("//") && text.len() < 200;
    let rooted = text.starts_with('/') || !method.is_empty();
    (sound && rooted).then(|| Route { method: method.to_owned(), path: path.to_owned() })
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() < 64
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn is_json(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(['{', '[']) && serde_json::from_str::<Value>(text).is_ok()
}

fn is_import(node: Node<'_>) -> bool {
    node.parent().is_some_and(|parent| parent.kind() == "import_spec")
}

/// The method or function that a literal is an argument of.
fn called<'f>(file: &'f File, node: Node<'_>) -> Option<&'f str> {
    let call = node.parent()?.parent().filter(|call| call.kind() == "call_expression")?;
    let function = call.child_by_field_name("function")?;
    let name = function.child_by_field_name("field").unwrap_or(function);
    file.text.get(name.byte_range())
}

/// The value of a Go string literal.
fn literal(text: &str) -> Option<String> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    if let Some(raw) = text.strip_prefix('`') {
        return raw.strip_suffix('`').map(str::to_owned);
    }
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    // Go's escapes are JSON's but for these; a literal that uses others is left out.
    serde_json::from_str(&format!("\"{}\"", inner.replace("\\'", "'").replace('\t', "\\t"))).ok()
}

/// The value of a Go integer literal.
fn integer(text: &str) -> Option<i64> {
    let text = text.replace('_', "").to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0b", 2), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return i64::from_str_radix(digits, radix).ok();
        }
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RepoPath;

    #[test]
    fn logs_of_every_shape_tell_their_requests() {
        let mut seeds = Seeds::default();
        seeds.read_log(
            "{\"time\":\"x\",\"method\":\"POST\",\"path\":\"/orders\",\"query\":\"page=-1\",\"n\":7}\n127.0.0.1 - - \"GET /items/7?x=1 HTTP/1.1\" 200\nlevel=info method=PUT path=/a/b msg=\"no such sku\" sku=AB-1\npanic: x [recovered]\n\t/app/main.go:12 +0x1\n",
        );
        let requests: Vec<_> =
            seeds.requests.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(requests, ["POST /orders?page=-1", "GET /items/7?x=1", "PUT /a/b"]);
        assert!(seeds.log.contains(&"AB-1".to_owned()), "{:?}", seeds.log);
        assert!(seeds.numbers.contains(&7));
        assert!(!seeds.log.iter().any(|text| text.contains("main.go")));
    }

    #[test]
    fn sources_tell_routes_keys_and_values() {
        let text = "package p\n\nimport \"net/http\"\n\nfunc F(m *http.ServeMux, r *http.Request) {\n\tm.HandleFunc(\"GET /items/{id}\", nil)\n\tr.URL.Query().Get(\"page\")\n\tr.Header.Get(\"X-Tenant\")\n\t_ = `{\"a\":1}`\n\t_ = 0x10\n}\n";
        let file = File::parse(RepoPath::new("p.go").unwrap(), text.to_owned());
        let mut seeds = Seeds::default();
        seeds.read_source(&file, file.tree.root_node(), true, &["F".to_owned()]);
        assert_eq!(
            seeds.routes,
            [Route { method: "GET".to_owned(), path: "/items/{id}".to_owned() }],
            "{:?}",
            seeds.routes
        );
        assert_eq!(seeds.query, ["page", "X-Tenant"]);
        assert_eq!(seeds.headers, ["X-Tenant"]);
        assert_eq!(seeds.json, ["{\"a\":1}"]);
        assert_eq!(seeds.numbers, [16]);
        assert!(!seeds.hot.contains(&"net/http".to_owned()));
    }

    #[test]
    fn hostile_logs_stay_within_bounds() {
        let mut seeds = Seeds::default();
        let long = "x=/".repeat(1_000_000);
        for text in [
            long.as_str(),
            "{\"a\":",
            "GET",
            "=",
            "\"",
            "http://",
            "[[[[[[[[[[[[[1]]]]]]]]]]]]]",
            "é\u{0}=\u{7f}",
        ] {
            seeds.read_log(cap(text, MAX_LOG_BYTES));
        }
        seeds.bound();
        assert!(seeds.log.len() <= MAX_TEXTS && seeds.log.iter().all(|text| text.len() <= MAX_TEXT_BYTES));
    }

    #[test]
    fn literals_are_read_as_go_reads_them() {
        assert_eq!(literal("`a\\n`").as_deref(), Some("a\\n"));
        assert_eq!(literal("\"a\\n\\\"b\"").as_deref(), Some("a\n\"b"));
        assert_eq!(literal("\"a\\x00\""), None);
        assert_eq!(integer("1_000"), Some(1000));
        assert_eq!(integer("0b11"), Some(3));
        assert_eq!(integer("99999999999999999999"), None);
    }
}
