//! What a panic of the reflect package tells: the method, and what it was called on.
//!
//! The messages are those of `reflect/value.go` and `reflect/type.go` of Go 1.26.

/// What the message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misuse<'m> {
    /// `call of reflect.Value.Len on int Value`: the kind as it is written in Go.
    Kind(&'m str),
    /// The zero Value: there is nothing.
    Nothing,
    /// What is not a variable was to be set: at the root of it stands a copy.
    Copied,
    /// A field that is not exported was to be set.
    Hidden,
    /// A field that is not exported was to be read.
    Unexported,
    /// A value of another type was to be put somewhere.
    Unassignable {
        /// Whether it is a text, of which a conversion loses nothing.
        text: bool,
    },
    /// A function was called with too few arguments, or too many.
    Arguments,
    /// A map was to be made with keys that cannot be compared.
    Key,
    /// Values of two types were to be put together.
    Different,
    /// An element or a field that is not there was asked for: the method that tells how many there are.
    Beyond {
        /// `Len` or `NumField`.
        count: &'static str,
    },
    /// So many were to be made, and the number is negative.
    Negative,
}

/// The kinds as messages spell them.
const KINDS: [&str; 27] = [
    "zero",
    "bool",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "uintptr",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "array",
    "chan",
    "func",
    "interface",
    "map",
    "ptr",
    "slice",
    "string",
    "struct",
    "unsafe.Pointer",
];

/// `Len` of `reflect.Value.Len`.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or_default()
}

/// The method that the message names, and what is wrong with the call.
pub(super) fn misuse(message: &str) -> Option<(&str, Misuse<'_>)> {
    if let Some(rest) = message.strip_prefix("reflect: call of ") {
        let (call, kind) = rest.split_once(" on ")?;
        let kind = kind.strip_suffix(" Value")?;
        // What is written into code comes from a list, not from a log.
        let kind = KINDS.iter().find(|known| **known == kind)?;
        return Some((last(call), if *kind == "zero" { Misuse::Nothing } else { Misuse::Kind(kind) }));
    }
    if let Some((call, types)) = message.split_once(": value of type ") {
        let (from, to) = types.split_once(" is not assignable to type ")?;
        // Of two types of Go itself that differ, one is no other name of the other.
        let named = from.contains('.') || to.contains('.');
        return named.then_some((last(call), Misuse::Unassignable { text: from == "string" }));
    }
    if message.contains("arguments") && message.contains("Call with too ") {
        return Some(("Call", Misuse::Arguments));
    }
    if message.starts_with("reflect.MapOf: invalid key type ") {
        return Some(("MapOf", Misuse::Key));
    }
    for (words, call, count) in [
        ("slice index out of range", "Index", "Len"),
        ("array index out of range", "Index", "Len"),
        ("string index out of range", "Index", "Len"),
        ("Field index out of range", "Field", "NumField"),
    ] {
        if message.strip_prefix("reflect: ") == Some(words) {
            return Some((call, Misuse::Beyond { count }));
        }
    }
    for call in ["MakeSlice", "MakeChan"] {
        let rest = message.strip_prefix("reflect.").and_then(|rest| rest.strip_prefix(call));
        if rest.is_some_and(|rest| rest.starts_with(": negative ") && rest != ": negative cap") {
            return Some((call, Misuse::Negative));
        }
    }
    for call in ["AppendSlice", "Copy"] {
        let types = message.strip_prefix("reflect.").and_then(|rest| rest.strip_prefix(call));
        if types.is_some_and(|types| types.starts_with(": ") && types.contains(" != ")) {
            return Some((call, Misuse::Different));
        }
    }
    if let Some((call, _)) = message.split_once(": cannot return value obtained from unexported field") {
        return Some((last(call), Misuse::Unexported));
    }
    [
        (" using unaddressable value", Misuse::Copied),
        (" of unaddressable value", Misuse::Copied),
        (" using value obtained using unexported field", Misuse::Hidden),
    ]
    .into_iter()
    .find_map(|(words, misuse)| Some((last(message.split_once(words)?.0), misuse)))
}

#[cfg(test)]
mod tests {
    use super::{Misuse, misuse};

    #[test]
    fn messages_of_reflect_are_understood() {
        for (message, told) in [
            ("reflect: call of reflect.Value.NumField on zero Value", ("NumField", Misuse::Nothing)),
            ("reflect: call of reflect.Value.IsNil on array Value", ("IsNil", Misuse::Kind("array"))),
            ("reflect: reflect.Value.SetInt using unaddressable value", ("SetInt", Misuse::Copied)),
            ("reflect.Value.Addr of unaddressable value", ("Addr", Misuse::Copied)),
            (
                "reflect: reflect.Value.Set using value obtained using unexported field",
                ("Set", Misuse::Hidden),
            ),
            (
                "reflect.Value.Interface: cannot return value obtained from unexported field or method",
                ("Interface", Misuse::Unexported),
            ),
            (
                "reflect.Value.MapIndex: value of type string is not assignable to type main.Key",
                ("MapIndex", Misuse::Unassignable { text: true }),
            ),
            (
                "reflect.Set: value of type int is not assignable to type m.Port",
                ("Set", Misuse::Unassignable { text: false }),
            ),
            ("reflect: Call with too few input arguments", ("Call", Misuse::Arguments)),
            ("reflect.MapOf: invalid key type []string", ("MapOf", Misuse::Key)),
            ("reflect.AppendSlice: string != int", ("AppendSlice", Misuse::Different)),
            ("reflect.Copy: []uint8 != []int", ("Copy", Misuse::Different)),
            ("reflect: slice index out of range", ("Index", Misuse::Beyond { count: "Len" })),
            ("reflect: Field index out of range", ("Field", Misuse::Beyond { count: "NumField" })),
            ("reflect.MakeSlice: negative len", ("MakeSlice", Misuse::Negative)),
            ("reflect.MakeChan: negative buffer size", ("MakeChan", Misuse::Negative)),
        ] {
            assert_eq!(misuse(message), Some(told), "{message}");
        }
        for message in [
            "reflect: indirection through nil pointer to embedded struct",
            "reflect: ",
            "reflect.",
            "reflect.Append",
            "",
            "reflect.Set: value of type int is not assignable to type string",
            "reflect: call of reflect.Value.IsNil on array && os.Exit(1) Value",
        ] {
            assert_eq!(misuse(message), None, "{message}");
        }
    }
}
