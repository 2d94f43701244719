//! How an instance ends.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::instance::Place;

#[test]
fn a_request_that_is_under_way_is_answered_first() {
    let place = Place::new();
    let mut instance = place.start();
    instance.await_start();
    let mut asking = UnixStream::connect(place.state().join("hephaestus.sock")).unwrap();
    let head = "POST /api/v1/suggestions/00000000000000000000000000000000-1/approve HTTP/1.1\r\n\
                Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n";
    asking.write_all(head.as_bytes()).unwrap();
    let ending = std::thread::spawn(move || instance.terminate());
    // It has nothing to make durable, so all that is left by then is this request.
    std::thread::sleep(Duration::from_millis(700));
    asking.write_all(b"{}").unwrap();
    let mut answer = String::new();
    asking.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer:?}");
    assert!(ending.join().unwrap().success(), "{}", place.errors());
}
