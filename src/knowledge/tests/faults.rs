//! What goes wrong around the database.

use super::*;
use crate::storage::small_disk::SmallDisk;

fn refusal(folder: &Path) -> String {
    Knowledge::open(folder, &Config::default(), &Metrics::new().unwrap()).unwrap_err().to_string()
}

#[test]
fn one_process_writes_and_others_read_when_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        View::open(folder.path())
            .unwrap_err()
            .to_string()
            .contains("nothing has run on this state directory")
    );
    let knowledge = open(folder.path());
    apply(&knowledge, 1, vec![seen(1, 10, 3)]);
    let running = format!("a Hephaestus is running on this state directory (process {})", std::process::id());
    for refused in [refusal(folder.path()), View::open(folder.path()).unwrap_err().to_string()] {
        assert!(refused.starts_with(&running), "{refused}");
    }
    apply(&knowledge, 2, vec![seen(1, 20, 3)]);
    knowledge.close();
    assert!(
        knowledge.apply(&position(3), arriving(vec![seen(1, 30, 1)]), at(0)).is_err(),
        "closed is closed"
    );
    let view = View::open(folder.path()).unwrap();
    assert!(view.group(print(1)).unwrap().unwrap().group.count == 6);
    assert!(View::open(folder.path()).is_ok(), "any number may read");
}

#[test]
fn a_damaged_or_newer_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("knowledge");
    apply(&open(&path), 1, vec![seen(1, 10, 3)]);
    let good = fs::read(path.join("CURRENT")).unwrap();
    fs::write(path.join("CURRENT"), "garbage").unwrap();
    let refused = refusal(&path);
    assert!(refused.contains("is damaged") && refused.contains("the groups, their counts"), "{refused}");
    fs::write(path.join("CURRENT"), good).unwrap();

    let tamper = |family: &str, key: &[u8], value: &[u8]| {
        let options = rocksdb::Options::default();
        let names = rocksdb::DB::list_cf(&options, &path).unwrap();
        let db = rocksdb::DB::open_cf(&options, &path, &names).unwrap();
        db.put_cf(db.cf_handle(family).unwrap(), key, value).unwrap();
    };
    for (value, expected) in [
        (&b"\x01{\"cou"[..], "a record of its groups makes no sense"),
        (b"", "has no version"),
        (b"\x04{}", "has format 4"),
    ] {
        tamper("groups", print(9).as_bytes(), value);
        for refused in [refusal(&path), View::open(&path).unwrap_err().to_string()] {
            assert!(refused.contains(expected) && refused.contains(path.to_str().unwrap()), "{refused}");
        }
    }
    tamper("default", b"version", &[7]);
    assert!(refusal(&path).contains("has format 7, and this program knows up to 1"));
}

#[test]
fn what_an_earlier_version_wrote_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = open(folder.path());
    apply(&knowledge, 1, vec![seen(1, 10, 3)]);
    begin(&knowledge, 1);
    drop(knowledge);
    let options = rocksdb::Options::default();
    let names = rocksdb::DB::list_cf(&options, folder.path()).unwrap();
    let db = rocksdb::DB::open_cf(&options, folder.path(), &names).unwrap();
    let groups = db.cf_handle("groups").unwrap();
    let now = db.get_cf(groups, print(1).as_bytes()).unwrap().unwrap();
    let mut head: serde_json::Value = serde_json::from_slice(&now[1..]).unwrap();
    let fields = head.as_object_mut().unwrap();
    for unknown in ["broken_off", "begun_at", "undecided_at"] {
        assert!(fields.remove(unknown).is_some(), "{unknown}");
    }
    db.put_cf(groups, print(1).as_bytes(), [&b"\x01"[..], head.to_string().as_bytes()].concat()).unwrap();
    let bodies = db.cf_handle("group-bodies").unwrap();
    let now = db.get_cf(bodies, print(1).as_bytes()).unwrap().unwrap();
    let mut body: serde_json::Value = serde_json::from_slice(&now[1..]).unwrap();
    assert!(body.as_object_mut().unwrap().remove("undecided").is_some());
    db.put_cf(bodies, print(1).as_bytes(), [&b"\x02"[..], body.to_string().as_bytes()].concat()).unwrap();
    drop(db);
    let knowledge = open(folder.path());
    assert_eq!((status(&knowledge, 1), due(&knowledge)), (GroupStatus::Working, vec![print(1)]));
    assert_eq!(knowledge.view().group(print(1)).unwrap().unwrap().undecided, None);
    assert_eq!(begin(&knowledge, 1).attempt, 1);
}

#[test]
fn a_database_from_before_knowledge_was_shared_gets_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    apply(&open(folder.path()), 1, vec![seen(1, 10, 3)]);
    let options = rocksdb::Options::default();
    let names = rocksdb::DB::list_cf(&options, folder.path()).unwrap();
    let mut db = rocksdb::DB::open_cf(&options, folder.path(), &names).unwrap();
    for later in ["unpublished", "halves"] {
        db.drop_cf(later).unwrap();
    }
    let ids = db.cf_handle("seen").unwrap();
    let keys: Vec<_> = db.iterator_cf(ids, rocksdb::IteratorMode::Start).map(|it| it.unwrap().0).collect();
    assert_eq!(keys.len(), 1);
    keys.iter().for_each(|key| db.put_cf(ids, key, []).unwrap());
    let groups = db.cf_handle("groups").unwrap();
    let now = db.get_cf(groups, print(1).as_bytes()).unwrap().unwrap();
    let mut head: serde_json::Value = serde_json::from_slice(&now[1..]).unwrap();
    assert!(head.as_object_mut().unwrap().remove("home").is_some());
    db.put_cf(groups, print(1).as_bytes(), [&b"\x02"[..], head.to_string().as_bytes()].concat()).unwrap();
    drop(db);
    assert_eq!(View::open(folder.path()).unwrap().group(print(1)).unwrap().unwrap().group.count, 3);
    for _ in 0..2 {
        let knowledge = open(folder.path());
        let again = apply(&knowledge, 2, vec![seen(1, 10, 3)]);
        assert_eq!((again.duplicates, due(&knowledge)), (1, vec![print(1)]));
    }
}

#[test]
fn a_damaged_body_is_told_and_the_rest_is_readable() {
    let folder = tempfile::tempdir().unwrap();
    apply(&open(folder.path()), 1, vec![seen(1, 10, 3), seen(2, 20, 1)]);
    let options = rocksdb::Options::default();
    let names = rocksdb::DB::list_cf(&options, folder.path()).unwrap();
    let db = rocksdb::DB::open_cf(&options, folder.path(), &names).unwrap();
    db.put_cf(db.cf_handle("group-bodies").unwrap(), print(1).as_bytes(), b"\x01[]").unwrap();
    drop(db);
    let view = View::open(folder.path()).unwrap();
    assert!(view.group(print(1)).unwrap_err().to_string().contains("is damaged"));
    assert_eq!(view.group(print(2)).unwrap().unwrap().group.count, 1);
}

#[test]
fn a_read_only_disk_can_be_read_and_no_more() {
    let mut disk = SmallDisk::new(24);
    let path = disk.path().join("knowledge");
    apply(&open(&path), 1, vec![seen(1, 10, 3)]);
    disk.make_read_only();
    let refused = refusal(&path);
    assert!(refused.contains("must be writable") && refused.contains("Read-only file system"), "{refused}");
    assert_eq!(View::open(&path).unwrap().group(print(1)).unwrap().unwrap().group.count, 3);
}

#[test]
fn a_full_disk_changes_nothing_and_the_same_batch_succeeds_later() {
    let disk = SmallDisk::new(24);
    let knowledge = open(&disk.path().join("knowledge"));
    apply(&knowledge, 1, vec![seen(1, 1, 1)]);
    disk.fill();
    let heavy = |start: u64| {
        let mut occurrences = seen(2, start, 1);
        occurrences.event.keys.site =
            Fingerprint::from_bytes(std::array::from_fn(|_| start.to_be_bytes()[7]));
        // Random enough that compression does not help.
        occurrences.event.sample =
            (0..20_000_u64).map(|i| char::from(33 + ((i * i * (start + 7)) >> 5) as u8 % 90)).collect();
        vec![occurrences]
    };
    let mut start = 3;
    let error = loop {
        match knowledge.apply(&position(start), arriving(heavy(start)), at(0)) {
            Ok(_) => start += 1,
            Err(error) => break error,
        }
        assert!(start < 250, "a disk without space took everything");
    };
    assert!(error.is_retryable(), "{error}");
    let before = knowledge.view().groups(GroupFilter::default(), GroupOrder::Worst, 1_000).unwrap();
    assert_eq!(before.len() as u64, start - 2, "what was applied can be read, what was refused is not there");
    disk.clear();
    for _ in 0..2 {
        knowledge.apply(&position(start), arriving(heavy(start)), at(0)).unwrap();
    }
    assert_eq!(knowledge.view().group_counts()[&GroupStatus::New] as u64, start - 1);
    let last = Fingerprint::from_bytes([start.to_be_bytes()[7]; 16]);
    assert_eq!(knowledge.view().group(last).unwrap().unwrap().group.count, 1);
}
