//! What the registry's outbox holds: summaries that were promised, and are not yet both published and passed
//! by their file's checkpoint. Until then what they count may be read again.

use std::collections::{BTreeMap, HashMap};

use crate::domain::{Claim, EventId, FileId, Fingerprint, Occurrences};

/// The promises, by identity and by what they claim.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    promises: HashMap<EventId, Promise>,
    /// By where they start: the claims of one failure in one file do not overlap.
    claims: HashMap<(FileId, Fingerprint), BTreeMap<u64, Claim>>,
}

#[derive(Debug)]
struct Promise {
    fingerprint: Fingerprint,
    /// Where the checkpoint must stand before it can be forgotten.
    end: u64,
    published: bool,
}

impl Outbox {
    /// Adds what has become durable in the registry.
    pub(super) fn promise(&mut self, occurrences: &Occurrences) {
        let claim = occurrences.claim();
        let promise = Promise { fingerprint: claim.fingerprint, end: occurrences.span.end, published: false };
        self.promises.insert(occurrences.id, promise);
        self.claims.entry((claim.file, claim.fingerprint)).or_default().insert(claim.start, claim);
    }

    /// The bus has it.
    pub(super) fn published(&mut self, id: EventId) {
        if let Some(promise) = self.promises.get_mut(&id) {
            promise.published = true;
        }
    }

    /// Whether an occurrence is counted by one of the promises.
    pub(super) fn covers(&self, file: FileId, fingerprint: Fingerprint, start: u64) -> bool {
        let claims = self.claims.get(&(file, fingerprint));
        let last = claims.and_then(|claims| claims.range(..=start).next_back());
        last.is_some_and(|(_, claim)| claim.covers(file, fingerprint, start))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.promises.len()
    }

    /// Whether the bus has them all.
    pub(super) fn all_published(&self) -> bool {
        self.promises.values().all(|promise| promise.published)
    }

    /// Those that are published and that their file's checkpoint passes.
    pub(super) fn kept(&self, is_passed: impl Fn(FileId, u64) -> bool) -> Vec<EventId> {
        let kept = |(id, promise): (&EventId, &Promise)| {
            (promise.published && is_passed(id.file, promise.end)).then_some(*id)
        };
        self.promises.iter().filter_map(kept).collect()
    }

    /// Forgets promises that the registry has forgotten.
    pub(super) fn forget(&mut self, kept: &[EventId]) {
        for id in kept {
            let Some(promise) = self.promises.remove(id) else { continue };
            let key = (id.file, promise.fingerprint);
            if let Some(claims) = self.claims.get_mut(&key) {
                claims.remove(&id.start);
                if claims.is_empty() {
                    self.claims.remove(&key);
                }
            }
        }
    }
}
