//! What `run` says of the paths it was given.

use std::time::Duration;

use super::depot::append;
use super::instance::Place;
use crate::harness::{errors_of, run};

const ERROR: &[u8] = b"{\"level\":\"error\",\"msg\":\"order not saved\"}\n";

#[test]
fn a_log_that_was_read_to_its_end_and_deleted_while_nobody_ran_is_no_loss() {
    let place = Place::new();
    append(&place.log("read.log"), ERROR);
    append(
        &place.log("other.log"),
        b"{\"level\":\"info\",\"msg\":\"it begins otherwise, so it is no copy\"}\n",
    );
    append(&place.log("other.log"), ERROR);
    let mut instance = place.start();
    instance.await_start();
    instance.await_served(&[("order not saved".to_owned(), 2)].into());
    assert!(instance.terminate().success());
    std::fs::remove_file(place.log("read.log")).unwrap();
    let mut instance = place.start();
    instance.await_start();
    instance.await_served(&[("order not saved".to_owned(), 2)].into());
    append(&place.log("other.log"), ERROR);
    instance.await_served(&[("order not saved".to_owned(), 3)].into());
    let said = instance.said();
    assert!(!said.contains("gone_while_down") && !said.contains("WARN"), "{said}");
    assert!(instance.terminate().success());
}

#[test]
fn a_folder_among_the_paths_is_told_with_a_remedy_that_works() {
    let place = Place::new();
    let folder = place.log("service");
    std::fs::create_dir(&folder).unwrap();
    append(&folder.join("out.txt"), ERROR);
    for named in [folder.display().to_string(), format!("{}/", folder.display())] {
        let mut command = place.command();
        command.args(["run", &named]);
        let mut instance = place.launch(command);
        let remedy =
            format!("it is a directory; name the log files in it, for example {}/*", folder.display());
        instance.await_said(&remedy);
        std::thread::sleep(Duration::from_millis(500));
        assert!(!instance.said().contains("inotify"), "a remedy of something else: {}", instance.said());
        assert!(instance.terminate().success());
        let mut command = place.command();
        command.args(["run", remedy.rsplit_once(' ').unwrap().1]);
        let mut instance = place.launch(command);
        instance.await_start();
        instance.await_served(&[("order not saved".to_owned(), 1)].into());
        assert!(instance.terminate().success());

        let output = run(place.command().args(["scan", &named]));
        assert!(errors_of(&output).contains(&format!("for example {}/*", folder.display())), "{output:?}");
        assert!(!errors_of(&output).contains("//"), "{output:?}");
    }
}

#[test]
fn compressed_logs_are_told_of_once_with_what_reads_them() {
    let place = Place::new();
    append(&place.log("app.log"), ERROR);
    for name in ["app.log.1.gz", "app.log.2.gz"] {
        append(&place.log(name), b"\x1f\x8b\x08");
    }
    let mut instance = place.start();
    instance.await_start();
    instance.await_said("compressed files are not followed: 2 of them");
    append(&place.log("app.log.3.gz"), b"\x1f\x8b\x08");
    append(&place.log("app.log"), ERROR);
    instance.await_served(&[("order not saved".to_owned(), 2)].into());
    std::thread::sleep(Duration::from_secs(1));
    let said = instance.said();
    assert!(said.matches("compressed").count() == 2 && said.contains("`hephaestus scan` reads"), "{said}");
    assert!(instance.terminate().success());
}
