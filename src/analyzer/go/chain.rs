//! Several panics one after the other: which of them is the failure, and where its stack begins.
//!
//! A deferred function that panics while another panic passes puts its own frames above those of the
//! first. The last panic ended the process. Often it only raises the first again, as it was or with words
//! around it, after having looked at it: then the first one is the failure still.

use crate::domain::Frame;

use super::class::unwrap_value;
use super::failure::{is_machinery, is_panic};

/// The message and the frames of the panic that is the failure, of those behind a head: the first with
/// its `message`, those of the chain behind it, and all frames with the marks between the panics.
pub(super) fn root(message: String, mut later: Vec<String>, mut frames: Vec<Frame>) -> (String, Vec<Frame>) {
    let marks: Vec<usize> = (0..frames.len()).filter(|at| is_panic(&frames[*at].function)).collect();
    let again = raised_again(&message, &later);
    if again == later.len() {
        // There was one panic, raised once or several times: its origin is below every mark.
        frames.drain(..marks.last().map_or(0, |last| last + 1));
        return (message, frames);
    }
    let message = later.swap_remove(later.len() - 1 - again);
    let own = frames.iter().take_while(|frame| is_machinery(&frame.function)).count();
    let mut between = marks.into_iter().filter(|mark| *mark >= own);
    let begin = match again.checked_sub(1) {
        None => own,
        Some(skipped) => between.nth(skipped).map_or(own, |mark| mark + 1),
    };
    frames.drain(..begin);
    frames.retain(|frame| !is_panic(&frame.function));
    (message, frames)
}

/// How many of the last panics only raise the one before them again.
fn raised_again(first: &str, later: &[String]) -> usize {
    let before = std::iter::once(first).chain(later.iter().map(String::as_str));
    let pairs: Vec<(&str, &str)> = before.zip(later.iter().map(String::as_str)).collect();
    pairs.iter().rev().take_while(|(before, value)| raises_again(before, value)).count()
}

/// A value shorter than this stands in others by chance.
const SHORTEST_WRAPPED: usize = 4;

/// Whether a panic's value is the one before it, as it was or with words around it: `…: <value>` or
/// `<value>…`. What the runtime itself raises wraps nothing.
fn raises_again(before: &str, value: &str) -> bool {
    if before == value {
        return true;
    }
    if before.len() < SHORTEST_WRAPPED || value.starts_with("runtime error:") {
        return false;
    }
    value.match_indices(before).any(|(at, _)| {
        let (head, tail) = (&value[..at], &value[at + before.len()..]);
        let begins = head.is_empty() || head.ends_with(": ");
        begins && !tail.starts_with(|next: char| next.is_alphanumeric() || next == '_')
    })
}

/// The values of all panics of a chain, the first first: a panic that was raised while another one was
/// handled is printed below that one.
#[must_use]
pub fn panic_chain(text: &str) -> Vec<&str> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("panic: "));
    let head = lines.next().and_then(|line| line.strip_prefix("panic: "));
    let later = lines
        .take_while(|line| line.starts_with('\t') || line.starts_with("[signal "))
        .filter_map(|line| line.strip_prefix("\tpanic: "));
    head.into_iter().chain(later).map(unwrap_value).collect()
}

#[cfg(test)]
mod tests {
    use super::raises_again;

    #[test]
    fn a_wrap_holds_the_whole_value() {
        for (before, value, again) in [
            ("boom", "boom", true),
            ("", "", true),
            ("boom", "job failed: boom", true),
            ("boom", "job failed: boom (attempt 2)", true),
            ("boom", "boom\n\ngoroutine 1", true),
            ("runtime error: x", "wrapped: runtime error: x", true),
            ("1", "runtime error: index out of range [1] with length 0", false),
            ("1", "job 1", false),
            ("", "job failed", false),
            ("boom", "boomerang", false),
            ("boom", "no boom", false),
            ("index out of range", "runtime error: index out of range [1] with length 0", false),
            ("no key", "it: no keys", false),
        ] {
            assert_eq!(raises_again(before, value), again, "{before:?} {value:?}");
        }
    }

    #[test]
    fn the_panic_of_a_deferred_function_is_no_wrap_of_a_short_one() {
        let text = "panic: 1\n\tpanic: runtime error: index out of range [1] with length 0\n\ngoroutine 1 [running]:\nm.f.func1()\n\t/m/m.go:5 +0x1\npanic({0x1?, 0x2?})\n\t/usr/local/go/src/runtime/panic.go:860 +0x13a\nm.f()\n\t/m/m.go:8 +0x1\n";
        let crash = crate::analyzer::go::parse_trace(text).unwrap();
        assert_eq!(crash.class, crate::domain::Class::IndexOutOfRange);
        assert_eq!(crash.trace.frames[0].line, 5);
    }
}
