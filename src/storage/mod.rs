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

#[cfg(test)]
pub(crate) mod crash;
mod options;
mod reserve;
#[cfg(test)]
pub(crate) mod small_disk;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use options::{MIB, family_options, options};
use reserve::Reserve;
use rocksdb::{Cache, ColumnFamily, ColumnFamilyDescriptor, DB, ErrorKind, WriteBatch, WriteOptions};

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
    /// What is lost with it, as the end of a sentence.
    pub(crate) loss: &'static str,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// Another process has it, or another part of this one.
    #[error(
        "a Hephaestus is running on this state directory{}: {name} in {folder} is in use; stop it first, or \
         use another state_dir",
        process.map(|id| format!(" (process {id})")).unwrap_or_default()
    )]
    InUse {
        /// Which database.
        name: &'static str,
        /// Where.
        folder: PathBuf,
        /// Who has it, where the system tells.
        process: Option<u32>,
    },
    /// A newer program wrote it.
    #[error(
        "{name} in {folder} has format {found}, and this program knows up to {known}: run the newer \
         program, or move the folder away to start anew without {loss}"
    )]
    Newer {
        /// Which database.
        name: &'static str,
        /// Where.
        folder: PathBuf,
        /// The version found.
        found: u8,
        /// The version known.
        known: u8,
        /// What would be lost.
        loss: &'static str,
    },
    /// It is damaged.
    #[error(
        "{name} in {folder} is damaged ({reason}): put back a copy of the folder, or move it away to start \
         anew without {loss}"
    )]
    Damaged {
        /// Which database.
        name: &'static str,
        /// Where.
        folder: PathBuf,
        /// What was found.
        reason: String,
        /// What would be lost.
        loss: &'static str,
    },
    /// Something else is in the folder.
    #[error("{folder} holds something else than {name}: name another folder, or move away what is in it")]
    Foreign {
        /// Which database.
        name: &'static str,
        /// Where.
        folder: PathBuf,
    },
    /// There is none.
    #[error(
        "there is no {name} in {folder}: nothing has run on this state directory yet; by default it is .hephaestus in \
         the folder where `hephaestus run` was started, elsewhere set state_dir"
    )]
    Missing {
        /// Which database.
        name: &'static str,
        /// Where.
        folder: PathBuf,
    },
    /// The file system refused.
    #[error("{name} in {folder} cannot be used: the folder must be writable, with space left ({reason})")]
    Io {
        /// Which database.
        name: &'static str,
        /// Where.
        folder: PathBuf,
        /// What the system said.
        reason: String,
    },
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
        if self.reserve.keep() { self.relieve(fill) } else { Err(self.unusable(self.reserve.shortage())) }
    }

    /// Likewise, though there may be no space to spare: for a batch that makes room.
    ///
    /// RocksDB holds writers up while it cannot keep up, or has no space to flush into. It is told not to,
    /// so that nobody hangs in it: the batch is tried again for a while instead.
    pub(crate) fn relieve(
        &self,
        fill: impl Fn(&Access<'_>, &mut WriteBatch) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        let started = Instant::now();
        loop {
            match self.try_write(&fill)? {
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
    ) -> Result<Result<(), rocksdb::Error>, DatabaseError> {
        let slot = self.slot();
        let db = slot.db.as_ref().filter(|_| slot.state == State::Sound).ok_or_else(|| self.closed())?;
        let mut batch = WriteBatch::default();
        fill(&Access { db, owner: self }, &mut batch)?;
        if batch.is_empty() {
            return Ok(Ok(()));
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
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
        schema.families.iter().map(|name| ColumnFamilyDescriptor::new(*name, family_options(&cache)));
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
    let options = options(&cache);
    let names = DB::list_cf(&options, folder).map_err(refused)?;
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

/// What an error of RocksDB means to a person. Its kinds are the first words of its text.
fn classify(schema: &'static Schema, folder: &Path, error: rocksdb::Error) -> DatabaseError {
    let kind = error.kind();
    let reason = error.into_string();
    let lock = reason.contains("While lock file") || reason.contains("lock hold by current process");
    let missing_file = reason.contains("No such file or directory");
    match kind {
        ErrorKind::IOError if lock => {
            let process = lock_holder(folder);
            DatabaseError::InUse { name: schema.name, folder: folder.into(), process }
        }
        ErrorKind::Incomplete | ErrorKind::Aborted | ErrorKind::TimedOut | ErrorKind::Busy => {
            DatabaseError::Io { name: schema.name, folder: folder.into(), reason }
        }
        ErrorKind::IOError if !missing_file => {
            DatabaseError::Io { name: schema.name, folder: folder.into(), reason }
        }
        _ => damaged(schema, folder, reason),
    }
}

fn damaged(schema: &'static Schema, folder: &Path, reason: String) -> DatabaseError {
    DatabaseError::Damaged { name: schema.name, folder: folder.into(), reason, loss: schema.loss }
}

fn newer(schema: &'static Schema, folder: &Path, found: u8) -> DatabaseError {
    let (known, loss) = (schema.version, schema.loss);
    DatabaseError::Newer { name: schema.name, folder: folder.into(), found, known, loss }
}

fn io_error(schema: &'static Schema, folder: &Path, error: &io::Error) -> DatabaseError {
    DatabaseError::Io { name: schema.name, folder: folder.into(), reason: error.to_string() }
}

/// Which process holds the lock of a database. The kernel's list is read, since opening and closing the
/// lock file would drop this process's own lock.
fn lock_holder(folder: &Path) -> Option<u32> {
    let lock = fs::metadata(folder.join("LOCK")).ok()?;
    let (major, minor) = (rustix::fs::major(lock.dev()), rustix::fs::minor(lock.dev()));
    let file = format!("{major:02x}:{minor:02x}:{}", lock.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: POSIX  ADVISORY  WRITE 4711 fe:00:123456 0 EOF`
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let holds = fields.get(3) == Some(&"WRITE") && fields.get(5) == Some(&file.as_str());
        fields.get(4).filter(|_| holds)?.parse().ok()
    })
}
