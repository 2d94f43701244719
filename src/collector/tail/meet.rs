//! Files that are not followed yet: known ones are found again, copies wait, the rest is new.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use super::files::{BEFORE_BYTES, Files, Followed, Held};
use super::leave::{Content, Hit, LEAST_HEAD_BYTES};
use super::{Now, StartAt};
use crate::collector::identity::{Inode, MARK_BYTES, Mark, Refused, first_data, open_regular, read_at};
use crate::collector::registry::{KnownFile, random_bytes};
use crate::collector::stats::{Loss, Rotation};
use crate::domain::FileId;

/// A path with something to read that nobody follows: where, which inode, how long.
type Candidate = (PathBuf, Inode, u64);

impl KnownFile {
    /// What a file must have to be this one.
    pub(super) fn content(&self) -> Content {
        Content { head: self.head, mark: self.mark, length: self.committed.max(self.head.offset()) }
    }
}

impl Files {
    /// Takes in what was found: known files first, by their inode and then by their content.
    pub(super) fn meet(&mut self, candidates: Vec<Candidate>, now: Now) {
        let candidates = self.recognise(candidates, now);
        self.look_for_missing(now);
        let start_at = if self.registry.is_first_start() { self.config.start_at } else { StartAt::Beginning };
        let mut fresh = Vec::new();
        for (path, inode, _) in candidates {
            let is_full = self.followed.len() + fresh.len() >= self.config.max_files;
            if is_full && !self.give_way(now) {
                self.warn(&path, &"as many files as allowed are followed; raise collector.max_files");
                continue;
            }
            // A content that was looked for has been found here in the meantime.
            if self.by_inode.contains_key(&inode) {
                continue;
            }
            match open_regular(&path) {
                Ok((file, meta)) => {
                    let hit = Hit { inode: Inode::of(&meta), length: meta.len(), path, file };
                    if hit.length > 0 && !self.waits_as_copy(&hit, now) {
                        fresh.push(hit);
                    }
                }
                Err(error) => self.warn(&path, &error),
            }
            // Handles are few: what was opened is taken in before more is.
            if fresh.len() >= (self.config.max_open_files / 4).clamp(1, 64) {
                self.take_in(std::mem::take(&mut fresh), start_at, now);
            }
        }
        if !fresh.is_empty() {
            self.take_in(fresh, start_at, now);
        }
        if self.registry.is_first_start()
            && let Err(error) = self.registry.settle_in()
        {
            // It is tried again at every look, and a registry that cannot be written is told by those who need it.
            tracing::debug!(%error, "that this is no first start any more is not written down yet");
        }
    }

    /// Finds known files again where they were, by their inode. Returns the candidates that are none.
    fn recognise(&mut self, candidates: Vec<Candidate>, now: Now) -> Vec<Candidate> {
        if candidates.is_empty() || self.dormant.is_empty() {
            return candidates;
        }
        let mut by_inode: HashMap<Inode, Vec<FileId>> = HashMap::new();
        // The inode of a file that ended is perhaps another's by now, and a short head would not tell.
        let can_be_told = |known: &&KnownFile| !known.ended || known.head.len() >= LEAST_HEAD_BYTES;
        for known in self.dormant.values().filter(can_be_told) {
            by_inode.entry(known.inode).or_default().push(known.id);
        }
        let mut others = Vec::new();
        for candidate in candidates {
            let (path, inode, _) = &candidate;
            let known = by_inode.get(inode).and_then(|files| {
                let (file, meta) = open_regular(path).ok()?;
                let is_it = |file_id: &&FileId| {
                    self.dormant.get(file_id).is_some_and(|known| known.content().is_in(&file, meta.len()))
                };
                let id = *files.iter().find(is_it)?;
                Some((id, Hit { path: path.clone(), inode: Inode::of(&meta), length: meta.len(), file }))
            });
            match known {
                Some((id, hit)) => self.resume(id, hit, None, now),
                None => others.push(candidate),
            }
        }
        others
    }

    /// Looks for known files that were not found at any path: renamed or copied while nobody was looking. One
    /// about which nothing can be told now is looked for again the next time.
    fn look_for_missing(&mut self, now: Now) {
        for id in std::mem::take(&mut self.missing) {
            let Some(known) = self.dormant.get(&id).cloned() else { continue };
            if let Err(problem) = self.look_for(&known, now) {
                self.warn(&known.path, &problem);
                self.missing.insert(id);
            }
        }
    }

    fn look_for(&mut self, known: &KnownFile, now: Now) -> Result<(), Refused> {
        if self.discovery.excludes(&known.path) {
            return Ok(());
        }
        let is_replaced = match open_regular(&known.path) {
            Ok((_, meta)) => Inode::of(&meta) == known.inode,
            // What cannot be read now is not lost.
            Err(error) if error.is_passing() => return Err(error),
            Err(_) => false,
        };
        let content = known.content();
        if let Some(hit) = self.sibling(known.id, &known.real_path, &content, Some(known.inode))? {
            self.resume(known.id, hit, Some(Rotation::Renamed), now);
        } else if let Some(hit) = self.sibling(known.id, &known.real_path, &content, None)? {
            self.resume(known.id, hit, Some(Rotation::CopyTruncated), now);
        } else {
            let unread = known.unread();
            if unread > 0 || (is_replaced && !known.ended) {
                self.lost(known.id, Some(unread).filter(|unread| *unread > 0), Loss::GoneWhileDown);
            } else if !known.ended {
                tracing::info!(
                    "{} is gone; it was read to its end, and whether more was written to it since cannot be known",
                    known.path.display()
                );
            }
            self.registry.observe(known.id, |known| {
                known.ended = true;
                known.length = known.committed;
                known.last_seen = now.time;
            });
        }
        Ok(())
    }

    /// Goes on with a known file at its checkpoint.
    fn resume(&mut self, id: FileId, hit: Hit, leaving: Option<Rotation>, now: Now) {
        self.dormant.remove(&id);
        let Some(known) = self.registry.file(id) else { return };
        let Hit { path, file, inode, length } = hit;
        let known = KnownFile {
            inode,
            real_path: path.canonicalize().unwrap_or_else(|_| path.clone()),
            path,
            ended: false,
            length: length.max(known.committed),
            ..known
        };
        match Followed::resumed(&known, file, length, now) {
            Ok(mut followed) => {
                followed.leaving = leaving;
                if let Some(kind) = leaving {
                    self.counters.rotated(kind);
                }
                let KnownFile { inode, path, real_path, length, ended, .. } = known;
                self.registry.observe(id, |known| {
                    *known = KnownFile { inode, path, real_path, length, ended, ..known.clone() };
                });
                self.follow(id, followed);
            }
            Err(error) => {
                self.warn(&known.path, &error);
                self.dormant.insert(id, known);
            }
        }
    }

    fn follow(&mut self, id: FileId, followed: Followed) {
        self.by_inode.insert(followed.inode, id);
        if followed.leaving.is_none() {
            self.by_path.insert(followed.path.clone(), id);
        }
        self.followed.insert(id, followed);
        self.enqueue(id);
        self.close_some();
    }

    /// Whether a file looks like a copy of a followed one in the same folder. It is then held back until it has
    /// not grown for a while: if its original is truncated before that, the original goes on in it.
    fn waits_as_copy(&mut self, hit: &Hit, now: Now) -> bool {
        let folder = hit.path.canonicalize().ok().and_then(|real| real.parent().map(Path::to_owned));
        let mut heads = HashMap::new();
        let mut is_like = |followed: &&Followed| {
            let head = &followed.head;
            let is_comparable = head.len() >= LEAST_HEAD_BYTES && hit.length >= head.offset();
            followed.real_path.parent() == folder.as_deref()
                && is_comparable
                && *heads.entry(head.len()).or_insert_with(|| Mark::head(&hit.file, head.offset()).ok())
                    == Some(*head)
                && shares_its_end(followed, hit)
        };
        let originals: Vec<_> = self.followed.values().filter(|followed| is_like(followed)).collect();
        if originals.is_empty() {
            self.held.remove(&hit.inode);
            return false;
        }
        let longest = originals.iter().map(|original| original.length_now()).max().unwrap_or(0);
        let surplus = hit.length.saturating_sub(longest);
        let before = self.held.get(&hit.inode).filter(|held| held.length == hit.length);
        let since = before.map_or(now.instant, |held| held.since);
        self.held.insert(hit.inode, Held { path: hit.path.clone(), length: hit.length, since, surplus });
        // What waits to be read of an original may turn out to be other content.
        let waited_until = since + self.config.grace;
        if now.instant < waited_until || !originals.iter().all(|original| original.is_sound_at(waited_until))
        {
            return true;
        }
        self.held.remove(&hit.inode);
        false
    }

    /// Forgets files that were held back and are no longer there. What one had more than its original was not
    /// a copy, and is lost.
    pub(super) fn drop_held(&mut self, seen: &HashSet<Inode>) {
        for (_, held) in self.held.extract_if(|inode, _| !seen.contains(inode)) {
            if held.surplus > 0 {
                self.counters.lost(Loss::Deleted, Some(held.surplus));
                tracing::warn!(
                    bytes = held.surplus,
                    "{} was gone before it was told from a copy of another log",
                    held.path.display()
                );
            }
        }
    }

    /// Makes new files known, durably, and follows them.
    fn take_in(&mut self, fresh: Vec<Hit>, start_at: StartAt, now: Now) {
        let mut known_files = Vec::new();
        let mut files = Vec::new();
        for hit in fresh {
            match known(&hit, start_at, now) {
                Ok(known) => {
                    known_files.push(known);
                    files.push((hit.file, hit.length));
                }
                Err(error) => self.warn(&hit.path, &error),
            }
        }
        if let Err(error) = self.registry.register(&known_files) {
            return known_files.iter().for_each(|known| self.warn(&known.path, &error));
        }
        for (known, (file, length)) in known_files.iter().zip(files) {
            match Followed::resumed(known, file, length, now) {
                Ok(followed) => self.follow(known.id, followed),
                Err(error) => {
                    self.warn(&known.path, &error);
                    self.dormant.insert(known.id, known.clone());
                }
            }
        }
    }
}

/// A file that was never seen.
fn known(hit: &Hit, start_at: StartAt, now: Now) -> std::io::Result<KnownFile> {
    let committed = match start_at {
        StartAt::Beginning => first_data(&hit.file).min(hit.length),
        StartAt::End => last_line(&hit.file, hit.length)?,
    };
    Ok(KnownFile {
        id: FileId::from_bytes(random_bytes()),
        inode: hit.inode,
        head: Mark::head(&hit.file, hit.length)?,
        mark: Mark::before(&hit.file, committed, MARK_BYTES)?,
        committed,
        done_until: 0,
        except: Vec::new(),
        alone_until: 0,
        length: hit.length,
        path: hit.path.clone(),
        real_path: hit.path.canonicalize().unwrap_or_else(|_| hit.path.clone()),
        last_seen: now.time,
        ended: false,
    })
}

/// Where the last line begins that is not ended yet; the end, where it begins too far before that.
fn last_line(file: &File, length: u64) -> std::io::Result<u64> {
    let start = length.saturating_sub(BEFORE_BYTES);
    let bytes = read_at(file, start, usize::try_from(length - start).unwrap_or(0))?;
    Ok(memchr::memrchr(b'\n', &bytes).map_or(if start == 0 { 0 } else { length }, |at| start + at as u64 + 1))
}

/// Whether the bytes at the end of what both have are the same.
fn shares_its_end(followed: &Followed, hit: &Hit) -> bool {
    if hit.length >= followed.position {
        return followed.expected.holds(&hit.file).unwrap_or(false);
    }
    let end = Mark::before(&hit.file, hit.length, MARK_BYTES);
    let compare = |handle: &File| end.is_ok_and(|end| end.holds(handle).unwrap_or(false));
    followed.handle.as_ref().is_some_and(compare)
}
