//! Lines of a log from before an error, which may tell how it came about.
//!
//! They are read from the file itself, where a kind of error is new, so neither a healthy log nor a storm of
//! the same error pays for them.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// How far back is looked.
const WINDOW_BYTES: u64 = 32 << 10;
/// Longer lines are cut: what hints at a cause stands near their beginning.
const MAX_LINE_BYTES: usize = 2 << 10;

/// The last whole lines that end before `offset`, oldest first. Hints only: none where the log cannot be
/// read any more.
pub(super) fn lines_before(log: &File, offset: u64, count: usize) -> Vec<String> {
    let start = offset.saturating_sub(WINDOW_BYTES);
    let Ok(length) = usize::try_from(offset - start) else { return Vec::new() };
    if length == 0 || count == 0 {
        return Vec::new();
    }
    let mut window = vec![0; length];
    if log.read_exact_at(&mut window, start).is_err() {
        return Vec::new();
    }
    let mut lines: Vec<_> = window
        .split(|byte| *byte == b'\n')
        // The first piece may have lost its beginning.
        .skip(usize::from(start > 0))
        .filter(|line| !line.is_empty())
        .map(|line| String::from_utf8_lossy(&line[..line.len().min(MAX_LINE_BYTES)]).into_owned())
        .collect();
    lines.drain(..lines.len().saturating_sub(count));
    lines
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::time::Duration;

    use super::super::{Role, Service};
    use super::*;
    use crate::app::wire;
    use crate::bus::{Consumer, Position, Topic, Turn};
    use crate::config::{Config, PathGlob};
    use crate::domain::Occurrences;

    #[test]
    fn the_last_whole_lines_before_an_offset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        fs::write(&path, "one\n\ntwo\nthree\npanic: x\n").unwrap();
        let log = File::open(&path).unwrap();
        assert_eq!(lines_before(&log, 15, 2), ["two", "three"]);
        assert_eq!(lines_before(&log, 15, 9), ["one", "two", "three"]);
        assert_eq!((lines_before(&log, 0, 9), lines_before(&log, 15, 0)), (vec![], vec![]));
        assert_eq!(lines_before(&log, 99, 9), Vec::<String>::new(), "it is shorter by now");

        let long = format!("{}\nlast\n", "x".repeat(100_000));
        fs::write(&path, &long).unwrap();
        assert_eq!(lines_before(&log, long.len() as u64, 9), ["last"], "one without a beginning is no line");
        let line = format!("{}\nlast\n", "x".repeat(5_000));
        fs::write(&path, &line).unwrap();
        let cut: Vec<_> = lines_before(&log, line.len() as u64, 9).iter().map(String::len).collect();
        assert_eq!(cut, [MAX_LINE_BYTES, 4]);
    }

    /// The next that is told on the bus of what a service reads.
    async fn next(consumer: &mut Consumer) -> Occurrences {
        let Turn::Messages(mut batch) = consumer.next(1, 1 << 20).await.unwrap() else { panic!() };
        let delivery = batch.pop().unwrap();
        consumer.commit(&[delivery.position()], &[]).await.unwrap();
        wire::error::decode(&delivery.message).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_the_first_of_a_kind_of_error_comes_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let mut config = Config::built_in().unwrap();
        config.state_dir = folder.path().join("state");
        config.collector.log_paths = vec![PathGlob::named(path.to_str().unwrap()).unwrap()];
        let service = Service::start(&config, Role::Whole).await.unwrap();
        let mut consumer = service.core.bus.consumer(Topic::Errors, "test").await.unwrap();
        assert!(matches!(consumer.next(1, 1).await, Ok(Turn::Assigned(_))));
        consumer.start(Position { partition: 0, next: 0 }).await.unwrap();
        let mut log = File::create(&path).unwrap();
        for (context, expected) in [("order 7 begun", vec!["order 7 begun"]), ("order 8 begun", vec![])] {
            // Silence ends each of them, so each goes out alone.
            write!(log, "{context}\npanic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:7 +0x1d\n")
                .unwrap();
            let told = next(&mut consumer).await;
            assert_eq!(
                (told.context, told.count.get()),
                (expected.into_iter().map(str::to_owned).collect(), 1)
            );
        }
        drop(consumer);
        service.stop(Duration::from_secs(60)).await.unwrap();
    }
}
