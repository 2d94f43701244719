//! One byte budget for all sources: what has been read and not yet been let go.
//!
//! A chunk is read only with a permit for its bytes. The permit travels in the chunk and returns when the
//! chunk is dropped. At the limit reading stops; a file is its own buffer, a pipe drops and counts.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of bytes that may be held at once.
#[derive(Debug, Clone)]
pub struct Budget {
    free: Arc<Semaphore>,
    total: u32,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(bytes as usize)), total: bytes }
    }

    /// All of it.
    #[must_use]
    pub const fn total_bytes(&self) -> u32 {
        self.total
    }

    /// How much of it is in use.
    #[must_use]
    pub fn used_bytes(&self) -> u32 {
        self.total.saturating_sub(u32::try_from(self.free.available_permits()).unwrap_or(u32::MAX))
    }

    /// A permit for so many bytes, at most for the whole budget, if they are free now.
    #[must_use]
    pub fn try_take(&self, bytes: u32) -> Option<Permit> {
        Arc::clone(&self.free).try_acquire_many_owned(bytes.min(self.total)).ok().map(Permit)
    }

    /// A permit for so many bytes, at most for the whole budget, once they are free. Whoever waits is served
    /// in the order of asking.
    pub async fn take(&self, bytes: u32) -> Permit {
        loop {
            // The semaphore is never closed, so this is granted at the first asking.
            if let Ok(permit) = Arc::clone(&self.free).acquire_many_owned(bytes.min(self.total)).await {
                return Permit(permit);
            }
        }
    }
}

/// The right to hold some bytes; dropped, it returns to the budget.
#[derive(Debug)]
pub struct Permit(OwnedSemaphorePermit);

impl Permit {
    /// For how many bytes it is.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.num_permits()
    }

    /// Returns what is beyond `bytes`.
    fn shrink(&mut self, bytes: usize) {
        let spare = self.bytes().saturating_sub(bytes);
        drop(self.0.split(spare));
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
        let budget = Budget::new(100);
        let permit = budget.try_take(80).unwrap();
        assert!(budget.try_take(21).is_none());
        let chunk = Chunk::new(b"..bytes".to_vec(), 2, permit);
        assert_eq!((&*chunk, budget.used_bytes()), (&b"bytes"[..], 5));
        assert_eq!(budget.try_take(u32::MAX).map(|permit| permit.bytes()), None);
        drop(chunk);
        assert_eq!(budget.used_bytes(), 0);
        assert_eq!(budget.try_take(u32::MAX).map(|permit| permit.bytes()), Some(100));
    }

    #[tokio::test]
    async fn waiting_ends_when_bytes_return() {
        let budget = Budget::new(10);
        let held = budget.try_take(10).unwrap();
        let mut waiting = std::pin::pin!(budget.take(4));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), &mut waiting).await.is_err());
        drop(held);
        assert_eq!(waiting.await.bytes(), 4);
    }
}
