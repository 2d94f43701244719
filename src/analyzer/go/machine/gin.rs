//! gin's own recovery: a head, the request, the value, and a stack of places with their source lines.
//!
//! ```text
//! 2009/11/10 23:00:00 [Recovery] 2009/11/10 - 23:00:00 panic recovered:
//! GET /orders/9 HTTP/1.1
//! Host: shop
//!
//! runtime error: index out of range [5] with length 3
//! /srv/shop/pricing/pricing.go:8 (0x6e1b04)
//!     (*Table).Tier: return t.tiers[n]
//! ```

use super::{Feed, MAX_FRAMES, MAX_MESSAGE_BYTES, MAX_VALUE_LINES, Machine, State};
use crate::analyzer::go::frame::{STANDARD, frame, place as file_and_line};

/// The line behind the last frame: the colour ends.
pub(super) const END: &str = "\u{1b}[0m";

impl Machine {
    /// Behind gin's head. The value stands between the last blank line and the stack.
    pub(super) fn request(&mut self, line: &str, lines: u32) -> Feed {
        if lines >= MAX_VALUE_LINES || self.message.len() >= MAX_MESSAGE_BYTES {
            return Feed::Ended;
        }
        self.state = State::Request(lines + 1);
        if line.is_empty() {
            self.message.clear();
        } else if place(line).is_some() {
            self.begin_stack(true);
            return self.gin_place(line);
        } else {
            if !self.message.is_empty() {
                self.extend_message("\n");
            }
            self.extend_message(line);
        }
        Feed::Perhaps
    }

    pub(super) fn gin_place(&mut self, line: &str) -> Feed {
        let Some((file, number)) = place(line) else { return Feed::Ended };
        file.clone_into(&mut self.pending);
        self.state = State::GinFunction(number);
        Feed::Perhaps
    }

    pub(super) fn gin_function(&mut self, line: &str, number: u32) -> Feed {
        let Some(name) = function(line) else { return Feed::Ended };
        if self.keeping && self.frames.len() < MAX_FRAMES {
            self.frames.push(frame(&symbol(&self.pending, name), &self.pending, number));
        }
        self.state = State::GinPlace;
        Feed::Belongs
    }
}

/// `[Recovery] TIME panic recovered:`
pub(super) fn is_head(line: &str) -> bool {
    line.ends_with(" panic recovered:") && line.contains("[Recovery] ")
}

/// File and line of `FILE:LINE (0xPC)`.
pub(super) fn place(line: &str) -> Option<(&str, u32)> {
    let (place, counter) = line.strip_suffix(')')?.rsplit_once(" (0x")?;
    let hex = !counter.is_empty() && counter.bytes().all(|byte| byte.is_ascii_hexdigit());
    file_and_line(place).filter(|_| hex)
}

/// The function of `\tFUNCTION: SOURCE`.
pub(super) fn function(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('\t')?.split_once(": ")?;
    (!name.is_empty() && !name.contains(char::is_whitespace)).then_some(name)
}

/// The symbol of a function. gin leaves the package out; its last element at least is told by the folder
/// of the file, and all of it where the file lies in the standard library or the module cache.
pub(super) fn symbol(file: &str, name: &str) -> String {
    let (folder, file_name) = file.rsplit_once('/').unwrap_or(("", file));
    let standard = folder
        .rsplit_once("/src/")
        .map(|(_, package)| package)
        .filter(|package| STANDARD.contains(&package.split('/').next().unwrap_or_default()));
    let cached = folder.split_once("/pkg/mod/").map(|(_, package)| package);
    let package = match standard.or(cached) {
        Some(package) => package,
        None if file_name == "main.go" || folder.is_empty() => "main",
        None => folder.rsplit('/').next().unwrap_or(folder),
    };
    format!("{package}.{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_functions() {
        assert_eq!(place("/srv/shop/a.go:8 (0x6e1b04)"), Some(("/srv/shop/a.go", 8)));
        for other in
            ["/srv/shop/a.go:8", "/srv/shop/a.go:8 (0x)", "/srv/shop/a.go:8 (0xzz)", "a (0x1)", "", ")"]
        {
            assert_eq!(place(other), None, "{other}");
        }
        assert_eq!(function("\t(*Table).Tier: return t.tiers[n]"), Some("(*Table).Tier"));
        for other in ["\tno function", "main: x", "\t: x", "\ta b: c"] {
            assert_eq!(function(other), None, "{other}");
        }
    }

    #[test]
    fn the_file_tells_the_package() {
        for (file, expected) in [
            ("/usr/local/go/src/net/http/server.go", "net/http.F"),
            ("/go/pkg/mod/github.com/gin-gonic/gin@v1.8.1/context.go", "github.com/gin-gonic/gin@v1.8.1.F"),
            ("/srv/shop/pricing/pricing.go", "pricing.F"),
            ("/srv/src/shop/pricing.go", "shop.F"),
            ("/srv/shop/main.go", "main.F"),
            ("main.go", "main.F"),
        ] {
            assert_eq!(symbol(file, "F"), expected);
        }
    }
}
