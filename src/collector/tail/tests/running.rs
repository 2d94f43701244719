//! The thread, its notifications and its channel.

use super::*;
use crate::collector::Counters;

struct Running {
    folder: tempfile::TempDir,
    events: mpsc::Receiver<SourceEvent>,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<Result<(), Error>>>,
    budget: Budget,
    counters: Arc<Counters>,
}

impl Running {
    fn new(polling_interval: Duration, budget: u32) -> Self {
        Self::following("a.log", polling_interval, budget)
    }

    fn following(glob: &str, polling_interval: Duration, budget: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Arc::new(Registry::open(&folder.path().join(FILE_NAME)).unwrap());
        let counters = registry.counters();
        let config = Config {
            paths: vec![format!("{}/{glob}", folder.path().display())],
            polling_interval,
            quiet_after: Duration::from_millis(50),
            ..Config::default()
        };
        let (sender, events) = mpsc::channel(4);
        let (stop, budget) = (CancellationToken::new(), Budget::new(budget));
        let tailer = Tailer::new(config, registry, budget.clone()).unwrap();
        let token = stop.clone();
        let thread = Some(std::thread::spawn(move || tailer.run(&sender, &token)));
        Self { folder, events, stop, thread, budget, counters }
    }

    fn append(&self, text: &str) {
        let path = self.folder.path().join("a.log");
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    async fn next(&mut self) -> SourceEvent {
        tokio::time::timeout(Duration::from_secs(60), self.events.recv()).await.expect("in time").unwrap()
    }

    async fn text(&mut self) -> String {
        loop {
            if let SourceEvent::Bytes { bytes, .. } = self.next().await {
                return String::from_utf8(bytes.to_vec()).unwrap();
            }
        }
    }

    fn end(mut self) {
        self.stop.cancel();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_notification_is_enough() {
    // No poll comes to help within this test.
    let mut running = Running::new(Duration::from_secs(3600), 1 << 20);
    tokio::time::sleep(Duration::from_millis(300)).await;
    for round in 0..5 {
        running.append(&format!("{round}\n"));
        assert_eq!(running.text().await, format!("{round}\n"));
    }
    assert!(matches!(running.next().await, SourceEvent::Quiet { .. }));
    fs::rename(running.folder.path().join("a.log"), running.folder.path().join("a.log.1")).unwrap();
    running.append("new\n");
    assert_eq!(running.text().await, "new\n");
    running.end();
}

#[tokio::test]
async fn the_time_in_which_there_is_no_room_is_counted() {
    let mut running = Running::new(Duration::from_millis(100), 100);
    running.append("short\n");
    assert_eq!(running.text().await, "short\n");
    assert!(matches!(running.next().await, SourceEvent::Quiet { .. }));
    let with_room = running.counters.stats().held_back;
    running.append(&"x".repeat(1_000));
    let begun = Instant::now();
    // Nobody takes the first hundred bytes, so there is no room for more.
    while running.counters.stats().held_back < with_room + Duration::from_millis(500) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", running.counters.stats());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut text = running.text().await;
    while text.len() < 1_000 {
        text.push_str(&running.text().await);
    }
    running.end();
}

#[tokio::test]
async fn a_new_file_is_seen_at_once() {
    // No poll comes to help within this test.
    let mut running = Running::following("*/*.log", Duration::from_secs(3600), 1 << 20);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let folder = running.folder.path().join("app");
    fs::create_dir(&folder).unwrap();
    for pause in [0, 2, 20, 200] {
        // Created, and written to later.
        let mut file = fs::File::create(folder.join(format!("{pause}.log"))).unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        file.write_all(format!("{pause}\n").as_bytes()).unwrap();
        assert_eq!(running.text().await, format!("{pause}\n"));
    }
    fs::write(folder.join("other"), "moved\n").unwrap();
    fs::rename(folder.join("other"), folder.join("moved.log")).unwrap();
    assert_eq!(running.text().await, "moved\n");
    running.end();
}

#[tokio::test]
async fn it_stops_at_once_while_nobody_takes_anything() {
    let running = Running::new(Duration::from_millis(100), 1 << 20);
    running.append(&"line\n".repeat(1 << 20));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(running.budget.used_bytes() > 0);
    let before = Instant::now();
    running.end();
    assert!(before.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn it_never_holds_more_than_its_budget() {
    let mut running = Running::new(Duration::from_millis(100), 1000);
    let text = "line\n".repeat(2000);
    running.append(&text);
    let (mut read, mut held) = (0, Vec::new());
    while read < text.len() {
        // A consumer that holds on to what it has until nothing more comes.
        match tokio::time::timeout(Duration::from_millis(500), running.events.recv()).await {
            Ok(Some(SourceEvent::Bytes { bytes, .. })) => {
                read += bytes.len();
                held.push(bytes);
                assert!(held.iter().map(|bytes| bytes.len()).sum::<usize>() <= 1000);
            }
            Ok(event) => assert!(event.is_some()),
            Err(_) => held.clear(),
        }
    }
    assert_eq!(read, text.len());
    running.end();
}

#[tokio::test]
async fn it_ends_when_nobody_listens() {
    let mut running = Running::new(Duration::from_millis(100), 1 << 20);
    running.events.close();
    running.append("line\n");
    tokio::task::spawn_blocking(move || running.thread.take().unwrap().join().unwrap().unwrap())
        .await
        .unwrap();
}
