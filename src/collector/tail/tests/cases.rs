//! One test for each thing that happens to logs.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};

use super::*;

const RENAMED: Option<End> = Some(End::Rotated(Rotation::Renamed));

#[test]
fn growth_is_read_once() {
    let mut rig = Rig::new(&["*.log"]);
    rig.append("a.log", "one\ntw");
    rig.look();
    rig.append("a.log", "o\n");
    rig.append("b.log", "three\n");
    rig.look();
    rig.look();
    assert_eq!(rig.texts(), texts(&[("a.log", 0, "one\ntwo\n"), ("b.log", 0, "three\n")]));
}

#[test]
fn an_empty_file_is_nothing_until_it_has_a_byte() {
    let mut rig = Rig::new(&["*.log"]);
    rig.append("a.log", "");
    rig.look();
    assert!(rig.registry.files().is_empty() && rig.files.followed.is_empty());
    rig.append("a.log", "x");
    rig.look();
    assert_eq!(rig.texts(), texts(&[("a.log", 0, "x")]));
}

#[test]
fn a_restart_goes_on_at_the_checkpoint_with_the_bytes_before_it() {
    let mut rig = Rig::new(&["*.log"]);
    rig.append("a.log", "one\ntwo\nthree\n");
    rig.look();
    let file = rig.order[0];
    rig.registry.commit(&[(file, 8.into())], &[]).unwrap();
    rig.restart();
    rig.look();
    assert_eq!(rig.texts(), texts(&[("a.log", 8, "three\n")]));
    assert_eq!((rig.order[0], &*rig.heard[&file].before), (file, &b"one\ntwo\n"[..]));
    rig.commit_all();
    rig.restart();
    rig.look();
    assert_eq!(rig.texts(), []);
    rig.append("a.log", "four\n");
    rig.look();
    assert_eq!(rig.texts(), texts(&[("a.log", 14, "four\n")]));
}

#[test]
fn a_renamed_file_is_read_to_its_end_beside_the_new_one() {
    let mut rig = Rig::new(&["a.log"]);
    rig.append("a.log", "one\n");
    rig.look();
    rig.append("a.log", "two\n");
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "new\n");
    rig.look();
    // The writer goes on with its old handle for a while.
    rig.append("a.log.1", "three\n");
    rig.look();
    assert_eq!(rig.texts(), texts(&[("a.log", 0, "one\ntwo\nthree\n"), ("a.log", 0, "new\n")]));
    assert_eq!(rig.ends(), [None, None]);
    rig.settle_down();
    assert_eq!(rig.ends(), [RENAMED, None]);
    assert_eq!((rig.rotations(Rotation::Renamed), rig.losses()), (1, vec![]));
}

#[test]
fn a_renamed_file_is_closed_when_quiet_and_read_on_when_its_writer_goes_on() {
    let mut rig = Rig::new(&["a.log"]);
    rig.append("a.log", "one\n");
    rig.look();
    let mut writer = OpenOptions::new().append(true).open(rig.path("a.log")).unwrap();
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "new\n");
    rig.look();
    let is_open = |rig: &Rig| rig.files.followed[&rig.order[0]].handle.is_some();
    let mut text = "one\n".to_owned();
    for name in ["a.log.1", "old/a.log.1"] {
        assert!(is_open(&rig));
        for _ in 0..3 {
            rig.pass(rig.config.grace);
            rig.look();
        }
        assert!(!is_open(&rig), "nothing came for a while");
        // It is given another name while it is closed, in its folder.
        let last = if name == "a.log.1" { "a.log.2" } else { "a.log.1" };
        if name == "a.log.1" {
            rig.rename("a.log.1", last);
        }
        writer.write_all(b"late\n").unwrap();
        text += "late\n";
        rig.look();
        assert_eq!(rig.texts(), texts(&[("a.log", 0, &text), ("a.log", 0, "new\n")]));
        // Into another folder while it is open.
        if name == "a.log.1" {
            fs::create_dir(rig.path("old")).unwrap();
            rig.rename("a.log.2", "old/a.log.1");
            rig.look();
        }
    }
    rig.settle_down();
    assert_eq!((rig.ends(), rig.losses()), (vec![RENAMED, None], vec![]));
    assert_eq!(rig.rotations(Rotation::Renamed), 1);
}

#[test]
fn a_renamed_file_that_was_closed_goes_on_after_a_restart() {
    let mut rig = Rig::new(&["a.log"]);
    rig.append("a.log", &line("one"));
    rig.look();
    let file = rig.order[0];
    rig.rename("a.log", "a.log.1");
    for _ in 0..3 {
        rig.look();
        rig.pass(rig.config.grace);
    }
    rig.commit_all();
    rig.restart();
    rig.append("a.log.1", "late\n");
    rig.look();
    assert_eq!((&*rig.heard[&file].bytes, rig.losses()), (&b"late\n"[..], vec![]));
}

#[test]
fn renamed_files_give_way_to_new_ones() {
    let mut rig = Rig::with(&["*.log"], |config| config.max_files = 3);
    for index in 0..9 {
        rig.append("a.log", &line(&index.to_string()));
        rig.look();
        rig.rename("a.log", &format!("a.{index}"));
        rig.look();
    }
    assert_eq!((rig.order.len(), rig.losses()), (9, vec![]));
    assert!(rig.files.followed.len() <= 3);
}

#[test]
fn a_renamed_file_that_a_glob_still_finds_goes_on() {
    let mut rig = Rig::new(&["a.log*"]);
    rig.append("a.log", "one\n");
    rig.look();
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "new\n");
    rig.settle_down();
    rig.append("a.log.1", "two\n");
    rig.look();
    assert_eq!(rig.texts(), texts(&[("a.log", 0, "one\ntwo\n"), ("a.log", 0, "new\n")]));
    assert_eq!(rig.ends(), [None, None]);
}

#[test]
fn a_file_renamed_while_we_were_down_is_found_again() {
    for glob in ["a.log", "a.log*"] {
        let mut rig = Rig::new(&[glob]);
        rig.append("a.log", "one\n");
        rig.look();
        rig.commit_all();
        let file = rig.order[0];
        rig.restart();
        rig.append("a.log", "two\n");
        rig.rename("a.log", "a.log.1");
        rig.append("a.log", "new\n");
        rig.look();
        let mut heard = rig.texts();
        heard.sort_by_key(|(_, offset, _)| std::cmp::Reverse(*offset));
        assert_eq!(heard, texts(&[("a.log.1", 4, "two\n"), ("a.log", 0, "new\n")]));
        assert_eq!(rig.heard[&file].bytes, b"two\n");
        rig.settle_down();
        assert_eq!((rig.heard[&file].ended == RENAMED, rig.losses()), (glob == "a.log", vec![]));
    }
}

#[test]
fn a_copy_goes_on_where_its_truncated_original_stood() {
    for (glob, regrown) in [("a.log", 1), ("a.log*", 1), ("a.log", 9), ("a.log*", 9)] {
        let mut rig = Rig::new(&[glob]);
        rig.append("a.log", &line("one"));
        rig.look();
        let file = rig.order[0];
        rig.append("a.log", "two\n");
        rig.copy_truncate("a.log", "a.log.1");
        rig.append("a.log", &line("new").repeat(regrown));
        rig.settle_down();
        let old = line("one") + "two\n";
        assert_eq!(rig.texts(), texts(&[("a.log", 0, &old), ("a.log", 0, &line("new").repeat(regrown))]));
        assert_eq!((rig.order[0], rig.losses()), (file, vec![]));
        assert_eq!(rig.rotations(Rotation::CopyTruncated), 1);
    }
}

#[test]
fn a_copy_made_while_we_were_down_is_found() {
    for glob in ["a.log", "a.log*"] {
        let mut rig = Rig::new(&[glob]);
        rig.append("a.log", &line("one"));
        rig.look();
        rig.commit_all();
        let file = rig.order[0];
        rig.restart();
        rig.append("a.log", "two\n");
        rig.copy_truncate("a.log", "a.log.1");
        rig.append("a.log", &line("new"));
        rig.settle_down();
        assert_eq!(rig.heard[&file].bytes, b"two\n");
        assert_eq!(rig.heard.len(), 2);
        assert_eq!(rig.losses(), []);
    }
}

#[test]
fn a_copy_whose_original_lives_on_is_a_file_of_its_own_after_a_while() {
    let mut rig = Rig::new(&["*.log"]);
    rig.append("a.log", &line("one"));
    rig.look();
    fs::copy(rig.path("a.log"), rig.path("b.log")).unwrap();
    rig.look();
    assert_eq!(rig.order.len(), 1);
    rig.settle_down();
    assert_eq!(rig.texts(), texts(&[("a.log", 0, &line("one")), ("b.log", 0, &line("one"))]));
}

#[test]
fn what_was_held_back_as_a_copy_and_went_away_is_counted_as_far_as_it_was_none() {
    let mut rig = Rig::new(&["*.log"]);
    rig.append("a.log", &line("one"));
    rig.look();
    fs::copy(rig.path("a.log"), rig.path("copy.log")).unwrap();
    fs::copy(rig.path("a.log"), rig.path("own.log")).unwrap();
    rig.append("own.log", "its own\n");
    rig.look();
    assert_eq!(rig.order.len(), 1, "both wait");
    rig.rename("copy.log", "copy.old");
    rig.rename("own.log", "own.old");
    rig.settle_down();
    let lost = rig.registry.counters().stats().lost[Loss::Deleted as usize];
    assert_eq!((rig.order.len(), lost.times, lost.bytes), (1, 1, 8));
}

#[test]
fn a_truncated_file_begins_anew_and_what_was_unread_is_counted() {
    let mut rig = Rig::new(&["a.log"]);
    rig.append("a.log", &line("one"));
    rig.look();
    rig.append("a.log", "unread\n");
    rig.files.reconcile(rig.now);
    rig.truncate("a.log", 0);
    rig.append("a.log", "new\n");
    rig.look();
    assert_eq!(rig.texts(), texts(&[("a.log", 0, &line("one")), ("a.log", 0, "new\n")]));
    assert_eq!(rig.ends(), [Some(End::Rotated(Rotation::Truncated)), None]);
    assert_eq!(rig.losses(), [(Some(7), Loss::Truncated)]);
    assert_ne!(rig.order[0], rig.order[1]);
}

#[test]
fn a_file_that_shrinks_and_grows_beyond_its_checkpoint_is_noticed() {
    for down in [false, true] {
        let mut rig = Rig::new(&["a.log"]);
        rig.append("a.log", &line("one").repeat(3));
        rig.look();
        rig.commit_all();
        if down {
            rig.restart();
        }
        rig.truncate("a.log", line("one").len() as u64);
        rig.append("a.log", &line("two").repeat(5));
        rig.look();
        let (path, offset, text) = rig.texts().pop().unwrap();
        assert_eq!((&*path, offset, text), ("a.log", 0, line("one") + &line("two").repeat(5)));
        assert_eq!(rig.lost.len(), 1, "that something may be missing is told");
    }
}

#[test]
fn a_hole_left_by_a_writer_at_its_old_offset_is_passed_over() {
    let mut rig = Rig::new(&["a.log"]);
    let file = fs::File::create(rig.path("a.log")).unwrap();
    file.write_all_at(&[b'x'; 1 << 20], 0).unwrap();
    rig.look();
    file.set_len(0).unwrap();
    file.write_all_at(b"new\n", 1 << 20).unwrap();
    rig.look();
    let (_, offset, text) = rig.texts().pop().unwrap();
    assert!(offset > 0 && offset <= 1 << 20, "{offset}");
    assert_eq!(text.trim_start_matches('\0'), "new\n");
    assert_eq!(rig.heard[&rig.order[1]].before, b"");
}

#[test]
fn a_deleted_file_is_read_to_its_end() {
    let mut rig = Rig::new(&["a.log"]);
    rig.append("a.log", "one\n");
    rig.look();
    rig.append("a.log", "two\n");
    rig.remove("a.log");
    rig.settle_down();
    assert_eq!(rig.texts(), texts(&[("a.log", 0, "one\ntwo\n")]));
    assert_eq!((rig.ends(), rig.losses()), (vec![Some(End::Rotated(Rotation::Deleted))], vec![]));
    assert!(rig.files.followed.is_empty() && rig.files.by_inode.is_empty() && rig.files.by_path.is_empty());
}

#[test]
fn a_file_deleted_while_we_were_down_is_lost_and_counted_once() {
    let mut rig = Rig::new(&["a.log"]);
    rig.append("a.log", "one\ntwo\n");
    rig.look();
    rig.registry.commit(&[(rig.order[0], 4.into())], &[]).unwrap();
    rig.restart();
    rig.remove("a.log");
    rig.look();
    assert_eq!(rig.losses(), [(Some(4), Loss::GoneWhileDown)]);
    rig.registry.commit(&[], &[]).unwrap();
    rig.restart();
    rig.look();
    assert_eq!(rig.losses(), []);
}

#[test]
fn a_file_that_was_read_to_its_end_and_deleted_while_we_were_down_is_no_loss() {
    let mut rig = Rig::new(&["a.log"]);
    rig.append("a.log", "one\ntwo\n");
    rig.look();
    rig.commit_all();
    rig.restart();
    rig.remove("a.log");
    rig.look();
    assert_eq!(rig.losses(), []);
    assert!(rig.files.missing.is_empty(), "it is not looked for any more");
}

#[test]
fn an_inode_that_is_used_again_is_another_file() {
    let mut rig = Rig::new(&["*.log"]);
    rig.append("a.log", &line("one"));
    rig.look();
    rig.commit_all();
    let file = rig.order[0];
    rig.restart();
    // Written anew in place: the same inode for sure.
    rig.truncate("a.log", 0);
    rig.append("a.log", &line("other").repeat(3));
    rig.look();
    assert_eq!(rig.texts(), texts(&[("a.log", 0, &line("other").repeat(3))]));
    assert_ne!(rig.order[0], file);
}

#[test]
fn files_and_folders_that_appear_later_are_found() {
    let mut rig = Rig::with(&["*/deep/*.log", "late.log"], |config| config.start_at = StartAt::End);
    rig.look();
    rig.append("late.log", "from the beginning\n");
    fs::create_dir_all(rig.path("x/deep")).unwrap();
    rig.append("x/deep/a.log", "one\n");
    rig.look();
    assert_eq!(rig.texts().len(), 2);
}

#[test]
fn the_very_first_start_may_begin_at_the_last_line() {
    let mut rig = Rig::with(&["*.log"], |config| config.start_at = StartAt::End);
    rig.append("a.log", "old\nhalf");
    rig.append("b.log", "old\n");
    rig.look();
    rig.append("a.log", " line\n");
    rig.append("b.log", "new\n");
    rig.append("c.log", "all\n");
    rig.look();
    let mut heard = rig.texts();
    heard.sort();
    assert_eq!(heard, texts(&[("a.log", 4, "half line\n"), ("b.log", 4, "new\n"), ("c.log", 0, "all\n")]));
    // It is not the first start any more.
    rig.restart();
    rig.append("d.log", "whole\n");
    rig.look();
    assert!(rig.texts().contains(&("d.log".into(), 0, "whole\n".into())));
}

#[test]
fn a_link_that_leads_elsewhere_is_a_rotation() {
    let mut rig = Rig::new(&["containers/*.log"]);
    fs::create_dir_all(rig.path("pods/x")).unwrap();
    fs::create_dir(rig.path("containers")).unwrap();
    rig.append("pods/x/0.log", "one\n");
    symlink(rig.path("pods/x/0.log"), rig.path("containers/x.log")).unwrap();
    rig.look();
    // The kubelet renames the file behind the link.
    rig.append("pods/x/0.log", "two\n");
    rig.rename("pods/x/0.log", "pods/x/0.log.20240101");
    rig.append("pods/x/0.log", "three\n");
    rig.look();
    // The container starts anew: the link leads to another file.
    rig.append("pods/x/1.log", "four\n");
    rig.remove("containers/x.log");
    symlink(rig.path("pods/x/1.log"), rig.path("containers/x.log")).unwrap();
    rig.settle_down();
    let path = "containers/x.log";
    assert_eq!(rig.texts(), texts(&[(path, 0, "one\ntwo\n"), (path, 0, "three\n"), (path, 0, "four\n")]));
    assert_eq!((rig.ends(), rig.losses()), (vec![RENAMED, RENAMED, None], vec![]));
}

#[test]
fn a_file_behind_a_link_is_found_again_after_it_was_renamed_while_we_were_down() {
    let mut rig = Rig::new(&["containers/*.log"]);
    fs::create_dir_all(rig.path("pods/x")).unwrap();
    fs::create_dir(rig.path("containers")).unwrap();
    rig.append("pods/x/0.log", "one\n");
    symlink(rig.path("pods/x/0.log"), rig.path("containers/x.log")).unwrap();
    rig.look();
    rig.commit_all();
    let file = rig.order[0];
    rig.restart();
    rig.append("pods/x/0.log", "two\n");
    rig.rename("pods/x/0.log", "pods/x/0.log.20240101");
    rig.append("pods/x/0.log", "three\n");
    rig.look();
    assert_eq!((&*rig.heard[&file].bytes, rig.losses()), (&b"two\n"[..], vec![]));
}

#[test]
fn one_file_by_two_ways_is_read_once() {
    let mut rig = Rig::new(&["*.log", "a*", "sub/*"]);
    rig.append("a.log", "one\n");
    fs::create_dir(rig.path("sub")).unwrap();
    fs::hard_link(rig.path("a.log"), rig.path("sub/hard.log")).unwrap();
    symlink(rig.path("a.log"), rig.path("soft.log")).unwrap();
    rig.look();
    rig.append("sub/hard.log", "two\n");
    rig.settle_down();
    assert_eq!(rig.order.len(), 1);
    assert_eq!(rig.heard[&rig.order[0]].bytes, b"one\ntwo\n");
    assert_eq!(rig.rotations(Rotation::Renamed), 0);
}

#[test]
fn what_is_no_file_is_left_alone() {
    let mut rig = Rig::new(&["*"]);
    fs::create_dir(rig.path("folder.log")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, rig.path("pipe.log"), rustix::fs::Mode::RWXU).unwrap();
    symlink("/dev/zero", rig.path("endless.log")).unwrap();
    symlink(rig.path("loop.log"), rig.path("loop.log")).unwrap();
    rig.append("rotated.log.gz", "x");
    rig.append("a.log", "one\n");
    rig.look();
    assert_eq!(rig.texts(), texts(&[("a.log", 0, "one\n")]));
    // A folder makes room for a file.
    fs::remove_dir(rig.path("folder.log")).unwrap();
    rig.append("folder.log", "two\n");
    rig.look();
    assert_eq!(rig.texts().len(), 2);
}

#[test]
fn a_path_that_is_not_utf8_survives_a_restart() {
    let mut rig = Rig::new(&["*.log"]);
    let path = rig.path(std::ffi::OsStr::from_bytes(b"caf\xe9.log"));
    fs::write(&path, "one\n").unwrap();
    rig.look();
    rig.commit_all();
    let file = rig.order[0];
    rig.restart();
    fs::write(&path, "one\ntwo\n").unwrap();
    rig.look();
    assert_eq!((&rig.heard[&file].path, &*rig.heard[&file].bytes), (&path, &b"two\n"[..]));
}

#[test]
fn silence_is_told_once_each_time() {
    let mut rig = Rig::new(&["a.log"]);
    rig.append("a.log", "one\n");
    rig.look();
    assert_eq!(rig.heard[&rig.order[0]].quiet, 0);
    rig.settle_down();
    assert_eq!(rig.heard[&rig.order[0]].quiet, 1);
    rig.append("a.log", "two\n");
    rig.settle_down();
    assert_eq!(rig.heard[&rig.order[0]].quiet, 2);
}
