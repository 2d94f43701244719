//! The identity of a failure.
//!
//! Symbols are hashed, never files or lines: inlining, build paths and edits elsewhere in a file change
//! those, but not the logical name of the function that failed. So the same defect has the same
//! fingerprint whether the crash ended the process, was recovered by net/http, or was logged as JSON. What service it
//! was is added at the end, to the `site` alone.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::domain::{Class, Fingerprint, FingerprintKeys, Frame};

use super::mask::mask;

/// Version of the algorithm. It is part of every hash: a change of the rules changes all fingerprints
/// openly instead of some of them silently.
const VERSION: &str = "hephaestus fingerprint v1";
/// Callers that enter the `path` key.
const CALLERS: usize = 4;

/// The keys of one failure, whatever the service. `place` names who logged it where there is no stack: a function
/// or logger.
#[must_use]
pub fn keys(class: Class, frames: &[Frame], message: &str, place: Option<&str>) -> FingerprintKeys {
    keys_with(class, frames, place, || Cow::Owned(mask(bare(message))))
}

/// The same for a message that is masked when it is asked for.
pub(super) fn keys_with<'a>(
    class: Class,
    frames: &[Frame],
    place: Option<&str>,
    masked: impl FnOnce() -> Cow<'a, str>,
) -> FingerprintKeys {
    let symbols = symbols(frames);
    let told = symbols.is_empty()
        || matches!(
            class,
            Class::ExplicitPanic | Class::LoggedError | Class::UncaughtException | Class::RuntimeFatal
        );
    let mut site = Key::new("site");
    site.part(class.as_str());
    site.part(symbols.first().map_or("", String::as_str));
    if told {
        site.part(&masked());
    }
    if symbols.is_empty() {
        site.part(&place.map(logical).unwrap_or_default());
    }
    let site = site.done();
    let with = |name, callers: &[String]| {
        let mut key = Key::new(name);
        key.bytes(site.as_bytes());
        callers.iter().for_each(|symbol| key.part(symbol));
        key.done()
    };
    let callers = symbols.get(1..).unwrap_or_default();
    FingerprintKeys {
        site,
        path: with("path", &callers[..callers.len().min(CALLERS)]),
        exact: with("exact", callers),
    }
}

/// A hash over parts whose borders count.
struct Key(blake3::Hasher);

impl Key {
    fn new(name: &str) -> Self {
        static BASE: LazyLock<blake3::Hasher> = LazyLock::new(|| blake3::Hasher::new_derive_key(VERSION));
        let mut hasher = BASE.clone();
        hasher.update(name.as_bytes());
        Self(hasher)
    }

    fn part(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn done(self) -> Fingerprint {
        let mut bytes = [0; 16];
        self.0.finalize_xof().fill(&mut bytes);
        Fingerprint::from_bytes(bytes)
    }
}

/// A panic's value without the type that the runtime prints around it, and a handler does not:
/// `main.Mode("turbo")` is `turbo`.
pub(super) fn bare(message: &str) -> &str {
    let inner = message.split_once('(').and_then(|(name, rest)| {
        let named = name.contains('.') && !name.contains([' ', ':']);
        rest.strip_suffix(')').filter(|_| named)
    });
    match inner {
        Some(value) => value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value),
        None => message,
    }
}

/// The application's frames by their logical names, without repetitions; where none is the
/// application's, the failing frame.
fn symbols(frames: &[Frame]) -> Vec<String> {
    let own = frames.iter().filter(|frame| frame.in_app && !is_wrapper(&frame.function));
    let mut symbols: Vec<_> = own.map(|frame| logical(&frame.function)).collect();
    if symbols.is_empty() {
        symbols.extend(frames.first().map(|frame| logical(&frame.function)));
    }
    collapse(&mut symbols);
    symbols
}

/// Functions the compiler makes for `go` and `defer` statements.
pub(super) fn is_wrapper(function: &str) -> bool {
    function
        .rsplit('.')
        .next()
        .is_some_and(|last| last.starts_with("gowrap") || last.starts_with("deferwrap"))
}

/// Recursion, direct or through others, counts once whatever its depth.
fn collapse(symbols: &mut Vec<String>) {
    const LONGEST_CYCLE: usize = 8;
    let mut kept: Vec<String> = Vec::with_capacity(symbols.len());
    for symbol in symbols.drain(..) {
        kept.push(symbol);
        for cycle in 1..=LONGEST_CYCLE.min(kept.len() / 2) {
            let (head, tail) = kept.split_at(kept.len() - cycle);
            if head.ends_with(tail) {
                kept.truncate(kept.len() - cycle);
                break;
            }
        }
    }
    *symbols = kept;
}

/// The logical name of a function: the same for every instance of a generic function, value and pointer
/// receivers, and every version of its module.
fn logical(function: &str) -> String {
    let mut text = String::with_capacity(function.len());
    let mut depth = 0usize;
    for char in function.chars() {
        match char {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '(' | ')' | '*' => {}
            _ if depth == 0 => text.push(char),
            _ => {}
        }
    }
    let text = text.strip_suffix("-fm").unwrap_or(&text);
    let (folder, name) = text.rsplit_once('/').map_or(("", text), |(folder, name)| (folder, name));
    let mut path: Vec<_> =
        folder.split('/').filter(|part| !part.is_empty() && !is_version(part)).map(unversioned).collect();
    let (package, rest) = name.split_once('.').unwrap_or((name, ""));
    if !is_version(package) || path.is_empty() {
        path.push(unversioned(package));
    }
    format!("{}.{}", path.join("/"), names(rest))
}

/// `v2`, `v11`: a major version as an element of a path.
fn is_version(part: &str) -> bool {
    part.strip_prefix('v')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn unversioned(part: &str) -> &str {
    part.split_once("@v").map_or(part, |(name, _)| name)
}

/// The names behind the package. Bodies of range loops and wrappers of `go` and `defer` are their
/// parent; `glob.`, as older compilers name what package variables are initialised with, is `init`.
///
/// Numbers of closures count: two function literals of one function are two functions. The compiler
/// numbers them in the order of the source, those of range loops and wrappers apart. Where it inlines a
/// function into another, it names the first one's closures after the second, with the second's package
/// and numbers (`api.Routes.func1` becomes `main.main.Routes.func3`): the name does not tell which they
/// were, so they stay apart.
fn names(text: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for part in text.split('.') {
        let part = part.split_once("-range").map_or(part, |(parent, _)| parent);
        let hidden = part.is_empty() || numbered(part, "gowrap") || numbered(part, "deferwrap");
        if !hidden {
            out.push(if part == "glob" { "init" } else { part });
        }
    }
    out.join(".")
}

fn numbered(part: &str, name: &str) -> bool {
    part.strip_prefix(name)
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(function: &str) -> Frame {
        Frame { function: function.to_owned(), file: "x.go".to_owned(), line: 1, in_app: true }
    }

    #[test]
    fn functions_have_logical_names() {
        for (printed, expected) in [
            ("main.main", "main.main"),
            ("example.com/depot/store.(*Stack[...]).Pop", "example.com/depot/store.Stack.Pop"),
            ("example.com/depot/store.Stack[go.shape.string].Pop", "example.com/depot/store.Stack.Pop"),
            ("example.com/depot/v2/store.New", "example.com/depot/store.New"),
            ("example.com/depot/v3.New", "example.com/depot.New"),
            ("example.com/depot@v1.2.3/store.New", "example.com/depot/store.New"),
            ("main.run.func1", "main.run.func1"),
            ("main.run.func2.1", "main.run.func2.1"),
            ("main.run.func2.3.func4", "main.run.func2.3.func4"),
            ("main.run[...].func2", "main.run.func2"),
            ("main.run-range1.func2", "main.run.func2"),
            ("main.run.func2.gowrap1", "main.run.func2"),
            ("main.run.deferwrap2", "main.run"),
            ("main.(*T).M-fm", "main.T.M"),
            ("main.main-range1", "main.main"),
            ("main.main.func1-range2", "main.main.func1"),
            ("main.init.0", "main.init.0"),
            ("main.init.0.func1", "main.init.0.func1"),
            ("main.glob..func1", "main.init.func1"),
            ("gopkg.in/yaml.v3.unmarshal", "gopkg.in/yaml.v3.unmarshal"),
        ] {
            assert_eq!(logical(printed), expected, "{printed}");
        }
    }

    #[test]
    fn recursion_counts_once() {
        let site = |functions: &[&str]| {
            let frames: Vec<_> = functions.iter().map(|function| app(function)).collect();
            keys(Class::StackOverflow, &frames, "", None)
        };
        assert_eq!(site(&["m.a", "m.a", "m.a", "m.z"]), site(&["m.a", "m.z"]));
        assert_eq!(site(&["m.a", "m.b", "m.a", "m.b", "m.a", "m.b", "m.z"]), site(&["m.a", "m.b", "m.z"]));
        assert_ne!(site(&["m.a", "m.z"]).path, site(&["m.a", "m.b", "m.z"]).path);
    }

    #[test]
    fn drift_leaves_the_site_alone() {
        let mut drifted = app("shop/pricing.(*Table).Tier");
        drifted.file = "/build/77/src/pricing.go".to_owned();
        drifted.line = 99;
        let before = keys(
            Class::IndexOutOfRange,
            &[app("shop/pricing.(*Table).Tier")],
            "index out of range [5] with length 3",
            None,
        );
        let after = keys(Class::IndexOutOfRange, &[drifted], "index out of range [9] with length 7", None);
        assert_eq!(before, after);
    }

    #[test]
    fn the_message_counts_only_where_nothing_else_tells() {
        let frames = [app("main.f")];
        let site = |class, message| keys(class, &frames, message, None).site;
        assert_eq!(site(Class::ExplicitPanic, "bad state 4"), site(Class::ExplicitPanic, "bad state 5"));
        assert_ne!(site(Class::ExplicitPanic, "bad state 4"), site(Class::ExplicitPanic, "other"));
        assert_eq!(site(Class::NilDereference, "a"), site(Class::NilDereference, "b"));
        assert_eq!(site(Class::ExplicitPanic, "main.Mode(\"turbo\")"), site(Class::ExplicitPanic, "turbo"));
        let logged = |message, place| keys(Class::LoggedError, &[], message, place).site;
        assert_ne!(logged("failed", Some("a.F")), logged("failed", Some("b.F")));
    }

    #[test]
    fn the_algorithm_is_pinned() {
        // Stored groups are known by these values: a change here needs a new VERSION and aliases.
        let keys =
            keys(Class::IndexOutOfRange, &[app("shop/pricing.(*Table).Tier"), app("main.main")], "", None);
        insta::assert_snapshot!(format!("{} {} {}", keys.site, keys.path, keys.exact), @"ddcee3cee05a3d1258699084a73998d7 2ab19f78899575baeab386ce13f3a4c7 79fd5389ca7e34d6c1460e29bb6430b7");
    }
}
