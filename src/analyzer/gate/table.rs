//! The automaton as a plain table, and the walk over it.
//!
//! One cursor that walks a dense automaton spends its time waiting: each step needs the state the
//! step before it loaded. The processor could do several such chains at once. So a buffer is cut at
//! line breaks into [`LANES`] segments of about equal length, and one thread walks all of them in
//! turns, a byte each. The chains are independent, their loads overlap, and the walk is several times
//! as fast as with one cursor.
//!
//! Two properties keep the inner loop free of branches. All matching states are one state, [`HIT`],
//! which leads only to itself: a lane that has hit stays there, so it is enough to look every
//! [`STRIDE`] bytes. The exact place is then found by walking that one stride again. And a state's
//! number is the index of its row, so a step is one addition and one load. After a hit the lane goes
//! on behind the line that hit.

use memchr::{memchr, memrchr};
use regex_automata::Anchored;
use regex_automata::dfa::Automaton;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;

/// Cursors that walk side by side.
const LANES: usize = 6;
/// Bytes every lane walks before anybody looks whether one has hit.
const STRIDE: usize = 64;
/// Below this length one cursor is as good.
const WORTH_SPLITTING: usize = 4096;
/// The only matching state.
const HIT: u32 = 0;

/// A dense automaton that knows of every line only whether it hits.
pub(super) struct Table {
    classes: [u8; 256],
    rows: Vec<u32>,
    start: u32,
}

impl Table {
    /// Copies an automaton: all states that can be reached from the start of a line.
    pub(super) fn new<A: Automaton>(dfa: &A, classes: [u8; 256]) -> Option<Self> {
        let width = usize::from(classes.iter().copied().max()?) + 1;
        let first = dfa.start_state(&start::Config::new().anchored(Anchored::No)).ok()?;
        let mut representative = vec![0u8; width];
        for byte in (0..=255u8).rev() {
            representative[usize::from(classes[usize::from(byte)])] = byte;
        }
        let mut numbers = std::collections::HashMap::from([(first, u32::try_from(width).ok()?)]);
        let mut queue: Vec<StateID> = vec![first];
        let mut rows = vec![HIT; width * 2];
        let mut next = 0;
        while let Some(&state) = queue.get(next) {
            next += 1;
            let row = next * width;
            for (class, &byte) in representative.iter().enumerate() {
                let target = dfa.next_state(state, byte);
                rows[row + class] = if dfa.is_match_state(target) {
                    HIT
                } else if let Some(&number) = numbers.get(&target) {
                    number
                } else {
                    queue.push(target);
                    let number = u32::try_from(rows.len()).ok()?;
                    numbers.insert(target, number);
                    rows.resize(rows.len() + width, HIT);
                    number
                };
            }
        }
        Some(Self { classes, rows, start: u32::try_from(width).ok()? })
    }

    /// Size in memory.
    pub(super) fn size_bytes(&self) -> usize {
        self.rows.len() * size_of::<u32>()
    }

    #[inline(always)]
    fn step(&self, state: u32, byte: u8) -> u32 {
        self.rows[state as usize + usize::from(self.classes[usize::from(byte)])]
    }

    /// Appends the start of every line that hits. `block` holds whole lines: it ends with `\n`.
    pub(super) fn hits(&self, block: &[u8], found: &mut Vec<usize>) {
        if block.len() < WORTH_SPLITTING {
            self.walk(block, 0, block.len(), found);
            return;
        }
        let mut lanes = self.lanes(block);
        let mut hits: [Vec<usize>; LANES] = Default::default();
        while let Some(shortest) =
            lanes.iter().map(|lane| lane.end - lane.at).min().filter(|left| *left >= STRIDE)
        {
            for _ in 0..shortest / STRIDE {
                let before = lanes.each_ref().map(|lane| lane.state);
                self.stride(block, &mut lanes);
                if lanes.iter().any(|lane| lane.state == HIT) {
                    for (lane, (before, hits)) in lanes.iter_mut().zip(before.into_iter().zip(&mut hits)) {
                        if lane.state == HIT {
                            self.resolve(block, lane, before, hits);
                        }
                    }
                    break;
                }
            }
        }
        for (lane, mut hits) in lanes.into_iter().zip(hits) {
            found.append(&mut hits);
            self.walk_from(block, lane, found);
        }
    }

    /// Segments of about equal length that begin at line starts.
    fn lanes(&self, block: &[u8]) -> [Lane; LANES] {
        let mut from = 0;
        std::array::from_fn(|index| {
            let aim = (block.len() * (index + 1) / LANES).max(from);
            let end = if index + 1 == LANES {
                block.len()
            } else {
                memchr(b'\n', &block[aim..]).map_or(block.len(), |at| aim + at + 1)
            };
            let lane = Lane { at: from, end, state: self.start };
            from = end;
            lane
        })
    }

    /// Every lane walks [`STRIDE`] bytes.
    #[inline(always)]
    fn stride(&self, block: &[u8], lanes: &mut [Lane; LANES]) {
        let bytes: [&[u8]; LANES] = lanes.each_ref().map(|lane| &block[lane.at..lane.at + STRIDE]);
        let mut states = lanes.each_ref().map(|lane| lane.state);
        for index in 0..STRIDE {
            for (state, bytes) in states.iter_mut().zip(bytes) {
                *state = self.step(*state, bytes[index]);
            }
        }
        for (lane, state) in lanes.iter_mut().zip(states) {
            lane.at += STRIDE;
            lane.state = state;
        }
    }

    /// A lane has hit within its last stride: finds the line, and goes on behind it.
    fn resolve(&self, block: &[u8], lane: &mut Lane, before: u32, hits: &mut Vec<usize>) {
        let mut state = before;
        let mut at = lane.at - STRIDE;
        while at < lane.at {
            state = self.step(state, block[at]);
            if state == HIT {
                break;
            }
            at += 1;
        }
        let (line, next) = line_around(block, at);
        hits.push(line);
        // The line never reaches beyond the lane: segments end with a line break.
        lane.at = next.min(lane.end);
        lane.state = self.start;
    }

    fn walk(&self, block: &[u8], at: usize, end: usize, found: &mut Vec<usize>) {
        self.walk_from(block, Lane { at, end, state: self.start }, found);
    }

    /// One cursor to the end of its segment.
    fn walk_from(&self, block: &[u8], lane: Lane, found: &mut Vec<usize>) {
        let Lane { mut at, end, mut state } = lane;
        while at < end {
            state = self.step(state, block[at]);
            if state == HIT {
                let (line, next) = line_around(block, at);
                found.push(line);
                at = next;
                state = self.start;
            } else {
                at += 1;
            }
        }
    }
}

/// One cursor: its place, the end of its segment, its state.
#[derive(Clone, Copy)]
struct Lane {
    at: usize,
    end: usize,
    state: u32,
}

/// The start of the line that holds the byte at `at`, and the start of the next one. A match shows
/// one byte late, at the latest on the line's own `\n`, so that byte still belongs to the line.
pub(super) fn line_around(block: &[u8], at: usize) -> (usize, usize) {
    let start = memrchr(b'\n', &block[..at]).map_or(0, |at| at + 1);
    let next = memchr(b'\n', &block[at..]).map_or(block.len(), |end| at + end + 1);
    (start, next)
}
