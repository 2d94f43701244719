//! A batch, and which records of the changelog it changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rocksdb::WriteBatch;

use super::index::Index;
use super::record::{Mark, RecordKey};
use crate::domain::Fingerprint;

/// What is about to be written.
pub(super) struct Changes<'a> {
    pub(super) raw: &'a mut WriteBatch,
    touched: BTreeSet<RecordKey>,
    /// The homes of groups that are written.
    homes: HashMap<Fingerprint, i32>,
}

impl<'a> Changes<'a> {
    pub(super) fn new(raw: &'a mut WriteBatch) -> Self {
        Self { raw, touched: BTreeSet::new(), homes: HashMap::new() }
    }

    /// Notes that a record is written or deleted.
    pub(super) fn touch(&mut self, key: RecordKey) {
        self.touched.insert(key);
    }

    /// Notes where the home of a group is from now on.
    pub(super) fn settle(&mut self, fingerprint: Fingerprint, home: i32) {
        self.homes.insert(fingerprint, home);
    }

    /// The marks of what was touched; the index is that of before.
    pub(super) fn marks(&self, index: &Index) -> BTreeMap<RecordKey, Mark> {
        let revision = index.last_revision + 1;
        let home = |fingerprint: Fingerprint| {
            let known = self.homes.get(&fingerprint).copied();
            known.or_else(|| Some(index.groups.get(&fingerprint)?.home)).unwrap_or_default()
        };
        let mark = |key: &RecordKey| (*key, Mark { home: home(key.fingerprint()), revision });
        self.touched.iter().map(mark).collect()
    }
}
