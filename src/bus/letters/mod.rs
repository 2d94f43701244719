//! Dead letters: what was set aside is listed, and put back onto the topic that it was meant for.
//!
//! A letter that was put back stays where it is, and a [mark](marks) behind it says so. Both become visible at once,
//! so however a replay ends, the next one goes on where it ended: on Kafka in one transaction, under an id that fences
//! a replay which was believed dead; on the embedded bus in one batch.
//!
//! Memory is bounded: letters are read in stretches, and what is kept of all of them is where marks are.

mod letter;
mod marks;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::embedded::Shelf;
use super::kafka::{RangeReader, Replayer};
use super::{Bus, Delivery, Embedded, Error, Kafka, Message, Topic};
use crate::domain::{
    ChosenLetter, LetterChoice, LetterFate, LetterList, LetterName, LetterStatus, LetterStretch,
    LetterSummary, MOST_NAMED, ReplayOrder, ReplayReport,
};
use letter::Letter;
use marks::Offsets;

/// Letters, and bytes of them, that are put back together.
const BATCH_LETTERS: usize = 200;
const BATCH_BYTES: usize = 4 << 20;
/// The most that one order puts back before it tells what is left to do.
const MOST_AT_ONCE: u64 = 1_000;

/// Where partitions begin to be of interest, and where they end.
type Stretches = BTreeMap<i32, LetterStretch>;

/// The dead letters of a bus.
#[derive(Debug)]
pub struct DeadLetters {
    source: Source,
    /// One replay at a time: two would put back the same.
    replays: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
enum Source {
    Embedded(Shelf),
    Kafka(Kafka),
}

impl DeadLetters {
    /// Those of a bus.
    #[must_use]
    pub fn of(bus: &Bus) -> Self {
        Self::new(match bus {
            Bus::Embedded(bus) => Source::Embedded(Shelf::of(bus)),
            Bus::Kafka(kafka) => Source::Kafka(kafka.clone()),
        })
    }

    /// Those that an embedded bus has left in a folder, to be looked at while none runs there.
    ///
    /// # Errors
    /// There is no bus, one is running, or it is damaged or of a newer version.
    pub fn stored(folder: &std::path::Path) -> Result<Self, Error> {
        Ok(Self::new(Source::Embedded(Embedded::stored(folder)?)))
    }

    fn new(source: Source) -> Self {
        Self { source, replays: tokio::sync::Mutex::default() }
    }

    /// The latest letters, so many at most, and how many there are.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn list(&self, limit: usize) -> Result<LetterList, Error> {
        let stretches = self.source.stretches().await?;
        let replayed = self.marks(&stretches).await?;
        let mut counts = BTreeMap::<LetterStatus, u64>::new();
        let mut latest = Latest::new(limit);
        for (partition, stretch) in stretches {
            let mut pages = self.source.pages(partition, stretch)?;
            while let Some(page) = pages.next().await? {
                for letter in self.letters(page) {
                    let status = letter.status(is_in(&replayed, &letter));
                    *counts.entry(status).or_default() += 1;
                    latest.offer(&letter, status);
                }
            }
        }
        Ok(LetterList { letters: latest.into_summaries(), counts })
    }

    /// Puts letters back onto the topics that they were meant for, each unchanged and once, however often it is
    /// asked for. What no consumer can read comes back as a new letter. Of [`LetterChoice::All`] it puts back
    /// some, and tells where to go on.
    ///
    /// # Errors
    /// They cannot be read or put back. What was put back before is marked.
    pub async fn replay(&self, order: &ReplayOrder) -> Result<ReplayReport, Error> {
        let _turn = self.replays.lock().await;
        // Before anything is read: what a replay before this one has left is finished then.
        let writer = if order.dry_run { None } else { Some(self.source.writer().await?) };
        let stretches = match &order.within {
            Some(within) => within.clone(),
            None => self.source.stretches().await?,
        };
        let mut replay = Replay {
            replayed: self.marks(&stretches).await?,
            writer,
            report: ReplayReport { dry_run: order.dry_run, ..ReplayReport::default() },
            batch: Batch::default(),
        };
        match &order.choice {
            LetterChoice::All => self.replay_all(stretches, &mut replay).await?,
            LetterChoice::Named(names) if names.len() > MOST_NAMED => {
                let message = format!("{} letters are named", names.len());
                return Err(refused(&message, &format!("name at most {MOST_NAMED} at once")));
            }
            LetterChoice::Named(names) => self.replay_named(names, stretches, &mut replay).await?,
        }
        Ok(replay.report)
    }

    async fn replay_all(&self, mut stretches: Stretches, replay: &mut Replay) -> Result<(), Error> {
        while let Some((partition, stretch)) = stretches.pop_first() {
            let mut pages = self.source.pages(partition, stretch)?;
            let mut next = stretch.next;
            while let Some(page) = pages.next().await? {
                for letter in self.letters(page) {
                    if !replay.report.dry_run && replay.report.count() >= MOST_AT_ONCE {
                        replay.flush(partition).await?;
                        stretches.insert(partition, LetterStretch { next: letter.place.offset, ..stretch });
                        replay.report.rest = Some(stretches);
                        return Ok(());
                    }
                    // Whatever lies between is no letter or was put back: so marks grow together.
                    let offsets = next..=letter.place.offset;
                    next = letter.place.offset + 1;
                    replay.take(letter, offsets).await?;
                }
            }
            replay.flush(partition).await?;
        }
        Ok(())
    }

    async fn replay_named(
        &self,
        names: &[LetterName],
        stretches: Stretches,
        replay: &mut Replay,
    ) -> Result<(), Error> {
        let mut missing: BTreeSet<&LetterName> = names.iter().collect();
        for (partition, stretch) in stretches {
            let mut pages = self.source.pages(partition, stretch)?;
            while let Some(page) = pages.next().await? {
                for letter in self.letters(page) {
                    let is_it = |name: &LetterName| match name {
                        LetterName::Place(place) => *place == letter.place,
                        LetterName::Event(id) => *id == letter.event_id(),
                    };
                    let found: Vec<&LetterName> = names.iter().filter(|name| is_it(name)).collect();
                    if found.is_empty() {
                        continue;
                    }
                    for name in found {
                        missing.remove(name);
                    }
                    if replay.report.chosen.len() as u64 >= MOST_AT_ONCE {
                        return Err(refused(
                            "more than a thousand letters bear these identities",
                            "name them by PARTITION/OFFSET, or take all",
                        ));
                    }
                    let (place, offset, topic) =
                        (LetterName::Place(letter.place), letter.place.offset, letter.topic_name());
                    let fate = match replay.take(letter, offset..=offset).await? {
                        LetterStatus::Open => LetterFate::PutBack,
                        other => LetterFate::Left(other),
                    };
                    replay.report.chosen.push(ChosenLetter { letter: place, fate, topic });
                }
            }
            replay.flush(partition).await?;
        }
        let unknown = missing.into_iter().cloned();
        let unknown = unknown.map(|letter| ChosenLetter { letter, fate: LetterFate::Unknown, topic: None });
        replay.report.chosen.extend(unknown);
        Ok(())
    }

    /// Which letters were put back.
    async fn marks(&self, stretches: &Stretches) -> Result<BTreeMap<i32, Offsets>, Error> {
        let mut all = BTreeMap::<i32, Offsets>::new();
        for (partition, stretch) in stretches {
            let mut pages = self.source.pages(*partition, *stretch)?;
            let offsets = all.entry(*partition).or_default();
            while let Some(page) = pages.next().await? {
                page.iter().filter_map(marks::marked).flatten().for_each(|range| offsets.insert(range));
                if offsets.len() > marks::MOST_STRETCHES {
                    let message =
                        format!("more than {} letters were put back one by one", marks::MOST_STRETCHES);
                    return Err(refused(&message, "delete the records of the topic of dead letters"));
                }
            }
        }
        Ok(all)
    }

    fn letters(&self, page: Vec<Delivery>) -> impl Iterator<Item = Letter> {
        let letters = page.into_iter().filter(|delivery| marks::marked(delivery).is_none());
        letters.map(|delivery| Letter::new(delivery, |name| self.source.topic(name)))
    }
}

fn refused(message: &str, remedy: &str) -> Error {
    Error::Letters { message: message.to_owned(), remedy: remedy.to_owned() }
}

fn is_in(replayed: &BTreeMap<i32, Offsets>, letter: &Letter) -> bool {
    replayed.get(&letter.place.partition).is_some_and(|offsets| offsets.contains(letter.place.offset))
}

/// A replay under way.
struct Replay {
    replayed: BTreeMap<i32, Offsets>,
    /// None where nothing is to be written.
    writer: Option<Writer>,
    report: ReplayReport,
    batch: Batch,
}

/// What is put back together, of one partition.
#[derive(Default)]
struct Batch {
    messages: Vec<Message>,
    bytes: usize,
    offsets: Offsets,
}

impl Replay {
    /// Takes a letter that was chosen: one that is open is put back. `offsets` are those that a mark may speak of then.
    async fn take(
        &mut self,
        letter: Letter,
        offsets: std::ops::RangeInclusive<u64>,
    ) -> Result<LetterStatus, Error> {
        let status = letter.status(is_in(&self.replayed, &letter));
        let partition = letter.place.partition;
        let (name, bytes) = (letter.topic_name().unwrap_or_default(), letter.bytes());
        match letter.into_original().filter(|_| status == LetterStatus::Open) {
            None => *self.report.left.entry(status).or_default() += 1,
            Some(message) => {
                *self.report.topics.entry(name).or_default() += 1;
                self.batch.messages.push(message);
                self.batch.bytes += bytes;
                self.batch.offsets.insert(offsets);
            }
        }
        if self.batch.messages.len() >= BATCH_LETTERS || self.batch.bytes >= BATCH_BYTES {
            self.flush(partition).await?;
        }
        Ok(status)
    }

    /// Puts back what has come together, with the mark.
    async fn flush(&mut self, partition: i32) -> Result<(), Error> {
        let Batch { messages, offsets, .. } = std::mem::take(&mut self.batch);
        match &self.writer {
            Some(writer) if !messages.is_empty() => {
                let mark = marks::mark(partition, &offsets, Timestamp::now());
                writer.put(messages, mark, partition).await
            }
            _ => Ok(()),
        }
    }
}

/// The latest letters.
struct Latest {
    limit: usize,
    kept: BTreeMap<(Timestamp, crate::domain::LetterPlace), LetterSummary>,
}

impl Latest {
    const fn new(limit: usize) -> Self {
        Self { limit, kept: BTreeMap::new() }
    }

    fn offer(&mut self, letter: &Letter, status: LetterStatus) {
        let place = (letter.time(), letter.place);
        let is_full = self.kept.len() >= self.limit;
        if is_full && self.kept.first_key_value().is_none_or(|(oldest, _)| *oldest > place) {
            return;
        }
        self.kept.insert(place, letter.summary(status));
        if is_full {
            self.kept.pop_first();
        }
    }

    fn into_summaries(self) -> Vec<LetterSummary> {
        let mut kept: Vec<_> = self.kept.into_iter().collect();
        kept.sort_by_key(|(place, _)| Reverse(*place));
        kept.into_iter().map(|(_, summary)| summary).collect()
    }
}

impl Source {
    /// What there is now.
    async fn stretches(&self) -> Result<Stretches, Error> {
        let ends = match self {
            Self::Embedded(shelf) => BTreeMap::from([shelf.end()]),
            Self::Kafka(kafka) => kafka.ends(Topic::DeadLetters).await?,
        };
        Ok(ends.into_iter().map(|(partition, end)| (partition, LetterStretch { next: 0, end })).collect())
    }

    fn pages(&self, partition: i32, stretch: LetterStretch) -> Result<Pages<'_>, Error> {
        let range = stretch.next..stretch.end;
        Ok(match self {
            Self::Embedded(shelf) => Pages::Embedded(shelf, range),
            Self::Kafka(kafka) => {
                Pages::Kafka(kafka, kafka.messages_in(Topic::DeadLetters, partition, range)?)
            }
        })
    }

    /// The topic of ours that a name means, and what it is called here.
    fn topic(&self, name: &str) -> Option<(Topic, String)> {
        match self {
            Self::Embedded(_) => Some((Topic::named(name)?, name.to_owned())),
            Self::Kafka(kafka) => kafka.topic_of(name),
        }
    }

    async fn writer(&self) -> Result<Writer, Error> {
        Ok(match self {
            Self::Embedded(shelf) => Writer::Embedded(shelf.clone()),
            Self::Kafka(kafka) => Writer::Kafka(kafka.replayer().await?),
        })
    }
}

/// Letters of a partition, page by page.
enum Pages<'s> {
    Embedded(&'s Shelf, std::ops::Range<u64>),
    Kafka(&'s Kafka, RangeReader<Delivery>),
}

impl Pages<'_> {
    async fn next(&mut self) -> Result<Option<Vec<Delivery>>, Error> {
        match self {
            Self::Embedded(shelf, range) => {
                let page = shelf.read(range.clone()).await?;
                range.start = page.last().map_or(range.end, |last| last.position().next);
                Ok((!page.is_empty()).then_some(page))
            }
            Self::Kafka(kafka, messages) => kafka.next_of(messages).await,
        }
    }
}

/// What puts letters back.
enum Writer {
    Embedded(Shelf),
    Kafka(Replayer),
}

impl Writer {
    async fn put(&self, mut messages: Vec<Message>, mark: Message, partition: i32) -> Result<(), Error> {
        match self {
            Self::Embedded(shelf) => {
                messages.push(mark);
                shelf.put(&messages).await
            }
            Self::Kafka(replayer) => replayer.put(messages, mark, partition).await,
        }
    }
}

#[cfg(test)]
mod tests;
