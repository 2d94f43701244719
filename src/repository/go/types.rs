//! Go types as they are written, with the file whose imports give their names a meaning.

use std::sync::Arc;

use super::File;

/// A type as written in a file. `text` may carry prefixes (`*`, `[]`) that stand nowhere in the file.
#[derive(Debug, Clone)]
pub struct Type {
    /// The text, as written in `home`.
    pub text: String,
    /// The file whose package and imports the names in `text` belong to.
    pub home: Arc<File>,
}

/// The outermost constructor of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape<'t> {
    /// `*T`.
    Pointer(&'t str),
    /// `[]T`, and `...T` of a variadic parameter.
    Slice(&'t str),
    /// `[N]T`.
    Array(&'t str),
    /// `map[K]V`.
    Map(&'t str, &'t str),
    /// `chan T` in every direction.
    Channel(&'t str),
    /// `func(…) …`.
    Function,
    /// `struct{…}` written in place.
    Struct,
    /// `interface{…}`, `any` and `error`.
    Interface,
    /// A numeric type of the language.
    Number,
    /// `string`.
    Text,
    /// `bool`.
    Bool,
    /// A declared type: of its own package, or of the package imported under a name. Type arguments
    /// are left out.
    Named(Option<&'t str>, &'t str),
}

impl Type {
    /// A type written in a file.
    #[must_use]
    pub fn new(text: impl Into<String>, home: &Arc<File>) -> Self {
        Self { text: text.into(), home: Arc::clone(home) }
    }

    /// The outermost constructor.
    #[must_use]
    pub fn shape(&self) -> Shape<'_> {
        Shape::of(&self.text)
    }

    /// A part of this type, or a type around it, in the same file.
    #[must_use]
    pub fn with(&self, text: impl Into<String>) -> Self {
        Self { text: text.into(), home: Arc::clone(&self.home) }
    }

    /// What a pointer points to; the type itself when it is none.
    #[must_use]
    pub fn pointee(&self) -> Self {
        match self.shape() {
            Shape::Pointer(inner) => self.with(inner),
            _ => self.clone(),
        }
    }
}

impl<'t> Shape<'t> {
    /// Reads the outermost constructor of a type's text.
    #[must_use]
    pub fn of(text: &'t str) -> Self {
        let text = text.trim();
        if let Some(inner) = text.strip_prefix('*') {
            return Self::Pointer(inner.trim());
        }
        if let Some(inner) = text.strip_prefix("...") {
            return Self::Slice(inner.trim());
        }
        if let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            return Self::of(inner);
        }
        if text.starts_with('[') {
            return match split_bracket(text) {
                Some(("", element)) => Self::Slice(element),
                Some((_, element)) => Self::Array(element),
                None => Self::Named(None, text),
            };
        }
        if let Some((key, value)) = text.strip_prefix("map").and_then(split_bracket) {
            return Self::Map(key, value);
        }
        if let Some(element) = ["<-chan ", "chan<- ", "chan "].iter().find_map(|head| text.strip_prefix(head))
        {
            return Self::Channel(element.trim());
        }
        Self::of_name(text)
    }

    fn of_name(text: &'t str) -> Self {
        let opens = |word: &str| {
            text.strip_prefix(word).is_some_and(|rest| rest.trim_start().starts_with(['{', '(']))
        };
        if opens("func") {
            return Self::Function;
        }
        if opens("struct") {
            return Self::Struct;
        }
        if opens("interface") || matches!(text, "any" | "error") {
            return Self::Interface;
        }
        match text {
            "string" => Self::Text,
            "bool" => Self::Bool,
            "int" | "int8" | "int16" | "int32" | "int64" | "uint" | "uint8" | "uint16" | "uint32"
            | "uint64" | "uintptr" | "byte" | "rune" | "float32" | "float64" | "complex64" | "complex128" => {
                Self::Number
            }
            _ => {
                let name = text.split('[').next().unwrap_or(text);
                match name.split_once('.') {
                    Some((package, name)) => Self::Named(Some(package), name),
                    None => Self::Named(None, name),
                }
            }
        }
    }

    /// Whether `nil` is a value of it.
    #[must_use]
    pub const fn is_nilable(self) -> bool {
        matches!(
            self,
            Self::Pointer(_)
                | Self::Slice(_)
                | Self::Map(..)
                | Self::Channel(_)
                | Self::Function
                | Self::Interface
        )
    }
}

/// `[inside]rest` taken apart at the bracket that closes the first.
fn split_bracket(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?;
    let mut depth = 1_usize;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((inner[..at].trim(), inner[at + 1..].trim()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Shape;

    #[test]
    fn every_constructor_is_read() {
        for (text, shape) in [
            ("*T", Shape::Pointer("T")),
            ("[]*p.T", Shape::Slice("*p.T")),
            ("...string", Shape::Slice("string")),
            ("[4]int", Shape::Array("int")),
            ("map[string][]int", Shape::Map("string", "[]int")),
            ("map[[2]int]map[string]T", Shape::Map("[2]int", "map[string]T")),
            ("<-chan struct{}", Shape::Channel("struct{}")),
            ("func(a int) error", Shape::Function),
            ("struct{ A int }", Shape::Struct),
            ("struct {\n\tA int\n}", Shape::Struct),
            ("interface{}", Shape::Interface),
            ("error", Shape::Interface),
            ("uint8", Shape::Number),
            ("structure", Shape::Named(None, "structure")),
            ("List[K, map[K]V]", Shape::Named(None, "List")),
            ("time.Time", Shape::Named(Some("time"), "Time")),
        ] {
            assert_eq!(Shape::of(text), shape, "{text}");
        }
        for hostile in ["", "[", "map[", "*", "(", ")", "[[]", "é"] {
            let _shape = Shape::of(hostile);
        }
    }
}
