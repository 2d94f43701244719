//! Masked messages: what stays the same when one statement prints different values.
//!
//! Numbers, ids, addresses, paths and quoted text give way to placeholders. What tells failures apart
//! is kept: HTTP status codes, SQLSTATE codes, exit codes, and names that merely contain a digit.

use std::borrow::Cow;

use super::clipped;

/// Names that contain digits and are not ids.
const NAMES: &[&str] = &[
    "x509",
    "sha1",
    "sha256",
    "sha384",
    "sha512",
    "md5",
    "crc32",
    "http1",
    "http2",
    "http3",
    "h2",
    "utf8",
    "utf-8",
    "utf16",
    "utf-16",
    "ipv4",
    "ipv6",
    "base64",
    "base32",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "complex128",
    "tls1",
    "s3",
    "ec2",
    "k8s",
    "oauth2",
    "p256",
    "ed25519",
    "iso8601",
    "rfc3339",
    "amd64",
    "arm64",
    "gb18030",
    "latin1",
    "tcp4",
    "tcp6",
    "udp4",
    "udp6",
    "ip4",
    "ip6",
    "accept4",
    "pipe2",
    "dup2",
    "dup3",
];

/// Words after which a number is a code that tells failures apart.
const CODES: &[&str] = &["status", "code", "sqlstate", "http", "errno", "http/1.1", "http/1.0", "http/2.0"];

/// Longest message that is looked at.
const MAX_BYTES: usize = 4096;

/// The message with everything that varies replaced by placeholders. Only the first line counts, since
/// the lines behind it hold values.
pub(crate) fn mask(message: &str) -> String {
    let line = message.trim().lines().next().unwrap_or_default();
    let line = clipped(line, MAX_BYTES);
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    let mut last_words = ["", ""];
    while let Some(first) = rest.chars().next() {
        if let Some((inside, after)) = quoted(rest, out.chars().next_back()) {
            out.push_str(if inside { "<text>" } else { "" });
            rest = after;
        } else if is_word(first) || (first == '/' && starts_path(rest, out.chars().next_back())) {
            let end = rest.find(|char: char| !is_word(char) && char != '/').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let tail = word.trim_end_matches(['.', ':', '-', '@', '%', '+']);
            let code = is_code(tail, &last_words);
            out.push_str(&if code { Cow::Borrowed(tail) } else { mask_word(tail) });
            out.push_str(&word[tail.len()..]);
            last_words = [last_words[1], tail];
            rest = after;
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | ':' | '@' | '%' | '+')
}

fn starts_path(rest: &str, before: Option<char>) -> bool {
    before.is_none_or(|before| !before.is_alphanumeric())
        && rest[1..].starts_with(|next: char| next.is_alphanumeric() || next == '.')
}

/// A quoted text at the beginning: whether it holds something, and what follows it. An apostrophe
/// inside a word is no quote.
fn quoted(rest: &str, before: Option<char>) -> Option<(bool, &str)> {
    let quote = rest.chars().next().filter(|char| matches!(char, '"' | '\'' | '`'))?;
    if quote == '\'' && before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let mut escaped = false;
    for (at, char) in rest[1..].char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if char == quote => return Some((true, &rest[at + 2..])),
            _ => {}
        }
    }
    None
}

fn is_code(word: &str, before: &[&str; 2]) -> bool {
    let digits = word.len() <= 5
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && word.bytes().any(|byte| byte.is_ascii_digit());
    let one_of = |word: &str, names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
    let named = |word: &str| one_of(word.trim_end_matches([':', '=']), CODES);
    digits && (named(before[1]) || (named(before[0]) && one_of(before[1], &["code", "is", "was", "of"])))
}

fn is_name(word: &str) -> bool {
    NAMES.iter().any(|name| name.eq_ignore_ascii_case(word))
}

fn mask_word(word: &str) -> Cow<'_, str> {
    let digits = word.bytes().any(|byte| byte.is_ascii_digit());
    if word.starts_with('/') || (digits && word.contains('/')) {
        return Cow::Borrowed(if word.len() > 1 { "<path>" } else { word });
    }
    if !digits || is_name(word) {
        return Cow::Borrowed(if is_email(word) { "<email>" } else { word });
    }
    if is_email(word) {
        return Cow::Borrowed("<email>");
    }
    if is_uuid(word) {
        return Cow::Borrowed("<id>");
    }
    let hex = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    if let Some(hex) = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Cow::Borrowed(if hex.is_empty() { word } else { "<hex>" });
    }
    if is_address(word) {
        return Cow::Borrowed("<addr>");
    }
    if is_hex_id(word) || is_mixed_id(word) {
        return Cow::Borrowed("<id>");
    }
    if is_duration(word) {
        return Cow::Borrowed("<duration>");
    }
    // Parts between separators stand for themselves: `tls1.2`, `order-1234`, `db:5432`.
    Cow::Owned(digits_masked(word))
}

fn is_email(word: &str) -> bool {
    word.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'))
}

fn is_uuid(word: &str) -> bool {
    word.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && word.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// `10.0.0.1`, `10.0.0.1:5432`, `::1`, `fe80::1:80`.
fn is_address(word: &str) -> bool {
    let host = word.rsplit_once(':').map_or(word, |(host, _)| host);
    host.parse::<std::net::Ipv4Addr>().is_ok()
        || (word.matches(':').count() >= 2 && word.parse::<std::net::Ipv6Addr>().is_ok())
}

/// Eight or more hex digits with a digit among them: commit ids, trace ids, hashes.
fn is_hex_id(word: &str) -> bool {
    word.len() >= 8
        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Long runs that change between letters and digits: `01HZX3…`, `cus_9f8a7b…`.
fn is_mixed_id(word: &str) -> bool {
    let turns = word
        .as_bytes()
        .windows(2)
        .filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit())
        .count();
    word.len() >= 12 && turns >= 4 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `1.5s`, `200ms`, `1h2m3s`, `3µs`.
fn is_duration(word: &str) -> bool {
    let mut rest = word;
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.');
        if number.len() == rest.len() {
            return false;
        }
        let Some(unit) =
            ["ns", "us", "µs", "ms", "h", "m", "s"].iter().find(|unit| number.starts_with(**unit))
        else {
            return false;
        };
        rest = &number[unit.len()..];
    }
    true
}

/// Every part with digits masked, but for parts that are names.
fn digits_masked(word: &str) -> String {
    let mut out = String::new();
    for part in word.split_inclusive(['-', '.', ':', '_', '@', '%', '+']) {
        let (name, separator) = match part.char_indices().next_back() {
            Some((at, last)) if !last.is_alphanumeric() => part.split_at(at),
            _ => (part, ""),
        };
        out.push_str(&part_masked(name));
        out.push_str(separator);
    }
    while out.contains("<n>.<n>") {
        out = out.replace("<n>.<n>", "<n>");
    }
    out
}

/// A part without separators: digits at one place are a number, at several an id.
fn part_masked(name: &str) -> Cow<'_, str> {
    if is_name(name) {
        return Cow::Borrowed(name);
    }
    let digit = |char: char| char.is_ascii_digit();
    let mut runs = name.split(|char| !digit(char)).filter(|run| !run.is_empty());
    match (runs.next(), runs.next()) {
        (None, _) => Cow::Borrowed(name),
        (Some(run), None) => Cow::Owned(name.replacen(run, "<n>", 1)),
        _ => Cow::Borrowed("<id>"),
    }
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn values_give_way_and_words_stay() {
        for (message, masked) in [
            ("order 1882 of user42: total -5", "order <n> of user<n>: total -<n>"),
            (
                "dial tcp 10.0.0.7:5432: connect: connection refused",
                "dial tcp <addr>: connect: connection refused",
            ),
            ("dial tcp [::1]:5432: i/o timeout", "dial tcp [<addr>]:<n>: i/o timeout"),
            ("open /var/lib/shop/prices-7.csv: no such file", "open <path>: no such file"),
            ("job 6ba7b810-9dad-11d1-80b4-00c04fd430c8 failed", "job <id> failed"),
            ("bad pointer 0xc000012108", "bad pointer <hex>"),
            ("unknown tier \"gold \\\" plus\" here", "unknown tier <text> here"),
            ("can't parse 'x' yet", "can't parse <text> yet"),
            ("upstream took 1.5s", "upstream took <duration>"),
            ("upstream answered status 503 after 17 tries", "upstream answered status 503 after <n> tries"),
            ("exit status 137", "exit status 137"),
            ("duplicate key (SQLSTATE 23505)", "duplicate key (SQLSTATE 23505)"),
            ("x509: certificate has expired", "x509: certificate has expired"),
            ("commit 5d92cb8f not found", "commit <id> not found"),
            ("session 01HZX3K7Q9W2E4R6T8 lost", "session <id> lost"),
            ("mail to a.b@example.com bounced", "mail to <email> bounced"),
            ("first\nsecond 2", "first"),
            ("", ""),
        ] {
            assert_eq!(mask(message), masked, "{message}");
        }
    }

    #[test]
    fn the_same_statement_gives_the_same_mask() {
        assert_eq!(mask("pod web-7f9c4d-x2 on node-17"), mask("pod web-8e1b3a-x9 on node-2"));
        assert_eq!(mask("took 12ms"), mask("took 1m3.25s"));
        assert_ne!(mask("status 404"), mask("status 503"));
    }
}
