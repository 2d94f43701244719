use std::num::NonZeroU64;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::collector::identity::{Inode, Mark};
use crate::domain::{Class, ErrorEvent, Fingerprint, FingerprintKeys, Language, Severity, Span};

use super::*;

fn known(id: u8) -> KnownFile {
    KnownFile {
        id: FileId::from_bytes([id; 16]),
        inode: Inode::of(&Path::new("/").metadata().unwrap()),
        head: Mark::of(b"head", 4),
        mark: Mark::of(b"", 0),
        committed: 0,
        done_until: 0,
        except: Vec::new(),
        alone_until: 0,
        length: 9,
        path: "/logs/a.log".into(),
        real_path: std::ffi::OsString::from_vec(b"/logs/\xff.log".to_vec()).into(),
        last_seen: Timestamp::UNIX_EPOCH,
        ended: false,
    }
}

fn promise(registry: &Registry, start: u64, count: u64) -> Occurrences {
    let fingerprint = Fingerprint::from_bytes([7; 16]);
    let span = Span { start, end: start + 10 };
    Occurrences {
        id: EventId { producer: registry.producer(), file: FileId::from_bytes([1; 16]), start },
        service: "shop".into(),
        pod: None,
        count: NonZeroU64::new(count).unwrap(),
        span,
        except: Vec::new(),
        first_seen: Timestamp::UNIX_EPOCH,
        last_seen: Timestamp::UNIX_EPOCH,
        context: Vec::new(),
        event: ErrorEvent {
            keys: FingerprintKeys { site: fingerprint, path: fingerprint, exact: fingerprint },
            class: Class::ALL[0],
            severity: Severity::High,
            language: Language::Go,
            message: "message".into(),
            title: "title".into(),
            trace: None,
            time: None,
            attributes: Vec::new(),
            sample: "sample".into(),
            span,
        },
    }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state").join(FILE_NAME);
    (folder, path)
}

#[test]
fn what_was_once_done_stays_so() {
    let (_folder, path) = place();
    let registry = Registry::open(&path).unwrap();
    registry.register(&[known(1)]).unwrap();
    let file = known(1).id;
    let commit = |resume, done_until, except: &[u64]| {
        let checkpoint = Checkpoint { resume, done_until, except: except.to_vec() };
        registry.commit(&[(file, checkpoint)], &[]).unwrap();
        let done = Registry::open(&path).unwrap().checkpoint(file).unwrap();
        (0..40).step_by(10).filter(|start| done.is_done(*start)).collect::<Vec<u64>>()
    };
    assert_eq!(commit(0, 0, &[]), Vec::<u64>::new());
    assert_eq!(commit(0, 25, &[10]), [0, 20], "a failure is open from the beginning on");
    assert_eq!(commit(5, 15, &[0]), [0, 20], "it is read again by another process");
    assert_eq!(commit(5, 25, &[]), [0, 10, 20], "what was doubtful has come");
    assert_eq!(commit(30, 35, &[30]), [0, 10, 20]);
    assert_eq!(registry.checkpoint(file).map(|at| at.resume), Some(30));
}

#[test]
fn what_was_written_is_there_again() {
    let (_folder, path) = place();
    let registry = Registry::open(&path).unwrap();
    assert!(registry.is_first_start());
    registry.settle_in().unwrap();
    registry.register(&[known(1), known(2)]).unwrap();
    registry.add_to_outbox(&[promise(&registry, 5, 3), promise(&registry, 9, 1)]).unwrap();
    registry.leave_mark(known(1).id, Mark::of(b"three", 3));
    registry.leave_mark(known(1).id, Mark::of(b"nine", 9));
    let kept = promise(&registry, 9, 1).id;
    registry.commit(&[(known(1).id, 8.into()), (FileId::from_bytes([9; 16]), 8.into())], &[kept]).unwrap();
    registry.commit(&[(known(1).id, 7.into())], &[]).unwrap();

    let again = Registry::open(&path).unwrap();
    assert!(!again.is_first_start());
    assert_eq!(again.producer(), registry.producer());
    assert_eq!(again.outbox(), [promise(&registry, 5, 3)]);
    let alone_until = promise(&registry, 9, 1).span.end;
    let committed = KnownFile { committed: 8, mark: Mark::of(b"three", 3), alone_until, ..known(1) };
    assert_eq!(again.files(), [committed, known(2)]);
    assert_eq!(again.checkpoint(known(1).id).map(|at| at.resume), Some(8));
    assert_eq!(again.checkpoint(known(3).id), None);
}

#[test]
fn what_was_observed_rides_with_the_next_write() {
    let (_folder, path) = place();
    let registry = Registry::open(&path).unwrap();
    registry.register(&[known(1)]).unwrap();
    let writes = || registry.counters().stats().checkpoint_writes;
    let before = writes();
    registry.commit(&[], &[]).unwrap();
    registry.observe(known(1).id, |known| known.length = 9);
    registry.commit(&[(known(1).id, 0.into())], &[]).unwrap();
    assert_eq!(writes(), before, "nothing had changed");
    registry.observe(known(1).id, |known| known.length = 77);
    assert_eq!(Registry::open(&path).unwrap().files()[0].length, 9);
    registry.commit(&[], &[]).unwrap();
    assert_eq!(Registry::open(&path).unwrap().files()[0].length, 77);
}

#[test]
fn a_promise_is_replaced_by_one_with_its_id() {
    let (_folder, path) = place();
    let registry = Registry::open(&path).unwrap();
    registry.add_to_outbox(&[promise(&registry, 5, 3)]).unwrap();
    registry.add_to_outbox(&[promise(&registry, 5, 4)]).unwrap();
    assert_eq!(registry.outbox(), [promise(&registry, 5, 4)]);
}

#[test]
fn a_damaged_or_newer_one_is_refused_and_left_alone() {
    let (_folder, path) = place();
    Registry::open(&path).unwrap();
    // The first write of each start writes it whole.
    Registry::open(&path).unwrap().register(&[known(1)]).unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    let newer = whole.replace("\"version\":2", "\"version\":3");
    let between = format!("{whole}{{\"files\":[]\n{{}}\n");
    let cut = &whole[..whole.len() / 2];
    for (text, hint) in [
        (cut, "is damaged and was left as it is; restore it"),
        ("", "is damaged"),
        ("[]", "is damaged"),
        ("{\"version\":1}", "is damaged"),
        (&between, "is damaged"),
        (&newer, "has version 3, and this program knows versions up to 2; start the newer program"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Registry::open(&path).unwrap_err();
        assert!(error.to_string().contains(hint), "{error}");
        assert!(!error.is_retryable());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    // Every cut of it is refused; none is taken for an older state.
    for end in 0..whole.len() {
        std::fs::write(&path, &whole[..end]).unwrap();
        assert!(Registry::open(&path).is_err(), "cut at {end}");
    }
}

#[test]
fn a_write_that_fails_changes_nothing_and_can_be_tried_again() {
    let (_folder, path) = place();
    let registry = Registry::open(&path).unwrap();
    registry.register(&[known(1)]).unwrap();
    // A folder in its place: no rights are needed to be refused.
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).unwrap();
    std::fs::create_dir(&path).unwrap();
    let errors = [
        registry.commit(&[(known(1).id, 4.into())], &[]).unwrap_err(),
        registry.add_to_outbox(&[promise(&registry, 1, 1)]).unwrap_err(),
        registry.register(&[known(2)]).unwrap_err(),
    ];
    assert!(errors.iter().all(Error::is_retryable));
    assert_eq!((registry.files(), registry.outbox()), (vec![known(1)], vec![]));
    assert_eq!(registry.counters().stats().checkpoint_failures, 3);
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    registry.commit(&[(known(1).id, 4.into())], &[]).unwrap();
    assert_eq!(Registry::open(&path).unwrap().checkpoint(known(1).id).map(|at| at.resume), Some(4));
}

#[test]
fn a_full_disk_is_an_error_that_can_be_retried() {
    let folder = Path::new("/dev/full");
    if !folder.exists() {
        return;
    }
    let (_folder, path) = place();
    Registry::open(&path).unwrap();
    let registry = Registry::open(&path).unwrap();
    std::os::unix::fs::symlink(folder, path.with_extension("json.new")).unwrap();
    let error = registry.settle_in().unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("make room"), "{error}");
    std::fs::remove_file(path.with_extension("json.new")).unwrap();
    assert!(Registry::open(&path).unwrap().is_first_start());
    registry.settle_in().unwrap();
    assert!(!Registry::open(&path).unwrap().is_first_start());
}

#[test]
fn files_that_ended_are_forgotten_in_time() {
    let (_folder, path) = place();
    let registry = Registry::open(&path).unwrap();
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    let ended = |id, seconds| KnownFile { ended: true, last_seen: at(seconds), ..known(id) };
    registry.register(&[known(1), ended(2, 100), ended(3, 200)]).unwrap();
    assert_eq!(registry.forget_ended(at(150)), [known(2).id]);
    assert_eq!(registry.forget_ended(at(150)), []);
    let many: Vec<_> = (0..MOST_GONE_FILES as u32)
        .map(|index| {
            let mut id = [9; 16];
            id[..4].copy_from_slice(&index.to_be_bytes());
            KnownFile { id: FileId::from_bytes(id), ..ended(9, 300) }
        })
        .collect();
    registry.register(&many).unwrap();
    assert_eq!(registry.forget_ended(at(150)), [known(3).id]);
    registry.commit(&[], &[]).unwrap();
    assert_eq!(Registry::open(&path).unwrap().files().len(), MOST_GONE_FILES + 1);
}

#[test]
fn what_is_only_being_written_is_not_taken_for_durable() {
    let (_folder, path) = place();
    let registry = Arc::new(Registry::open(&path).unwrap());
    registry.register(&[known(1)]).unwrap();
    registry.observe(known(1).id, |known| known.length = 99);
    let committing = Mutex::new(None);
    let while_writing = |_: &mut State| {
        let mut committing = committing.lock().unwrap();
        if committing.is_none() {
            let registry = Arc::clone(&registry);
            let commit = committing.insert(std::thread::spawn(move || registry.commit(&[], &[])));
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!commit.is_finished(), "it has returned before anything was written");
        }
    };
    registry.write(&mut registry.store(), &[], &[], while_writing).unwrap();
    committing.into_inner().unwrap().unwrap().join().unwrap().unwrap();
    assert_eq!(store::load(&path).unwrap().unwrap().files[&known(1).id].length, 99);
}

/// A file that is told from others by its number.
fn numbered(number: u32) -> KnownFile {
    let mut id = [9; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    KnownFile { id: FileId::from_bytes(id), ..known(9) }
}

#[test]
fn only_what_changed_is_written_and_all_of_it_once_in_a_while() {
    const ROUNDS: u32 = 300;
    for (files, is_written_whole) in [(10_000, false), (50, true)] {
        let (_folder, path) = place();
        let length = || path.metadata().unwrap().len();
        Registry::open(&path).unwrap();
        let registry = Registry::open(&path).unwrap();
        registry.register(&(0..files).map(numbered).collect::<Vec<_>>()).unwrap();
        let whole = length();
        let (mut written, mut before, mut has_shrunk) = (0, whole, false);
        for round in 1..=ROUNDS {
            registry.observe(numbered(1).id, |known| known.length = u64::from(round) + 10);
            registry.commit(&[(numbered(round % files).id, u64::from(round).into())], &[]).unwrap();
            let now = length();
            has_shrunk |= now < before;
            written += if now < before { now } else { now - before };
            before = now;
        }
        let each = written / u64::from(ROUNDS);
        assert!(each < 3_000, "{each} bytes for a checkpoint of one of {files} files, {whole} bytes in all");
        assert_eq!(has_shrunk, is_written_whole, "{whole} bytes became {before}");
        assert!(before < 2 * whole + (80 << 10), "{whole} bytes became {before}");
        let again = Registry::open(&path).unwrap();
        assert_eq!((again.files(), again.outbox()), (registry.files(), registry.outbox()));
    }
}

#[test]
fn a_line_that_a_crash_has_cut_was_told_to_nobody() {
    let (_folder, path) = place();
    let registry = Registry::open(&path).unwrap();
    registry.register(&[known(1)]).unwrap();
    registry.add_to_outbox(&[promise(&registry, 5, 3)]).unwrap();
    let before = std::fs::read(&path).unwrap();
    registry.commit(&[(known(1).id, 4.into())], &[promise(&registry, 5, 3).id]).unwrap();
    let after = std::fs::read(&path).unwrap();
    assert!(after.starts_with(&before) && after.len() > before.len());
    for end in before.len()..=after.len() {
        std::fs::write(&path, &after[..end]).unwrap();
        let again = Registry::open(&path).unwrap();
        let is_whole = end == after.len();
        let at = again.checkpoint(known(1).id).unwrap().resume;
        assert_eq!((at, again.outbox().len()), if is_whole { (4, 0) } else { (0, 1) }, "cut at {end}");
        // What is written next does not stand behind the rest of it.
        again.commit(&[(known(1).id, 6.into())], &[]).unwrap();
        assert_eq!(Registry::open(&path).unwrap().checkpoint(known(1).id).unwrap().resume, 6);
    }
}
