//! Dead letters: messages that could not be read or written, set aside with why, and what is done with them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a dead letter stands in its topic, which is its identity. Written as `PARTITION/OFFSET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LetterPlace {
    /// The partition of the topic of dead letters.
    pub partition: i32,
    /// Its number there.
    pub offset: u64,
}

impl fmt::Display for LetterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

impl FromStr for LetterPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let parse = || {
            let (partition, offset) = text.split_once('/')?;
            let is_place = number(partition) && number(offset);
            is_place.then_some(Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        };
        parse().ok_or_else(|| format!("{text:?} is no place of a dead letter: expected PARTITION/OFFSET"))
    }
}

impl TryFrom<String> for LetterPlace {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<LetterPlace> for String {
    fn from(place: LetterPlace) -> Self {
        place.to_string()
    }
}

/// What may become of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterStatus {
    /// It can be put back.
    Open,
    /// It was put back.
    Replayed,
    /// It was too large for its topic: only its beginning is kept.
    Cut,
    /// It does not tell of a topic of ours.
    Foreign,
}

impl LetterStatus {
    /// The stable name used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Replayed => "replayed",
            Self::Cut => "cut",
            Self::Foreign => "foreign",
        }
    }
}

/// One dead letter in short. Its texts are shortened, and none drives a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterSummary {
    /// Where it stands.
    pub id: LetterPlace,
    /// The identity of the message.
    pub event_id: String,
    /// What may become of it.
    pub status: LetterStatus,
    /// Why it was set aside.
    pub reason: String,
    /// When.
    pub time: Timestamp,
    /// The topic that it was meant for, where that is told.
    pub topic: Option<String>,
    /// Its partition there; none of what could not be written.
    pub partition: Option<i32>,
    /// Its offset there.
    pub offset: Option<u64>,
    /// Its key.
    pub key: String,
    /// How large its body is or, where only its beginning is kept, was.
    pub bytes: u64,
    /// How its body begins.
    pub preview: String,
}

/// Dead letters in short, latest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LetterList {
    /// The latest.
    pub letters: Vec<LetterSummary>,
    /// How many there are of each status, these and older ones.
    pub counts: BTreeMap<LetterStatus, u64>,
}

/// How a dead letter is chosen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum LetterName {
    /// By where it stands.
    Place(LetterPlace),
    /// By the identity of its message, which others may bear too.
    Event(String),
}

impl From<String> for LetterName {
    fn from(text: String) -> Self {
        text.parse().map_or(Self::Event(text), Self::Place)
    }
}

impl From<LetterName> for String {
    fn from(name: LetterName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for LetterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place) => place.fmt(f),
            Self::Event(id) => f.write_str(id),
        }
    }
}

/// The most letters that are chosen by name at once.
pub const MOST_NAMED: usize = 500;

/// Which dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterChoice {
    /// Every one that is open.
    All,
    /// These, at most [`MOST_NAMED`].
    Named(Vec<LetterName>),
}

/// A stretch of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterStretch {
    /// Its first offset.
    pub next: u64,
    /// The offset behind its last.
    pub end: u64,
}

/// The order to put dead letters back onto the topics that they were meant for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayOrder {
    /// Which.
    pub choice: LetterChoice,
    /// Whether only to tell what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Only those that stand here, by partition; none means whatever is there now.
    #[serde(default)]
    pub within: Option<BTreeMap<i32, LetterStretch>>,
}

/// What became of a letter that was chosen by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterFate {
    /// It was put back or, where that was only asked, would be.
    PutBack,
    /// It was left, being so.
    Left(LetterStatus),
    /// There is none of that name.
    Unknown,
}

/// A letter that was chosen by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenLetter {
    /// Where it stands, or the name of one that is not there.
    pub letter: LetterName,
    /// What became of it.
    pub fate: LetterFate,
    /// The topic it was put back onto.
    pub topic: Option<String>,
}

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReplayReport {
    /// Whether it only tells what would be done.
    pub dry_run: bool,
    /// How many were put back, by topic.
    pub topics: BTreeMap<String, u64>,
    /// How many of the chosen were left, by why.
    pub left: BTreeMap<LetterStatus, u64>,
    /// Each that was chosen by name.
    pub chosen: Vec<ChosenLetter>,
    /// Where there is more to do: what to go on with as [`ReplayOrder::within`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rest: Option<BTreeMap<i32, LetterStretch>>,
}

impl ReplayReport {
    /// How many were put back.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.topics.values().sum()
    }

    /// Adds what was done next.
    pub fn go_on(&mut self, next: Self) {
        let Self { dry_run: _, topics, left, chosen, rest } = next;
        for (topic, count) in topics {
            *self.topics.entry(topic).or_default() += count;
        }
        for (status, count) in left {
            *self.left.entry(status).or_default() += count;
        }
        self.chosen.extend(chosen);
        self.rest = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_place_or_the_identity_of_a_message() {
        let name = |text: &str| LetterName::from(text.to_owned());
        assert_eq!(name("2/17"), LetterName::Place(LetterPlace { partition: 2, offset: 17 }));
        for text in
            ["", "/", "1/", "+1/2", "-1/2", "1/2/3", "1/99999999999999999999", "hephaestus.errors.v1/0/1"]
        {
            assert_eq!(name(text), LetterName::Event(text.to_owned()));
            assert_eq!(name(text).to_string(), text);
        }
    }
}
