//! What is measured once, whoever asks for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Error;

/// Answers by folder, each given by whoever asks for it first; who asks meanwhile waits for it.
#[derive(Debug)]
pub(super) struct Measured<T>(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Option<T>>>>>);

/// What a measurement gave.
pub(super) enum Answer<T> {
    /// It holds.
    ForGood(T),
    /// It is no more than why nobody knows: who asks next measures again.
    ForNow(T),
}

impl<T> Default for Measured<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Measured<T> {
    /// The answer for a folder, by `measure` where none is known.
    pub(super) async fn of(
        &self,
        folder: &str,
        measure: impl Future<Output = Result<Answer<T>, Error>>,
    ) -> Result<T, Error> {
        let place = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(folder.to_owned()).or_default())
        };
        // Who is broken off while measuring lets the next one measure.
        let mut known = place.lock().await;
        if let Some(answer) = &*known {
            return Ok(answer.clone());
        }
        Ok(match measure.await? {
            Answer::ForGood(answer) => known.insert(answer).clone(),
            Answer::ForNow(answer) => answer,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn it_is_measured_once_and_again_while_nobody_knows() {
        let (measured, count) = (Measured::default(), AtomicU32::new(0));
        let ask = |folder: &'static str, for_good: bool| {
            let count = &count;
            let measure = async move {
                tokio::task::yield_now().await;
                let number = count.fetch_add(1, Ordering::Relaxed);
                Ok(if for_good { Answer::ForGood(number) } else { Answer::ForNow(number) })
            };
            measured.of(folder, measure)
        };
        // Two ask at the same time.
        let both = tokio::join!(ask("a", true), ask("a", true));
        assert_eq!((both.0.unwrap(), both.1.unwrap()), (0, 0));
        assert_eq!(ask("b", false).await.unwrap(), 1);
        assert_eq!(ask("b", true).await.unwrap(), 2);
        assert_eq!(ask("b", true).await.unwrap(), 2);
        // One that is broken off.
        let stuck = measured.of("c", std::future::pending());
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), stuck).await.is_err());
        assert_eq!(ask("c", true).await.unwrap(), 3);
    }
}
