//! What comes on standard error until the launcher says that the restrictions hold.

use std::process::ExitStatus;

use super::launcher;
use super::policy::Policy;

/// What a launcher, or bubblewrap before it, may say before the program begins.
const MAX_PREAMBLE_BYTES: usize = 64 << 10;

/// Tells the launcher's words, and bubblewrap's before it, from the program's.
#[derive(Debug)]
pub(super) struct Preamble {
    ready: String,
    bytes: Vec<u8>,
    over: bool,
}

impl Preamble {
    pub(super) fn new(nonce: &str) -> Self {
        Self { ready: Policy::ready_line(nonce), bytes: Vec::new(), over: false }
    }

    /// Whether the restrictions hold and the program has begun.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// What was said instead of the ready line.
    pub(super) fn complaint(&self, status: ExitStatus) -> String {
        let said = String::from_utf8_lossy(&self.bytes);
        match said.split_once(" refused: ") {
            Some((start, why)) if start.starts_with(launcher::NAME) => why.trim().to_owned(),
            _ => format!("the launcher did not come up ({status}): {}", said.trim()),
        }
    }

    /// Takes bytes; gives those that are the program's.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.over {
            return Some(bytes.to_vec());
        }
        self.bytes.extend_from_slice(bytes);
        if let Some(start) = memchr::memmem::find(&self.bytes, self.ready.as_bytes()) {
            self.over = true;
            return Some(self.bytes.split_off(start + self.ready.len()));
        }
        self.bytes.truncate(MAX_PREAMBLE_BYTES);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::process::ExitStatusExt;

    proptest! {
        #[test]
        fn the_program_s_words_come_out_whole_whatever_the_pieces(size in 1_usize..80, words in ".{0,60}") {
            let mut preamble = Preamble::new("secret");
            let said = format!("bwrap: a warning\n{}{words}", Policy::ready_line("secret"));
            let parts = said.as_bytes().chunks(size).filter_map(|piece| preamble.push(piece));
            let parts: Vec<_> = parts.collect();
            prop_assert_eq!(parts.concat(), words.as_bytes());
            prop_assert!(preamble.is_over());
        }

        #[test]
        fn nothing_else_is_taken_for_readiness(said in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut preamble = Preamble::new("secret");
            prop_assert!(preamble.push(&said).is_none());
            prop_assert!(preamble.push(Policy::ready_line("another").as_bytes()).is_none());
            prop_assert!(!preamble.is_over());
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_launcher_s_words() {
        let mut preamble = Preamble::new("secret");
        assert!(
            preamble.push(format!("{}no Landlock\n", Policy::refusal_start("secret")).as_bytes()).is_none()
        );
        assert_eq!(preamble.complaint(ExitStatus::from_raw(125 << 8)), "no Landlock");
    }
}
