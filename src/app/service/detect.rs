//! What the collector reads → occurrences on the bus; and back: what is durable moves the checkpoints.
//!
//! An occurrence is settled once the bus has synced it, or once the summary that counts it is durable in
//! the registry's outbox, from where it is sent again until the bus has it. A file's checkpoint is the end
//! of its contiguous settled prefix, so a crash at any moment repeats some work and loses none. What lies
//! behind the checkpoint is read again, and every occurrence meets the fate it met before:
//!
//! - what an outbox entry counts is passed over. So an entry stays until the checkpoint has passed
//!   everything it counts;
//! - what may have gone out alone goes out alone again, with the same identity, which the consumer counts
//!   once. Up to where that may have happened is durable before it happens;
//! - what was counted and not promised yet was told to nobody, and is counted anew.
//!
//! A failure that is given before its end is certain (because time passed, or its source ended) may look
//! otherwise when it is read again with what was written since. It always goes out alone: the identity of
//! one occurrence does not depend on how it looks.
//!
//! What streams keep until more bytes come (a line that has not ended, an open trace) is charged to the budget of
//! the bytes that are read. Where it takes too much of it, what holds most is given early in the same way.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task;
use tokio_util::sync::CancellationToken;

use super::checkpoints::Checkpoints;
use super::context::lines_before;
use super::followed::{Followed, outlook_of};
use super::in_flight::InFlight;
use super::outbox::Outbox;
use crate::analyzer::{Aggregator, Analyzer, Stats, StreamAnalyzer};
use crate::app::{parts, wire};
use crate::bus::Bus;
use crate::collector::Budget;
use crate::collector::registry::{self, Registry};
use crate::collector::tail::SourceEvent;
use crate::domain::{ErrorEvent, EventId, FileId, Occurrences};
use crate::telemetry::metrics::Metrics;

/// How long a failure must get no further line before it is given.
const TICK_INTERVAL: Duration = Duration::from_secs(1);
/// How long after the first bytes sources are taken to pause if no more have come.
const PAUSE: Duration = Duration::from_millis(20);
/// Bytes that are analyzed at once: it bounds how many events wait to be published.
const STEP_BYTES: usize = 64 << 10;
/// How long to wait before something is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// How long to wait when nothing is to be done.
const IDLE: Duration = Duration::from_secs(3_600);
/// How much of a file is opened at once to occurrences that go out alone. It costs a synced write, and after
/// a crash so much may have to go out one by one.
const ALONE_STRIDE_BYTES: u64 = 4 << 20;
/// Most promises kept at once. Beyond, everything goes out alone: that waits for the bus alone.
const MAX_PROMISES: usize = 10_000;

/// What the detector is made of.
pub(super) struct Parts {
    pub(super) analyzer: Analyzer,
    pub(super) aggregator: Aggregator,
    pub(super) registry: Arc<Registry>,
    pub(super) bus: Bus,
    pub(super) budget: Budget,
    pub(super) metrics: Metrics,
    /// The service that the configuration names.
    pub(super) service: String,
    pub(super) context_lines: usize,
}

/// How a failure came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// By the bytes behind it.
    Certain,
    /// Nothing more came of it for a while.
    Silence,
    /// Its source ended.
    End,
    /// Bytes of its source are missing.
    Gap,
    /// There was no more room to wait for it.
    Memory,
}

impl Ending {
    /// Why it was given early, if it was.
    const fn flush_reason(self) -> Option<&'static str> {
        match self {
            Self::Certain => None,
            Self::Silence => Some("silence"),
            Self::End => Some("end"),
            Self::Gap => Some("gap"),
            Self::Memory => Some("memory"),
        }
    }
}

/// Turns what sources bring into occurrences, and keeps count of what is durable.
pub(super) struct Detector {
    parts: Parts,
    files: HashMap<FileId, Followed>,
    in_flight: InFlight,
    outbox: Outbox,
    checkpoints: Checkpoints,
    tick_due: Instant,
    /// Sources that brought something since they were last taken to pause, and when they will be.
    lively: HashSet<FileId>,
    pause_due: Instant,
    /// From when on what can be read again is left to the next process.
    ending: CancellationToken,
    /// Sources that brought something since then, and whether it is left.
    left: HashMap<FileId, bool>,
    /// Whether it was told that there is too little room to wait for what comes.
    complained: bool,
}

impl Detector {
    pub(super) fn new(parts: Parts, in_flight: InFlight, ending: CancellationToken) -> Self {
        Self {
            outbox: Outbox::default(),
            checkpoints: Checkpoints::new(Arc::clone(&parts.registry)),
            parts,
            files: HashMap::new(),
            in_flight,
            tick_due: Instant::now(),
            lively: HashSet::new(),
            pause_due: Instant::now(),
            ending,
            left: HashMap::new(),
            complained: false,
        }
    }

    /// Works until no source sends any more, then publishes what is counted and waits until all of it is
    /// durable. Whoever cannot wait that long drops the future: then the checkpoints stay where they are,
    /// and nothing is lost.
    ///
    /// # Errors
    /// When the bus has ended. A registry that cannot be written is tried again.
    pub(super) async fn run(mut self, mut sources: mpsc::Receiver<SourceEvent>) -> anyhow::Result<()> {
        for promised in self.parts.registry.outbox() {
            self.outbox.promise(&promised);
            self.publish(&promised).await?;
        }
        loop {
            let wait = self.until_next_duty();
            tokio::select! {
                event = sources.recv() => match event {
                    Some(event) => self.take(event).await?,
                    None => break,
                },
                () = self.in_flight.news() => {}
                Some(kept) = self.checkpoints.written() => self.wrote(&kept),
                () = tokio::time::sleep(wait) => {}
            }
            self.hear()?;
            if sources.is_empty() && Instant::now() >= self.pause_due {
                self.pause().await?;
            }
            self.tick().await?;
            let due = self.parts.aggregator.due(Instant::now(), outlook_of(&self.files));
            self.promise(due).await?;
            if let Some(moved) = self.checkpoints.take_due() {
                self.write_checkpoints(&moved);
            }
        }
        self.drain().await
    }

    /// Publishes what is counted so far, and waits until everything is durable.
    async fn drain(mut self) -> anyhow::Result<()> {
        let counted = self.parts.aggregator.drain(outlook_of(&self.files));
        self.promise(counted).await?;
        loop {
            self.hear()?;
            let unsettled: usize = self.files.values().map(|followed| followed.prefix.unsettled()).sum();
            if unsettled == 0 && self.outbox.all_published() {
                break;
            }
            self.in_flight.news().await;
        }
        self.checkpoints.written().await;
        let moved = self.checkpoints.take();
        self.write_checkpoints(&moved);
        self.checkpoints.written().await;
        Ok(())
    }

    /// Nothing more comes just now: what is new and says all in one line need not wait for a further one.
    async fn pause(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        for file in std::mem::take(&mut self.lively) {
            self.analyze(file, Ending::Silence, |stream, aggregator, sink| {
                stream.pause(&|event| aggregator.is_new(event.keys.site, now), sink);
            })
            .await?;
        }
        Ok(())
    }

    /// A failure that gets no further line is given, though its source goes on with other things: the
    /// streams of a container are in one file. Where nothing came, perhaps nobody had the time to read.
    async fn tick(&mut self) -> anyhow::Result<()> {
        if Instant::now() < self.tick_due {
            return Ok(());
        }
        self.tick_due = Instant::now() + TICK_INTERVAL;
        let busy: Vec<_> = self
            .files
            .iter_mut()
            .filter_map(|(file, followed)| followed.went_on().then_some(*file))
            .collect();
        for file in busy {
            self.analyze(file, Ending::Silence, |stream, _, sink| stream.tick(sink)).await?;
        }
        Ok(())
    }

    /// How long until something is to be done though nothing happens. Sources that are not quiet bring
    /// something soon, or become quiet.
    fn until_next_duty(&self) -> Duration {
        let checkpoint = self.checkpoints.until_due();
        let summary = self.parts.aggregator.next_due().map(|due| {
            // A count whose time is over may still wait for what its source brings next.
            due.saturating_duration_since(Instant::now()).max(RETRY_INTERVAL)
        });
        let pause =
            (!self.lively.is_empty()).then(|| self.pause_due.saturating_duration_since(Instant::now()));
        summary.into_iter().chain(checkpoint).chain(pause).min().unwrap_or(IDLE)
    }

    /// Whether something is left to the next process. That is all of a source from the first event on that comes
    /// once this one ends, where the source is a file that stands where it stood: its checkpoint has not passed it.
    fn is_left(&mut self, event: &SourceEvent) -> bool {
        if !self.ending.is_cancelled() {
            return false;
        }
        let file = match event {
            SourceEvent::Lost { .. } => return false,
            SourceEvent::Opened { file, .. }
            | SourceEvent::Bytes { file, .. }
            | SourceEvent::Quiet { file }
            | SourceEvent::Ended { file, .. } => *file,
        };
        let registry = &self.parts.registry;
        let can_be_read_again = || registry.origin(file).is_some_and(|origin| origin.open().is_some());
        *self.left.entry(file).or_insert_with(|| task::block_in_place(can_be_read_again))
    }

    async fn take(&mut self, event: SourceEvent) -> anyhow::Result<()> {
        if self.is_left(&event) {
            return Ok(());
        }
        match event {
            SourceEvent::Opened { file, path, container, offset, before } => {
                let service = parts::service_of(&self.parts.service, container.as_ref());
                let stream = self.parts.analyzer.stream_from(offset, &before).of_service(&service);
                let done = self.parts.registry.checkpoint(file).unwrap_or_default();
                let held = self.parts.budget.hold();
                self.files.insert(file, Followed::new(path, container, stream, held, offset, done));
                self.parts.aggregator.resume(file, self.parts.registry.alone_until(file));
            }
            SourceEvent::Bytes { file, offset, bytes } => {
                self.meet(file, offset, bytes.len()).await?;
                if self.lively.is_empty() {
                    self.pause_due = Instant::now() + PAUSE;
                }
                self.lively.insert(file);
                for step in bytes.chunks(STEP_BYTES) {
                    self.analyze(file, Ending::Certain, |stream, _, sink| stream.push(step, sink)).await?;
                    self.make_room().await?;
                }
            }
            SourceEvent::Quiet { file } => {
                // The first call says that time begins to count, the second that enough of it has passed.
                self.analyze(file, Ending::Silence, |stream, _, sink| stream.tick(sink)).await?;
                self.analyze(file, Ending::Silence, |stream, _, sink| stream.tick(sink)).await?;
                if let Some(followed) = self.files.get_mut(&file) {
                    followed.quiet = true;
                }
            }
            SourceEvent::Lost { file, bytes, reason } => {
                let path = self.files.get(&file).map(|followed| followed.path.display().to_string());
                tracing::warn!(path, bytes, reason = reason.as_str(), "a part of a log could not be read");
            }
            SourceEvent::Ended { file, .. } => {
                self.analyze(file, Ending::End, |stream, _, sink| stream.finish(sink)).await?;
                if let Some(followed) = self.files.get_mut(&file) {
                    followed.ended = true;
                }
                let counted = self.parts.aggregator.forget(file);
                self.promise(counted).await?;
            }
        }
        Ok(())
    }

    /// Lets sources go of what they hold, the one that holds most first, until there is room for what comes.
    async fn make_room(&mut self) -> anyhow::Result<()> {
        while self.parts.budget.is_crowded() {
            let most = self.files.iter().max_by_key(|(_, followed)| followed.held.bytes());
            let Some((file, followed)) = most.filter(|(_, followed)| followed.held.bytes() > 0) else {
                break;
            };
            let file = *file;
            if !std::mem::replace(&mut self.complained, true) {
                tracing::warn!(
                    path = %followed.path.display(),
                    "long lines and traces that have not ended take half of collector.memory; those that take most \
                     are cut, and counted in lines_truncated_total and multiline_flushes_total; raise it to keep them \
                     whole"
                );
            }
            self.analyze(file, Ending::Memory, |stream, _, sink| stream.let_go(sink)).await?;
        }
        Ok(())
    }

    /// The next bytes of a source. Behind a gap it goes on at the beginning of a line, and nothing of before
    /// belongs to it.
    async fn meet(&mut self, file: FileId, offset: u64, length: usize) -> anyhow::Result<()> {
        if self.files.get(&file).is_some_and(|followed| followed.next != offset) {
            self.analyze(file, Ending::Gap, |stream, _, sink| stream.finish(sink)).await?;
            if let Some(followed) = self.files.get_mut(&file) {
                let stream = self.parts.analyzer.stream_from(offset, b"");
                followed.stream = stream.of_service(followed.stream.service());
                followed.stats = Stats::default();
            }
        }
        if let Some(followed) = self.files.get_mut(&file) {
            followed.next = offset + length as u64;
            followed.quiet = false;
        }
        Ok(())
    }

    /// Lets a stream work, and publishes or counts what it gives.
    async fn analyze(
        &mut self,
        file: FileId,
        ending: Ending,
        work: impl FnOnce(&mut StreamAnalyzer, &Aggregator, &mut dyn FnMut(ErrorEvent)),
    ) -> anyhow::Result<()> {
        let Some(followed) = self.files.get_mut(&file) else { return Ok(()) };
        let mut events = Vec::new();
        work(&mut followed.stream, &self.parts.aggregator, &mut |event| events.push(event));
        followed.held.set(followed.stream.waiting_bytes());
        let before = std::mem::replace(&mut followed.stats, followed.stream.stats());
        self.parts.metrics.source_lines.inc_by(followed.stats.lines - before.lines);
        self.parts.metrics.lines_truncated.inc_by(followed.stats.truncated_lines - before.truncated_lines);
        if let Some(reason) = ending.flush_reason() {
            self.parts.metrics.multiline_flushes.with_label_values(&[reason]).inc_by(events.len() as u64);
        }
        for event in events {
            self.found(file, event, ending).await?;
        }
        self.scanned(file);
        Ok(())
    }

    /// Tells a file's prefix how far everything was passed on. What is only counted holds it.
    fn scanned(&mut self, file: FileId) {
        if let Some(followed) = self.files.get_mut(&file) {
            let counted = self.parts.aggregator.held_from(file).unwrap_or(u64::MAX);
            followed.prefix.scanned(followed.stream.resume_offset().min(counted));
            self.checkpoints.moved(file);
        }
    }

    /// One event: it goes out at once, or is counted.
    async fn found(&mut self, file: FileId, event: ErrorEvent, ending: Ending) -> anyhow::Result<()> {
        let start = event.span.start;
        let Some(followed) = self.files.get(&file) else { return Ok(()) };
        if followed.done.is_done(start) || self.outbox.covers(file, event.keys.site, start) {
            return Ok(());
        }
        let (language, severity) = (event.language.as_str(), event.severity.as_str());
        self.parts.metrics.events_detected.with_label_values(&[language, severity]).inc();
        let is_new = self.parts.aggregator.is_new(event.keys.site, Instant::now());
        let now = Timestamp::now();
        let occurrence = Occurrences {
            id: EventId { producer: self.parts.registry.producer(), file, start },
            service: followed.stream.service().to_owned(),
            pod: followed.container.clone(),
            count: NonZeroU64::MIN,
            span: event.span,
            except: Vec::new(),
            first_seen: event.time.unwrap_or(now),
            last_seen: event.time.unwrap_or(now),
            event,
            context: Vec::new(),
        };
        if ending != Ending::Certain || self.outbox.len() >= MAX_PROMISES {
            self.parts.aggregator.pass(&occurrence, Instant::now());
            return self.go_alone(occurrence, is_new).await;
        }
        match self.parts.aggregator.observe(occurrence, Instant::now()) {
            Some(alone) => self.go_alone(alone, is_new).await,
            None => Ok(()),
        }
    }

    /// Publishes one occurrence, with what led to it where it is new. That it may go out alone is durable
    /// before it does.
    async fn go_alone(&mut self, mut alone: Occurrences, is_new: bool) -> anyhow::Result<()> {
        let EventId { file, start, .. } = alone.id;
        if self.parts.registry.alone_until(file) <= start {
            let registry = Arc::clone(&self.parts.registry);
            let until = start.saturating_add(ALONE_STRIDE_BYTES);
            self.write_down(|| registry.allow_alone(file, until)).await;
        }
        if let Some(followed) = self.files.get_mut(&file) {
            followed.prefix.in_flight(start);
        }
        if is_new {
            alone.context = task::block_in_place(|| {
                let log = self.parts.registry.origin(file).and_then(|origin| origin.open());
                log.map(|log| lines_before(&log, start, self.parts.context_lines)).unwrap_or_default()
            });
        }
        self.publish(&alone).await
    }

    /// Writes to the registry until that succeeds: nothing may go on before.
    async fn write_down(&self, write: impl Fn() -> Result<(), registry::Error>) {
        while task::block_in_place(&write).is_err() {
            // The registry remembers why, and whoever watches it tells.
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// Makes summaries durable in the outbox and publishes them. From then on they hold no checkpoint.
    async fn promise(&mut self, counted: Vec<Occurrences>) -> anyhow::Result<()> {
        if counted.is_empty() {
            return Ok(());
        }
        let registry = Arc::clone(&self.parts.registry);
        self.write_down(|| registry.add_to_outbox(&counted)).await;
        for occurrences in counted {
            self.publish(&occurrences).await?;
            self.outbox.promise(&occurrences);
            self.scanned(occurrences.id.file);
        }
        Ok(())
    }

    async fn publish(&mut self, occurrences: &Occurrences) -> anyhow::Result<()> {
        let message = wire::error::encode(occurrences)?;
        let pending = self.in_flight.pending(occurrences.id);
        self.parts.bus.publish(&message, pending).await?;
        Ok(())
    }

    /// Notes what the bus has made durable.
    fn hear(&mut self) -> anyhow::Result<()> {
        for id in self.in_flight.take_durable() {
            self.checkpoints.moved(id.file);
            self.outbox.published(id);
            if let Some(followed) = self.files.get_mut(&id.file) {
                followed.prefix.settled(id.start);
            }
        }
        ensure!(!self.in_flight.is_refused(), "the bus has ended, and what was on its way is not durable");
        Ok(())
    }

    /// Begins to write the checkpoints of these files, and takes out of the outbox what needs not be sent or
    /// passed over any more.
    fn write_checkpoints(&mut self, moved: &[FileId]) {
        let standing =
            |file: FileId| Some(self.files.get(&file)?.checkpoint(self.parts.aggregator.held_from(file)));
        let checkpoints: Vec<_> = moved.iter().filter_map(|file| Some((*file, standing(*file)?))).collect();
        let written: HashMap<_, _> = checkpoints.iter().map(|(file, at)| (*file, at.passed())).collect();
        // Of a file that is not written now, what is durable decides.
        let kept = self.outbox.kept(|file, end| {
            let durable = || Some(self.parts.registry.checkpoint(file)?.passed());
            written.get(&file).copied().or_else(durable).is_none_or(|passed| passed >= end)
        });
        self.checkpoints.write(checkpoints, kept);
    }

    /// Checkpoints were written: forgets the promises that were taken out, and the files that are done.
    fn wrote(&mut self, kept: &[EventId]) {
        self.outbox.forget(kept);
        self.files.retain(|file, followed| {
            !followed.ended || followed.prefix.unsettled() > 0 || self.checkpoints.waits(*file)
        });
    }
}
