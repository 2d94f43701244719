//! Suggestions, and what a person says to them.

use jiff::Timestamp;

use super::index::{SuggestionBody, SuggestionHead};
use super::{Error, Knowledge, schema};
use crate::domain::{
    Decision, FileChange, GroupStatus, Stamp, Suggestion, SuggestionId, SuggestionRecord, SuggestionStatus,
};

/// What a person says to a suggestion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// They want it.
    Approve,
    /// They do not.
    Reject,
}

impl Choice {
    const fn status(self) -> SuggestionStatus {
        match self {
            Self::Approve => SuggestionStatus::Approved,
            Self::Reject => SuggestionStatus::Rejected,
        }
    }
}

/// What a suggestion was made for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Circumstances {
    /// The folder of the repository.
    pub repository: Option<String>,
    /// What its code looked like.
    pub code: Option<Stamp>,
    /// The suggestion whose answer is repeated.
    pub copy_of: Option<SuggestionId>,
}

impl Knowledge {
    /// Ends an attempt with its suggestion. The group then waits for a person; without a patch there is
    /// nothing to wait for, and it is [`GroupStatus::Unresolved`]. A suggestion that is there already
    /// stays as it is, and is returned.
    ///
    /// # Errors
    /// The attempt is not going on, or the database cannot be written.
    pub fn record_suggestion(
        &self,
        id: SuggestionId,
        suggestion: Suggestion,
        changes: Vec<FileChange>,
        made_for: Circumstances,
        now: Timestamp,
    ) -> Result<SuggestionRecord, Error> {
        let mut writing = self.begin()?;
        if let Some(known) = self.view().suggestion(id)? {
            // A write that told of a failure may have reached the disk: with it the attempt has ended. Another
            // one may be going on by now.
            if self.head(id.fingerprint)?.status != GroupStatus::Working {
                writing.begun.remove(&id.fingerprint);
            }
            return Ok(known);
        }
        let mut group = self.head_in_work(id)?;
        let has_patch = suggestion.patch.is_some();
        group.status = if has_patch { GroupStatus::Suggested } else { GroupStatus::Unresolved };
        group.attempted_at = Some(now);
        let sequence = self.view().index().last_sequence + 1;
        let status = SuggestionStatus::Open;
        let Circumstances { repository, code, copy_of } = made_for;
        let head = SuggestionHead {
            id,
            created_at: now,
            status,
            decision: None,
            has_patch,
            class: Some(suggestion.class),
            path: group.path,
            source: suggestion.source(),
            copy_of,
        };
        let body = SuggestionBody { suggestion, changes, repository, code };
        self.write(
            |access, batch| {
                schema::put_suggestion(access, batch, sequence, &head)?;
                schema::put_suggestion_body(access, batch, (sequence, id), &body)?;
                schema::put_last_sequence(batch, sequence);
                schema::put_group(access, batch, id.fingerprint, &group)
            },
            |index| {
                index.add_suggestion(sequence, head.clone());
                index.groups.insert(id.fingerprint, group.clone());
            },
        )?;
        writing.begun.remove(&id.fingerprint);
        Ok(head.record(sequence, body, Some(group.count)))
    }

    /// Decides on a suggestion, and so on its group. Saying the same again changes nothing, not even who
    /// said it first.
    ///
    /// # Errors
    /// The suggestion is unknown, was decided otherwise, has no patch to approve, or the database cannot
    /// be written.
    pub fn decide(
        &self,
        id: SuggestionId,
        choice: Choice,
        decision: Decision,
    ) -> Result<SuggestionRecord, Error> {
        let _writing = self.begin()?;
        let unknown = || Error::UnknownSuggestion(id);
        let (sequence, mut head) = {
            let index = self.view().index();
            let sequence = *index.sequences.get(&id).ok_or_else(unknown)?;
            (sequence, index.suggestions.get(&sequence).cloned().ok_or_else(unknown)?)
        };
        if let Some(earlier) = head.decision {
            if head.status == choice.status() {
                return self.view().suggestion(id)?.ok_or_else(unknown);
            }
            return Err(Error::Decided { id, status: head.status, by: earlier.by, at: earlier.at });
        }
        if choice == Choice::Approve && !head.has_patch {
            return Err(Error::NoPatch(id));
        }
        head.status = choice.status();
        head.decision = Some(decision);
        let mut group = self.head(id.fingerprint)?;
        group.status = match choice {
            Choice::Approve => GroupStatus::Approved,
            Choice::Reject => GroupStatus::Unresolved,
        };
        self.write(
            |access, batch| {
                schema::put_suggestion(access, batch, sequence, &head)?;
                schema::put_group(access, batch, id.fingerprint, &group)
            },
            |index| {
                index.suggestions.insert(sequence, head.clone());
                index.groups.insert(id.fingerprint, group.clone());
            },
        )?;
        self.view().suggestion(id)?.ok_or_else(unknown)
    }
}
