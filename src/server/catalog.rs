//! Knowledge as it is asked for: lists that are filtered, and a person's word.
//!
//! Pure questions to a [`View`], which the running server asks of its own knowledge and a command asks of
//! the state directory. Records are read one at a time and only their summaries are kept, so a list costs
//! little however large the records are.

use super::view::{GroupQuery, GroupSummary, SuggestionQuery, SuggestionSummary};
use crate::knowledge::{Error, GroupFilter, GroupOrder, View};

/// The groups that a query selects, worst and most frequent first.
///
/// # Errors
/// Knowledge cannot be read.
pub fn groups(view: &View, query: &GroupQuery) -> Result<Vec<GroupSummary>, Error> {
    let filter = GroupFilter { status: query.status, severity: query.severity };
    let candidates = view.fingerprints(filter, GroupOrder::Worst);
    let begins = candidates.into_iter().filter(|it| query.prefix.as_ref().is_none_or(|p| p.begins(it)));
    let records = begins.filter_map(|fingerprint| view.group(fingerprint).transpose());
    let of_class = records.filter(|record| match (record, query.class) {
        (Ok(record), Some(class)) => record.group.first.class == class,
        _ => true,
    });
    of_class.map(|record| record.map(GroupSummary::from)).take(query.limit.get()).collect()
}

/// The suggestions that a query selects, latest first.
///
/// # Errors
/// Knowledge cannot be read.
pub fn suggestions(view: &View, query: &SuggestionQuery) -> Result<Vec<SuggestionSummary>, Error> {
    let candidates = view.suggestion_ids(query.status);
    let begins = candidates.into_iter().filter(|it| query.prefix.as_ref().is_none_or(|p| p.begins(it)));
    let records = begins.filter_map(|id| view.suggestion(id).transpose());
    let selected = records.filter(|record| match record {
        Ok(record) => {
            query.class.is_none_or(|class| class == record.suggestion.class)
                && query.verdict.is_none_or(|verdict| verdict == record.suggestion.verdict)
        }
        Err(_) => true,
    });
    selected.map(|record| record.map(SuggestionSummary::from)).take(query.limit.get()).collect()
}
