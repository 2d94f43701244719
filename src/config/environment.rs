//! `${NAME}` and `${NAME:-default}` in values.
//!
//! Variables are looked up where a value is used, and only there. A variable that is unset or empty
//! makes an optional key absent and is a mistake for a required one. `$${` stands for a literal `${`;
//! any other `$` is left alone, since patterns are full of them.

use std::borrow::Cow;

/// Looks an environment variable up. Passed in, so that nothing here depends on the process.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The environment of this process. A variable that is not UTF-8 counts as unset.
#[must_use]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A value after substitution.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resolved<'a> {
    /// The text to read.
    Text(Cow<'a, str>),
    /// A variable without a default is not set.
    Unset(&'a str),
    /// `${` without an end, or without a proper name.
    Malformed,
}

/// Replaces the variables in `text`. Values are not searched again, so one pass suffices.
pub(super) fn resolve<'a>(text: &'a str, environment: Environment<'_>) -> Resolved<'a> {
    if !text.contains("${") {
        return Resolved::Text(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if rest[..start].ends_with('$') {
            out.push_str(&rest[..start]);
            out.push('{');
            rest = &rest[start + 2..];
            continue;
        }
        out.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let Some(end) = inner.find('}') else { return Resolved::Malformed };
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&inner[..end], None),
        };
        if !is_name(name) {
            return Resolved::Malformed;
        }
        match (environment(name).filter(|value| !value.is_empty()), default) {
            (Some(value), _) => out.push_str(&value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => return Resolved::Unset(name),
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Resolved::Text(Cow::Owned(out))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("k3y".into()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${KEY}".into()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${KEY}", "k3y"),
            ("a-${KEY}-b", "a-k3y-b"),
            ("${KEY}${KEY}", "k3yk3y"),
            ("${NONE:-}", ""),
            ("${NONE:-a:-b}", "a:-b"),
            ("${EMPTY:-full}", "full"),
            ("${KEY:-other}", "k3y"),
            ("${NESTED}", "${KEY}"),
            ("$${KEY}", "${KEY}"),
            (r"^end$", r"^end$"),
            ("costs $5", "costs $5"),
        ] {
            assert_eq!(resolve(text, &environment), Resolved::Text(expected.into()), "{text}");
        }
    }

    #[test]
    fn unset_and_empty_are_told_by_name() {
        assert_eq!(resolve("x${NONE}", &environment), Resolved::Unset("NONE"));
        assert_eq!(resolve("${EMPTY}", &environment), Resolved::Unset("EMPTY"));
    }

    #[test]
    fn malformed_references_are_told() {
        for text in ["${", "${KEY", "${}", "${A B}", "${1A}", "${:-x}"] {
            assert_eq!(resolve(text, &environment), Resolved::Malformed, "{text}");
        }
    }
}
