//! Logs that forge, climb, flood and paint.

use super::stage::Stage;
use super::{Expected, Input};

use Expected::{Nothing, Unproven};

const NOT_FOUND: Expected = Unproven("nothing of it is found in this repository");
const NO_STACK: Expected = Unproven("the log holds no stack of it");
const NOT_BUILT: Expected = Unproven("does not build before any change");

const MESSAGE: &str = "runtime error: index out of range [-1]";
const LAST: &str = "example.com/till/basket.Last";
const GONE: &str = "example.com/till/basket.Gone";
const FILE: &str = "/src/till/basket/basket.go";

/// The crash of a till, as Go prints it, with a message, function, file and line of its own.
fn trace(message: &str, function: &str, file: &str, line: &str) -> String {
    format!(
        "panic: {message}\n\ngoroutine 1 [running]:\n{function}({{0xc000012345, 0x0, 0x0}})\n\t{file}:{line} +0x1d\n\
         main.main()\n\t/elsewhere/other.go:11 +0x2c\nexit status 2\n"
    )
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// The crash that a till really has.
pub(super) fn crash() -> Vec<u8> {
    bytes(&trace(MESSAGE, LAST, FILE, "10"))
}

/// The same, two lines further down.
pub(super) fn crash_below() -> Vec<u8> {
    bytes(&trace(MESSAGE, LAST, FILE, "12"))
}

/// The same with something else in the place of a part.
pub(super) fn crash_with(part: &str, text: &str) -> Vec<u8> {
    bytes(&trace(MESSAGE, LAST, FILE, "10").replace(part, text))
}

/// A crash in a file and a function that is called `Gone`, which no till has.
fn in_file(file: &str) -> Vec<u8> {
    bytes(&trace(MESSAGE, GONE, file, "1"))
}

fn in_function(function: &str) -> Vec<u8> {
    bytes(&trace(MESSAGE, function, FILE, "10"))
}

fn saying(message: &str) -> Vec<u8> {
    bytes(&trace(message, GONE, FILE, "10"))
}

fn as_it_is(_: &Stage) {}

/// What a trace tells of a line, as a part of one that crashes at all of them.
fn lines(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| bytes(&trace(MESSAGE, LAST, FILE, line))).collect()
}

/// Mended: whatever a log says of it, it does not fail.
fn mended(stage: &Stage) {
    stage.replace(
        "\tlast := items",
        "\tif len(items) == 0 {\n\t\treturn \"\", ErrUnknown\n\t}\n\tlast := items",
    );
}

/// A text that drives a terminal in every way there is, and turns about what follows.
const PAINT: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}]8;;http://evil\u{1b}\\\u{9b}31m\u{8}\u{7f}\r\
                     \u{202e}live\u{202c}\u{2066}x\u{2069}\u{200f}";

pub(super) fn inputs() -> Vec<Input> {
    let mut inputs = forged();
    inputs.extend(paths_and_names());
    inputs.extend(answers());
    inputs.extend(giant());
    inputs.extend(nested());
    inputs
}

/// Crashes that the code cannot have.
fn forged() -> Vec<Input> {
    vec![
        Input::new("a function that there is not", as_it_is, || in_function(GONE), NOT_FOUND),
        Input::new(
            "a method of a type that there is not",
            as_it_is,
            || in_function("example.com/till/basket.(*Basket).Last"),
            NOT_FOUND,
        ),
        Input::new(
            "lines far outside",
            Stage::break_build,
            || lines(&["0", "00000", "4294967296", "18446744073709551616", "9223372036854775808", "99999"]),
            NOT_BUILT,
        ),
        Input::new(
            "lines that are no numbers",
            Stage::break_build,
            || lines(&["-1", "1e9", "0x10", "٣", ""]),
            Unproven(""),
        ),
        Input::new(
            "an index of 64 bits in code that asks",
            mended,
            || {
                let message = "runtime error: index out of range [9223372036854775807] with length -1";
                bytes(&trace(message, LAST, FILE, "13"))
            },
            Unproven(""),
        ),
        Input::new(
            "lengths beyond any number",
            Stage::break_build,
            || {
                let message = "runtime error: slice bounds out of range [:99999999999999999999999] with capacity \
                           -99999999999999999999999";
                bytes(&trace(message, LAST, FILE, "10"))
            },
            NOT_BUILT,
        ),
        Input::new(
            "another class than the statement can have",
            as_it_is,
            || {
                let message = "assignment to entry in nil map";
                bytes(&trace(message, LAST, FILE, "10"))
            },
            Unproven(""),
        ),
    ]
}

/// What looks like an answer of ours.
fn answers() -> Vec<Input> {
    vec![
        Input::new(
            "a trace of the fixer's own test",
            as_it_is,
            || {
                let file = "/src/till/basket/last_regression_test.go";
                bytes(&trace(MESSAGE, "example.com/till/basket.TestLastDoesNotPanic", file, "10"))
            },
            NOT_FOUND,
        ),
        Input::new(
            "results of tests and verdicts of ours",
            as_it_is,
            || {
                bytes(
                    "{\"Action\":\"pass\",\"Test\":\"TestLast\"}\n--- PASS: TestLast (0.00s)\nPASS\n\
                 1. index out of range in basket.Last\n  verdict      proven in 1.0 s\n\
                 {\"suggestions\":[{\"verdict\":\"proven\",\"patch\":\"--- a/go.mod\\n+++ b/go.mod\\n\"}],\"applied\":[]}\n",
                )
            },
            Nothing,
        ),
        Input::new(
            "a patch in a message",
            as_it_is,
            || saying("--- a/basket/basket.go\n+++ b/../../victim/kept\n@@ -1 +1 @@\n-untouched\n+owned\n"),
            Unproven(""),
        ),
    ]
}

/// Paths that lead elsewhere, and names that are code.
fn paths_and_names() -> Vec<Input> {
    vec![
        // No line of a stack names such a file.
        Input::new("a file of the system", as_it_is, || in_file("/etc/passwd"), NO_STACK),
        Input::new("a path that climbs", as_it_is, || in_file("../../../../../../victim/kept.go"), NOT_FOUND),
        Input::new(
            "a path through a file",
            as_it_is,
            || in_file("basket/basket.go/../../../etc/x.go"),
            NOT_FOUND,
        ),
        Input::new(
            "a path of Windows",
            as_it_is,
            || in_file("C:\\..\\..\\Windows\\System32\\x.go"),
            NOT_FOUND,
        ),
        Input::new(
            "a path with a NUL",
            as_it_is,
            || in_file("/src/till/basket/basket.go\0.go"),
            Unproven(""),
        ),
        Input::new(
            "a path that is a command",
            as_it_is,
            || in_file("/src/$(touch kept2)`touch kept3`;touch kept4;'\"/basket.go"),
            NOT_FOUND,
        ),
        Input::new(
            "a path that is an option",
            as_it_is,
            || in_file("--upload-pack=touch/-rf/basket.go"),
            NOT_FOUND,
        ),
        Input::new(
            "the main package elsewhere",
            Stage::break_build,
            || bytes(&trace(MESSAGE, "main.main", "/etc/../../main.go/../x/main.go", "11")),
            Unproven(""),
        ),
        Input::new(
            "a function that is a command",
            as_it_is,
            || in_function("example.com/till/basket.$(touch kept2);touch kept3"),
            Unproven(""),
        ),
        Input::new(
            "a function that is Go",
            as_it_is,
            || in_function("example.com/till/basket.Last\"+func() string { os.Exit(0); return \"\" }()+\""),
            Unproven(""),
        ),
        Input::new(
            "a function that ends a comment",
            Stage::break_build,
            || in_function("example.com/till/basket.*/func init(){panic(1)}/*"),
            Unproven(""),
        ),
        Input::new(
            "a package that climbs",
            as_it_is,
            || in_function("example.com/till/../../victim.Last"),
            NOT_FOUND,
        ),
        Input::new(
            "a message that is Go",
            Stage::break_build,
            || {
                let message = "*/\"`); func init() { os.Exit(0) } /* %s%n%!d(MISSING) \\\" \\u0000 ${HOME}";
                bytes(&trace(message, LAST, FILE, "10"))
            },
            NOT_BUILT,
        ),
    ]
}

/// What a terminal would obey.
pub(super) fn painted() -> Vec<Input> {
    vec![
        Input::new("a message that paints", as_it_is, || saying(&format!("{PAINT} boom")), Unproven("")),
        Input::new(
            "a function that paints",
            as_it_is,
            || in_function(&format!("{GONE}{PAINT}")),
            Unproven(""),
        ),
        Input::new(
            "a path that paints",
            as_it_is,
            || in_file(&format!("/src/{PAINT}/basket.go")),
            Unproven(""),
        ),
        Input::new(
            "a failing function that paints",
            Stage::break_build,
            || bytes(&trace(&format!("{MESSAGE}{PAINT}"), LAST, FILE, "10")),
            NOT_BUILT,
        ),
        Input::new(
            "an error that paints",
            as_it_is,
            || bytes(&format!("ERROR cannot save {PAINT}: {PAINT}\n")),
            NOT_FOUND,
        ),
        Input::new(
            "a record in JSON that paints",
            as_it_is,
            || {
                let record =
                    serde_json::json!({"level": "error", "msg": PAINT, "error": PAINT, "logger": PAINT});
                bytes(&format!("{record}\n"))
            },
            Unproven(""),
        ),
        Input::new(
            "a failure of the surroundings that paints",
            as_it_is,
            || bytes(&format!("ERROR dial tcp {PAINT}: connect: connection refused\n")),
            Nothing,
        ),
        Input::new(
            "bytes that are no text",
            as_it_is,
            || {
                let mut log = in_function(GONE);
                log.splice(7..7, [0xff, 0xfe, 0x00, 0xc0, 0x80, 0xed, 0xa0, 0x80]);
                log.extend(b"ERROR \xff\xfe\x80 failed: \xc3\x28\n");
                log
            },
            Unproven(""),
        ),
        Input::new(
            "lines that end as they like",
            Stage::break_build,
            || {
                let crash = trace(MESSAGE, LAST, FILE, "10");
                bytes(
                    &[
                        crash.replace('\n', "\r\n"),
                        crash.replace('\n', "\r"),
                        crash.replace('\n', "\u{2028}"),
                    ]
                    .concat(),
                )
            },
            Unproven(""),
        ),
    ]
}

/// More of everything than anybody prints.
fn giant() -> Vec<Input> {
    vec![
        Input::new("a line of ten million", as_it_is, || saying(&"A".repeat(10_000_000)), Unproven("")),
        Input::new(
            "a name of a million",
            as_it_is,
            || in_function(&format!("a/b.{}", "F".repeat(1_000_000))),
            Unproven(""),
        ),
        Input::new(
            "brackets without an end",
            as_it_is,
            || in_function(&format!("{GONE}{}", "[".repeat(100_000))),
            Unproven(""),
        ),
        Input::new(
            "a hundred thousand frames",
            as_it_is,
            || {
                let frame = |line: u32| format!("{GONE}{line}()\n\t/x/basket.go:{line}\n");
                bytes(&format!(
                    "panic: {MESSAGE}\n\ngoroutine 1 [running]:\n{}",
                    (0..100_000).map(frame).collect::<String>()
                ))
            },
            NOT_FOUND,
        ),
        Input::new(
            "two hundred thousand goroutines",
            as_it_is,
            || {
                let headers = "goroutine 1 [running]:\n".repeat(200_000);
                bytes(&format!("panic: {MESSAGE}\n\n{headers}"))
            },
            NO_STACK,
        ),
    ]
}

/// More of everything in everything.
fn nested() -> Vec<Input> {
    vec![
        Input::new(
            "a panic in a panic in a panic",
            as_it_is,
            || {
                bytes(&format!(
                    "panic: 1 [recovered]\n{}\ngoroutine 1 [running]:\n",
                    "\tpanic: again [recovered]\n".repeat(20_000)
                ))
            },
            Unproven(""),
        ),
        Input::new(
            "JSON within JSON",
            as_it_is,
            || {
                let (open, close) = ("{\"error\":".repeat(50_000), "}".repeat(50_000));
                bytes(&format!("{{\"level\":\"error\",\"msg\":\"failed\",\"error\":{open}1{close}}}\n"))
            },
            Unproven(""),
        ),
        Input::new(
            "more defects than anybody mends",
            as_it_is,
            || (0..300).flat_map(|number| in_function(&format!("{GONE}{number}"))).collect(),
            NOT_FOUND,
        ),
        Input::new(
            "a gzip file that swells",
            as_it_is,
            || {
                use std::io::Write as _;
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                let zeros = vec![0; 1 << 20];
                (0..48).for_each(|_| encoder.write_all(&zeros).unwrap());
                encoder.finish().unwrap()
            },
            Nothing,
        ),
    ]
}
