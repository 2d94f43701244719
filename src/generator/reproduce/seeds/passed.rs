//! What the functions of the stack were called with, as far as the trace tells: the words in the brackets of
//! its frames (`runtime/traceback.go`, `printArgs`). Whoever knows the types of the parameters can tell from
//! them that a pointer was nil, how long a text was, which number was given.

use serde::Serialize;

use super::MAX_LOG_BYTES;
use super::log::cap;
use crate::domain::{Fault, Location};
use crate::repository::go::Symbol;

/// Longer ones are not printed by Go: it stops after ten words.
const MAX_BYTES: usize = 1024;

/// The words that a frame prints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::generator::reproduce) struct Passed {
    /// The function, as a trace names it within its package.
    pub(super) function: String,
    /// What stands in its brackets: `{0xc000012345?, 0x7}, 0x0`.
    pub(super) words: String,
}

/// What the texts of a log tell of the functions on the stack that stand in a folder, each once.
pub(super) fn passed(fault: &Fault, log: &[String], folder: &str) -> Vec<Passed> {
    let mut found: Vec<Passed> = Vec::new();
    for text in log {
        // In a record of one line the breaks are written.
        let text = cap(text, MAX_LOG_BYTES).replace("\\n", "\n").replace("\\t", "\t");
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let Some((function, words)) = frame(line) else { continue };
            let place = lines.peek().map(|place| place.trim_start());
            let is_here = fault.stack.iter().any(|location| {
                let ours = location.file.folder() == folder && location.function == function;
                ours && place.is_some_and(|place| is_at(place, location))
            });
            if is_here && !found.iter().any(|known| known.function == function) {
                found.push(Passed { function, words: words.to_owned() });
            }
        }
    }
    found
}

/// `example.com/shop.(*Cart).Add(0x0, {0x1234, 0x5})`: the function within its package, and the words.
fn frame(line: &str) -> Option<(String, &str)> {
    let (symbol, words) = line.trim().strip_suffix(')')?.rsplit_once('(')?;
    let is_word = |word: &str| {
        let number =
            word.strip_prefix("0x").is_some_and(|number| number.chars().all(|c| c.is_ascii_hexdigit()));
        number || matches!(word, "" | "_" | "...")
    };
    let fits = words.len() <= MAX_BYTES && words.split(['{', '}', ',', ' ', '?']).all(is_word);
    // Of what was inlined nothing is told.
    let tells = fits && !words.is_empty() && words != "..." && !symbol.contains(' ');
    tells.then(|| Symbol::parse(symbol)).flatten().map(|symbol| (symbol.local(), words))
}

/// Whether a line names a place: `/src/shop/cart.go:12 +0x1d` is at line 12 of `shop/cart.go`.
fn is_at(place: &str, location: &Location) -> bool {
    let Some((path, line)) = place.split(' ').next().and_then(|path| path.rsplit_once(':')) else {
        return false;
    };
    let folder = location.file.folder().rsplit('/').next().unwrap_or_default();
    let mut parts = path.rsplit('/');
    line.parse() == Ok(location.line)
        && parts.next() == Some(location.file.file_name())
        && (folder.is_empty() || parts.next() == Some(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Class, FaultFacts, RepoPath};

    #[test]
    fn the_words_of_frames_are_read() {
        let place = |line, function: &str| Location {
            file: RepoPath::new("cart/cart.go").unwrap(),
            line,
            function: function.to_owned(),
        };
        let fault = Fault {
            class: Class::NilDereference,
            message: String::new(),
            facts: FaultFacts::default(),
            stack: vec![place(12, "(*Cart).Add"), place(30, "Load"), place(40, "Main")],
            others: Vec::new(),
        };
        let other = "m/cart.Load(0x1, 0x2)\n\t/src/cart/cart.go:31 +0x1\n".to_owned();
        let trace = "goroutine 1 [running]:\nm/cart.(*Cart).Add(0x0, {0xc000?, 0x5})\n\t/src/cart/cart.go:12 +0x1d\nm/cart.Load({0x0, 0x0, 0x0})\n\t/src/cart/cart.go:30 +0x1d\nm/cart.Main(...)\n\t/src/cart/cart.go:40\n";
        let record = format!("{{\"stack\":\"{}\"}}", trace.replace('\n', "\\n").replace('\t', "\\t"));
        for text in [trace.to_owned(), record] {
            let told = passed(&fault, &[other.clone(), text], "cart");
            let told: Vec<_> = told.iter().map(|it| (it.function.as_str(), it.words.as_str())).collect();
            assert_eq!(told, [("(*Cart).Add", "0x0, {0xc000?, 0x5}"), ("Load", "{0x0, 0x0, 0x0}")]);
        }
        for line in ["main.main()", "m.F(x)", "m.F(0x1", "", ")(", "a b.F(0x1)", "m.F(0x1; rm)"] {
            assert_eq!(frame(line), None, "{line}");
        }
    }
}
