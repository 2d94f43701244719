//! Hearing from other fixers.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::index::{GroupBody, GroupHead, Index, SuggestionBody, SuggestionHead};
use super::owned::Position;
use super::record::{self, RecordKey};
use super::shared::Shared;
use super::{Error, schema};
use crate::domain::{Fingerprint, SuggestionId};
use crate::storage::{Access, DatabaseError};

/// A record of the changelog as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Its key. Of a kind that is not known here, it is passed over.
    pub key: String,
    /// Its value; none where what it was about is gone.
    pub value: Option<Vec<u8>>,
    /// Who wrote it, as a header says.
    pub writer: Option<String>,
}

/// What a record says of something: how it is now, or that it is gone.
type News<T> = Option<T>;

/// What a batch says of one suggestion. Its two records travel apart, and may come in any order.
#[derive(Default)]
struct SuggestionNews {
    head: Option<News<SuggestionHead>>,
    body: Option<News<SuggestionBody>>,
}

/// What a batch says.
#[derive(Default)]
struct Batch {
    heads: BTreeMap<Fingerprint, News<GroupHead>>,
    bodies: BTreeMap<Fingerprint, News<GroupBody>>,
    suggestions: BTreeMap<SuggestionId, SuggestionNews>,
}

/// How a suggestion is kept after a batch.
enum Kept {
    /// Both halves are there: what is new of them is written.
    Whole { sequence: u64, head: Option<SuggestionHead>, body: Option<SuggestionBody> },
    /// At most one is there.
    Half { was: Option<u64>, head: Option<SuggestionHead>, body: Option<SuggestionBody> },
}

impl Batch {
    fn read(incoming: Vec<Incoming>, writer: &str) -> Result<Self, Error> {
        let mut batch = Self::default();
        for Incoming { key: text, value, writer: from } in incoming {
            // What we wrote ourselves is not news, and by now it may have changed again.
            if from.as_deref() == Some(writer) {
                continue;
            }
            let Ok(key) = text.parse::<RecordKey>() else {
                tracing::trace!(key = text, "a record of another kind is passed over");
                continue;
            };
            match key {
                RecordKey::Group(print) => drop(batch.heads.insert(print, news(key, value)?)),
                RecordKey::GroupBody(print) => drop(batch.bodies.insert(print, news(key, value)?)),
                RecordKey::Suggestion(id) => {
                    batch.suggestions.entry(id).or_default().head = Some(news(key, value)?);
                }
                RecordKey::SuggestionBody(id) => {
                    batch.suggestions.entry(id).or_default().body = Some(news(key, value)?);
                }
            }
        }
        Ok(batch)
    }
}

fn news<T: DeserializeOwned>(key: RecordKey, value: Option<Vec<u8>>) -> Result<News<T>, Error> {
    value.map(|value| record::decode(key, &value)).transpose()
}

impl Shared {
    /// Takes over what one partition of the changelog brings, and how far it was read. What this working copy has
    /// written itself is passed over.
    ///
    /// # Errors
    /// A record is of a newer version or makes no sense, or the database cannot be written.
    pub fn restore(&self, position: &Position, incoming: Vec<Incoming>) -> Result<(), Error> {
        let knowledge = self.knowledge();
        let _writing = knowledge.begin()?;
        let Batch { heads, bodies, suggestions } = Batch::read(incoming, &self.writer())?;
        let mut last_sequence = knowledge.view().index().last_sequence;
        let mut kept = BTreeMap::new();
        for (id, news) in suggestions {
            kept.insert(id, self.settle(id, news, &mut last_sequence)?);
        }
        knowledge.write_unmarked(
            |access, batch| {
                for (print, head) in &heads {
                    match head {
                        Some(head) => schema::put_group(access, batch, *print, head)?,
                        None => schema::delete_group_head(access, batch, *print)?,
                    }
                }
                for (print, body) in &bodies {
                    match body {
                        Some(body) => schema::put_group_body(access, batch, *print, body)?,
                        None => schema::delete_group_body(access, batch, *print)?,
                    }
                }
                kept.iter().try_for_each(|(id, kept)| kept.write(access, batch, *id))?;
                schema::put_last_sequence(batch, last_sequence);
                schema::put_position(batch, position);
                Ok(())
            },
            |index| {
                for (print, head) in &heads {
                    match head {
                        Some(head) => drop(index.groups.insert(*print, head.clone())),
                        None => drop(index.groups.remove(print)),
                    }
                }
                kept.values().for_each(|kept| kept.show(index));
            },
        )
    }

    /// How a suggestion is kept, given what is kept of it and what is new.
    fn settle(&self, id: SuggestionId, news: SuggestionNews, last_sequence: &mut u64) -> Result<Kept, Error> {
        let database = self.knowledge().database();
        let (was, known) = {
            let index = self.knowledge().view().index();
            let was = index.sequences.get(&id).copied();
            (was, was.and_then(|sequence| index.suggestions.get(&sequence)).cloned())
        };
        let SuggestionNews { head, body } = news;
        let is_gone = matches!(head, Some(None)) || matches!(body, Some(None));
        if let Some(sequence) = was.filter(|_| !is_gone) {
            return Ok(Kept::Whole { sequence, head: head.flatten(), body: body.flatten() });
        }
        let head = match (head, known) {
            (Some(head), _) => head,
            (None, Some(head)) => Some(head),
            (None, None) => schema::half(database, RecordKey::Suggestion(id))?,
        };
        let body = match (body, was) {
            (Some(body), _) => body,
            (None, Some(sequence)) => schema::suggestion_body(database, sequence)?,
            (None, None) => schema::half(database, RecordKey::SuggestionBody(id))?,
        };
        if was.is_some() || head.is_none() || body.is_none() {
            return Ok(Kept::Half { was, head, body });
        }
        *last_sequence += 1;
        Ok(Kept::Whole { sequence: *last_sequence, head, body })
    }
}

impl Kept {
    fn write(
        &self,
        access: &Access<'_>,
        batch: &mut super::Changes<'_>,
        id: SuggestionId,
    ) -> Result<(), DatabaseError> {
        let keys = (RecordKey::Suggestion(id), RecordKey::SuggestionBody(id));
        match self {
            Self::Whole { sequence, head, body } => {
                if let Some(head) = head {
                    schema::put_suggestion(access, batch, *sequence, head)?;
                }
                if let Some(body) = body {
                    schema::put_suggestion_body(access, batch, (*sequence, id), body)?;
                }
                schema::delete_half(access, batch, keys.0)?;
                schema::delete_half(access, batch, keys.1)
            }
            Self::Half { was, head, body } => {
                if let Some(sequence) = was {
                    schema::delete_suggestion(access, batch, (*sequence, id))?;
                }
                match head {
                    Some(head) => schema::put_half(access, batch, keys.0, head)?,
                    None => schema::delete_half(access, batch, keys.0)?,
                }
                match body {
                    Some(body) => schema::put_half(access, batch, keys.1, body),
                    None => schema::delete_half(access, batch, keys.1),
                }
            }
        }
    }

    fn show(&self, index: &mut Index) {
        match self {
            Self::Whole { sequence, head: Some(head), .. } => index.add_suggestion(*sequence, head.clone()),
            Self::Half { was: Some(sequence), .. } => index.remove_suggestion(*sequence),
            Self::Whole { .. } | Self::Half { .. } => {}
        }
    }
}
