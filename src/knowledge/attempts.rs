//! Working on groups.
//!
//! An attempt begins durably before anything is tried, so it counts however it ends. Where the process
//! dies in it, the group is left [`GroupStatus::Working`], and the next process makes another attempt, as
//! long as some are left: a group that kills whoever works on it is given up. Only an attempt that an orderly
//! end broke off does not count. A suggestion bears the number of its attempt, so there is at most one for
//! each.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::index::{GroupBody, GroupHead, GroupOrder};
use super::{Error, Knowledge, Writing, schema};
use crate::domain::{Fingerprint, GroupStatus, OperationalFinding, SuggestionId};

/// How an attempt ended without a suggestion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// Another attempt is to be made, after a while.
    Retry,
    /// There are to be no more.
    GiveUp,
}

impl Knowledge {
    /// The groups to work on, the worst and most frequent first: those that are new, those whose last
    /// attempt is to be repeated and ended at least `pause` ago, and those that an earlier process was
    /// working on when it ended.
    #[must_use]
    pub fn next_to_work_on(
        &self,
        limit: usize,
        excluding: &HashSet<Fingerprint>,
        pause: Duration,
        now: Timestamp,
    ) -> Vec<Fingerprint> {
        let writing = self.lock();
        // A last attempt in the future is a clock that has jumped back: the pause is not known then.
        let has_rested = |head: &GroupHead| {
            head.attempted_at.is_none_or(|at| {
                Duration::try_from(now.duration_since(at)).is_ok_and(|since| since >= pause) || at > now
            })
        };
        let is_due = |fingerprint: &Fingerprint, head: &GroupHead| match head.status {
            GroupStatus::New => has_rested(head),
            GroupStatus::Working => !writing.begun.contains(fingerprint),
            _ => false,
        };
        let passes = |fingerprint: &Fingerprint, head: &GroupHead| {
            !excluding.contains(fingerprint) && is_due(fingerprint, head)
        };
        self.view().index().listed(passes, GroupOrder::Worst, limit)
    }

    /// Begins an attempt at a group, and tells the id that a suggestion from it will have. It is durable when
    /// this returns. Where `most` attempts were made already, the last of them broken off by a crash, the
    /// group is [`GroupStatus::Unresolved`] from now on, and there is none.
    ///
    /// # Errors
    /// The group is unknown or needs no work, or the database cannot be written.
    pub fn begin_attempt(&self, fingerprint: Fingerprint, most: u32) -> Result<Option<SuggestionId>, Error> {
        let mut writing = self.begin()?;
        let mut head = self.head(fingerprint)?;
        match head.status {
            GroupStatus::New => {}
            GroupStatus::Working if !writing.begun.contains(&fingerprint) => {}
            _ => return Err(Error::NothingToDo(fingerprint)),
        }
        if head.attempts >= most {
            head.status = GroupStatus::Unresolved;
            self.put_head(fingerprint, &head)?;
            return Ok(None);
        }
        head.status = GroupStatus::Working;
        head.attempts += 1;
        self.put_head(fingerprint, &head)?;
        writing.begun.insert(fingerprint);
        Ok(Some(SuggestionId { fingerprint, attempt: head.attempts }))
    }

    /// Takes back the attempts that are going on, as if they had never begun.
    pub(super) fn take_back_attempts(&self, writing: &mut Writing) -> Result<(), Error> {
        let taken_back = |fingerprint| {
            let head = self.head(fingerprint).ok()?;
            let attempts = head.attempts.saturating_sub(1);
            Some((fingerprint, GroupHead { status: GroupStatus::New, attempts, ..head }))
        };
        let heads: Vec<_> = writing.begun.drain().filter_map(taken_back).collect();
        self.write(
            |access, batch| {
                heads.iter().try_for_each(|(print, head)| schema::put_group(access, batch, *print, head))
            },
            |index| index.groups.extend(heads.iter().cloned()),
        )
    }

    /// Ends an attempt that brought no suggestion.
    ///
    /// # Errors
    /// The attempt is not going on, or the database cannot be written.
    pub fn end_attempt(&self, id: SuggestionId, end: AttemptEnd, now: Timestamp) -> Result<(), Error> {
        let mut writing = self.begin()?;
        let mut head = self.head_in_work(id)?;
        head.status = match end {
            AttemptEnd::Retry => GroupStatus::New,
            AttemptEnd::GiveUp => GroupStatus::Unresolved,
        };
        head.attempted_at = Some(now);
        self.put_head(id.fingerprint, &head)?;
        writing.begun.remove(&id.fingerprint);
        Ok(())
    }

    /// Remembers what to do about a group that no patch can mend. Where it is known already, the newer
    /// finding replaces it.
    ///
    /// # Errors
    /// The group is unknown, or the database cannot be written.
    pub fn record_operational(&self, finding: OperationalFinding, now: Timestamp) -> Result<(), Error> {
        let mut writing = self.begin()?;
        let fingerprint = finding.fingerprint;
        let mut head = self.head(fingerprint)?;
        let body = schema::group_body(self.database(), fingerprint)?;
        let body = body.ok_or(Error::UnknownGroup(fingerprint))?;
        let body = GroupBody { remedy: Some(finding), ..body };
        head.status = GroupStatus::Operational;
        head.attempted_at = Some(now);
        self.write(
            |access, batch| {
                schema::put_group(access, batch, fingerprint, &head)?;
                schema::put_group_body(access, batch, fingerprint, &body)
            },
            |index| {
                index.groups.insert(fingerprint, head.clone());
            },
        )?;
        writing.begun.remove(&fingerprint);
        Ok(())
    }

    pub(super) fn head(&self, fingerprint: Fingerprint) -> Result<GroupHead, Error> {
        self.view().index().groups.get(&fingerprint).cloned().ok_or(Error::UnknownGroup(fingerprint))
    }

    /// The head of a group at which this attempt is going on.
    pub(super) fn head_in_work(&self, id: SuggestionId) -> Result<GroupHead, Error> {
        let head = self.head(id.fingerprint)?;
        let goes_on = head.status == GroupStatus::Working && head.attempts == id.attempt;
        if goes_on { Ok(head) } else { Err(Error::NotGoingOn(id)) }
    }

    fn put_head(&self, fingerprint: Fingerprint, head: &GroupHead) -> Result<(), Error> {
        self.write(
            |access, batch| schema::put_group(access, batch, fingerprint, head),
            |index| {
                index.groups.insert(fingerprint, head.clone());
            },
        )
    }
}
