//! Names of programs as the words of messages.

/// The words of a mixed-case name, in lower case.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut previous_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            previous_lower = false;
            words.push(String::new());
            continue;
        }
        if words.is_empty() || (c.is_uppercase() && previous_lower) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        previous_lower = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A word without the ending of its plural.
pub(crate) fn singular(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 1) {
        return format!("{stem}y");
    }
    match word.strip_suffix('s') {
        Some(stem) if stem.len() > 1 && !stem.ends_with('s') => stem.to_owned(),
        _ => word.to_owned(),
    }
}

/// The words of a name, as a message writes them; short names say nothing and become `value`.
pub(crate) fn phrase(name: &str) -> String {
    let words = words(name);
    if name.chars().count() < 2 || words.is_empty() { "value".to_owned() } else { words.join(" ") }
}

/// Names that say where something is or was, not what it is.
const RELATIVE: &[&str] = &[
    "to", "from", "src", "dst", "in", "out", "cur", "current", "prev", "previous", "next", "last", "first",
    "old", "new", "tmp", "temp", "res", "result", "ret", "val", "value", "got", "want", "found", "other",
    "this", "that",
];

/// Whether a name, in lower case, is one of those that loggers have.
pub(crate) fn is_logger(name: &str) -> bool {
    matches!(name, "log" | "logger" | "slog" | "lg")
}

/// Whether a variable's name tells what it holds.
pub(crate) fn is_telling(name: &str) -> bool {
    name.chars().count() > 2 && !RELATIVE.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::{singular, words};

    #[test]
    fn names_come_apart_into_words() {
        assert_eq!(words("NotFound"), ["not", "found"]);
        assert_eq!(words("SKUs"), ["skus"]);
        assert_eq!(words("user_id2Name"), ["user", "id2", "name"]);
        assert_eq!(words("é_Ü"), ["é", "ü"]);
        assert_eq!(singular("products"), "product");
        assert_eq!(singular("entries"), "entry");
        assert_eq!(singular("address"), "address");
        assert_eq!(singular("s"), "s");
    }
}
