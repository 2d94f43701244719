//! A program's output, or standard input: passed on byte for byte, and watched on the side.
//!
//! A pipe is no buffer: who does not read it holds up the program that writes. So the bytes on their way to
//! the analyzer wait in a bounded spool (the [`Budget`] and the channel), and what finds no room there is
//! dropped and counted. Passing on never waits for the spool. After a gap, bytes go on at the beginning of a
//! line, and at their true offset.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, Chunk};
use super::registry::random_bytes;
use super::stats::{Counters, Loss};
use super::tail::{End, SourceEvent};
use crate::domain::FileId;

/// How much may be left in a pipe that is broken off: the most that pipes hold. Whoever writes on and on is not
/// listened to for ever.
const MOST_LEFT: usize = 1 << 20;
/// Bytes passed on at once: what a pipe holds.
const BUFFER_BYTES: usize = 64 << 10;

/// How long nothing must have come before what came last is taken for complete.
pub const QUIET_AFTER: Duration = Duration::from_secs(1);

/// Where the bytes of one pipe are watched.
#[derive(Debug)]
pub struct Tap {
    file: FileId,
    name: PathBuf,
    budget: Budget,
    events: mpsc::Sender<SourceEvent>,
    counters: Arc<Counters>,
    offset: u64,
    is_opened: bool,
    /// Bytes dropped since something was passed on.
    dropped: u64,
    /// Whether the next byte is in the middle of a line whose beginning was dropped.
    in_dropped_line: bool,
    /// Whether something was passed on since it was last told to be quiet.
    is_stirred: bool,
}

impl Tap {
    /// A tap with a new identity. `name` stands in the place of a path.
    #[must_use]
    pub fn new(
        name: impl Into<PathBuf>,
        budget: Budget,
        events: mpsc::Sender<SourceEvent>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            file: FileId::from_bytes(random_bytes()),
            name: name.into(),
            budget,
            events,
            counters,
            offset: 0,
            is_opened: false,
            dropped: 0,
            in_dropped_line: false,
            is_stirred: false,
        }
    }

    /// Its identity, for this run.
    #[must_use]
    pub const fn file(&self) -> FileId {
        self.file
    }

    /// Takes bytes if there is room for them, else drops and counts them. Never waits.
    pub fn push(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(BUFFER_BYTES.min(self.budget.most_at_once() as usize)) {
            let skipped =
                if self.in_dropped_line { memchr(b'\n', part).map_or(part.len(), |at| at + 1) } else { 0 };
            if skipped > 0 {
                self.drop_bytes(&part[..skipped]);
            }
            let rest = &part[skipped..];
            if !rest.is_empty() && self.give(rest).is_none() {
                self.drop_bytes(rest);
            }
        }
    }

    /// Tells that nothing came for a while, if that is news and there is room for it.
    pub fn quiet(&mut self) {
        if self.is_stirred && self.events.try_send(SourceEvent::Quiet { file: self.file }).is_ok() {
            self.is_stirred = false;
        }
    }

    /// Tells that the pipe was closed, and what was dropped last. Waits for room; ends early only where nobody
    /// listens any more.
    pub async fn end(mut self) {
        if self.dropped > 0 {
            let lost = self.lost();
            // Without a listener there is nobody to tell.
            self.events.send(lost).await.ok();
        }
        if self.is_opened {
            self.events.send(SourceEvent::Ended { file: self.file, why: End::Closed }).await.ok();
        }
    }

    /// Passes bytes on, with what must be told before them, or does nothing.
    fn give(&mut self, bytes: &[u8]) -> Option<()> {
        let permit = self.budget.try_take(u32::try_from(bytes.len()).ok()?)?;
        let told = usize::from(!self.is_opened) + usize::from(self.dropped > 0) + 1;
        let events = self.events.clone();
        let mut slots = events.try_reserve_many(told).ok()?;
        if self.dropped > 0 {
            slots.next()?.send(self.lost());
        }
        if !self.is_opened {
            self.is_opened = true;
            slots.next()?.send(SourceEvent::Opened {
                file: self.file,
                path: self.name.clone(),
                container: None,
                offset: self.offset,
                before: Vec::new(),
            });
        }
        let chunk = Chunk::new(bytes.to_vec(), 0, permit);
        slots.next()?.send(SourceEvent::Bytes { file: self.file, offset: self.offset, bytes: chunk });
        self.offset += bytes.len() as u64;
        self.counters.read(bytes.len());
        self.is_stirred = true;
        Some(())
    }

    fn drop_bytes(&mut self, bytes: &[u8]) {
        self.offset += bytes.len() as u64;
        self.dropped += bytes.len() as u64;
        self.in_dropped_line = bytes.last() != Some(&b'\n');
    }

    fn lost(&mut self) -> SourceEvent {
        let bytes = Some(std::mem::take(&mut self.dropped));
        self.counters.lost(Loss::SpoolFull, bytes);
        SourceEvent::Lost { file: self.file, bytes, reason: Loss::SpoolFull }
    }
}

/// Passes everything from `input` on to `output`, byte for byte, and shows it to the tap, until the input ends. To
/// watch an input that goes nowhere, pass it on to [`tokio::io::sink`]. Once `broken_off` says so nothing more is
/// waited for, whatever may hold the input open; what has been written by then still passes, however slowly it is
/// taken. Either way the tap ends: what came last and is not complete is taken as it is.
///
/// # Errors
/// When the input cannot be read or the output cannot be written; the tap has then seen all that was read.
pub async fn watch(
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
    mut tap: Tap,
    broken_off: &CancellationToken,
) -> io::Result<()> {
    let passed = pass(input, output, &mut tap, QUIET_AFTER, broken_off).await;
    tap.end().await;
    passed.map(drop)
}

/// Returns how many bytes have passed.
async fn pass(
    mut input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
    tap: &mut Tap,
    quiet_after: Duration,
    broken_off: &CancellationToken,
) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let (mut total, mut left) = (0, MOST_LEFT);
    loop {
        let count = tokio::select! {
            biased;
            count = input.read(&mut buffer) => match count {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count?,
            },
            () = broken_off.cancelled() => 0,
            () = tokio::time::sleep(quiet_after), if tap.is_stirred => {
                tap.quiet();
                continue;
            }
        };
        if count == 0 {
            output.flush().await?;
            return Ok(total);
        }
        total += count as u64;
        tap.push(&buffer[..count]);
        output.write_all(&buffer[..count]).await?;
        output.flush().await?;
        if broken_off.is_cancelled() {
            left = left.saturating_sub(count);
            if left == 0 {
                return Ok(total);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tap(bytes: u32, events: usize) -> (Tap, mpsc::Receiver<SourceEvent>, Arc<Counters>) {
        let (sender, receiver) = mpsc::channel(events);
        let counters = Arc::new(Counters::default());
        (Tap::new("stdout", Budget::new(bytes), sender, Arc::clone(&counters)), receiver, counters)
    }

    #[tokio::test]
    async fn everything_passes_while_nobody_listens() {
        let (mut tap, mut events, counters) = tap(100, 100);
        let input: Vec<u8> = (0..200_000u32).flat_map(|line| format!("line {line}\n").into_bytes()).collect();
        let mut output = Vec::new();
        let passed = pass(&*input, &mut output, &mut tap, Duration::from_secs(60), &CancellationToken::new())
            .await
            .unwrap();
        assert_eq!((passed, output == input), (input.len() as u64, true));
        let SourceEvent::Opened { offset: 0, .. } = events.recv().await.unwrap() else { panic!() };
        let mut held = Vec::new();
        for half in [&input[..50], &input[50..100]] {
            let SourceEvent::Bytes { bytes, .. } = events.recv().await.unwrap() else { panic!() };
            assert_eq!(&*bytes, half);
            held.push(bytes);
        }
        tap.end().await;
        let SourceEvent::Lost { bytes: Some(lost), reason, .. } = events.recv().await.unwrap() else {
            panic!()
        };
        assert_eq!((lost, reason), (input.len() as u64 - 100, Loss::SpoolFull));
        assert!(matches!(events.recv().await.unwrap(), SourceEvent::Ended { why: End::Closed, .. }));
        assert_eq!(
            (counters.stats().read_bytes, counters.stats().lost[Loss::SpoolFull as usize].bytes),
            (100, lost)
        );
    }

    #[tokio::test]
    async fn silence_is_told_once() {
        let (mut tap, mut events, _) = tap(100, 100);
        let (mut writer, reader) = tokio::io::duplex(64);
        let passing = async {
            pass(reader, tokio::io::sink(), &mut tap, Duration::from_millis(5), &CancellationToken::new())
                .await
                .unwrap();
            tap.end().await;
        };
        let writing = async {
            writer.write_all(b"one\n").await.unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
            drop(writer);
        };
        tokio::join!(passing, writing);
        let mut told = Vec::new();
        while let Some(event) = events.recv().await {
            told.push(match event {
                SourceEvent::Opened { .. } => "opened",
                SourceEvent::Bytes { .. } => "bytes",
                SourceEvent::Quiet { .. } => "quiet",
                SourceEvent::Lost { .. } => "lost",
                SourceEvent::Ended { .. } => "ended",
            });
        }
        assert_eq!(told, ["opened", "bytes", "quiet", "ended"]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(Vec<u8>),
        Take,
    }

    proptest! {
        /// Whatever fits the spool or not: bytes stand at their offsets, a gap is told with its exact size, and
        /// after a gap a line begins.
        #[test]
        fn gaps_are_exact_and_end_with_a_line(
            steps in prop::collection::vec(prop_oneof![
                prop::collection::vec(prop::sample::select(&b"ab\n"[..]), 1..30).prop_map(Step::Push),
                Just(Step::Take),
            ], 0..60),
            spool in 1u32..60,
            slots in 3usize..8,
        ) {
            let (mut tap, mut events, _) = tap(spool, slots);
            let (mut input, mut taken) = (Vec::new(), Vec::new());
            for step in steps {
                match step {
                    Step::Push(bytes) => {
                        input.extend_from_slice(&bytes);
                        tap.push(&bytes);
                    }
                    Step::Take => taken.extend(events.try_recv()),
                }
            }
            let left = tap.dropped;
            drop(tap);
            taken.extend(std::iter::from_fn(|| events.try_recv().ok()));
            let mut at = 0;
            for event in taken {
                match event {
                    SourceEvent::Opened { offset, .. } => prop_assert_eq!(offset, at),
                    SourceEvent::Lost { bytes, .. } => {
                        at += bytes.unwrap();
                        prop_assert_eq!(input[at as usize - 1], b'\n');
                    }
                    SourceEvent::Bytes { offset, bytes, .. } => {
                        prop_assert_eq!(offset, at);
                        prop_assert_eq!(&*bytes, &input[at as usize..][..bytes.len()]);
                        at += bytes.len() as u64;
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            prop_assert_eq!(at + left, input.len() as u64);
        }
    }
}
