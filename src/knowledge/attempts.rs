//! Working on groups.
//!
//! An attempt begins durably before anything is tried, so that one in whose midst the process died is told
//! from one that ended: its group is still [`GroupStatus::Working`]. Ended and broken-off attempts are counted
//! apart.
//!
//! - An attempt that ended undecided is repeated after a pause, as often as the caller allows; at once, where
//!   the code is no longer what it was tried at.
//! - One that was broken off is taken up again under the same number, after a rest that doubles each time, and
//!   with a bound of its own: whoever kills processes at random costs a group nothing but time, and a group
//!   that always kills the process is given up. What may have killed a process is worked on alone and after
//!   all others, so that nobody else is blamed for it or held up by it.
//! - One that an orderly end broke off never happened.
//!
//! A suggestion bears the number of its attempt, so there is at most one for each.

use std::cell::Cell;
use std::collections::HashSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::index::{GroupBody, GroupHead, GroupOrder};
use super::{Error, Knowledge, Writing, schema};
use crate::domain::{Fingerprint, GroupStatus, OperationalFinding, Stamp, SuggestionId};

/// How often attempts at a group may be broken off, without one of them ending, before it is given up.
const MOST_BROKEN_OFF: u32 = 10;
/// How many groups of one defect are passed over to find others at once.
const MOST_TWINS: usize = 16;
/// How long a group rests, from its beginning on, after the first attempt that was broken off.
const FIRST_REST: Duration = Duration::from_secs(1);

/// How an attempt ended without a suggestion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptEnd {
    /// It was not decided: another attempt is to be made after a while, or once the code has changed.
    Undecided {
        /// Why, in one sentence.
        reason: String,
        /// The code at which it was made, where that could be read.
        code: Option<Stamp>,
    },
    /// Another attempt is to be made, after a while.
    Retry,
    /// There are to be no more.
    GiveUp,
}

/// What is to be worked on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// These groups, the first first.
    pub groups: Vec<Fingerprint>,
    /// When the next of those that rest may be worked on.
    pub next: Option<Timestamp>,
}

/// How long groups rest after an attempt that is to be repeated.
#[derive(Debug, Clone, Copy)]
pub struct Rest {
    /// For so long,
    pub pause: Duration,
    /// or until the code is no longer what the attempt was made at. None where it is not known.
    pub code: Option<Stamp>,
}

impl GroupHead {
    /// When it may be worked on, where no attempt at it is going on; never, where it needs no work.
    fn ready_at(&self, rest: Rest, now: Timestamp) -> Option<Timestamp> {
        let (since, rest) = match self.status {
            GroupStatus::New if self.undecided_at.zip(rest.code).is_some_and(|(then, now)| then != now) => {
                return Some(now);
            }
            GroupStatus::New => (self.attempted_at, rest.pause),
            GroupStatus::Working => (self.begun_at, FIRST_REST * (1 << self.broken_off.min(MOST_BROKEN_OFF))),
            _ => return None,
        };
        // What lies in the future is of a clock that has jumped back: how long it has rested is not known then.
        let Some(since) = since.filter(|since| *since <= now) else { return Some(now) };
        let end = SignedDuration::try_from(rest).ok().and_then(|rest| since.checked_add(rest).ok());
        Some(end.unwrap_or(Timestamp::MAX))
    }
}

impl Knowledge {
    /// The groups to work on, the worst and most frequent first: those that are new, those whose last
    /// attempt is to be repeated, and those whose attempt was broken off, once they have rested. None of `busy`, which others are working on, and of groups
    /// that are one defect, in the logs of several services, one at a time.
    #[must_use]
    pub fn next_to_work_on(
        &self,
        limit: usize,
        busy: &HashSet<Fingerprint>,
        rest: Rest,
        now: Timestamp,
    ) -> Due {
        let writing = self.lock();
        let index = self.view().index();
        let was_broken_off = |fingerprint: &Fingerprint, head: &GroupHead| {
            let is_left = head.status == GroupStatus::Working && !writing.begun.contains(fingerprint);
            head.broken_off > 0 || is_left
        };
        let working = || busy.union(&writing.begun);
        if working().any(|print| index.groups.get(print).is_some_and(|head| was_broken_off(print, head))) {
            return Due::default();
        }
        // The same defect in the log of another service waits: what comes of the one is known for the other.
        let path = |print: &Fingerprint| index.groups.get(print)?.path;
        let mut taken: HashSet<Fingerprint> = working().filter_map(path).collect();
        let next = Cell::new(None::<Timestamp>);
        let is_due = |fingerprint: &Fingerprint, head: &GroupHead| {
            let is_busy = busy.contains(fingerprint) || writing.begun.contains(fingerprint);
            if is_busy || !index.owns(head) || head.path.is_some_and(|path| taken.contains(&path)) {
                return false;
            }
            let Some(ready_at) = head.ready_at(rest, now) else { return false };
            if ready_at > now {
                next.set(Some(next.get().map_or(ready_at, |next| next.min(ready_at))));
            }
            ready_at <= now
        };
        let innocent =
            |print: &Fingerprint, head: &GroupHead| is_due(print, head) && !was_broken_off(print, head);
        // Twins must not take the places of others.
        let mut groups = index.listed(innocent, GroupOrder::Worst, limit.saturating_mul(MOST_TWINS));
        if groups.is_empty() && busy.is_empty() && writing.begun.is_empty() {
            groups = index.listed(is_due, GroupOrder::Worst, limit.min(1));
        }
        groups.retain(|group| path(group).is_none_or(|path| taken.insert(path)));
        groups.truncate(limit);
        Due { groups, next: next.get() }
    }

    /// Begins an attempt at a group, and tells the id that a suggestion from it will have. It is durable when
    /// this returns. Where `most` attempts have ended already, or too many were broken off, the group is
    /// [`GroupStatus::Unresolved`] from now on, and there is none.
    ///
    /// # Errors
    /// The group is unknown or needs no work, or the database cannot be written.
    pub fn begin_attempt(
        &self,
        fingerprint: Fingerprint,
        most: u32,
        now: Timestamp,
    ) -> Result<Option<SuggestionId>, Error> {
        let mut writing = self.begin()?;
        let mut head = self.head(fingerprint)?;
        let is_given_up = match head.status {
            GroupStatus::New => head.attempts >= most,
            GroupStatus::Working if !writing.begun.contains(&fingerprint) => {
                head.broken_off += 1;
                head.broken_off >= MOST_BROKEN_OFF
            }
            _ => return Err(Error::NothingToDo(fingerprint)),
        };
        if is_given_up {
            head.status = GroupStatus::Unresolved;
            self.put_head(fingerprint, &head)?;
            return Ok(None);
        }
        if head.status == GroupStatus::New {
            // One that was broken off left nothing behind that would bear its number.
            head.attempts += 1;
        }
        head.status = GroupStatus::Working;
        head.begun_at = Some(now);
        self.put_head(fingerprint, &head)?;
        writing.begun.insert(fingerprint);
        Ok(Some(SuggestionId { fingerprint, attempt: head.attempts }))
    }

    /// Whoever made this attempt is gone, and this process lives on: it counts as broken off. Nothing is
    /// written, since that is what is written already.
    pub fn break_off_attempt(&self, fingerprint: Fingerprint) {
        self.lock().begun.remove(&fingerprint);
    }

    /// Takes back those of the attempts that are going on, as if they had never begun. One whose end reached the
    /// disk although its write told of a failure is not among them.
    pub(super) fn take_back_attempts(
        &self,
        writing: &mut Writing,
        those: impl Fn(&GroupHead) -> bool,
    ) -> Result<(), Error> {
        let taken_back = |fingerprint| {
            let head = self.head(fingerprint).ok().filter(|head| head.status == GroupStatus::Working)?;
            let attempts = head.attempts.saturating_sub(1);
            Some((fingerprint, GroupHead { status: GroupStatus::New, attempts, ..head }))
        };
        let is_meant = |print: &Fingerprint| self.view().index().groups.get(print).is_none_or(&those);
        let heads: Vec<_> = writing.begun.extract_if(is_meant).filter_map(taken_back).collect();
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
        head.attempted_at = Some(now);
        head.broken_off = 0;
        head.status = GroupStatus::New;
        match end {
            AttemptEnd::Undecided { reason, code } => {
                head.undecided_at = code;
                let body = self.body(id.fingerprint)?;
                self.put(id.fingerprint, &head, &GroupBody { undecided: Some(reason), ..body })?;
            }
            AttemptEnd::Retry => self.put_head(id.fingerprint, &head)?,
            AttemptEnd::GiveUp => {
                head.status = GroupStatus::Unresolved;
                self.put_head(id.fingerprint, &head)?;
            }
        }
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
        let body = GroupBody { remedy: Some(finding), ..self.body(fingerprint)? };
        head.status = GroupStatus::Operational;
        head.attempted_at = Some(now);
        self.put(fingerprint, &head, &body)?;
        writing.begun.remove(&fingerprint);
        Ok(())
    }

    /// The head of a group that is ours.
    pub(super) fn head(&self, fingerprint: Fingerprint) -> Result<GroupHead, Error> {
        let index = self.view().index();
        let head = index.groups.get(&fingerprint).ok_or(Error::UnknownGroup(fingerprint))?;
        if index.owns(head) { Ok(head.clone()) } else { Err(Error::Elsewhere(fingerprint)) }
    }

    fn body(&self, fingerprint: Fingerprint) -> Result<GroupBody, Error> {
        schema::group_body(self.database(), fingerprint)?.ok_or(Error::UnknownGroup(fingerprint))
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

    fn put(&self, fingerprint: Fingerprint, head: &GroupHead, body: &GroupBody) -> Result<(), Error> {
        self.write(
            |access, batch| {
                schema::put_group(access, batch, fingerprint, head)?;
                schema::put_group_body(access, batch, fingerprint, body)
            },
            |index| {
                index.groups.insert(fingerprint, head.clone());
            },
        )
    }
}
