//! What is asked of the API and what it answers, as values: server, client and command line share them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    Class, Decision, Fingerprint, GroupRecord, GroupStatus, Severity, SuggestionId, SuggestionRecord,
    SuggestionStatus, VerdictKind,
};
use crate::knowledge::Choice;

/// The most records of one answer.
pub const MOST_RECORDS: usize = 1_000;

/// The longest name of somebody who decides, and the longest note, in characters.
const LONGEST_NAME: usize = 100;
const LONGEST_NOTE: usize = 4_000;

/// How many records an answer may have: from 1 to [`MOST_RECORDS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct Limit(usize);

impl Limit {
    /// The limit nearest to a number.
    #[must_use]
    pub const fn nearest(count: usize) -> Self {
        Self(if count == 0 {
            1
        } else if count > MOST_RECORDS {
            MOST_RECORDS
        } else {
            count
        })
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl TryFrom<usize> for Limit {
    type Error = String;

    fn try_from(count: usize) -> Result<Self, Self::Error> {
        let limit = Self::nearest(count);
        if limit.0 == count { Ok(limit) } else { Err(format!("{count} is not between 1 and {MOST_RECORDS}")) }
    }
}

impl From<Limit> for usize {
    fn from(limit: Limit) -> Self {
        limit.0
    }
}

/// How a fingerprint or the id of a suggestion begins: hex digits, then perhaps `-` and digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdPrefix(String);

impl IdPrefix {
    /// Whether an id begins so.
    #[must_use]
    pub fn begins(&self, id: &impl std::fmt::Display) -> bool {
        id.to_string().starts_with(&self.0)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for IdPrefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (fingerprint, attempt) = text.split_once('-').unwrap_or((&text, ""));
        let whole = text.contains('-');
        let holds = fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit())
            && attempt.bytes().all(|byte| byte.is_ascii_digit())
            && if whole { fingerprint.len() == 32 } else { (1..=32).contains(&fingerprint.len()) }
            && attempt.len() <= 10;
        if holds {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!("{:?} does not begin a fingerprint or the id of a suggestion", shortened(&text)))
        }
    }
}

impl From<IdPrefix> for String {
    fn from(prefix: IdPrefix) -> Self {
        prefix.0
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Which groups to give. What is none does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupQuery {
    /// How far they have come.
    pub status: Option<GroupStatus>,
    /// Of which class.
    pub class: Option<Class>,
    /// At least how bad they are.
    pub severity: Option<Severity>,
    /// How their fingerprint begins.
    pub prefix: Option<IdPrefix>,
    /// How many at most.
    #[serde(default)]
    pub limit: Limit,
}

impl GroupQuery {
    /// The query as it stands in a URL.
    pub(super) fn in_url(&self) -> String {
        UrlQuery::new(self.limit)
            .with("status", self.status.map(GroupStatus::as_str))
            .with("class", self.class.map(Class::as_str))
            .with("severity", self.severity.map(Severity::as_str))
            .with("prefix", self.prefix.as_ref().map(IdPrefix::as_str))
            .0
    }
}

/// Which suggestions to give. What is none does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuggestionQuery {
    /// How far they have come.
    pub status: Option<SuggestionStatus>,
    /// Of which class.
    pub class: Option<Class>,
    /// With which verdict.
    pub verdict: Option<VerdictKind>,
    /// How their id begins.
    pub prefix: Option<IdPrefix>,
    /// How many at most.
    #[serde(default)]
    pub limit: Limit,
}

impl SuggestionQuery {
    /// The query as it stands in a URL.
    pub(super) fn in_url(&self) -> String {
        UrlQuery::new(self.limit)
            .with("status", self.status.map(SuggestionStatus::as_str))
            .with("class", self.class.map(Class::as_str))
            .with("verdict", self.verdict.map(VerdictKind::as_str))
            .with("prefix", self.prefix.as_ref().map(IdPrefix::as_str))
            .0
    }
}

/// The query of a URL whose values are names and ids, which need no escapes.
struct UrlQuery(String);

impl UrlQuery {
    fn new(limit: Limit) -> Self {
        Self(format!("limit={}", limit.get()))
    }

    fn with(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            self.0.extend(["&", name, "=", value]);
        }
        self
    }
}

/// One group of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// What kind of failure it is.
    pub class: Class,
    /// The worst severity seen.
    pub severity: Severity,
    /// One short line.
    pub title: String,
    /// The service whose failure it is.
    pub service: String,
    /// Exact number of occurrences.
    pub count: u64,
    /// When it was first seen, where the log tells.
    pub first_seen: Option<Timestamp>,
    /// When it was last seen, where the log tells.
    pub last_seen: Option<Timestamp>,
    /// How far it has come.
    pub status: GroupStatus,
}

impl From<GroupRecord> for GroupSummary {
    fn from(record: GroupRecord) -> Self {
        let group = record.group;
        Self {
            fingerprint: group.fingerprint,
            class: group.first.class,
            severity: group.severity,
            title: group.first.title,
            service: record.service,
            count: group.count,
            first_seen: group.first_seen,
            last_seen: group.last_seen,
            status: record.status,
        }
    }
}

/// The answer to a question for groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupList {
    /// The groups, worst and most frequent first.
    pub groups: Vec<GroupSummary>,
}

/// One suggestion of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestionSummary {
    /// Its identity.
    pub id: SuggestionId,
    /// The group it is about.
    pub fingerprint: Fingerprint,
    /// What kind of failure it is.
    pub class: Class,
    /// One short line.
    pub title: String,
    /// Exact number of occurrences by now.
    pub count: u64,
    /// The verdict on the fix.
    pub verdict: VerdictKind,
    /// Whether there is a patch that may hide the defect instead of mending it. An instance of an earlier version
    /// does not tell.
    #[serde(default)]
    pub masks: bool,
    /// How far it has come.
    pub status: SuggestionStatus,
    /// When it came.
    pub created_at: Timestamp,
}

impl From<SuggestionRecord> for SuggestionSummary {
    fn from(record: SuggestionRecord) -> Self {
        Self {
            id: record.id,
            masks: record.suggestion.may_mask(),
            fingerprint: record.suggestion.fingerprint,
            class: record.suggestion.class,
            title: record.suggestion.title,
            count: record.suggestion.count,
            verdict: record.suggestion.verdict,
            status: record.status,
            created_at: record.created_at,
        }
    }
}

/// The answer to a question for suggestions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestionList {
    /// The suggestions, latest first.
    pub suggestions: Vec<SuggestionSummary>,
}

/// What runs here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSummary {
    /// Its version.
    pub version: String,
    /// The repository in which it mends defects; none where it mends nothing.
    pub repository: Option<String>,
}

/// The word for a choice in a URL.
pub(super) const fn verb(choice: Choice) -> &'static str {
    match choice {
        Choice::Approve => "approve",
        Choice::Reject => "reject",
    }
}

/// Who decides, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// The name that the person goes by.
    pub by: Option<String>,
    /// Why they decide so.
    pub note: Option<String>,
}

impl Word {
    /// Refuses what is too long to be remembered, and names that could drive a terminal.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        let too_long = |text: &Option<String>, most| text.as_ref().is_some_and(|t| t.chars().count() > most);
        if too_long(&self.by, LONGEST_NAME) {
            return Err(format!("`by` has more than {LONGEST_NAME} characters"));
        }
        if too_long(&self.note, LONGEST_NOTE) {
            return Err(format!("`note` has more than {LONGEST_NOTE} characters"));
        }
        let control = |c: char| c.is_control() && c != '\n' && c != '\t';
        if self.by.iter().chain(&self.note).any(|text| text.chars().any(control)) {
            return Err("`by` and `note` may not hold control characters".to_owned());
        }
        Ok(())
    }

    /// The decision, as it is remembered: `known` is what we know ourselves of who decides.
    #[must_use]
    pub fn into_decision(self, known: &str, at: Timestamp) -> Decision {
        let by = match self.by.filter(|name| !name.trim().is_empty()) {
            Some(name) => format!("{name} ({known})"),
            None => known.to_owned(),
        };
        Decision { by, at, note: self.note }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_beginning_of_an_id() {
        let whole = "ab".repeat(16);
        for good in ["a", "AB", &whole, &format!("{whole}-"), &format!("{whole}-12")] {
            assert!(IdPrefix::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "g", "a-1", "-", "a b", "a&b", &format!("{whole}a"), &format!("{whole}-x"), "é"] {
            assert!(IdPrefix::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        let prefix = IdPrefix::try_from("ABAB".to_owned()).unwrap();
        assert!(prefix.begins(&whole) && !prefix.begins(&"cd".repeat(16)));
    }

    #[test]
    fn a_query_in_a_url_is_read_back() {
        let query = GroupQuery {
            status: Some(GroupStatus::Suggested),
            class: Some(Class::NilMapWrite),
            severity: Some(Severity::High),
            prefix: Some(IdPrefix::try_from("ab".to_owned()).unwrap()),
            limit: Limit::nearest(7),
        };
        let url = format!("/x?{}", query.in_url()).parse().unwrap();
        assert_eq!(axum::extract::Query::<GroupQuery>::try_from_uri(&url).unwrap().0, query);
        let query = SuggestionQuery {
            status: Some(SuggestionStatus::Open),
            class: Some(Class::NilMapWrite),
            verdict: Some(VerdictKind::Proven),
            prefix: None,
            limit: Limit::default(),
        };
        let url = format!("/x?{}", query.in_url()).parse().unwrap();
        assert_eq!(axum::extract::Query::<SuggestionQuery>::try_from_uri(&url).unwrap().0, query);
    }

    #[test]
    fn words_are_bounded_and_tame() {
        let word = |by: &str, note: &str| Word { by: Some(by.to_owned()), note: Some(note.to_owned()) };
        assert!(word("Ada", "looks right,\nshipped").check().is_ok());
        for bad in [
            word(&"a".repeat(101), ""),
            word("a", &"b".repeat(4_001)),
            word("\u{1b}[2J", ""),
            word("a", "\0"),
        ] {
            assert!(bad.check().is_err());
        }
    }
}
