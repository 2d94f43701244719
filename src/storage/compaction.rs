//! Files written anew, so that the disk gets back what was deleted.

use rocksdb::properties;

use super::options::FILES_THAT_SLOW_WRITES;
use super::{Access, DatabaseError};

/// A flush that is under way may add a file while another is asked for.
const MARGIN: u64 = 3;

impl Access<'_> {
    /// Writes the files of a family anew that hold something of these ranges, and what of all families is in the log of
    /// the database alone, which would be kept as a whole otherwise.
    ///
    /// A flush that is asked for waits while so many files are to be merged that writes are slowed down. On a disk
    /// without space for the merging that is for ever, so then nothing is done. What deletes goes on: writing is
    /// refused soon, and opening again takes the space that is kept for it.
    pub(crate) fn compact<K: AsRef<[u8]>>(
        &self,
        family: &str,
        ranges: impl IntoIterator<Item = (K, K)>,
    ) -> Result<(), DatabaseError> {
        for (from, to) in ranges {
            if self.flushing_would_wait()? {
                tracing::debug!("too many files are to be merged: deleted messages still take space");
                return Ok(());
            }
            // Whether it succeeds is not told.
            self.db.compact_range_cf(self.family(family)?, Some(from), Some(to));
        }
        for family in self.families() {
            if !self.flushing_would_wait()? {
                self.db.flush_cf(self.family(family)?).map_err(|error| self.failed(error))?;
            }
        }
        Ok(())
    }

    fn flushing_would_wait(&self) -> Result<bool, DatabaseError> {
        for family in self.families() {
            let files =
                self.db.property_int_value_cf(self.family(family)?, properties::num_files_at_level(0));
            let files = files.map_err(|error| self.failed(error))?.unwrap_or(0);
            if files + MARGIN >= FILES_THAT_SLOW_WRITES {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::super::small_disk::SmallDisk;
    use super::super::{Database, Schema};
    use super::*;

    const SCHEMA: Schema = Schema {
        name: "the shelf",
        version: 1,
        families: &["books"],
        later_families: &[],
        loss: "the books",
    };

    fn put(database: &Database, key: &[u8], bytes: usize, seed: u64) -> Result<(), DatabaseError> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let value: Vec<u8> = std::iter::repeat_with(&mut next).take(bytes).collect();
        database.relieve(|access, batch| {
            batch.put_cf(access.family("books")?, key, &value);
            Ok(())
        })
    }

    fn compact(database: &Database) -> Result<(), DatabaseError> {
        database.read(|access| access.compact("books", [(b"a", b"z")]))
    }

    /// Merging needs as much space as all the books take; each round adds a small file that is to be merged.
    #[test]
    fn nobody_waits_for_space_to_merge_in() {
        let disk = SmallDisk::new(64);
        let database = Database::open(&disk.path().join("shelf"), &SCHEMA).unwrap();
        for book in 0..16 {
            put(&database, format!("book {book:02}").as_bytes(), 1 << 20, book).unwrap();
        }
        compact(&database).unwrap();
        disk.fill();
        let ballast = File::options().write(true).open(disk.path().join("ballast")).unwrap();
        ballast.set_len(ballast.metadata().unwrap().len() - (4 << 20)).unwrap();
        let (done, ended) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            for round in 0..30 {
                if database.is_broken() {
                    database.reopen().ok();
                }
                put(&database, b"book", 1_000, round).ok();
                put(&database, b"books", 1_000, round).ok();
                compact(&database).ok();
            }
            done.send(database).ok();
        });
        let database = ended.recv_timeout(Duration::from_secs(60)).expect("it waits for ever");
        disk.clear();
        if database.is_broken() {
            database.reopen().unwrap();
        }
        put(&database, b"last", 1, 0).unwrap();
    }
}
