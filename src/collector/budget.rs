//! One byte budget for all sources: what has been read and not yet been let go.
//!
//! A chunk is read only with a permit for its bytes. The permit travels in the chunk and returns when the
//! chunk is dropped. Whoever keeps a part of it for longer, as of a line that has not ended, says so by
//! [`Held`]. At the limit reading stops; a file is its own buffer, a pipe drops and counts.
//!
//! What is held waits for bytes that are still to be read. So it may have one half only: beyond, the budget is
//! [crowded](Budget::is_crowded), and whoever holds must let go. A permit never takes more than the other half.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

/// A number of bytes that may be held at once.
#[derive(Debug, Clone)]
pub struct Budget {
    shared: Arc<Shared>,
    total: u32,
}

#[derive(Debug)]
struct Shared {
    free: Semaphore,
    kept: Mutex<Kept>,
}

/// What is kept of chunks beyond their permits.
#[derive(Debug, Default)]
struct Kept {
    bytes: u32,
    /// How many of these were not free when they were kept: what returns pays for them first.
    owed: u32,
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, kept: &mut Kept, bytes: u32) {
        let paid = kept.owed.min(bytes);
        kept.owed -= paid;
        self.free.add_permits((bytes - paid) as usize);
    }

    /// What is kept was so many bytes, and is so many now.
    fn keep(&self, before: u32, now: u32) {
        let mut kept = self.kept();
        kept.bytes = kept.bytes.saturating_sub(before).saturating_add(now);
        if now > before {
            kept.owed = kept.owed.saturating_add(now - before);
            self.pay(&mut kept);
        } else {
            self.give_back(&mut kept, before - now);
        }
    }

    /// Pays what is owed from what is free.
    fn pay(&self, kept: &mut Kept) {
        let paid = self.free.forget_permits(kept.owed as usize);
        kept.owed -= as_u32(paid);
    }
}

fn as_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl Budget {
    /// A budget of so many bytes, at least two.
    #[must_use]
    pub fn new(bytes: u32) -> Self {
        let total = bytes.max(2);
        let shared = Shared { free: Semaphore::new(total as usize), kept: Mutex::default() };
        Self { shared: Arc::new(shared), total }
    }

    /// The most bytes of one permit: half of all.
    #[must_use]
    pub const fn most_at_once(&self) -> u32 {
        self.total / 2
    }

    /// How much of it is in use; more than all of it only until whoever holds has let go.
    #[must_use]
    pub fn used_bytes(&self) -> u32 {
        let kept = self.shared.kept();
        self.total.saturating_sub(as_u32(self.shared.free.available_permits())).saturating_add(kept.owed)
    }

    /// A permit for so many bytes, at most for [one half](Self::most_at_once), if they are free now.
    #[must_use]
    pub fn try_take(&self, bytes: u32) -> Option<Permit> {
        let bytes = bytes.min(self.most_at_once());
        self.shared.pay(&mut self.shared.kept());
        self.shared.free.try_acquire_many(bytes).ok()?.forget();
        Some(Permit { shared: Arc::clone(&self.shared), bytes })
    }

    /// A permit for so many bytes, at most for [one half](Self::most_at_once), once they are free. Whoever waits is
    /// served in the order of asking.
    pub async fn take(&self, bytes: u32) -> Permit {
        let bytes = bytes.min(self.most_at_once());
        // Whoever gave up waiting has given back past this account.
        self.shared.pay(&mut self.shared.kept());
        loop {
            // The semaphore is never closed, so this is granted at the first asking.
            if let Ok(permit) = self.shared.free.acquire_many(bytes).await {
                permit.forget();
                return Permit { shared: Arc::clone(&self.shared), bytes };
            }
        }
    }

    /// The account of one who keeps something of what was read. Nothing is kept yet.
    #[must_use]
    pub fn hold(&self) -> Held {
        Held { shared: Arc::clone(&self.shared), bytes: 0 }
    }

    /// Whether more than one half is held: some of it must be let go, for what it waits for to find room.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.shared.kept().bytes > self.total / 2
    }
}

/// Bytes that are kept of what was read, after its chunk was dropped. Dropped, they return to the budget.
#[derive(Debug)]
pub struct Held {
    shared: Arc<Shared>,
    bytes: u32,
}

impl Held {
    /// How many they are.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// So many are kept from now on. Nobody is asked: they are there.
    pub fn set(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.bytes, as_u32(bytes));
        if before != self.bytes {
            self.shared.keep(before, self.bytes);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// The right to hold some bytes; dropped, it returns to the budget.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    bytes: u32,
}

impl Permit {
    /// For how many bytes it is.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes as usize
    }

    /// Returns what is beyond `bytes`.
    fn shrink(&mut self, bytes: usize) {
        let kept = self.bytes.min(as_u32(bytes));
        let spare = self.bytes - kept;
        self.bytes = kept;
        self.shared.give_back(&mut self.shared.kept(), spare);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// Bytes that were read, and the permit to hold them.
#[derive(Debug)]
pub struct Chunk {
    bytes: Vec<u8>,
    /// Bytes at the front that were read only to be compared.
    skip: usize,
    _permit: Permit,
}

impl Chunk {
    /// The bytes behind the first `skip`, held by this permit.
    pub(super) fn new(bytes: Vec<u8>, skip: usize, mut permit: Permit) -> Self {
        permit.shrink(bytes.len().saturating_sub(skip));
        Self { skip: skip.min(bytes.len()), bytes, _permit: permit }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.skip..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_holds_what_it_has_and_lets_go() {
        let budget = Budget::new(160);
        let permit = budget.try_take(80).unwrap();
        let chunk = Chunk::new(b"..bytes".to_vec(), 2, permit);
        assert_eq!((&*chunk, budget.used_bytes()), (&b"bytes"[..], 5));
        let half = budget.try_take(u32::MAX);
        assert_eq!(half.as_ref().map(Permit::bytes), Some(80));
        assert!(budget.try_take(u32::MAX).is_none());
        drop(chunk);
        assert_eq!(budget.used_bytes(), 80);
        assert_eq!(budget.try_take(u32::MAX).map(|permit| permit.bytes()), Some(80));
    }

    #[tokio::test]
    async fn waiting_ends_when_bytes_return() {
        let budget = Budget::new(10);
        let held = [budget.try_take(5).unwrap(), budget.try_take(5).unwrap()];
        let mut waiting = std::pin::pin!(budget.take(4));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), &mut waiting).await.is_err());
        drop(held);
        assert_eq!(waiting.await.bytes(), 4);
    }

    #[tokio::test]
    async fn what_is_kept_is_paid_for_before_anything_more_is_read() {
        let budget = Budget::new(100);
        let permits = [budget.try_take(50).unwrap(), budget.try_take(50).unwrap()];
        let mut waiting = std::pin::pin!(budget.take(30));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), &mut waiting).await.is_err());
        let (mut one, mut other) = (budget.hold(), budget.hold());
        one.set(60);
        other.set(20);
        assert_eq!((budget.used_bytes(), budget.is_crowded()), (180, true));
        let [first, second] = permits;
        drop(first);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), &mut waiting).await.is_err());
        one.set(10);
        assert!(!budget.is_crowded());
        drop(second);
        assert_eq!(waiting.await.bytes(), 30);
        drop((one, other));
        assert_eq!((budget.used_bytes(), budget.try_take(50).is_some()), (0, true));
    }
}
