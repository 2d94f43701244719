//! What is remembered of groups and suggestions, wherever it is: asked of the instance that runs in the
//! state directory, and read there directly when none does.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::config::Config;
use crate::domain::{GroupRecord, SuggestionRecord};
use crate::server::{Client, Records, RecordsError};
pub use crate::server::{
    ClientError, GroupList, GroupQuery, GroupSummary, IdPrefix, Limit, MOST_RECORDS, Ruling, SuggestionList,
    SuggestionQuery, SuggestionSummary, Word,
};

/// How many candidates an ambiguous text is answered with.
const SHOWN_CANDIDATES: usize = 5;

/// Groups and suggestions, ready to be asked for.
pub struct Review {
    source: Source,
}

enum Source {
    Running(Client),
    Stored(Box<dyn Records>),
}

/// What the state directory is opened for, when no instance runs in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To read; nothing is changed.
    Read,
    /// To write down a decision.
    Decide,
}

/// Why a group or suggestion could not be told.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The running instance did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What is stored cannot be read.
    #[error("the state directory cannot be read")]
    Stored(#[source] RecordsError),
    /// A text that cannot begin an id.
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
    /// A word that may not be remembered.
    #[error("{0}")]
    Word(String),
}

impl Review {
    /// Reaches the running instance, or opens the state directory.
    ///
    /// # Errors
    /// When neither is possible.
    pub async fn open(config: &Config, purpose: Purpose) -> anyhow::Result<Self> {
        let state_dir = &config.state_dir;
        if let Some(client) = Client::reach(state_dir).await? {
            return Ok(Self { source: Source::Running(client) });
        }
        let _ = purpose;
        anyhow::bail!("{}: no instance runs there", state_dir.display())
    }

    /// The groups that a query selects, worst and most frequent first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn groups(&self, query: &GroupQuery) -> Result<GroupList, ReviewError> {
        let groups = match &self.source {
            Source::Running(client) => client.groups(query).await?,
            Source::Stored(records) => {
                let groups = records.groups(query).map_err(ReviewError::Stored)?;
                groups.into_iter().map(Into::into).collect()
            }
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
            Source::Stored(records) => records.group(fingerprint).map_err(ReviewError::Stored)?,
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
            Source::Stored(records) => {
                let suggestions = records.suggestions(query).map_err(ReviewError::Stored)?;
                suggestions.into_iter().map(Into::into).collect()
            }
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
            Source::Stored(records) => records.suggestion(id).map_err(ReviewError::Stored)?,
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

    /// Approves or rejects the suggestion whose id is, or alone begins with, a text.
    ///
    /// # Errors
    /// When there is none, or several, or the decision could not be made durable.
    pub async fn decide(
        &self,
        text: &str,
        ruling: Ruling,
        word: Word,
    ) -> Result<SuggestionRecord, ReviewError> {
        word.check().map_err(ReviewError::Word)?;
        let id = self.suggestion(text).await?.id;
        let decided = match &self.source {
            Source::Running(client) => client.decide(id, ruling, &word).await?,
            Source::Stored(records) => {
                let known = format!("uid {}", rustix::process::getuid().as_raw());
                let decision = word.into_decision(&known, Timestamp::now());
                records.decide(id, ruling, decision).map_err(ReviewError::Stored)?
            }
        };
        decided.ok_or_else(|| unknown("suggestion", text))
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
