//! What happens at limits: few handles, no rights, a full disk, a small budget.

use std::os::unix::fs::PermissionsExt;

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use super::*;

#[test]
fn more_files_than_handles_are_read_to_their_end() {
    let mut rig = Rig::with(&["*.log"], |config| config.max_open_files = 3);
    for round in 0..3 {
        for index in 0..50 {
            rig.append(&format!("{index}.log"), &format!("{index} {round}\n"));
        }
        rig.look();
        assert!(rig.files.followed.values().filter(|followed| followed.handle.is_some()).count() <= 3);
    }
    for (path, offset, text) in rig.texts() {
        let index = path.trim_end_matches(".log");
        assert_eq!((offset, text), (0, format!("{index} 0\n{index} 1\n{index} 2\n")));
    }
    // A closed file that was renamed is found by its inode, one that was written anew by its bytes.
    for index in 0..50 {
        rig.append(&format!("{index}.log"), "last\n");
        rig.rename(&format!("{index}.log"), &format!("{index}.old"));
        rig.append(&format!("{index}.log"), "first\n");
    }
    rig.settle_down();
    let ends = |end: &str| rig.texts().iter().filter(|(.., text)| text.ends_with(end)).count();
    assert_eq!((ends("2\nlast\n"), ends("first\n"), rig.losses()), (50, 50, vec![]));
}

#[test]
fn a_file_written_anew_while_its_handle_was_closed_is_noticed() {
    let mut rig = Rig::with(&["*.log"], |config| config.max_open_files = 1);
    rig.append("a.log", &line("one"));
    rig.append("b.log", &line("two"));
    rig.look();
    for name in ["a.log", "b.log"] {
        fs::remove_file(rig.path(name)).unwrap();
        rig.append(name, &line("other").repeat(2));
    }
    rig.settle_down();
    assert_eq!(rig.texts().iter().filter(|(.., text)| *text == line("other").repeat(2)).count(), 2);
}

#[test]
fn handles_that_are_exhausted_only_delay() {
    let mut rig = Rig::new(&["*.log"]);
    rig.append("a.log", "one\n");
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    // Other tests run beside this one, so their handles are not taken away: a child of its own would be
    // needed for that. What the tailer sees is a path that cannot be opened.
    assert!(limit.current.is_none_or(|limit| limit > 0));
    without_rights(|| {
        fs::set_permissions(rig.path("a.log"), fs::Permissions::from_mode(0)).unwrap();
        rig.look();
        assert_eq!(rig.texts(), []);
        fs::set_permissions(rig.path("a.log"), fs::Permissions::from_mode(0o600)).unwrap();
        rig.look();
        assert_eq!(rig.texts(), texts(&[("a.log", 0, "one\n")]));
    });
}

#[test]
fn a_file_that_becomes_unreadable_goes_on_when_it_is_readable_again() {
    let mut rig = Rig::with(&["*.log"], |config| config.max_open_files = 1);
    rig.append("a.log", "one\n");
    rig.look();
    rig.append("b.log", "two\n");
    rig.look();
    without_rights(|| {
        fs::set_permissions(rig.path("a.log"), fs::Permissions::from_mode(0)).unwrap();
        fs::OpenOptions::new().append(true).open(rig.path("b.log")).unwrap().write_all(b"three\n").unwrap();
        rig.look();
        rig.look();
        fs::set_permissions(rig.path("a.log"), fs::Permissions::from_mode(0o600)).unwrap();
        rig.append("a.log", "four\n");
        rig.look();
    });
    assert_eq!(rig.texts(), texts(&[("a.log", 0, "one\nfour\n"), ("b.log", 0, "two\nthree\n")]));
}

/// Runs without the rights of a superuser to read what may not be read.
fn without_rights(run: impl FnOnce()) {
    let before = capabilities(None).unwrap();
    let mut less = before;
    less.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
    set_capabilities(None, less).unwrap();
    run();
    set_capabilities(None, before).unwrap();
}

#[test]
fn new_files_wait_while_the_registry_cannot_be_written() {
    let mut rig = Rig::new(&["*.log"]);
    rig.append("a.log", "one\n");
    rig.look();
    let obstacle = rig.folder.path().join("registry.json.new");
    fs::create_dir(&obstacle).unwrap();
    rig.append("a.log", "two\n");
    rig.append("b.log", "three\n");
    rig.look();
    // Not even the known one goes on: what is passed on must be covered by a head that is durable.
    assert_eq!(rig.texts(), texts(&[("a.log", 0, "one\n")]));
    assert!(rig.registry.counters().stats().checkpoint_failures > 0);
    fs::remove_dir(&obstacle).unwrap();
    rig.look();
    assert_eq!(rig.texts(), texts(&[("a.log", 0, "one\ntwo\n"), ("b.log", 0, "three\n")]));
}

#[test]
fn a_small_budget_gives_everyone_a_turn() {
    let mut rig = Rig::new(&["*.log"]);
    rig.budget = Budget::new(10);
    for name in ["a.log", "b.log", "c.log"] {
        rig.append(name, &"0123456789".repeat(20));
    }
    rig.files.reconcile(rig.now);
    for round in 1..=20 {
        (0..3).for_each(|_| assert!(rig.turn()));
        rig.hear();
        assert!(rig.heard.values().all(|heard| heard.bytes.len() == round * 10), "round {round}");
    }
    assert!(!rig.turn());
    assert_eq!(rig.budget.used_bytes(), 0);
}

#[test]
fn no_more_files_are_followed_than_allowed() {
    let mut rig = Rig::with(&["*.log"], |config| config.max_files = 2);
    ["a.log", "b.log", "c.log"].iter().for_each(|name| rig.append(name, name));
    rig.look();
    assert_eq!(rig.order.len(), 2);
    let gone = rig.texts()[0].0.clone();
    rig.remove(&gone);
    rig.settle_down();
    assert_eq!(rig.order.len(), 3);
}
