//! Requests that mean no good: each is refused or cut off, and the server goes on.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::instance::{Answer, Instance, MAX_CONNECTIONS, PATIENCE, SOON, ask};

/// All that the server says until it closes, however it closes.
fn everything(mut stream: impl Read) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the server does not close: {error}"),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Sends bytes, however few of them are taken, and hears the server out.
fn throw(instance: &Instance, bytes: &[u8]) -> String {
    let stream = instance.tcp();
    // The server may close before it has taken everything.
    (&stream).write_all(bytes).ok();
    everything(&stream)
}

fn lives(instance: &Instance) {
    assert_eq!(instance.get("/livez").status, 200);
    assert_eq!(instance.get("/api/v1/groups").status, 200);
}

#[test]
fn what_is_no_request_is_refused() {
    let instance = Instance::start();
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: \xff\r\n\r\n",
    ] {
        let answer = throw(&instance, bytes);
        let status = answer.split(' ').nth(1).unwrap_or("closed").to_owned();
        assert!(["400", "404", "505", "closed"].contains(&status.as_str()), "{answer}");
    }
    lives(&instance);
}

#[test]
fn garbage_behind_a_request_ends_the_connection() {
    let instance = Instance::start();
    let answer = throw(
        &instance,
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n\x00\x01garbage\r\n\r\nGET /livez HTTP/1.1\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(
        answer.matches("HTTP/1.1 ").count(),
        2,
        "the garbage is refused, what follows is not read: {answer}"
    );
    assert!(answer.contains("HTTP/1.1 400"), "{answer}");
    lives(&instance);
}

#[test]
fn requests_may_be_pipelined() {
    let instance = Instance::start();
    let one = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = throw(&instance, [one.repeat(99).as_str(), last].concat().as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 100);
}

#[test]
fn heads_are_bounded() {
    let instance = Instance::start();
    let long = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "a".repeat(1 << 20));
    let many = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(200));
    let endless = "a".repeat(1 << 20);
    let target = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(1 << 20));
    for bytes in [long, many, endless, target] {
        let answer = throw(&instance, bytes.as_bytes());
        let refused =
            answer.is_empty() || ["400", "414", "431"].iter().any(|s| answer.contains(&format!(" {s} ")));
        assert!(refused, "{answer}");
    }
    lives(&instance);
}

#[test]
fn bodies_are_bounded_in_size_and_time() {
    let instance = Instance::start();
    let path = format!("/api/v1/suggestions/{}-1/approve", "0".repeat(32));
    let head = |length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    ask(instance.control(), &[head(100 << 10), " ".repeat(100 << 10)].concat()).problem(413);
    // A body that never comes whole.
    let mut stream = instance.control();
    stream.write_all(head(100).as_bytes()).unwrap();
    stream.write_all(b"{").unwrap();
    let asked = Instant::now();
    Answer::read(stream).problem(408);
    assert!(asked.elapsed() < PATIENCE * 5, "{:?}", asked.elapsed());
    lives(&instance);
}

#[test]
fn a_head_that_trickles_in_is_cut_off() {
    let instance = Instance::start();
    let mut stream = instance.tcp();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    let begun = Instant::now();
    while begun.elapsed() < SOON {
        sleep(Duration::from_millis(50));
        if stream.write_all(b"X-a: b\r\n").is_err() {
            break;
        }
    }
    assert!(begun.elapsed() < PATIENCE * 5, "it was let trickle for {:?}", begun.elapsed());
    lives(&instance);
}

#[test]
fn connections_that_say_nothing_do_not_keep_others_out() {
    let instance = Instance::start();
    // Silent from the start, or silent after a request: both hold a place, for a while.
    let silent: Vec<TcpStream> = (0..MAX_CONNECTIONS)
        .map(|index| {
            let mut stream = instance.tcp();
            if index % 2 == 0 {
                stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            }
            stream
        })
        .collect();
    sleep(Duration::from_millis(100));
    let begun = Instant::now();
    // The control socket has places of its own.
    assert_eq!(ask(instance.control(), "GET /livez HTTP/1.0\r\n\r\n").status, 200);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    lives(&instance);
    assert!(begun.elapsed() < PATIENCE * 8, "{:?}", begun.elapsed());
    for stream in silent {
        everything(stream);
    }
}

#[test]
fn half_a_request_does_not_hold_up_the_end() {
    let instance = Instance::start();
    let mut stream = instance.tcp();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHo").unwrap();
    let keeps = instance.tcp();
    keeps.shutdown(Shutdown::Write).unwrap();
    sleep(Duration::from_millis(50));
    let asked = Instant::now();
    instance.join();
    assert!(asked.elapsed() < PATIENCE * 5, "{:?}", asked.elapsed());
}
