//! What is measured once, whoever asks for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Error;

/// Answers by folder, each given by whoever asks for it first; who asks meanwhile waits for it.
#[derive(Debug)]
pub(super) struct Measured<T>(Mutex<BTreeMap<String, Arc<Place<T>>>>);

/// What is known of one folder.
#[derive(Debug)]
struct Place<T> {
    /// How many measurements have ended, by which whoever waits knows an answer that was found meanwhile.
    ended: AtomicU64,
    last: tokio::sync::Mutex<Option<Answer<T>>>,
}

/// What a measurement gave.
#[derive(Debug, Clone)]
pub(super) enum Answer<T> {
    /// It holds.
    ForGood(T),
    /// It is no more than why nobody knows: who asks after that measures again.
    ForNow(T),
}

impl<T> Default for Measured<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Default for Place<T> {
    fn default() -> Self {
        Self { ended: AtomicU64::default(), last: tokio::sync::Mutex::default() }
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
        let ended = place.ended.load(Ordering::Acquire);
        // Who is broken off while measuring lets the next one measure.
        let mut last = place.last.lock().await;
        match &*last {
            Some(Answer::ForGood(answer)) => return Ok(answer.clone()),
            // To measure again would take the time of every one who waited, one after the other.
            Some(Answer::ForNow(answer)) if place.ended.load(Ordering::Acquire) != ended => {
                return Ok(answer.clone());
            }
            _ => {}
        }
        let answer = measure.await?;
        place.ended.fetch_add(1, Ordering::Release);
        let (Answer::ForGood(told) | Answer::ForNow(told)) = answer.clone();
        *last = Some(answer);
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn it_is_measured_once_and_again_while_nobody_knows() {
        let (measured, count) = (Measured::default(), AtomicU32::new(0));
        let ask = |folder: &'static str, for_good: bool| {
            let count = &count;
            let measure = async move {
                yield_now().await;
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
        // Those who wait are told why nobody knows; who asks after them measures again.
        let all = tokio::join!(ask("d", false), ask("d", false), ask("d", false));
        assert_eq!((all.0.unwrap(), all.1.unwrap(), all.2.unwrap()), (4, 4, 4));
        let all = tokio::join!(ask("d", false), ask("d", false));
        assert_eq!((all.0.unwrap(), all.1.unwrap()), (5, 5));
        assert_eq!(ask("d", true).await.unwrap(), 6);
    }

    /// The first is broken off while others wait: the next one measures for the rest.
    #[tokio::test]
    async fn who_waits_for_one_that_is_broken_off_takes_the_answer_of_the_next() {
        let (measured, count) = (Measured::default(), AtomicU32::new(0));
        let ask = || {
            measured.of("a", async {
                yield_now().await;
                Ok(Answer::ForNow(count.fetch_add(1, Ordering::Relaxed)))
            })
        };
        let broken_off = async {
            tokio::select! {
                biased;
                _ = measured.of("a", std::future::pending()) => unreachable!("it never ends"),
                () = yield_now() => {}
            }
        };
        let ((), second, third) = tokio::join!(biased; broken_off, ask(), ask());
        assert_eq!((second.unwrap(), third.unwrap()), (0, 0));
    }
}
