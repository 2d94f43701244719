//! What `run` says of the paths it was given.

use super::depot::append;
use super::instance::Place;

const ERROR: &[u8] = b"{\"level\":\"error\",\"msg\":\"order not saved\"}\n";

#[test]
fn a_log_that_was_read_to_its_end_and_deleted_while_nobody_ran_is_no_loss() {
    let place = Place::new();
    append(&place.log("read.log"), ERROR);
    append(&place.log("other.log"), ERROR);
    let mut instance = place.start();
    instance.await_served(&[("order not saved".to_owned(), 2)].into());
    assert!(instance.terminate().success());
    std::fs::remove_file(place.log("read.log")).unwrap();
    let mut instance = place.start();
    instance.await_served(&[("order not saved".to_owned(), 2)].into());
    append(&place.log("other.log"), ERROR);
    instance.await_served(&[("order not saved".to_owned(), 3)].into());
    let said = instance.said();
    assert!(!said.contains("gone_while_down") && !said.contains("WARN"), "{said}");
    assert!(instance.terminate().success());
}
