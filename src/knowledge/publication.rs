//! Telling other fixers what has changed.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, schema_for};

use super::index::{GroupBody, GroupHead, Index, SuggestionBody, SuggestionHead};
use super::owned::Position;
use super::record::{self, Mark, RecordKey, Written};
use super::shared::Shared;
use super::{Error, schema};

/// The largest value that a message is sure to carry: topics take a million bytes unless told otherwise.
const MAX_VALUE_BYTES: usize = 900_000;

/// The values that there are: what a key begins with tells which of them follows.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is there for its schema")]
enum Value {
    /// `group/…`: what changes of a group.
    Group(Written<'static, GroupHead>),
    /// `group-body/…`: what hardly ever changes of it.
    GroupBody(Written<'static, GroupBody>),
    /// `suggestion/…`: what changes of a suggestion.
    Suggestion(Written<'static, SuggestionHead>),
    /// `suggestion-body/…`: the suggestion itself.
    SuggestionBody(Written<'static, SuggestionBody>),
    /// `barrier/…`: set by a fixer that wants to know how far it has read.
    Barrier {
        /// Always true.
        barrier: bool,
    },
}

/// The JSON Schema of the values of records.
#[must_use]
pub fn record_schema() -> Schema {
    schema_for!(Value)
}

/// The value of a suggestion. The files that it changes are left out where they are too large for a message: their
/// patch is told all the same.
fn fitting(mut body: SuggestionBody) -> Vec<u8> {
    let value = record::encode(&body);
    if value.len() <= MAX_VALUE_BYTES || body.changes.is_empty() {
        return value;
    }
    body.changes.clear();
    record::encode(&body)
}

/// What is to be published in one transaction: all of it, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Who writes: it travels in a header of every record, also of those without a value.
    pub writer: String,
    /// What goes to the changelog.
    pub records: Vec<Record>,
    /// How far the partitions that are owned were counted when these records were gathered: the offsets to
    /// commit in the same transaction. Any others would count twice or not at all.
    pub positions: Vec<Position>,
    marks: BTreeMap<RecordKey, Mark>,
}

/// A record of the changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is about.
    pub key: RecordKey,
    /// JSON; none where that is gone.
    pub value: Option<Vec<u8>>,
    /// The partition of the log of errors where the group has its home.
    pub home: i32,
}

impl Shared {
    /// What others have to be told: how everything stands now that has changed since it was last published.
    /// There is as much of it as was changed since, so it is published after every batch.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn unpublished(&self) -> Result<Publication, Error> {
        // While nobody writes: records and positions belong together.
        let _writing = self.knowledge().begin()?;
        let (marks, positions) = {
            let index = self.knowledge().view().index();
            (index.unpublished.clone(), index.owned.positions())
        };
        let record = |(key, mark): (&RecordKey, &Mark)| {
            Ok(Record { key: *key, value: self.value(*key)?, home: mark.home })
        };
        let records = marks.iter().map(record).collect::<Result<_, Error>>()?;
        Ok(Publication { writer: self.writer(), records, positions, marks })
    }

    /// The transaction is committed: what has not changed since needs to be published no more.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn published(&self, publication: &Publication) -> Result<(), Error> {
        let _writing = self.knowledge().begin()?;
        let done: Vec<RecordKey> = {
            let index = self.knowledge().view().index();
            let is_same = |(key, mark): &(&RecordKey, &Mark)| index.unpublished.get(*key) == Some(*mark);
            publication.marks.iter().filter(is_same).map(|(key, _)| *key).collect()
        };
        self.knowledge().write_unmarked(
            |access, batch| schema::delete_marks(access, batch, &done),
            |index: &mut Index| index.unpublished.retain(|key, _| done.binary_search(key).is_err()),
        )
    }

    fn value(&self, key: RecordKey) -> Result<Option<Vec<u8>>, Error> {
        let database = self.knowledge().database();
        let sequence = |id| self.knowledge().view().index().sequences.get(&id).copied();
        Ok(match key {
            RecordKey::Group(fingerprint) => {
                self.knowledge().view().index().groups.get(&fingerprint).map(record::encode)
            }
            RecordKey::GroupBody(fingerprint) => {
                schema::group_body(database, fingerprint)?.as_ref().map(record::encode)
            }
            RecordKey::Suggestion(id) => {
                let index = self.knowledge().view().index();
                index.sequences.get(&id).and_then(|it| index.suggestions.get(it)).map(record::encode)
            }
            RecordKey::SuggestionBody(id) => match sequence(id) {
                Some(sequence) => schema::suggestion_body(database, sequence)?.map(fitting),
                None => None,
            },
        })
    }
}
