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

/// Tells a process that it may take every handle: no other test runs in it.
const ALONE: &str = "HEPHAESTUS_TEST_ALONE";

/// Handles belong to the whole process, so this runs in one of its own.
#[test]
fn handles_that_are_exhausted_only_delay() {
    for part in ["in_a_process_without_handles", "renamed_in_a_process_without_handles"] {
        let name = format!("collector::tail::tests::limits::{part}");
        let test = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--ignored", "--test-threads=1"])
            .env(ALONE, "yes")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&test.stdout);
        assert!(test.status.success() && output.contains("1 passed"), "{output}");
    }
}

/// Takes every handle that is left.
fn take_handles() -> Vec<fs::File> {
    std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect()
}

#[test]
#[ignore = "a part of another test, which runs it"]
fn renamed_in_a_process_without_handles() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let mut rig = Rig::new(&["*.log"]);
    rig.append("a.log", &line("one"));
    rig.look();
    let handle = fs::OpenOptions::new().append(true).open(rig.path("a.log")).unwrap();
    rig.rename("a.log", "b.log");
    let handles = take_handles();
    rig.settle_down();
    (&handle).write_all(b"two\n").unwrap();
    rig.settle_down();
    drop(handles);
    (&handle).write_all(b"three\n").unwrap();
    rig.settle_down();
    // It stood where the glob leads all the time: it neither ended nor is it another one.
    assert_eq!(rig.texts(), texts(&[("a.log", 0, &(line("one") + "two\nthree\n"))]));
    assert_eq!((rig.ends(), rig.losses(), rig.rotations(Rotation::Renamed)), (vec![None], vec![], 1));
}

#[test]
#[ignore = "a part of another test, which runs it"]
fn in_a_process_without_handles() {
    if std::env::var_os(ALONE).is_none() {
        return;
    }
    let mut rig = Rig::with(&["*.log"], |config| config.max_open_files = 2);
    for name in ["a.log", "b.log", "c.log"] {
        rig.append(name, &line(name).repeat(30));
    }
    rig.look();
    ["a.log", "b.log"].iter().for_each(|name| rig.append(name, "more\n"));
    rig.append("d.log", "new\n");
    rig.rename("c.log", "c.old");
    rig.append("c.log", "new too\n");
    let handles = take_handles();
    rig.settle_down();
    assert_eq!(rig.losses(), []);
    // The tailer gives up handles of its own when it wants one, so it may well see that one was renamed.
    let renamed = rig.path("c.log");
    assert!(rig.heard.values().all(|heard| heard.ended.is_none() || heard.path == renamed));
    drop(handles);
    rig.settle_down();
    let mut heard: Vec<_> = rig.texts().into_iter().map(|(.., text)| text).collect();
    heard.sort();
    let long = |name: &str, more: &str| line(name).repeat(30) + more;
    assert_eq!(
        heard,
        [
            long("a.log", "more\n"),
            long("b.log", "more\n"),
            long("c.log", ""),
            "new\n".into(),
            "new too\n".into()
        ]
    );
    assert_eq!(rig.losses(), []);
}

#[test]
fn what_is_out_of_reach_for_a_while_is_not_lost() {
    let mut rig = Rig::with(&["sub/*.log"], |config| config.max_open_files = 1);
    fs::create_dir(rig.path("sub")).unwrap();
    rig.append("sub/a.log", &line("one"));
    rig.append("sub/b.log", &line("two"));
    rig.look();
    for restart in [false, true] {
        without_rights(|| {
            fs::set_permissions(rig.path("sub"), fs::Permissions::from_mode(0o000)).unwrap();
            if restart {
                rig.restart();
            }
            rig.settle_down();
            fs::set_permissions(rig.path("sub"), fs::Permissions::from_mode(0o700)).unwrap();
        });
        rig.append("sub/a.log", "more\n");
        rig.append("sub/b.log", "more\n");
        rig.settle_down();
        assert_eq!((rig.losses(), rig.order.len()), (vec![], 2));
        assert!(rig.ends().iter().all(Option::is_none));
        assert!(rig.heard.values().all(|heard| heard.bytes.ends_with(b"more\n")));
    }
}

#[test]
fn a_file_without_rights_is_read_once_there_are_some() {
    let mut rig = Rig::new(&["*.log"]);
    rig.append("a.log", "one\n");
    without_rights(|| {
        fs::set_permissions(rig.path("a.log"), fs::Permissions::from_mode(0o000)).unwrap();
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
        fs::set_permissions(rig.path("a.log"), fs::Permissions::from_mode(0o000)).unwrap();
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
    let (path, aside) = (rig.folder.path().join(FILE_NAME), rig.folder.path().join("aside"));
    fs::rename(&path, &aside).unwrap();
    fs::create_dir(&path).unwrap();
    rig.append("a.log", "two\n");
    rig.append("b.log", "three\n");
    rig.look();
    // Not even the known one goes on: what is passed on must be covered by a head that is durable.
    assert_eq!(rig.texts(), texts(&[("a.log", 0, "one\n")]));
    assert!(rig.registry.counters().stats().checkpoint_failures > 0);
    fs::remove_dir(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    rig.look();
    assert_eq!(rig.texts(), texts(&[("a.log", 0, "one\ntwo\n"), ("b.log", 0, "three\n")]));
}

#[test]
fn a_small_budget_gives_everyone_a_turn() {
    let mut rig = Rig::new(&["*.log"]);
    rig.budget = Budget::new(20);
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
