//! What earlier work says about new work.

use super::index::SuggestionHead;
use super::{Error, View};
use crate::domain::{Class, Fingerprint, Outcomes, SuggestionRecord, SuggestionStatus, VerdictKind};

/// The most records that are read for one question.
const MOST_READ: usize = 256;

impl View {
    /// The fixes of a class that were proven and that a person approved, the newest first. Only the newest few
    /// hundred approved ones are looked at.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn approved_fixes(&self, class: Class, limit: usize) -> Result<Vec<SuggestionRecord>, Error> {
        let is_wanted = |head: &SuggestionHead| {
            let is_approved = head.status == SuggestionStatus::Approved && head.copy_of.is_none();
            is_approved && head.class.is_none_or(|known| known == class)
        };
        let mut found = Vec::new();
        for sequence in self.newest(MOST_READ, is_wanted) {
            let record = self.suggestion_at(sequence)?.filter(|record| {
                let Some(suggestion) = Some(&record.suggestion).filter(|it| it.class == class) else {
                    return false;
                };
                suggestion.verdict == VerdictKind::Proven && !record.changes.is_empty()
            });
            found.extend(record);
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// The suggestions for the same failure, with the same callers, in other groups than this one: it may be told in
    /// the logs of several services. None that only repeats another. Those that a person has decided on come first,
    /// then the newest.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn elsewhere(&self, fingerprint: Fingerprint, limit: usize) -> Result<Vec<SuggestionRecord>, Error> {
        let path = self.index().groups.get(&fingerprint).and_then(|head| head.path);
        let Some(path) = path else { return Ok(Vec::new()) };
        let is_other = |head: &SuggestionHead| {
            head.path == Some(path) && head.id.fingerprint != fingerprint && head.copy_of.is_none()
        };
        let decided = self.newest(limit, |head| is_other(head) && head.decision.is_some());
        let open = self.newest(limit, |head| is_other(head) && head.decision.is_none());
        let sequences = decided.into_iter().chain(open).take(limit.min(MOST_READ));
        sequences.filter_map(|sequence| self.suggestion_at(sequence).transpose()).collect()
    }

    /// What people said to all suggestions that are remembered, those that repeat another left out.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for head in self.index().suggestions.values().filter(|head| head.copy_of.is_none()) {
            let is_approved = match head.status {
                SuggestionStatus::Open => continue,
                SuggestionStatus::Approved => true,
                SuggestionStatus::Rejected => false,
            };
            head.source.iter().for_each(|source| outcomes.add(source, is_approved));
        }
        outcomes
    }

    fn newest(&self, limit: usize, is_wanted: impl Fn(&SuggestionHead) -> bool) -> Vec<u64> {
        let index = self.index();
        let wanted = index.suggestions.iter().rev().filter(|(_, head)| is_wanted(head));
        wanted.map(|(sequence, _)| *sequence).take(limit).collect()
    }
}
