//! What one line of a failure is, told by its text alone.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// A value without the mark of recovery behind it.
pub(super) fn unmarked(value: &str) -> &str {
    [" [recovered]", " [recovered, repanicked]"]
        .iter()
        .find_map(|mark| value.strip_suffix(mark))
        .unwrap_or(value)
}

/// `goroutine N[ gp=…][ STATE…]:` in all its shapes.
pub(crate) fn is_header(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("goroutine ") else { return false };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && rest[digits..].starts_with(' ') && rest.contains('[') && rest.ends_with(':')
}

/// What `go run` prints when its program fails.
pub(crate) fn is_exit_status(line: &str) -> bool {
    line.strip_prefix("exit status ")
        .is_some_and(|code| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `rax    0x0`: the registers behind a dump.
pub(super) fn is_register(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let (Some(name), Some(value), None) = (words.next(), words.next(), words.next()) else { return false };
    name.len() <= 6 && name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && value.starts_with("0x")
}

/// `SIGSEGV: segmentation violation`, printed for faults outside Go code.
pub(super) fn signal_head(line: &str) -> Option<&str> {
    let (name, text) = line.strip_prefix("SIG")?.split_once(": ")?;
    matches!(name, "SEGV" | "BUS" | "FPE" | "ABRT" | "ILL" | "TRAP").then_some(text)
}

/// The value of `http: panic serving ADDR: VALUE`.
pub(super) fn served(line: &str) -> Option<&str> {
    static WORDS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(": panic serving "));
    let at = WORDS.find(line.as_bytes())?;
    let server = line[..at].rsplit([' ', '\t']).next();
    let (_, value) = line[at + WORDS.needle().len()..].split_once(": ")?;
    matches!(server, Some("http" | "http2")).then_some(value)
}

/// The hexadecimal number behind a mark.
pub(super) fn hex_after(line: &str, mark: &str) -> Option<u64> {
    let rest = &line[line.find(mark)? + mark.len()..];
    let end = rest.find(|char: char| !char.is_ascii_hexdigit()).unwrap_or(rest.len());
    u64::from_str_radix(&rest[..end], 16).ok()
}
