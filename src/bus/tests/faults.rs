//! What goes wrong around the bus.

use tokio::task::JoinSet;

use super::*;
use crate::storage::small_disk::SmallDisk;

/// A message with 36 KB that no compression makes smaller: some dozens are more than what the database
/// has reserved on the disk.
fn heavy(index: usize) -> Message {
    with_ballast(index, 36_000)
}

fn with_ballast(index: usize, bytes: usize) -> Message {
    let mut state = index as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(35 + (state >> 58) as u8)
    };
    let ballast = std::iter::repeat_with(&mut next).take(bytes).collect();
    let mut message = message(index);
    message.headers.push(("ballast".into(), ballast));
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_delays_messages_and_loses_none() {
    let disk = SmallDisk::new(24);
    let (bus, mut consumer) = joined(&disk.path().join("bus")).await;
    publish(&bus, 0..100).await;
    disk.fill();
    let (sender, settled) = settlements();
    for index in 100..300 {
        bus.publish(&heavy(index), pending(index, &sender)).await.unwrap();
    }
    await_retries(&bus, 3).await;
    let before: Vec<_> = settled.try_iter().collect();
    assert!(before.len() < 200 && before.iter().all(|(_, settlement)| *settlement == Settlement::Durable));
    disk.clear();
    let numbers: Vec<_> = take(&mut consumer, 300).await.iter().map(number).collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    let settled = tokio::task::spawn_blocking(move || {
        (before.len()..200).map(|_| settled.recv_timeout(PATIENCE).unwrap()).collect::<Vec<_>>()
    });
    assert!(settled.await.unwrap().iter().all(|(_, settlement)| *settlement == Settlement::Durable));
}

/// A bus, and a member of its one group of consumers.
async fn joined(path: &Path) -> (Bus, Consumer) {
    let bus = open(path, &Config::default());
    let consumer = join(&bus, Topic::Errors, GROUP, None).await;
    (bus, consumer)
}

/// Publishes heavy messages, a few at a time, and takes and commits them.
async fn pass_through(bus: &Bus, consumer: &mut Consumer, numbers: std::ops::Range<usize>) {
    for few in numbers.step_by(10) {
        let working = pass_few(bus, consumer, few..few + 10);
        let ended = tokio::time::timeout(PATIENCE, working).await;
        assert!(ended.is_ok(), "{few}: {:?}", status(bus));
    }
}

async fn pass_few(bus: &Bus, consumer: &mut Consumer, few: std::ops::Range<usize>) {
    let (sender, settled) = settlements();
    for index in few.clone() {
        bus.publish(&heavy(index), pending(index, &sender)).await.unwrap();
    }
    let deliveries = take(consumer, few.len()).await;
    assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), few.clone().collect::<Vec<_>>());
    consumer.commit(&[deliveries.last().unwrap().position()], &[]).await.unwrap();
    let durable = |(_, settlement): &Settled| *settlement == Settlement::Durable;
    assert_eq!(settled.try_iter().filter(durable).count(), few.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_smaller_than_what_may_be_kept_holds_what_is_not_consumed_yet() {
    let disk = SmallDisk::new(24);
    let path = disk.path().join("bus");
    let (bus, mut consumer) = joined(&path).await;
    // Three times as much as the disk.
    pass_through(&bus, &mut consumer, 0..2_000).await;
    bus.close().await;
    let (bus, mut consumer) = joined(&path).await;
    pass_through(&bus, &mut consumer, 2_000..2_010).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_consumed_makes_room_on_a_disk_that_others_have_filled() {
    let disk = SmallDisk::new(96);
    let path = disk.path().join("bus");
    let (bus, mut consumer) = joined(&path).await;
    pass_through(&bus, &mut consumer, 0..1_000).await;
    assert_eq!((status(&bus).topics[0].head, status(&bus).retries), (0, 0), "there is space as yet");
    disk.fill();
    pass_through(&bus, &mut consumer, 1_000..3_000).await;
    bus.close().await;
    let (bus, mut consumer) = joined(&path).await;
    pass_through(&bus, &mut consumer, 3_000..3_010).await;
}

/// Waits until a batch could not be written so often.
async fn await_retries(bus: &Bus, count: u64) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while status(bus).retries < count {
        assert!(std::time::Instant::now() < deadline, "a write on a full disk must fail: {:?}", status(bus));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Publishes a message that no consumer has seen yet, for each number, for as long as that takes.
fn publish_beside(bus: &Bus, numbers: std::ops::Range<usize>) -> JoinSet<()> {
    let (bus, mut publishing) = (bus.clone(), JoinSet::new());
    publishing.spawn(async move {
        for index in numbers {
            bus.publish(&heavy(index), Pending::new(|_| {})).await.unwrap();
        }
    });
    publishing
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_full_of_what_was_not_consumed_is_emptied_by_consuming() {
    let disk = SmallDisk::new(48);
    let path = disk.path().join("bus");
    let (bus, mut consumer) = joined(&path).await;
    // More than the disk holds.
    let mut publishing = publish_beside(&bus, 0..2_000);
    await_retries(&bus, 3).await;
    for few in (0..2_000).step_by(20) {
        let deliveries = take(&mut consumer, 20).await;
        assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), (few..few + 20).collect::<Vec<_>>());
        consumer.commit(&[deliveries[19].position()], &[]).await.unwrap();
    }
    publishing.join_next().await.unwrap().unwrap();
    bus.close().await;
    let (bus, mut consumer) = joined(&path).await;
    pass_through(&bus, &mut consumer, 2_000..2_010).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_others_have_filled_it_can_be_read_committed_and_opened() {
    let disk = SmallDisk::new(48);
    let path = disk.path().join("bus");
    let (bus, mut consumer) = joined(&path).await;
    publish(&bus, 0..10).await;
    disk.fill();
    let mut publishing = publish_beside(&bus, 10..300);
    await_retries(&bus, 10).await;
    // Nothing can be written, and everything be read.
    let durable = usize::try_from(status(&bus).topics[0].end).unwrap();
    assert!((10..300).contains(&durable));
    let deliveries = take(&mut consumer, durable).await;
    consumer.commit(&[deliveries[4].position()], &[]).await.unwrap();
    bus.close().await;
    // What it still had to publish is refused.
    drop(publishing.join_next().await);
    let (bus, mut consumer) = joined(&path).await;
    let again: Vec<_> = take(&mut consumer, durable - 5).await.iter().map(number).collect();
    assert_eq!(again, (5..durable).collect::<Vec<_>>());
    let mut publishing = publish_beside(&bus, durable..300);
    await_retries(&bus, 3).await;
    disk.clear();
    publishing.join_next().await.unwrap().unwrap();
    assert_eq!(take(&mut consumer, 300 - durable).await.len(), 300 - durable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_does_not_fit_waits_for_what_was_consumed_to_go() {
    let disk = SmallDisk::new(64);
    let path = disk.path().join("bus");
    let (bus, mut consumer) = joined(&path).await;
    pass_through(&bus, &mut consumer, 0..1_000).await;
    disk.fill();
    // More than the database has reserved for its log: what the batch itself deletes comes too late.
    bus.publish(&with_ballast(1_000, 6_000_000), Pending::new(|_| {})).await.unwrap();
    let last = take(&mut consumer, 1).await.pop().unwrap();
    assert_eq!(last.message, with_ballast(1_000, 6_000_000));
    consumer.commit(&[last.position()], &[]).await.unwrap();
    let status = status(&bus);
    assert!(status.retries > 0 && status.topics[0].head > 0, "{status:?}");
    bus.close().await;
    let (bus, mut consumer) = joined(&path).await;
    pass_through(&bus, &mut consumer, 1_010..1_020).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_on_a_full_disk_refuses_what_was_not_written() {
    let disk = SmallDisk::new(24);
    let path = disk.path().join("bus");
    let bus = open(&path, &Config::default());
    publish(&bus, 0..10).await;
    disk.fill();
    let (sender, settled) = settlements();
    for index in 10..150 {
        bus.publish(&heavy(index), pending(index, &sender)).await.unwrap();
    }
    await_retries(&bus, 1).await;
    tokio::time::timeout(PATIENCE, bus.close()).await.unwrap();
    let settled: Vec<_> = settled.try_iter().collect();
    assert_eq!(settled.len(), 140, "every promise is settled");
    let durable = settled.iter().filter(|(_, settlement)| *settlement == Settlement::Durable).count();
    assert!(durable < 140);
    disk.clear();
    let (_bus, mut consumer) = joined(&path).await;
    let numbers: Vec<_> = take(&mut consumer, 10 + durable).await.iter().map(number).collect();
    assert_eq!(numbers, (0..10 + durable).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_told() {
    let mut disk = SmallDisk::new(24);
    let path = disk.path().join("bus");
    let bus = open(&path, &Config::default());
    publish(&bus, 0..10).await;
    bus.close().await;
    disk.make_read_only();
    let refused = refusal(&path);
    assert!(refused.contains("must be writable") && refused.contains("Read-only file system"), "{refused}");
    assert!(refusal(&disk.path().join("other")).contains("Read-only file system"));
}

fn refusal(folder: &Path) -> String {
    Embedded::open(folder, &Config::default(), &Metrics::new().unwrap()).map(drop).unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_bus_on_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bus = open(folder.path(), &Config::default());
    let refused = refusal(folder.path());
    let expected =
        format!("a Hephaestus is running on this state directory (process {})", std::process::id());
    assert!(refused.starts_with(&expected), "{refused}");
    publish(&bus, 0..3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    let bus = open(&path, &Config::default());
    publish(&bus, 0..100).await;
    bus.close().await;
    let current = fs::read(path.join("CURRENT")).unwrap();
    let manifest = path.join(String::from_utf8(current.clone()).unwrap().trim_end());
    for (file, garbage) in [
        (path.join("CURRENT"), &b"garbage"[..]),
        (path.join("CURRENT"), b"MANIFEST-garbage\n"),
        (path.join("CURRENT"), b""),
        (manifest, b"\0\x01garbage garbage garbage"),
    ] {
        let good = fs::read(&file).unwrap();
        fs::write(&file, garbage).unwrap();
        let refused = refusal(&path);
        assert!(refused.contains("is damaged") && refused.contains("move it away"), "{refused}");
        assert!(refused.contains(path.to_str().unwrap()), "{refused}");
        assert_eq!(fs::read(&file).unwrap(), garbage, "{}", file.display());
        fs::write(&file, good).unwrap();
    }
    fs::remove_file(path.join("CURRENT")).unwrap();
    assert!(
        refusal(&path).contains("holds something else"),
        "a database without its root is not overwritten"
    );
    fs::write(path.join("CURRENT"), current).unwrap();
    let (_bus, mut consumer) = joined(&path).await;
    assert_eq!(take(&mut consumer, 100).await.len(), 100);
}

#[test]
fn another_thing_in_the_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("diary.txt"), "dear diary").unwrap();
    assert!(refusal(folder.path()).contains("holds something else"));
    assert!(refusal(&folder.path().join("diary.txt")).contains("holds something else"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_database_from_the_future_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), &Config::default()));
    let names = rocksdb::DB::list_cf(&rocksdb::Options::default(), folder.path()).unwrap();
    let mut db = rocksdb::DB::open_cf(&rocksdb::Options::default(), folder.path(), &names).unwrap();
    db.put(b"version", [9]).unwrap();
    db.create_cf("invented-later", &rocksdb::Options::default()).unwrap();
    drop(db);
    let refused = refusal(folder.path());
    assert!(refused.contains("has format 9, and this program knows up to 1"), "{refused}");
}

#[test]
fn a_creation_that_was_broken_off_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("CREATING"), "").unwrap();
    fs::write(folder.path().join("MANIFEST-000001"), "half").unwrap();
    drop(open(folder.path(), &Config::default()));
    assert!(!folder.path().join("CREATING").exists());
    drop(open(folder.path(), &Config::default()));
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let refused = refusal(Path::new("/proc/hephaestus/bus"));
    assert!(refused.contains("must be writable") && refused.contains("/proc/hephaestus/bus"), "{refused}");
}
