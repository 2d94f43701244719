//! What a bounds check of the runtime compared, in every form in which it says so.

/// An access beyond the bounds. The number that was out of range comes first; what it was compared with is not
/// printed where it is below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOfBounds {
    /// `index out of range [x] with length y`
    Index(i64, Option<i64>),
    /// `slice bounds out of range [:x] with length y`, or `with capacity y`
    End(i64, Option<Extent>),
    /// `slice bounds out of range [x:y]`, and `[x:y:]` of three bounds: they stand backwards.
    Start(i64, Option<i64>),
    /// `slice bounds out of range [::x] with capacity y`, or `with length y`
    Capacity(i64, Option<Extent>),
    /// `slice bounds out of range [:x:y]`: the end lies beyond the third bound.
    EndOfThree(i64, Option<i64>),
    /// `cannot convert slice with length y to array or pointer to array with length x`
    Array(i64, i64),
}

/// How far something reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// As many elements as there are.
    Length(i64),
    /// As many as there is room for.
    Capacity(i64),
}

impl Extent {
    /// In elements.
    #[must_use]
    pub const fn count(self) -> i64 {
        match self {
            Self::Length(count) | Self::Capacity(count) => count,
        }
    }

    /// `with length 3`, `with capacity 3`
    fn read(text: &str) -> Option<Self> {
        let rest = text.trim_start().strip_prefix("with ")?;
        match rest.strip_prefix("length ") {
            Some(count) => number(count).map(Self::Length),
            None => number(rest.strip_prefix("capacity ")?).map(Self::Capacity),
        }
    }
}

impl OutOfBounds {
    /// What a message says, `runtime error: ` taken off; none where it is of another failure, or a number in it is
    /// none.
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("cannot convert slice with length ") {
            let (_, wanted) = rest.rsplit_once(" length ")?;
            return Some(Self::Array(number(wanted)?, number(rest)?));
        }
        let index = text.strip_prefix("index out of range ");
        let bounds = text.strip_prefix("slice bounds out of range ");
        let (inside, behind) = index.or(bounds)?.strip_prefix('[')?.split_once(']')?;
        let extent = Extent::read(behind);
        if index.is_some() {
            return Some(Self::Index(number(inside)?, extent.map(Extent::count)));
        }
        let parts: Vec<_> = inside.split(':').map(number).collect();
        match parts[..] {
            [None, Some(end)] => Some(Self::End(end, extent)),
            [Some(start), end] | [Some(start), end, None] => Some(Self::Start(start, end)),
            [None, None, Some(max)] => Some(Self::Capacity(max, extent)),
            [None, Some(end), max] => Some(Self::EndOfThree(end, max)),
            _ => None,
        }
    }
}

/// The integer a text begins with.
fn number(text: &str) -> Option<i64> {
    let end = text
        .char_indices()
        .find(|(at, char)| !(char.is_ascii_digit() || (*at == 0 && *char == '-')))
        .map_or(text.len(), |(at, _)| at);
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that `boundsErrorFmts` and `boundsNegErrorFmts` of the runtime hold.
    #[test]
    fn every_form_of_the_runtime_is_read() {
        use Extent::Length;
        use OutOfBounds as Out;
        for (text, read) in [
            ("index out of range [5] with length 3", Out::Index(5, Some(3))),
            ("slice bounds out of range [:6] with length 3", Out::End(6, Some(Length(3)))),
            ("slice bounds out of range [:6] with capacity 3", Out::End(6, Some(Extent::Capacity(3)))),
            ("slice bounds out of range [7:6]", Out::Start(7, Some(6))),
            ("slice bounds out of range [::6] with length 3", Out::Capacity(6, Some(Length(3)))),
            ("slice bounds out of range [::6] with capacity 3", Out::Capacity(6, Some(Extent::Capacity(3)))),
            ("slice bounds out of range [:7:6]", Out::EndOfThree(7, Some(6))),
            ("slice bounds out of range [7:6:]", Out::Start(7, Some(6))),
            (
                "cannot convert slice with length 3 to array or pointer to array with length 4",
                Out::Array(4, 3),
            ),
            ("index out of range [-1]", Out::Index(-1, None)),
            ("slice bounds out of range [:-1]", Out::End(-1, None)),
            ("slice bounds out of range [-1:]", Out::Start(-1, None)),
            ("slice bounds out of range [::-1]", Out::Capacity(-1, None)),
            ("slice bounds out of range [:-1:]", Out::EndOfThree(-1, None)),
            ("slice bounds out of range [-1::]", Out::Start(-1, None)),
        ] {
            assert_eq!(Out::read(text), Some(read), "{text}");
        }
        for text in [
            "index out of range",
            "index out of range [18446744073709551615] with length 3",
            "slice bounds out of range []",
            "slice bounds out of range [:::::]",
            "slice bounds out of range [1]",
            "cannot convert slice with length 3",
            "integer divide by zero",
        ] {
            assert_eq!(OutOfBounds::read(text), None, "{text}");
        }
    }
}
