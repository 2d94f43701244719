//! What is remembered of a group and of a suggestion, and how far a person has come with it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hex::hex_id;
use super::{ErrorGroup, FileChange, Fingerprint, OperationalFinding, Suggestion};

hex_id! {
    /// What the files of a repository looked like: the same as long as none of them has changed.
    Stamp, "stamp"
}

/// How far a group has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupStatus {
    /// Seen, not yet worked on.
    New,
    /// An attempt is going on.
    Working,
    /// A suggestion with a patch waits for a person.
    Suggested,
    /// A person has approved a suggestion.
    Approved,
    /// Every allowed attempt was made, or every suggestion rejected; no patch is left.
    Unresolved,
    /// A failure of the surroundings: it has a remedy, not a patch.
    Operational,
}

impl GroupStatus {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::New, Self::Working, Self::Suggested, Self::Approved, Self::Unresolved, Self::Operational];

    /// The stable name used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Working => "working",
            Self::Suggested => "suggested",
            Self::Approved => "approved",
            Self::Unresolved => "unresolved",
            Self::Operational => "operational",
        }
    }
}

/// A group as it is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// The group and its exact count.
    #[serde(flatten)]
    pub group: ErrorGroup,
    /// The service whose log told of it.
    pub service: String,
    /// How far it has come.
    pub status: GroupStatus,
    /// How many attempts were made at it.
    pub attempts: u32,
    /// When the last attempt ended.
    pub attempted_at: Option<Timestamp>,
    /// Why the last attempt was not decided, while another is to be made.
    #[serde(default)]
    pub undecided: Option<String>,
    /// Lines of the log from before its occurrences, hints to how they came about.
    pub context: Vec<String>,
    /// What to do about it, where it is no code defect.
    pub remedy: Option<OperationalFinding>,
}

/// How far a suggestion has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuggestionStatus {
    /// It waits for a person.
    Open,
    /// A person wants it.
    Approved,
    /// A person does not want it.
    Rejected,
}

impl SuggestionStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Open, Self::Approved, Self::Rejected];

    /// The stable name used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// A person's word on a suggestion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Who said it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, where they said so.
    pub note: Option<String>,
}

/// A suggestion as it is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuggestionRecord {
    /// Its identity: the group's fingerprint and the number of the attempt, `FINGERPRINT-1`.
    pub id: SuggestionId,
    /// Its place in the order in which suggestions came, from 1.
    pub sequence: u64,
    /// When it came.
    pub created_at: Timestamp,
    /// How far it has come.
    pub status: SuggestionStatus,
    /// Who decided, once somebody has.
    pub decision: Option<Decision>,
    /// The suggestion, with the count that its group has by now.
    #[serde(flatten)]
    pub suggestion: Suggestion,
    /// The change itself, where there is one.
    pub changes: Vec<FileChange>,
    /// The repository that it is for, where that is known.
    #[serde(default)]
    pub repository: Option<String>,
    /// What the code looked like that it was made for, where that is known.
    #[serde(default)]
    pub code: Option<Stamp>,
    /// The suggestion whose answer it repeats, for the same failure in another service.
    #[serde(default)]
    pub copy_of: Option<SuggestionId>,
}

/// The identity of a suggestion: at most one is made for a group's attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[0-9a-f]{32}-[0-9]+$"))]
pub struct SuggestionId {
    /// The group.
    pub fingerprint: Fingerprint,
    /// Which attempt, from 1.
    pub attempt: u32,
}

/// A text that is not a suggestion's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the id of a suggestion: expected FINGERPRINT-ATTEMPT")]
pub struct ParseSuggestionIdError(String);

impl std::fmt::Display for SuggestionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.fingerprint, self.attempt)
    }
}

impl std::str::FromStr for SuggestionId {
    type Err = ParseSuggestionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (fingerprint, attempt) = text.split_once('-')?;
            let attempt = attempt.bytes().all(|byte| byte.is_ascii_digit()).then_some(attempt)?;
            Some(Self { fingerprint: fingerprint.parse().ok()?, attempt: attempt.parse().ok()? })
        };
        parse().ok_or_else(|| ParseSuggestionIdError(text.to_owned()))
    }
}

impl Serialize for SuggestionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SuggestionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
