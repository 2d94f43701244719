//! What is an error, and what its message is: one decision for records of every form.
//!
//! A crash inside a record is an event whatever the level. Otherwise a level decides where there is
//! one. A line with neither is an event only if it reads like the report of an error: an error field
//! that holds something, `error:` with something behind it, an attempt that failed with a reason, or an
//! error chain that ends in an operating system's words. The loose word is never enough.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use jiff::Timestamp;

use crate::domain::{Class, Severity, Trace, TraceKind};

use super::clipped;
use super::go::{self, ParsedCrash};
use super::level::Level;
use super::operational;
use super::parse::{Form, Parsed, is_nothing};
use super::words;

/// A record that is an event.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    /// How bad it is.
    pub(crate) severity: Severity,
    /// What kind of failure it is.
    pub(crate) class: Class,
    /// The message: of the crash, or of the record with its error.
    pub(crate) message: String,
    /// The stack, where the record holds one.
    pub(crate) trace: Option<Trace>,
    /// Who logged it.
    pub(crate) place: Option<String>,
    /// When.
    pub(crate) time: Option<Timestamp>,
    /// The other fields.
    pub(crate) attributes: Vec<(String, String)>,
    /// Whether a Go program wrote it.
    pub(crate) go: bool,
    /// Whether it reports a panic that was recovered.
    pub(crate) panic: bool,
    /// The message with what varies replaced, where the form of the line tells it.
    pub(crate) masked: Option<String>,
}

impl Judged {
    /// Bytes of memory in use.
    pub(crate) fn held_bytes(&self) -> usize {
        let frames = self.trace.iter().flat_map(|trace| trace.frames.iter().chain(&trace.created_by));
        let attributes = self.attributes.iter().map(|(key, value)| key.capacity() + value.capacity());
        self.message.capacity()
            + self.place.as_ref().map_or(0, String::capacity)
            + self.masked.as_ref().map_or(0, String::capacity)
            + self.attributes.capacity() * size_of::<(String, String)>()
            + attributes.sum::<usize>()
            + frames.map(go::frame_bytes).sum::<usize>()
    }
}

/// Fields that hold the value of a recovered panic, surest first.
const VALUE_KEYS: &[&str] = &[
    "panic",
    "panic_value",
    "panicvalue",
    "recovered",
    "recover",
    "panic.message",
    "value",
    "reason",
    "error",
    "err",
    "r",
    "cause",
    "exception",
    "fault",
    "error.message",
    "err.message",
];

/// Longest attribute kept.
const MAX_ATTRIBUTE_BYTES: usize = 2048;
/// As much of a text is looked at, and kept, as the value of a panic.
const MAX_VALUE_BYTES: usize = 8 << 10;

/// Judges a record. `asked` is the severity a user's pattern gives its line.
pub(crate) fn judge(mut parsed: Parsed<'_>, asked: Option<Severity>) -> Option<Judged> {
    parsed.be_access();
    if let Some(crash) = embedded_crash(&parsed) {
        return Some(crashed(parsed, crash));
    }
    let told = match parsed.level {
        // `error: <nil>` and the like report that there is none.
        Some(_) if parsed.form == Form::Plain && is_nothing(&parsed.body) => None,
        Some(level) => level.severity(),
        None if is_report(&parsed) => Some(Severity::Medium),
        None => None,
    };
    let severity = told.max(asked)?;
    let message = message(&parsed);
    // What a client asked for is no word of the program: it tells neither a panic nor a cause.
    let access = parsed.form == Form::Access;
    let grave = told.is_some_and(|severity| severity >= Severity::Medium);
    let panic = grave && !access && reports_panic(&parsed, &message);
    let (class, message) = if panic {
        let value = panic_value(&parsed);
        (go::classify(&value), value)
    } else if access {
        (Class::FailedRequest, message)
    } else {
        (operational::classify(&message).unwrap_or(Class::LoggedError), message)
    };
    let severity = if panic { severity.max(Severity::High) } else { severity };
    let trace = embedded_stack(&parsed);
    Some(finish(parsed, severity, class, message, trace, panic))
}

fn crashed(parsed: Parsed<'_>, crash: ParsedCrash) -> Judged {
    let died =
        matches!(crash.trace.kind, TraceKind::Panic | TraceKind::Fatal) || parsed.level == Some(Level::Fatal);
    let severity = if died { Severity::Critical } else { Severity::High };
    let own_head = !crash.message.is_empty() && crash.trace.kind != TraceKind::Recovered;
    let (class, message) = if own_head {
        (crash.class, crash.message)
    } else {
        let value = if crash.message.is_empty() {
            panic_value(&parsed)
        } else {
            announced(&crash.message).to_owned()
        };
        (go::classify(&value), value)
    };
    finish(parsed, severity, class, message, Some(crash.trace), true)
}

fn finish(
    parsed: Parsed<'_>,
    severity: Severity,
    class: Class,
    message: String,
    trace: Option<Trace>,
    panic: bool,
) -> Judged {
    let place = parsed.place().map(str::to_owned);
    let go = parsed.go || trace.is_some() || panic;
    let time = parsed.time();
    let attributes = parsed
        .fields
        .into_iter()
        .filter(|(_, value)| value.len() <= MAX_ATTRIBUTE_BYTES && !holds_stack(value))
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    Judged { severity, class, message, trace, place, time, attributes, go, panic, masked: parsed.masked }
}

/// The last line of a process that then ended with an error: what Go's `log.Fatal` prints is told from
/// other lines of its log by that alone.
pub(crate) fn last_words(parsed: Parsed<'_>) -> Option<Judged> {
    let of_gos_log = parsed.form == Form::Plain && parsed.level.is_none() && parsed.go;
    let said = of_gos_log && parsed.time().is_some() && !is_nothing(&parsed.body) && !is_access(&parsed.body);
    let message = message(&parsed);
    let class = operational::classify(&message).unwrap_or(Class::LoggedError);
    said.then(|| finish(parsed, Severity::Critical, class, message, None, false))
}

/// The message of a record: what it says, and the error it carries.
fn message(parsed: &Parsed<'_>) -> String {
    let body = parsed.body.trim();
    match parsed.error() {
        Some(error) if body.is_empty() => error.to_owned(),
        Some(error) if !body.contains(error) && !holds_stack(error) => format!("{body}: {error}"),
        _ => body.to_owned(),
    }
}

fn holds_stack(text: &str) -> bool {
    memchr::memchr(b'\n', text.as_bytes()).is_some() && (text.contains("\n\t") || text.contains("goroutine "))
}

/// All texts of a record: its message, then its fields.
fn texts<'a>(parsed: &'a Parsed<'_>) -> impl Iterator<Item = &'a str> {
    std::iter::once(parsed.body.as_ref()).chain(parsed.fields.iter().map(|(_, value)| value.as_ref()))
}

/// A crash that a field or the message holds with its stack.
fn embedded_crash(parsed: &Parsed<'_>) -> Option<ParsedCrash> {
    texts(parsed).filter(|text| holds_stack(text)).find_map(|text| {
        go::parse_trace(text)
            .or_else(|| go::find_stack(text).filter(|found| found.trace.kind == TraceKind::Recovered))
    })
}

/// A stack that a logger attached.
fn embedded_stack(parsed: &Parsed<'_>) -> Option<Trace> {
    texts(parsed).filter(|text| holds_stack(text)).find_map(go::find_stack).map(|found| found.trace)
}

/// Whether a record without a stack reports a recovered panic of the runtime.
fn reports_panic(parsed: &Parsed<'_>, message: &str) -> bool {
    texts(parsed).any(go::is_crash_value)
        || (says_panic(&parsed.body) && go::panic_value_in(message).is_some())
}

/// Words that announce a panic.
static ANNOUNCEMENTS: LazyLock<AhoCorasick> =
    LazyLock::new(|| words::leftmost_any_case(&["panic", "recovered"]));

/// Whether a text speaks of a panic.
pub(crate) fn says_panic(text: &str) -> bool {
    ANNOUNCEMENTS.is_match(text)
}

/// The value of the panic a record reports: a field that can be nothing else, a field by its name, or
/// what the message announces.
fn panic_value(parsed: &Parsed<'_>) -> String {
    let plain = |text: &&str| !holds_stack(text);
    let certain = texts(parsed).filter(plain).find(|text| go::is_crash_value(text));
    let value = certain
        .or_else(|| texts(parsed).filter(plain).find_map(go::panic_value_in))
        .or_else(|| parsed.field(VALUE_KEYS).filter(|text| !text.is_empty() && plain(text)))
        .unwrap_or_else(|| announced(parsed.body.split("\ngoroutine ").next().unwrap_or_default()));
    go::unwrap_value(clipped(value, MAX_VALUE_BYTES)).to_owned()
}

/// What stands behind the last announcement such as `recovered from panic: `.
pub(crate) fn announced(text: &str) -> &str {
    let mut text = go::unwrap_value(clipped(text, MAX_VALUE_BYTES));
    if let Some(value) = go::panic_value_in(text) {
        // A value of several lines is kept whole.
        return text.find(value).map_or(value, |at| &text[at..]);
    }
    while let Some(word) = ANNOUNCEMENTS.find(text)
        && let Some((_, value)) = text[word.start()..].split_once(": ")
    {
        if !says_panic(value) {
            return value.trim();
        }
        text = go::unwrap_value(value);
    }
    text.trim()
}

/// Words before `error:` that turn it into its opposite.
const DENIALS: &[&str] =
    &["no", "without", "zero", "0", "not", "any", "if", "on", "ignoring", "last", "previous"];

/// Whether a record without a level reads like the report of an error.
fn is_report(parsed: &Parsed<'_>) -> bool {
    if parsed.form != Form::Plain {
        return parsed.error().is_some();
    }
    let text = parsed.body.as_ref();
    !is_access(text)
        && (names_error(text)
            || tells_attempt(text)
            || operational::ends_chain(text)
            || go::is_crash_value(text))
}

/// `GET /errors: 200` and the like: what was asked for is no report.
fn is_access(text: &str) -> bool {
    static REQUESTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
        words::leftmost(&[
            "HTTP/1",
            "HTTP/2",
            "GET /",
            "POST /",
            "PUT /",
            "DELETE /",
            "PATCH /",
            "HEAD /",
            "OPTIONS /",
        ])
    });
    REQUESTS.is_match(text)
}

/// `error: something`
fn names_error(text: &str) -> bool {
    static NAMES: LazyLock<AhoCorasick> = LazyLock::new(|| words::leftmost_any_case(&["error: ", "fatal: "]));
    NAMES.find_iter(text).any(|name| {
        let before = &text[..name.start()];
        let bounded =
            before.chars().next_back().is_none_or(|last| last.is_whitespace() || last == '[' || last == '(');
        let denied = || {
            before.split_whitespace().next_back().is_some_and(|last| {
                let last = last.trim_matches(['(', ',']);
                DENIALS.iter().any(|denial| denial.eq_ignore_ascii_case(last))
            })
        };
        // The value may reach to the end of a long line, so it is looked at last.
        let value = || text[name.end()..].split([',', ';']).next().unwrap_or_default();
        bounded && !denied() && !is_nothing(value())
    })
}

/// `failed to load prices: unexpected end of input`: an attempt that failed, with a reason.
fn tells_attempt(text: &str) -> bool {
    static ATTEMPTS: LazyLock<AhoCorasick> = LazyLock::new(|| {
        words::leftmost_any_case(&[
            "failed to ",
            "cannot ",
            "could not ",
            "unable to ",
            "can't ",
            "couldn't ",
        ])
    });
    ATTEMPTS.find_iter(text).any(|attempt| {
        let (before, rest) = text.split_at(attempt.start());
        let begins = before.is_empty() || before.ends_with(": ");
        begins && rest.split_once(": ").is_some_and(|(_, reason)| !is_nothing(reason))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyzer::parse::parse;

    fn judged(line: &str) -> Option<Judged> {
        judge(parse(line), None).filter(|judged| judged.severity >= Severity::Medium)
    }

    #[test]
    fn healthy_lines_are_no_events() {
        for line in [
            "GET /errors 200",
            "10.0.0.1 - - [10/Nov/2009:23:00:00 +0000] \"GET /error: HTTP/1.1\" 200 12",
            "error_count=0",
            "0 errors",
            "2009/11/10 23:00:00 no error: all fine",
            "2009/11/10 23:00:00 last error: none",
            "2009/11/10 23:00:00 error: <nil>",
            "2009/11/10 23:00:00 error rate: 0.1",
            "2009/11/10 23:00:00 panic button pressed",
            "INFO handler recovered the error: fine",
            "level=info msg=\"error: not really\" err=\"x\"",
            r#"{"level":"info","msg":"error: loose","error":"connection refused"}"#,
            r#"{"msg":"done","error":null}"#,
            r#"{"msg":"done","error":""}"#,
            r#"{"msg":"done","errors":0}"#,
            r#"{"time":"2009-11-10T23:00:00Z","level":"WARN","msg":"error budget"}"#,
            "connection refused is retried",
            "",
        ] {
            assert!(judged(line).is_none(), "{line}: {:?}", judged(line));
        }
    }

    #[test]
    fn reports_are_events() {
        for (line, class, message) in [
            (
                r#"{"level":"ERROR","msg":"save","error":"disk is odd"}"#,
                Class::LoggedError,
                "save: disk is odd",
            ),
            (
                "2009/11/10 23:00:00 ledger: dial tcp 127.0.0.1:1: connect: connection refused",
                Class::ConnectionRefused,
                "ledger: dial tcp 127.0.0.1:1: connect: connection refused",
            ),
            (
                "2009/11/10 23:00:00 failed to load prices: unexpected end",
                Class::LoggedError,
                "failed to load prices: unexpected end",
            ),
            (
                "2009/11/10 23:00:00 store error: total is negative",
                Class::LoggedError,
                "store error: total is negative",
            ),
            (
                "level=error msg=boom err=\"open /x: permission denied\"",
                Class::PermissionDenied,
                "boom: open /x: permission denied",
            ),
            (r#"{"msg":"boom","err":"odd"}"#, Class::LoggedError, "boom: odd"),
            ("2009-11-10 23:00:00 ERROR boom", Class::LoggedError, "boom"),
        ] {
            let judged = judged(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(
                (judged.class, judged.message.as_str(), judged.severity),
                (class, message, Severity::Medium),
                "{line}"
            );
        }
    }

    #[test]
    fn an_access_line_tells_neither_a_cause_nor_a_panic() {
        for path in
            ["/v1/orders/9", "/logs/connection%20refused", "/why?panic: runtime error: index out of range"]
        {
            let line = format!("[GIN] 2024/05/01 - 10:00:01 | 500 | 1.2ms | 10.0.0.7 | GET \"{path}\"");
            let logged = serde_json::json!({"level": "error", "msg": line.clone() + "\n"}).to_string();
            for line in [line, logged] {
                let judged = judged(&line).unwrap();
                assert_eq!(
                    (judged.class, judged.severity),
                    (Class::FailedRequest, Severity::Medium),
                    "{line}"
                );
                assert!(judged.message.starts_with("HTTP 500: GET /"), "{}", judged.message);
            }
        }
        // The level of a logger that gin writes through is no word on the request.
        assert!(
            judged(r#"level=error msg="[GIN] 2024/05/01 - 10:00:01 | 200 | 1ms | ::1 | GET /a""#).is_none()
        );
    }

    #[test]
    fn a_crash_overrules_the_level() {
        let stack = r"goroutine 7 [running]:\nruntime/debug.Stack()\n\t/usr/local/go/src/runtime/debug/stack.go:26 +0x5e\npanic({0x1?, 0x2?})\n\t/usr/local/go/src/runtime/panic.go:860 +0x13a\nmain.f()\n\t/app/main.go:3 +0x1\n";
        for line in [
            format!(
                r#"{{"level":"info","msg":"recovered from panic: runtime error: integer divide by zero\n{stack}"}}"#
            ),
            format!(
                r#"{{"level":"info","msg":"request failed","error":"runtime error: integer divide by zero","stack":"{stack}"}}"#
            ),
            format!(
                r#"level=INFO msg="panic recovered" err="runtime error: integer divide by zero" stack="{stack}""#
            ),
        ] {
            let judged = judged(&line).unwrap();
            assert_eq!(judged.class, Class::DivideByZero);
            assert_eq!(judged.message, "runtime error: integer divide by zero");
            assert_eq!(judged.severity, Severity::High);
            assert_eq!(judged.trace.unwrap().frames[0].function, "main.f");
        }
    }

    #[test]
    fn announcements_come_off() {
        for (text, value) in [
            ("recovered from panic: out of balance", "out of balance"),
            ("panic recovered: panic: out of balance", "out of balance"),
            (
                "http handler panic: runtime error: integer divide by zero",
                "runtime error: integer divide by zero",
            ),
            ("out of balance", "out of balance"),
        ] {
            assert_eq!(announced(text), value, "{text}");
        }
    }
}
