//! What a crash message says: its class and the values in it.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::bounds::{Extent, OutOfBounds};
use crate::analyzer::words;
use crate::domain::{Class, FaultFacts};

/// Panics and fatal errors of the runtime by the words their messages begin with, the `runtime error: `
/// taken off. The first that fits decides.
const BEGINNINGS: &[(&str, Class)] = &[
    ("assignment to entry in nil map", Class::NilMapWrite),
    ("invalid memory address or nil pointer dereference", Class::NilDereference),
    ("value method ", Class::NilDereference),
    ("index out of range", Class::IndexOutOfRange),
    ("slice bounds out of range", Class::SliceBounds),
    ("cannot convert slice with length ", Class::SliceBounds),
    ("integer divide by zero", Class::DivideByZero),
    ("interface conversion: ", Class::TypeAssertion),
    ("close of closed channel", Class::CloseOfChannel),
    ("close of nil channel", Class::CloseOfChannel),
    ("send on closed channel", Class::SendOnClosedChannel),
    ("concurrent map ", Class::ConcurrentMapAccess),
    ("sync: negative WaitGroup counter", Class::WaitGroupMisuse),
    ("sync: WaitGroup ", Class::WaitGroupMisuse),
    ("sync: unlock of unlocked", Class::MutexMisuse),
    ("sync: Unlock of unlocked", Class::MutexMisuse),
    ("sync: RUnlock of unlocked", Class::MutexMisuse),
    ("sync: inconsistent mutex state", Class::MutexMisuse),
    ("all goroutines are asleep - deadlock!", Class::Deadlock),
    ("no goroutines (main called runtime.Goexit) - deadlock!", Class::Deadlock),
    ("stack overflow", Class::StackOverflow),
    ("makeslice: ", Class::MakeLength),
    ("makechan: ", Class::MakeLength),
    ("growslice: ", Class::MakeLength),
    ("unsafe.Slice: ", Class::MakeLength),
    ("unsafe.String: ", Class::MakeLength),
    ("hash of unhashable type ", Class::Uncomparable),
    ("comparing uncomparable type ", Class::Uncomparable),
    ("reflect: ", Class::ReflectMisuse),
    ("reflect.", Class::ReflectMisuse),
    ("fault", Class::MemoryFault),
    ("unexpected signal during runtime execution", Class::MemoryFault),
    ("segmentation violation", Class::MemoryFault),
    ("bus error", Class::MemoryFault),
    ("out of memory", Class::OutOfMemory),
    ("runtime: out of memory", Class::OutOfMemory),
    ("runtime: cannot allocate memory", Class::OutOfMemory),
];

/// The class of a Go crash by its message: the value of a panic or the text of a fatal error, with or
/// without the head that goes before it. A panic that no runtime check raised is an explicit one.
#[must_use]
pub fn classify(message: &str) -> Class {
    let fatal = message.starts_with("fatal error: ");
    let message = unwrap_value(message);
    if message.starts_with("DATA RACE") {
        return Class::DataRace;
    }
    let runtime = message.strip_prefix("runtime error: ");
    let text = runtime.unwrap_or(message);
    let found = BEGINNINGS.iter().find(|(beginning, _)| text.starts_with(beginning)).map(|(_, class)| *class);
    match found {
        // Words as general as these are the runtime's only in a fatal error.
        Some(Class::MemoryFault | Class::OutOfMemory | Class::StackOverflow) if !fatal => {
            Class::ExplicitPanic
        }
        Some(class) => class,
        None if runtime.is_some() || fatal => Class::RuntimeFatal,
        None => Class::ExplicitPanic,
    }
}

/// Whether a text on its own, without a stack, can only be the value of a panic that the runtime raised.
pub(crate) fn is_crash_value(text: &str) -> bool {
    let text = unwrap_value(text);
    text.starts_with("runtime error: ")
        || text.starts_with("interface conversion: ")
        || matches!(
            text,
            "assignment to entry in nil map"
                | "close of closed channel"
                | "close of nil channel"
                | "send on closed channel"
                | "sync: negative WaitGroup counter"
        )
}

/// The value of a runtime panic inside a longer text: `recovered: runtime error: …`.
pub(crate) fn panic_value_in(text: &str) -> Option<&str> {
    static SIGNS: LazyLock<AhoCorasick> = LazyLock::new(|| {
        words::leftmost(&[
            "runtime error: ",
            "interface conversion: ",
            "assignment to entry in nil map",
            "close of closed channel",
            "close of nil channel",
            "send on closed channel",
            "sync: negative WaitGroup counter",
        ])
    });
    let (before, rest) = text.split_at(SIGNS.find(text)?.start());
    let value = rest.lines().next()?;
    // `Observed a panic: "…" (runtime error: …)`, as Kubernetes' programs print it.
    let inside = before.ends_with('(').then(|| value.rsplit_once(')')).flatten();
    Some(inside.map_or(value, |(value, _)| value))
}

/// The bare value: no head before it, no mark of recovery behind it, no type around it.
pub(crate) fn unwrap_value(message: &str) -> &str {
    let mut text = message.trim();
    for head in ["panic: ", "fatal error: "] {
        text = text.strip_prefix(head).unwrap_or(text);
    }
    for mark in [" [recovered]", " [recovered, repanicked]"] {
        text = text.strip_suffix(mark).unwrap_or(text);
    }
    text
}

/// What a bounds check compared, where a message tells it, and the words of the runtime that do.
#[must_use]
pub fn out_of_bounds(message: &str) -> Option<(OutOfBounds, &str)> {
    let message = unwrap_value(message);
    let text = message.strip_prefix("runtime error: ").unwrap_or(message);
    Some((OutOfBounds::read(text)?, text.lines().next()?))
}

/// The values a crash message tells. `fault_address` is the address of the `[signal …]` line.
#[must_use]
pub fn fault_facts(message: &str, fault_address: Option<u64>) -> FaultFacts {
    let mut facts = FaultFacts::default();
    let message = unwrap_value(message);
    let text = message.strip_prefix("runtime error: ").unwrap_or(message);
    if let Some(out) = OutOfBounds::read(text) {
        (facts.index, facts.bounds, facts.length) = match out {
            OutOfBounds::Index(index, length) => (Some(index), (None, None), length),
            OutOfBounds::Start(start, end) => (None, (Some(start), end), None),
            OutOfBounds::End(end, extent) | OutOfBounds::Capacity(end, extent) => {
                (None, (None, Some(end)), extent.map(Extent::count))
            }
            OutOfBounds::EndOfThree(end, max) => (None, (None, Some(end)), max),
            OutOfBounds::Array(wanted, length) => (None, (None, Some(wanted)), Some(length)),
        };
    } else if let Some(rest) = text.strip_prefix("interface conversion: ") {
        (facts.actual_type, facts.wanted_type) = conversion(rest);
    } else if classify(message) == Class::NilDereference {
        facts.nil_offset = fault_address.filter(|address| *address < 0x1000);
    }
    facts
}

/// `X is Y, not Z` and `Y is not Z: missing method M`: (Y, Z).
fn conversion(text: &str) -> (Option<String>, Option<String>) {
    let text = ["types from different packages", "types from different scopes"]
        .iter()
        .find_map(|note| text.split_once(&format!(" ({note})")).map(|(text, _)| text))
        .unwrap_or(text);
    if let Some((actual, wanted)) = text.split_once(" is not ") {
        let wanted = wanted.split_once(": missing method ").map_or(wanted, |(wanted, _)| wanted);
        return (Some(actual.to_owned()), Some(wanted.to_owned()));
    }
    match text.split_once(" is ").and_then(|(_, rest)| rest.rsplit_once(", not ")) {
        Some((actual, wanted)) => (Some(actual.to_owned()), Some(wanted.to_owned())),
        None => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_their_class() {
        for (message, class) in [
            ("runtime error: index out of range [5] with length 3", Class::IndexOutOfRange),
            ("panic: runtime error: integer divide by zero [recovered]", Class::DivideByZero),
            ("fatal error: concurrent map read and map write", Class::ConcurrentMapAccess),
            ("fatal error: out of memory", Class::OutOfMemory),
            ("out of memory", Class::ExplicitPanic),
            ("fatal error: bad g->status in ready", Class::RuntimeFatal),
            ("runtime error: negative shift amount", Class::RuntimeFatal),
            ("ledger out of balance", Class::ExplicitPanic),
            ("reflect: call of reflect.Value.Elem on int Value", Class::ReflectMisuse),
            ("value method main.T.M called using nil *T pointer", Class::NilDereference),
        ] {
            assert_eq!(classify(message), class, "{message}");
        }
    }

    #[test]
    fn messages_tell_their_values() {
        let facts = |text: &str| fault_facts(text, None);
        let index = facts("runtime error: index out of range [5] with length 3");
        assert_eq!((index.index, index.length), (Some(5), Some(3)));
        assert_eq!(facts("runtime error: index out of range [-1]").index, Some(-1));
        let bounds = |text: &str| {
            let facts = facts(&format!("runtime error: slice bounds out of range {text}"));
            (facts.bounds, facts.length)
        };
        assert_eq!(bounds("[:9] with capacity 3"), ((None, Some(9)), Some(3)));
        assert_eq!(bounds("[7:3]"), ((Some(7), Some(3)), None));
        assert_eq!(bounds("[-1:]"), ((Some(-1), None), None));
        assert_eq!(bounds("[::9] with capacity 3"), ((None, Some(9)), Some(3)));
        assert_eq!(bounds("[:9:3]"), ((None, Some(9)), Some(3)));
        assert_eq!(bounds("[9:3:]"), ((Some(9), Some(3)), None));
    }

    #[test]
    fn conversions_tell_both_types() {
        for (text, actual, wanted) in [
            ("interface {} is string, not int", "string", "int"),
            ("interface {} is nil, not int", "nil", "int"),
            ("main.I is *main.T, not *main.U (types from different scopes)", "*main.T", "*main.U"),
            ("main.point is not fmt.Stringer: missing method String", "main.point", "fmt.Stringer"),
        ] {
            let facts = fault_facts(&format!("interface conversion: {text}"), None);
            assert_eq!(facts.actual_type.as_deref(), Some(actual));
            assert_eq!(facts.wanted_type.as_deref(), Some(wanted));
        }
    }

    #[test]
    fn a_small_address_is_a_field_offset() {
        let message = "runtime error: invalid memory address or nil pointer dereference";
        assert_eq!(fault_facts(message, Some(0x18)).nil_offset, Some(0x18));
        assert_eq!(fault_facts(message, Some(0x18_0000)).nil_offset, None);
    }

    #[test]
    fn hostile_messages_do_no_harm() {
        for text in [
            "index out of range [",
            "index out of range ]9[",
            "slice bounds out of range [:::::]",
            "",
            "[",
            "é",
        ] {
            let _facts = fault_facts(text, Some(u64::MAX));
            let _class = classify(text);
        }
    }
}
