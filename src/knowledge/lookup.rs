//! Identities alone, for whoever picks among the records before they are read.

use super::View;
use super::index::{GroupFilter, GroupOrder};
use crate::domain::{Fingerprint, SuggestionId, SuggestionStatus};

impl View {
    /// The groups that pass a filter.
    #[must_use]
    pub fn fingerprints(&self, filter: GroupFilter, order: GroupOrder) -> Vec<Fingerprint> {
        self.index().listed(|_, head| filter.passes(head), order, usize::MAX)
    }

    /// The suggestions, of one status or of all, the newest first.
    #[must_use]
    pub fn suggestion_ids(&self, status: Option<SuggestionStatus>) -> Vec<SuggestionId> {
        let index = self.index();
        let heads = index.suggestions.values().rev();
        heads.filter(|head| status.is_none_or(|status| status == head.status)).map(|head| head.id).collect()
    }
}
