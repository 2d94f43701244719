//! What a run of the harness leaves behind.

use std::path::Path;

use super::exchange::{Position, Report};
use crate::repository::read_regular;
use crate::sandbox::Outcome;

/// Where a run of the harness was last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) at: (u64, u64),
    /// The function that was called last, where calls are watched.
    pub(super) calling: Option<String>,
}

/// One run of the harness.
pub(super) struct Run {
    /// Nothing where the harness did not write it.
    pub(super) report: Report,
    /// Where it was last; none where the harness did not come to that.
    pub(super) mark: Option<Mark>,
    pub(super) outcome: Outcome,
}

impl Run {
    /// Reads what was written into the temporary folder of a run. The code under test may have written both
    /// files: without the token they say nothing.
    pub(super) fn read(outcome: Outcome, tmp: &Path, token: u64) -> Self {
        let report = read_regular(&tmp.join("hephaestus-result.json"), MAX_RESULT_BYTES).ok();
        let report = report.and_then(|text| serde_json::from_slice(&text).ok());
        let report = report.filter(|report: &Report| report.token == token).unwrap_or_default();
        let mark = read_regular(&tmp.join("hephaestus-mark"), MAX_RESULT_BYTES).ok();
        let mark = mark.and_then(|bytes| read_mark(&bytes, token));
        Self { report, mark, outcome }
    }

    /// How many executions there were from `start` on.
    pub(super) fn tried(&self, start: &Position) -> u64 {
        match &self.mark {
            _ if self.report.ended => self.report.tried,
            Some(Mark { at: (_, index), .. }) => index.saturating_sub(start.index),
            None => 0,
        }
    }

    /// Where the search stood; where it started if it did not come to anything.
    pub(super) fn position(&self, start: &Position) -> Position {
        let Some(Mark { at: (phase, index), .. }) = self.mark else { return start.clone() };
        Position { phase: usize::try_from(phase).unwrap_or(usize::MAX), index, splice: None }
    }
}

/// What a file of the harness may hold at most.
const MAX_RESULT_BYTES: u64 = 4 << 20;

/// Tells what the harness wrote in this run from what the code under test left there, which is not told
/// it: who seeks it out in the same process can still lie, and does so about its own fault alone.
pub(super) fn token() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// A mark is two numbers and, where calls are watched, the length of a name and the name. None if it is no mark
/// of the run with this token.
fn read_mark(bytes: &[u8], token: u64) -> Option<Mark> {
    let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let (first, rest) = bytes.split_first_chunk()?;
    let (a, rest) = rest.split_first_chunk()?;
    let (b, rest) = rest.split_first_chunk()?;
    let name = match rest.split_first_chunk() {
        None if rest.is_empty() => &[],
        None => return None,
        Some((length, rest)) => rest.get(..usize::try_from(number(length)).ok()?)?,
    };
    let calling = std::str::from_utf8(name).ok().filter(|name| !name.is_empty()).map(str::to_owned);
    (number(first) == token).then(|| Mark { at: (number(a), number(b)), calling })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sandbox::Ended;

    #[test]
    fn numbers_of_others_count_for_nothing() {
        let mark = |numbers: &[u64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
        let at = |a, b| Mark { at: (a, b), calling: None };
        assert_eq!(read_mark(&mark(&[7, 1, 9]), 7), Some(at(1, 9)));
        assert_eq!(read_mark(&mark(&[7, 1, 9, 0, 0]), 7), Some(at(1, 9)));
        let named = [mark(&[7, 1, 9, 3]), b"m.F\0\0".to_vec()].concat();
        assert_eq!(read_mark(&named, 7), Some(Mark { calling: Some("m.F".to_owned()), ..at(1, 9) }));
        for foreign in
            [mark(&[8, 1, 9]), mark(&[7, 1]), mark(&[7, 1, 9, 1]), vec![0; 23], vec![0; 25], Vec::new()]
        {
            assert_eq!(read_mark(&foreign, 7), None, "{foreign:?}");
        }
        let run = |ended, tried, mark| Run {
            report: Report { ended, tried, ..Report::default() },
            mark,
            outcome: Outcome {
                ended: Ended::Exited(0),
                stdout: Vec::new(),
                stderr: Vec::new(),
                truncated: false,
                wall: Duration::ZERO,
                cpu: Duration::ZERO,
                peak_memory_bytes: 0,
            },
        };
        let start = Position { phase: 1, index: 4, splice: None };
        // A process that died before the harness began has tried nothing, whatever lies about.
        assert_eq!(run(false, 5, None).tried(&start), 0);
        assert_eq!(run(false, 5, None).position(&start), start);
        assert_eq!(run(false, 5, Some(at(1, 9))).tried(&start), 5);
        assert_eq!(run(false, 5, Some(at(1, 2))).tried(&start), 0);
        assert_eq!(run(true, 8, Some(at(1, 9))).tried(&start), 8);
    }
}
