//! Suggestions as server-sent events.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::instance::{Instance, MAX_CONNECTIONS, PATIENCE, SOON};

/// A client of the stream; HTTP/1.0, so that the body is the events and nothing else.
struct Stream {
    lines: BufReader<TcpStream>,
}

/// One event as it was sent.
#[derive(Debug, PartialEq)]
struct Sent {
    id: String,
    event: String,
    data: Value,
}

impl Stream {
    fn open(instance: &Instance, query: &str, headers: &str) -> Self {
        let mut stream = instance.tcp();
        let request =
            format!("GET /api/v1/suggestions/stream{query} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let head: Vec<String> =
            lines.by_ref().lines().map(Result::unwrap).take_while(|l| !l.is_empty()).collect();
        assert!(head[0].contains(" 200 "), "{head:?}");
        assert!(
            head.iter().any(|line| line.eq_ignore_ascii_case("content-type: text/event-stream")),
            "{head:?}"
        );
        Self { lines }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.lines.read_line(&mut line).unwrap() > 0).then(|| line.trim_end().to_owned())
    }

    /// The next suggestion; none once the stream has ended.
    fn next(&mut self) -> Option<Sent> {
        let (mut id, mut event, mut data) = (String::new(), String::new(), None);
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", value)) => id = value.to_owned(),
                Some(("event", value)) => event = value.to_owned(),
                Some(("data", value)) => data = Some(serde_json::from_str(value).unwrap()),
                _ => {}
            }
            if line.is_empty()
                && let Some(data) = data.take()
            {
                return Some(Sent { id, event, data });
            }
        }
    }

    fn ids(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.next().expect("the stream goes on").id).collect()
    }
}

#[test]
fn what_came_before_is_sent_first_then_what_comes() {
    let instance = Instance::start();
    // More than one page.
    let first_made = instance.shelf.suggest_next(0);
    (1..40).for_each(|_| drop(instance.shelf.suggest_next(0)));
    let mut stream = Stream::open(&instance, "", "");
    assert_eq!(stream.line().as_deref(), Some("retry: 2000"));
    let first = stream.next().unwrap();
    assert_eq!((first.id.as_str(), first.event.as_str()), ("1", "suggestion"));
    assert_eq!(first.data["id"], first_made.id.to_string());
    assert_eq!(stream.ids(39), (2..=40).map(|id| id.to_string()).collect::<Vec<_>>());
    for id in 41..=43 {
        let made = instance.shelf.suggest_next(0);
        let sent = stream.next().unwrap();
        assert_eq!((sent.id, &sent.data), (id.to_string(), &serde_json::to_value(&made).unwrap()));
    }
}

#[test]
fn a_stream_resumes_where_the_client_stopped() {
    let instance = Instance::start();
    (0..5).for_each(|_| drop(instance.shelf.suggest_next(0)));
    assert_eq!(Stream::open(&instance, "?after=3", "").ids(2), ["4", "5"]);
    assert_eq!(Stream::open(&instance, "", "Last-Event-ID: 4\r\n").ids(1), ["5"]);
    // A client that comes back repeats its first URL.
    assert_eq!(Stream::open(&instance, "?after=1", "Last-Event-ID: 3\r\n").ids(2), ["4", "5"]);
    let mut latest = Stream::open(&instance, "?after=5", "");
    instance.shelf.suggest_next(0);
    assert_eq!(latest.ids(1), ["6"]);
    // Who has seen more than there is knew a state that is gone.
    assert_eq!(Stream::open(&instance, "", "Last-Event-ID: 99\r\n").ids(1), ["1"]);
    for bad in ["Last-Event-ID: x\r\n", "Last-Event-ID: -1\r\n", "Last-Event-ID: 99999999999999999999\r\n"] {
        instance.get_with("/api/v1/suggestions/stream", &format!("Host: localhost\r\n{bad}")).problem(400);
    }
}

#[test]
fn nothing_is_lost_or_doubled_between_reading_and_waiting() {
    let instance = Instance::start();
    std::thread::scope(|scope| {
        let readers: Vec<_> =
            (0..3).map(|_| scope.spawn(|| Stream::open(&instance, "", "").ids(100))).collect();
        for _ in 0..100 {
            instance.shelf.suggest_next(0);
        }
        let expected: Vec<_> = (1..=100).map(|id| id.to_string()).collect();
        readers.into_iter().for_each(|reader| assert_eq!(reader.join().unwrap(), expected));
    });
}

#[test]
fn a_silent_stream_shows_that_it_lives_and_ends_with_the_instance() {
    let instance = Instance::start();
    let mut stream = Stream::open(&instance, "", "");
    let heartbeat = std::iter::from_fn(|| stream.line()).find(|line| line.starts_with(':'));
    assert!(heartbeat.is_some());
    instance.begin_to_stop();
    let asked = Instant::now();
    assert_eq!(stream.next(), None);
    instance.join();
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[test]
fn streams_leave_room_for_others() {
    let instance = Instance::start();
    let mut open: Vec<_> = (0..MAX_CONNECTIONS / 2).map(|_| Stream::open(&instance, "", "")).collect();
    let refused = instance.get("/api/v1/suggestions/stream");
    refused.problem(503);
    assert!(refused.head.contains("retry-after: "), "{refused:?}");
    assert_eq!(instance.get("/livez").status, 200);
    // A client that goes makes room, once its next heartbeat finds nobody.
    open.pop();
    let deadline = Instant::now() + SOON;
    while instance.get_with("/api/v1/suggestions/stream?after=x", "Host: localhost\r\n").status != 400
        || probe(&instance) != 200
    {
        assert!(Instant::now() < deadline, "no room was made");
        sleep(Duration::from_millis(100));
    }
}

/// The status of a stream, which is left at once.
fn probe(instance: &Instance) -> u16 {
    let mut stream = instance.tcp();
    stream.write_all(b"GET /api/v1/suggestions/stream HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    String::from_utf8_lossy(&head[9..]).parse().unwrap()
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let instance = Instance::start();
    let patch = 256 << 10;
    (0..64).for_each(|_| drop(instance.shelf.suggest_next(patch)));
    let mut stream = instance.tcp();
    stream.write_all(b"GET /api/v1/suggestions/stream HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    sleep(PATIENCE * 4);
    assert_eq!(instance.get("/livez").status, 200);
    // What the kernel has buffered is there; the rest never comes, and the connection is closed.
    let mut taken = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => taken += count,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
                break;
            }
        }
    }
    assert!(taken < 64 * patch, "{taken} bytes were waited for");
}
