//! Forgetting.

use jiff::Timestamp;

use super::index::{GroupHead, Index};
use super::{Error, Knowledge, Writing, schema};
use crate::domain::{Fingerprint, GroupStatus, SuggestionId};

/// How many groups are removed in one batch. A group goes together with its suggestions.
const BATCH: usize = 512;

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Groups.
    pub groups: usize,
    /// Their suggestions.
    pub suggestions: usize,
}

impl Knowledge {
    /// Removes the groups whose last occurrence is further back than the retention period, and, where
    /// there are more than allowed, the oldest; but no group with a suggestion that is open or approved,
    /// unless its time is over too, and none that is being worked on. Ids of events grow older, too.
    ///
    /// A group that was removed and occurs again begins anew.
    ///
    /// # Errors
    /// The database cannot be written. What was removed before stays removed.
    pub fn cleanup(&self, now: Timestamp) -> Result<Removed, Error> {
        let mut writing = self.begin()?;
        let before = self.view().index().generations;
        let after = before.after(writing.last_now, now, self.config().dedup_retention);
        self.write(
            |access, batch| schema::put_generations(access, batch, (before, after)),
            |index| index.generations = after,
        )?;
        writing.last_now = Some(now);
        let retention = self.config().retention_period;
        let is_expired = |head: &GroupHead| {
            // Negative where the clock has jumped back: not expired.
            std::time::Duration::try_from(now.duration_since(head.applied_at))
                .is_ok_and(|age| age > retention)
        };
        let mut victims: Vec<Fingerprint> = {
            let index = self.view().index();
            let is_idle = |(fingerprint, head): &(&Fingerprint, &GroupHead)| {
                index.owns(head) && !writing.begun.contains(*fingerprint)
            };
            let idle = index.groups.iter().filter(is_idle);
            idle.filter(|(_, head)| is_expired(head)).map(|(fingerprint, _)| *fingerprint).collect()
        };
        victims.sort_unstable();
        let mut removed = self.remove(&victims)?;
        let surplus = self.surplus(&writing, self.config().max_entries);
        let more = self.remove(&surplus)?;
        removed.groups += more.groups;
        removed.suggestions += more.suggestions;
        Ok(removed)
    }

    /// Between two cleanups there may be somewhat more groups than allowed, but not any number.
    pub(super) fn keep_within_limit(&self, writing: &Writing) {
        let allowed = self.config().max_entries;
        if self.view().index().groups.len() <= allowed.saturating_add(allowed / 8).saturating_add(16) {
            return;
        }
        match self.remove(&self.surplus(writing, allowed)) {
            Ok(Removed { groups, .. }) if groups > 0 => tracing::warn!(
                groups,
                "more kinds of errors than knowledge.max_entries: the oldest groups were removed"
            ),
            Ok(_) => {}
            // What was applied is durable; the next batch tries again.
            Err(error) => tracing::error!(reason = %error, "surplus groups could not be removed"),
        }
    }

    /// The oldest groups beyond a number, of those that may go: as far as they are ours. The others are somebody
    /// else's surplus.
    fn surplus(&self, writing: &Writing, allowed: usize) -> Vec<Fingerprint> {
        let index = self.view().index();
        let surplus = index.groups.len().saturating_sub(allowed);
        let may_go = |fingerprint: &Fingerprint, head: &GroupHead| {
            !matches!(head.status, GroupStatus::Suggested | GroupStatus::Approved)
                && !writing.begun.contains(fingerprint)
        };
        let mut oldest: Vec<_> = index
            .groups
            .iter()
            .filter(|(fingerprint, head)| may_go(fingerprint, head))
            .map(|(fingerprint, head)| (head.applied_at, head.last_seen, *fingerprint, index.owns(head)))
            .collect();
        oldest.sort_unstable();
        oldest.truncate(surplus);
        oldest
            .into_iter()
            .filter(|(.., is_ours)| *is_ours)
            .map(|(_, _, fingerprint, _)| fingerprint)
            .collect()
    }

    fn remove(&self, victims: &[Fingerprint]) -> Result<Removed, Error> {
        let mut removed = Removed::default();
        for victims in victims.chunks(BATCH) {
            let suggestions: Vec<(u64, SuggestionId)> = {
                let index = self.view().index();
                victims.iter().flat_map(|fingerprint| index.suggestions_for(*fingerprint)).collect()
            };
            self.write(
                |access, batch| {
                    victims.iter().try_for_each(|it| schema::delete_group(access, batch, *it))?;
                    suggestions.iter().try_for_each(|it| schema::delete_suggestion(access, batch, *it))
                },
                |index: &mut Index| {
                    suggestions.iter().for_each(|(sequence, _)| index.remove_suggestion(*sequence));
                    for fingerprint in victims {
                        index.groups.remove(fingerprint);
                    }
                },
            )?;
            removed.groups += victims.len();
            removed.suggestions += suggestions.len();
        }
        Ok(removed)
    }
}
