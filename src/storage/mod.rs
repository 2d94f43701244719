//! What the bus and knowledge stand on: a RocksDB in little memory, which is never overwritten and comes
//! back after a failed write.
//!
//! - **Whose it is.** The default column family holds the version of the format. A folder with a newer
//!   version, with something else in it, or with a damaged database is refused; the message names the
//!   folder and a way out. Nothing is repaired: that loses data without a word.
//! - **Creation** is marked by a file until it is complete, so that a crash in the middle of it is told
//!   from a database whose files were lost.
//! - **Durability.** A batch is written to the log of the database and synced before `write` returns.
//!   After a power cut the log ends with the last batch that is whole, and everything synced is before that.
//! - **A failed write** (no space, an I/O error) leaves RocksDB refusing all further ones. Reading goes on;
//!   before the next write the database is closed and opened again. The failed batch may or may not be
//!   in it then, so whoever writes must be able to repeat a batch.
//! - **A full disk.** The space that opening again takes is kept in [reserve](Reserve). Once that was needed,
//!   only [what makes room](Database::relieve) is written until as much can be kept again.
//! - **Memory.** Memtables of at most 4 MiB, 8 MiB in all, a block cache of 4 MiB that holds indexes and
//!   filters too, one thread each for flushing and compacting, no log files of RocksDB's own.

mod compaction;
#[cfg(test)]
pub(crate) mod crash;
mod error;
mod options;
mod reserve;
#[cfg(test)]
pub(crate) mod small_disk;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use options::{MIB, family_options, options};
use reserve::Reserve;
use rocksdb::{
    Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DEFAULT_COLUMN_FAMILY_NAME, ErrorKind, WriteBatch,
    WriteOptions,
};

pub use error::DatabaseError;
use error::{classify, damaged, io_error, lock_holder, newer};

const VERSION_KEY: &[u8] = b"version";
/// Says that the creation of a database has not come to its end.
const CREATING: &str = "CREATING";
/// How long a batch may be held up before the database is opened anew.
const LONGEST_STALL: Duration = Duration::from_secs(3);
const STALL_PAUSE: Duration = Duration::from_millis(10);
/// What a fresh file system has in its root.
const LOST_AND_FOUND: &str = "lost+found";

/// What a database holds and what it means to lose it.
#[derive(Debug)]
pub(crate) struct Schema {
    /// Its name in messages.
    pub(crate) name: &'static str,
    /// The version of its format.
    pub(crate) version: u8,
    /// Its column families beside the default one.
    pub(crate) families: &'static [&'static str],
    /// Further ones that a database of this version may lack, since it is older: they are made when it is
    /// opened for writing.
    pub(crate) later_families: &'static [&'static str],
    /// What is lost with it, as the end of a sentence.
    pub(crate) loss: &'static str,
}

impl Schema {
    fn all_families(&self) -> impl Iterator<Item = &'static str> {
        self.families.iter().chain(self.later_families).copied()
    }
}

/// An open database.
pub(crate) struct Database {
    folder: PathBuf,
    schema: &'static Schema,
    reserve: Reserve,
    slot: RwLock<Slot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Write,
    Read,
}

/// The handle, which is away while a reopening fails.
struct Slot {
    db: Option<DB>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Sound,
    /// A write has failed: nothing may be written before it is opened again.
    Broken,
    /// It was closed for good.
    Closed,
}

/// What may be done with an open database.
pub(crate) struct Access<'a> {
    pub(crate) db: &'a DB,
    owner: &'a Database,
}

impl Access<'_> {
    /// A column family.
    pub(crate) fn family(&self, name: &str) -> Result<&ColumnFamily, DatabaseError> {
        self.db.cf_handle(name).ok_or_else(|| self.owner.damaged(format!("column family {name} is missing")))
    }

    /// The names of all there should be.
    fn families(&self) -> impl Iterator<Item = &'static str> {
        [DEFAULT_COLUMN_FAMILY_NAME].into_iter().chain(self.owner.schema.all_families())
    }

    /// The error of a read.
    pub(crate) fn failed(&self, error: rocksdb::Error) -> DatabaseError {
        classify(self.owner.schema, &self.owner.folder, error)
    }
}

impl Database {
    /// Opens the database of a folder, or creates it where the folder is missing or empty.
    pub(crate) fn open(folder: &Path, schema: &'static Schema) -> Result<Self, DatabaseError> {
        match contents(folder).map_err(|error| io_error(schema, folder, &error))? {
            Contents::Nothing | Contents::Unfinished => create(folder, schema)?,
            Contents::Database => {}
            Contents::Other => {
                return Err(DatabaseError::Foreign { name: schema.name, folder: folder.into() });
            }
        }
        let reserve = Reserve::of(folder);
        let db = match attach(folder, schema, Mode::Write) {
            Err(DatabaseError::Io { .. }) if reserve.release() => attach(folder, schema, Mode::Write)?,
            attached => attached?,
        };
        reserve.keep();
        Ok(Self::new(folder, schema, reserve, db))
    }

    /// Opens the database of a folder for reading, while nobody writes to it.
    pub(crate) fn read_only(folder: &Path, schema: &'static Schema) -> Result<Self, DatabaseError> {
        // Most often it is looked for from another folder than it was made from.
        let whole = || std::path::absolute(folder).unwrap_or_else(|_| folder.into());
        let missing = || DatabaseError::Missing { name: schema.name, folder: whole() };
        match contents(folder).map_err(|error| io_error(schema, folder, &error))? {
            Contents::Nothing | Contents::Unfinished => return Err(missing()),
            Contents::Database => {}
            Contents::Other => {
                return Err(DatabaseError::Foreign { name: schema.name, folder: folder.into() });
            }
        }
        if let Some(process) = lock_holder(folder) {
            let process = Some(process);
            return Err(DatabaseError::InUse { name: schema.name, folder: folder.into(), process });
        }
        let db = attach(folder, schema, Mode::Read)?;
        Ok(Self::new(folder, schema, Reserve::of(folder), db))
    }

    fn new(folder: &Path, schema: &'static Schema, reserve: Reserve, db: DB) -> Self {
        let slot = RwLock::new(Slot { db: Some(db), state: State::Sound });
        Self { folder: folder.into(), schema, reserve, slot }
    }

    /// Reads.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(Access<'_>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let slot = self.slot();
        let db = slot.db.as_ref().ok_or_else(|| self.closed())?;
        read(Access { db, owner: self })
    }

    /// Writes a batch and syncs it. After an error the database may be [broken](Self::is_broken).
    pub(crate) fn write(
        &self,
        fill: impl Fn(&Access<'_>, &mut WriteBatch) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        self.demand_space()?;
        self.write_patiently(fill, true)
    }

    /// Likewise, though there may be no space to spare: for a batch that makes room.
    pub(crate) fn relieve(
        &self,
        fill: impl Fn(&Access<'_>, &mut WriteBatch) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        self.write_patiently(fill, true)
    }

    /// Writes a batch that may be lost in a power cut, and not before: together with what was written after
    /// it without being synced either. A later [`write`](Self::write) syncs it, too.
    pub(crate) fn write_unsynced(
        &self,
        fill: impl Fn(&Access<'_>, &mut WriteBatch) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        self.demand_space()?;
        self.write_patiently(fill, false)
    }

    fn demand_space(&self) -> Result<(), DatabaseError> {
        if self.reserve.keep() { Ok(()) } else { Err(self.unusable(self.reserve.shortage())) }
    }

    /// RocksDB holds writers up while it cannot keep up, or has no space to flush into. It is told not to,
    /// so that nobody hangs in it: the batch is tried again for a while instead.
    fn write_patiently(
        &self,
        fill: impl Fn(&Access<'_>, &mut WriteBatch) -> Result<(), DatabaseError>,
        synced: bool,
    ) -> Result<(), DatabaseError> {
        let started = Instant::now();
        loop {
            match self.try_write(&fill, synced)? {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Incomplete && started.elapsed() < LONGEST_STALL => {
                    std::thread::sleep(STALL_PAUSE);
                }
                Err(error) => {
                    self.slot_mut().state = State::Broken;
                    return Err(classify(self.schema, &self.folder, error));
                }
            }
        }
    }

    fn try_write(
        &self,
        fill: &impl Fn(&Access<'_>, &mut WriteBatch) -> Result<(), DatabaseError>,
        synced: bool,
    ) -> Result<Result<(), rocksdb::Error>, DatabaseError> {
        let slot = self.slot();
        let db = slot.db.as_ref().filter(|_| slot.state == State::Sound).ok_or_else(|| self.closed())?;
        let mut batch = WriteBatch::default();
        fill(&Access { db, owner: self }, &mut batch)?;
        if batch.is_empty() {
            return Ok(Ok(()));
        }
        let mut options = WriteOptions::default();
        options.set_sync(synced);
        options.set_no_slowdown(true);
        Ok(db.write_opt(batch, &options))
    }

    /// Whether it must be opened again before anything can be written.
    pub(crate) fn is_broken(&self) -> bool {
        self.slot().state != State::Sound
    }

    /// Whether the disk has hardly more space than the database needs to work.
    pub(crate) fn is_short_of_space(&self) -> bool {
        self.reserve.is_short()
    }

    /// Closes it and opens it again, with the space that is kept for that. Where that fails it stays closed, and
    /// may be tried again.
    pub(crate) fn reopen(&self) -> Result<(), DatabaseError> {
        let mut slot = self.slot_mut();
        if slot.state == State::Closed {
            return Err(self.closed());
        }
        slot.state = State::Broken;
        slot.db = None;
        self.reserve.release();
        slot.db = Some(attach(&self.folder, self.schema, Mode::Write)?);
        slot.state = State::Sound;
        Ok(())
    }

    /// Closes it for good, whoever still has a handle.
    pub(crate) fn close(&self) {
        let mut slot = self.slot_mut();
        slot.state = State::Closed;
        slot.db = None;
    }

    /// Says that a value in it makes no sense.
    pub(crate) fn damaged(&self, reason: impl Into<String>) -> DatabaseError {
        damaged(self.schema, &self.folder, reason.into())
    }

    /// Says that a value in it is of a newer version.
    pub(crate) fn newer(&self, found: u8) -> DatabaseError {
        newer(self.schema, &self.folder, found)
    }

    fn closed(&self) -> DatabaseError {
        self.unusable("it is closed, or could not be opened again after a failed write".to_owned())
    }

    fn unusable(&self, reason: String) -> DatabaseError {
        DatabaseError::Io { name: self.schema.name, folder: self.folder.clone(), reason }
    }

    fn slot(&self) -> RwLockReadGuard<'_, Slot> {
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot_mut(&self) -> RwLockWriteGuard<'_, Slot> {
        self.slot.write().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Contents {
    /// No folder, or nothing in it.
    Nothing,
    /// A creation that was broken off.
    Unfinished,
    /// A database, by its looks.
    Database,
    /// Anything else.
    Other,
}

fn contents(folder: &Path) -> io::Result<Contents> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::Nothing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Contents::Other),
        Err(error) => return Err(error),
    };
    let names: Vec<_> =
        entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    let has = |name: &str| names.iter().any(|entry| entry == name);
    Ok(if has(CREATING) {
        Contents::Unfinished
    } else if has("CURRENT") {
        Contents::Database
    } else if names.iter().all(|name| name == LOST_AND_FOUND) {
        Contents::Nothing
    } else {
        Contents::Other
    })
}

/// Creates a database, or goes on with a creation that was broken off.
fn create(folder: &Path, schema: &'static Schema) -> Result<(), DatabaseError> {
    let failed = |error: io::Error| io_error(schema, folder, &error);
    let marker = folder.join(CREATING);
    fs::create_dir_all(folder).map_err(failed)?;
    fs::File::create(&marker).and_then(|file| file.sync_all()).map_err(failed)?;
    sync_folder(folder).map_err(failed)?;
    let refused = |error| classify(schema, folder, error);
    let cache = Cache::new_lru_cache(MIB);
    let mut options = options(&cache);
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let families =
        schema.all_families().map(|name| ColumnFamilyDescriptor::new(name, family_options(&cache)));
    let db = DB::open_cf_descriptors(&options, folder, families).map_err(refused)?;
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    db.put_opt(VERSION_KEY, [schema.version], &synced).map_err(refused)?;
    drop(db);
    fs::remove_file(&marker).and_then(|()| sync_folder(folder)).map_err(failed)?;
    folder.parent().map_or(Ok(()), sync_folder).map_err(failed)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    fs::File::open(folder)?.sync_all()
}

/// Opens what is there. Column families of a newer version are opened too, so that the version can be read.
fn attach(folder: &Path, schema: &'static Schema, mode: Mode) -> Result<DB, DatabaseError> {
    let refused = |error| classify(schema, folder, error);
    let cache = Cache::new_lru_cache(4 * MIB);
    let mut options = options(&cache);
    let mut names = DB::list_cf(&options, folder).map_err(refused)?;
    if mode == Mode::Write {
        let lacking = |later: &&&str| !names.iter().any(|name| name == **later);
        let lacking: Vec<_> = schema.later_families.iter().filter(lacking).map(|&name| name.into()).collect();
        names.extend(lacking);
        options.create_missing_column_families(true);
    }
    let families = names.iter().map(|name| ColumnFamilyDescriptor::new(name, family_options(&cache)));
    let db = match mode {
        Mode::Write => DB::open_cf_descriptors(&options, folder, families),
        Mode::Read => DB::open_cf_descriptors_read_only(&options, folder, families, false),
    };
    let db = db.map_err(refused)?;
    match db.get(VERSION_KEY).map_err(refused)?.as_deref() {
        Some([found]) if *found == schema.version => {}
        Some([found, ..]) if *found > schema.version => return Err(newer(schema, folder, *found)),
        Some(_) => return Err(damaged(schema, folder, "its version makes no sense".into())),
        None => return Err(DatabaseError::Foreign { name: schema.name, folder: folder.into() }),
    }
    match schema.families.iter().find(|name| db.cf_handle(name).is_none()) {
        Some(name) => Err(damaged(schema, folder, format!("column family {name} is missing"))),
        None => Ok(db),
    }
}
