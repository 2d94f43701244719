//! What is kept of an output stream: its head and its tail.

use std::collections::VecDeque;

/// Keeps the first and the last half of a capacity, and counts the rest.
#[derive(Debug)]
pub(super) struct Capture {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Capture {
    pub(super) fn new(capacity_bytes: u64) -> Self {
        let half = usize::try_from(capacity_bytes / 2).unwrap_or(usize::MAX).max(1);
        Self { half, head: Vec::new(), tail: VecDeque::new(), total: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (head, rest) = bytes.split_at(bytes.len().min(self.half - self.head.len()));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(self.half)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.half);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    /// Bytes that came, kept or not.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// The kept bytes, with a note where some are missing, and whether some are.
    pub(super) fn finish(self) -> (Vec<u8>, bool) {
        let missing = self.total - (self.head.len() + self.tail.len()) as u64;
        let mut bytes = self.head;
        if missing > 0 {
            bytes.extend_from_slice(format!("\n[… {missing} bytes left out …]\n").as_bytes());
        }
        bytes.extend(self.tail);
        (bytes, missing > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keeps_head_and_tail_whatever_the_pieces(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
            capacity in 2_u64..64,
        ) {
            let mut capture = Capture::new(capacity);
            pieces.iter().for_each(|piece| capture.push(piece));
            let all = pieces.concat();
            prop_assert_eq!(capture.total(), all.len() as u64);
            let half = (capacity / 2) as usize;
            let (kept, truncated) = capture.finish();
            prop_assert_eq!(truncated, all.len() > 2 * half);
            if truncated {
                prop_assert!(kept.starts_with(&all[..half]));
                prop_assert!(kept.ends_with(&all[all.len() - half..]));
            } else {
                prop_assert_eq!(kept, all);
            }
        }
    }
}
