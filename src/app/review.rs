//! What is remembered of groups and suggestions, wherever it is: asked of the instance that runs in the
//! state directory, and read there directly when none does.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::parts;
use crate::config::Config;
use crate::domain::{GroupRecord, SuggestionRecord};
pub use crate::knowledge::Choice;
use crate::knowledge::{self, Knowledge, View};
use crate::server::{Client, catalog};
pub use crate::server::{
    ClientError, GroupList, GroupQuery, GroupSummary, IdPrefix, Limit, MOST_RECORDS, SuggestionList,
    SuggestionQuery, SuggestionSummary, Word,
};
use crate::telemetry::metrics::{self, Metrics};

/// How many candidates an ambiguous text is answered with.
const SHOWN_CANDIDATES: usize = 5;

/// Groups and suggestions, ready to be asked for.
pub struct Review {
    source: Source,
}

enum Source {
    Running(Client),
    /// Read-only, so that looking changes nothing and needs no right to write.
    Here(View),
}

/// Whether anybody works on groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workforce {
    /// The instance that runs does.
    AtWork,
    /// The instance that runs has no repository.
    WithoutRepository,
    /// No instance runs.
    Nobody,
}

/// Why a group or suggestion could not be told.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The running instance did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What is stored cannot be read.
    #[error(transparent)]
    Stored(#[from] knowledge::Error),
    /// The metrics of this command cannot be set up.
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    /// A text that cannot begin an id, or a word that may not be remembered.
    #[error("{0}")]
    Malformed(String),
    /// Nothing begins so.
    #[error("no {noun} begins with {text}")]
    Unknown {
        /// `group` or `suggestion`.
        noun: &'static str,
        /// What was asked for.
        text: String,
    },
    /// Several begin so.
    #[error("several {noun}s begin with {text}:{candidates}")]
    Ambiguous {
        /// `group` or `suggestion`.
        noun: &'static str,
        /// What was asked for.
        text: String,
        /// The first of them, each with its title on a line of its own.
        candidates: String,
    },
}

impl Review {
    /// Reaches the running instance, or opens the state directory.
    ///
    /// # Errors
    /// When neither is possible.
    pub async fn open(config: &Config) -> Result<Self, ReviewError> {
        let source = match Client::reach(&config.state_dir).await? {
            Some(client) => Source::Running(client),
            None => Source::Here(View::open(&parts::knowledge_dir(config))?),
        };
        Ok(Self { source })
    }

    /// Whether anybody works on groups.
    ///
    /// # Errors
    /// When the running instance does not answer.
    pub async fn workforce(&self) -> Result<Workforce, ReviewError> {
        let Source::Running(client) = &self.source else { return Ok(Workforce::Nobody) };
        // One of an earlier version does not tell; that it works is what is usual.
        let mends = client.instance().await?.is_none_or(|instance| instance.repository.is_some());
        Ok(if mends { Workforce::AtWork } else { Workforce::WithoutRepository })
    }

    /// The groups that a query selects, worst and most frequent first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn groups(&self, query: &GroupQuery) -> Result<GroupList, ReviewError> {
        let groups = match &self.source {
            Source::Running(client) => client.groups(query).await?,
            Source::Here(view) => catalog::groups(view, query)?,
        };
        Ok(GroupList { groups })
    }

    /// The group whose fingerprint is, or alone begins with, a text.
    ///
    /// # Errors
    /// When there is none, or several, or it cannot be read.
    pub async fn group(&self, text: &str) -> Result<GroupRecord, ReviewError> {
        let fingerprint = match text.parse() {
            Ok(fingerprint) => fingerprint,
            Err(_) => {
                let query =
                    GroupQuery { prefix: Some(prefix(text)?), limit: CANDIDATES, ..GroupQuery::default() };
                let groups = self.groups(&query).await?.groups;
                only("group", text, &groups, |group| (group.fingerprint.to_string(), &group.title))?
                    .fingerprint
            }
        };
        let found = match &self.source {
            Source::Running(client) => client.group(fingerprint).await?,
            Source::Here(view) => view.group(fingerprint)?,
        };
        found.ok_or_else(|| unknown("group", text))
    }

    /// The suggestions that a query selects, latest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn suggestions(&self, query: &SuggestionQuery) -> Result<SuggestionList, ReviewError> {
        let suggestions = match &self.source {
            Source::Running(client) => client.suggestions(query).await?,
            Source::Here(view) => catalog::suggestions(view, query)?,
        };
        Ok(SuggestionList { suggestions })
    }

    /// The suggestion whose id is, or alone begins with, a text.
    ///
    /// # Errors
    /// When there is none, or several, or it cannot be read.
    pub async fn suggestion(&self, text: &str) -> Result<SuggestionRecord, ReviewError> {
        let id = match text.parse() {
            Ok(id) => id,
            Err(_) => {
                let query = SuggestionQuery {
                    prefix: Some(prefix(text)?),
                    limit: CANDIDATES,
                    ..SuggestionQuery::default()
                };
                let suggestions = self.suggestions(&query).await?.suggestions;
                only("suggestion", text, &suggestions, |found| (found.id.to_string(), &found.title))?.id
            }
        };
        let found = match &self.source {
            Source::Running(client) => client.suggestion(id).await?,
            Source::Here(view) => view.suggestion(id)?,
        };
        found.ok_or_else(|| unknown("suggestion", text))
    }

    /// The latest suggestion for a group, if there is any.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn latest(&self, group: &GroupRecord) -> Result<Option<SuggestionRecord>, ReviewError> {
        let prefix = Some(prefix(&group.group.fingerprint.to_string())?);
        let query = SuggestionQuery { prefix, limit: Limit::nearest(1), ..SuggestionQuery::default() };
        match self.suggestions(&query).await?.suggestions.first() {
            Some(latest) => self.suggestion(&latest.id.to_string()).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Approves or rejects the suggestion whose id is, or alone begins with, a text.
///
/// # Errors
/// When there is none, or several, or it was decided otherwise, or the decision could not be made durable.
pub async fn decide(
    config: &Config,
    text: &str,
    choice: Choice,
    word: Word,
) -> Result<SuggestionRecord, ReviewError> {
    word.check().map_err(ReviewError::Malformed)?;
    let review = Review::open(config).await?;
    let id = review.suggestion(text).await?.id;
    match review.source {
        Source::Running(client) => {
            client.decide(id, choice, &word).await?.ok_or_else(|| unknown("suggestion", text))
        }
        Source::Here(view) => {
            drop(view);
            let settings = parts::knowledge(config);
            let knowledge = Knowledge::open(&parts::knowledge_dir(config), &settings, &Metrics::new()?)?;
            let known = format!("uid {}", rustix::process::getuid().as_raw());
            Ok(knowledge.decide(id, choice, word.into_decision(&known, Timestamp::now()))?)
        }
    }
}

/// Enough candidates to see that there are several, and to name some.
const CANDIDATES: Limit = Limit::nearest(SHOWN_CANDIDATES + 1);

fn prefix(text: &str) -> Result<IdPrefix, ReviewError> {
    IdPrefix::try_from(text.to_owned()).map_err(ReviewError::Malformed)
}

fn unknown(noun: &'static str, text: &str) -> ReviewError {
    ReviewError::Unknown { noun, text: text.to_owned() }
}

/// The only one found.
fn only<'f, T>(
    noun: &'static str,
    text: &str,
    found: &'f [T],
    named: impl Fn(&'f T) -> (String, &'f String),
) -> Result<&'f T, ReviewError> {
    match found {
        [] => Err(unknown(noun, text)),
        [only] => Ok(only),
        several => {
            let mut candidates = String::new();
            for (id, title) in several.iter().take(SHOWN_CANDIDATES).map(named) {
                let title: String = title.chars().filter(|c| !c.is_control()).collect();
                // Writing to a string cannot fail.
                write!(candidates, "\n    {id}  {title}").ok();
            }
            if several.len() > SHOWN_CANDIDATES {
                candidates.push_str("\n    …");
            }
            Err(ReviewError::Ambiguous { noun, text: text.to_owned(), candidates })
        }
    }
}
