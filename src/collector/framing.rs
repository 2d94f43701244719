//! Bytes → [`Line`]s with their place.
//!
//! A line ends with `\n` or `\r\n`; the last one needs no terminator. A line is cut at the limit, the
//! rest of it is passed over and counted, so memory is bounded by the limit whatever the input. Bytes
//! are not interpreted: NUL and invalid UTF-8 are bytes like others. Any way of cutting the input into
//! chunks gives the same lines.

use memchr::memchr_iter;

use crate::domain::{Line, Span};

/// What a framer has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FramerStats {
    /// Lines given.
    pub lines: u64,
    /// Lines cut at the limit.
    pub truncated_lines: u64,
    /// Bytes passed over behind the limit.
    pub passed_bytes: u64,
}

/// Cuts a stream of bytes into lines.
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    /// The beginning of a line that no chunk has ended yet, at most `limit` bytes and a `\r`.
    carry: Vec<u8>,
    /// Bytes of that line that were passed over.
    passed: u64,
    /// Where that line, or the next one, begins.
    offset: u64,
    stats: FramerStats,
}

impl Framer {
    /// A framer at an offset of its source.
    #[must_use]
    pub fn new(offset: u64, max_line_bytes: usize) -> Self {
        Self { limit: max_line_bytes, carry: Vec::new(), passed: 0, offset, stats: FramerStats::default() }
    }

    /// What it has seen.
    #[must_use]
    pub const fn stats(&self) -> FramerStats {
        self.stats
    }

    /// Takes the next bytes and gives the lines that end in them.
    pub fn push(&mut self, chunk: &[u8], mut sink: impl FnMut(Line<'_>)) {
        let mut from = 0;
        for end in memchr_iter(b'\n', chunk) {
            let part = &chunk[from..end];
            from = end + 1;
            if self.carry.is_empty() && self.passed == 0 {
                self.give(part, 0, 1, &mut sink);
            } else {
                self.keep(part);
                let line = std::mem::take(&mut self.carry);
                let passed = std::mem::take(&mut self.passed);
                self.give(&line, passed, 1, &mut sink);
                self.carry = line;
                self.carry.clear();
            }
        }
        self.keep(&chunk[from..]);
    }

    /// Ends the source: gives the last line if it had no terminator.
    pub fn finish(&mut self, mut sink: impl FnMut(Line<'_>)) {
        let line = std::mem::take(&mut self.carry);
        let passed = std::mem::take(&mut self.passed);
        if !line.is_empty() {
            self.give(&line, passed, 0, &mut sink);
        }
    }

    /// Carries over a part of a line. One byte more than the limit is kept: it may be the `\r` of the
    /// terminator, which does not count.
    fn keep(&mut self, part: &[u8]) {
        let room = (self.limit + 1).saturating_sub(self.carry.len());
        let kept = part.len().min(room);
        self.carry.extend_from_slice(&part[..kept]);
        self.passed += (part.len() - kept) as u64;
    }

    /// Gives one line: `raw` without its `\n`, then `passed` bytes that were not kept.
    fn give(&mut self, raw: &[u8], passed: u64, terminator: u64, sink: &mut impl FnMut(Line<'_>)) {
        let length = raw.len() as u64 + passed + terminator;
        let whole = if terminator == 1 && passed == 0 { raw.strip_suffix(b"\r").unwrap_or(raw) } else { raw };
        let bytes = &whole[..whole.len().min(self.limit)];
        let truncated = bytes.len() < whole.len() || passed > 0;
        let span = Span { start: self.offset, end: self.offset + length };
        self.offset = span.end;
        self.stats.lines += 1;
        if truncated {
            self.stats.truncated_lines += 1;
            self.stats.passed_bytes += passed + (whole.len() - bytes.len()) as u64;
        }
        sink(Line { bytes, span, truncated });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Owned = (Vec<u8>, Span, bool);

    fn frame(chunks: &[&[u8]], limit: usize) -> (Vec<Owned>, FramerStats) {
        let mut framer = Framer::new(0, limit);
        let mut lines = Vec::new();
        for chunk in chunks {
            framer.push(chunk, |line| lines.push((line.bytes.to_vec(), line.span, line.truncated)));
        }
        framer.finish(|line| lines.push((line.bytes.to_vec(), line.span, line.truncated)));
        (lines, framer.stats())
    }

    #[test]
    fn both_terminators_and_none() {
        let (lines, _) = frame(&[b"a\r\nb\n\n\0\xff\r"], 10);
        let bytes: Vec<_> = lines.iter().map(|(bytes, ..)| bytes.as_slice()).collect();
        assert_eq!(bytes, [&b"a"[..], b"b", b"", b"\0\xff\r"]);
        let spans: Vec<_> = lines.iter().map(|(_, span, _)| (span.start, span.end)).collect();
        assert_eq!(spans, [(0, 3), (3, 5), (5, 6), (6, 9)]);
    }

    #[test]
    fn overlong_lines_are_cut_and_counted() {
        let (lines, stats) = frame(&[b"abcd\r\nabcdef\nx\n"], 4);
        assert_eq!(lines[0], (b"abcd".to_vec(), Span { start: 0, end: 6 }, false));
        assert_eq!(lines[1], (b"abcd".to_vec(), Span { start: 6, end: 13 }, true));
        assert_eq!(lines[2].0, b"x");
        assert_eq!(stats, FramerStats { lines: 3, truncated_lines: 1, passed_bytes: 2 });
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(
            input in prop::collection::vec(prop::sample::select(&b"ab\r\n\0\xff"[..]), 0..200),
            cuts in prop::collection::vec(0usize..200, 0..8),
            limit in 1usize..8,
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
            cuts.extend([0, input.len()]);
            cuts.sort_unstable();
            let chunks: Vec<_> = cuts.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
            let (lines, _) = frame(&[&input], limit);
            prop_assert_eq!(&frame(&chunks, limit).0, &lines);
            let covered = lines.iter().map(|(_, span, _)| span.len()).sum::<u64>();
            prop_assert_eq!(covered, input.len() as u64);
            prop_assert!(lines.iter().all(|(bytes, ..)| bytes.len() <= limit && !bytes.contains(&b'\n')));
        }
    }
}
