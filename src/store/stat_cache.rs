//! The stat cache: digests of files that were hashed before, found by what `stat` says of them.
//!
//! An entry is kept only if the file had not changed for two seconds before it was hashed. Times have
//! a granularity (a tick of the kernel, up to two seconds on old file systems), and a file that is
//! written twice within one grain looks as if it were written once. Losing the cache costs only time.
//!
//! The file is a header and records of one size, each with its own check, in the order of writing; the
//! last one of a path counts. Binary, since a no-op reads all of it: 4,000 lines of JSON would cost
//! more than asking the kernel about 4,000 files.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use rayon::prelude::*;

use super::hashing::digest_of_file;
use super::locks;
use super::quarantine::micros_since_1970;
use super::stamp::Stamp;
use super::{Store, StoreError};
use crate::digest::Digest;

/// One record: path key 16, device, inode, size, mtime, ctime 8 each, digest 32, check 8.
const RECORD_BYTES: usize = 96;
const CHECKED_BYTES: usize = RECORD_BYTES - 8;
const HEADER: &[u8; RECORD_BYTES] = &{
    let mut header = [b' '; RECORD_BYTES];
    let text = b"phytotron stat cache 1";
    let mut i = 0;
    while i < text.len() {
        header[i] = text[i];
        i += 1;
    }
    header[RECORD_BYTES - 1] = b'\n';
    header
};

/// How long a file must have been left alone before it was hashed.
const SETTLED_NS: i64 = 2_000_000_000;

/// Records of paths beyond this are forgotten, oldest first, so that the file stays below 20 MB.
const PATHS_MAX: usize = 200_000;

/// This many superseded records are not worth a rewrite.
const SUPERSEDED_MIN: usize = 10_000;

/// Below this, asking the kernel is quicker than waking threads.
const PARALLEL_MIN: usize = 256;

/// First half of the digest of an absolute path.
type Key = [u8; 16];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    stamp: Stamp,
    digest: Digest,
}

/// What this process knows of the cache; read from disk when it is first asked.
#[derive(Debug, Default)]
pub(super) struct StatCache {
    known: RwLock<Option<Loaded>>,
}

#[derive(Debug, Default)]
struct Loaded {
    known: HashMap<Key, Known>,
    records_on_disk: usize,
}

/// The answer for one path, and whether the cache should learn it.
struct Answer {
    key: Key,
    found: Known,
    is_new: bool,
}

impl Store {
    /// Digest of a file's content; links are followed. Reads the file only when what `stat` says of it
    /// is new.
    pub fn digest_file(&self, path: &Path) -> Result<Digest, StoreError> {
        let answer = self.load_then(|loaded| ask(loaded, path))?;
        let digest = answer.found.digest;
        self.learn(&[answer]);
        Ok(digest)
    }

    /// [`Store::digest_file`] for many files, in their order and in parallel.
    pub fn digest_files(&self, paths: &[PathBuf]) -> Result<Vec<Digest>, StoreError> {
        let answers: Result<Vec<Answer>, StoreError> = self.load_then(|loaded| {
            if paths.len() < PARALLEL_MIN {
                return paths.iter().map(|path| ask(loaded, path)).collect();
            }
            paths.par_iter().with_min_len(32).map(|path| ask(loaded, path)).collect()
        });
        let answers = answers?;
        self.learn(&answers);
        Ok(answers.iter().map(|answer| answer.found.digest).collect())
    }

    fn load_then<T>(&self, ask: impl FnOnce(&Loaded) -> T) -> T {
        let known = &self.stat_cache.known;
        let is_loaded = known.read().unwrap_or_else(PoisonError::into_inner).is_some();
        if !is_loaded {
            let loaded = self.read_stat_cache();
            known.write().unwrap_or_else(PoisonError::into_inner).get_or_insert(loaded);
        }
        let guard = known.read().unwrap_or_else(PoisonError::into_inner);
        ask(guard.as_ref().expect("BUG: the stat cache was just loaded"))
    }

    fn read_stat_cache(&self) -> Loaded {
        File::open(self.stat_cache_path()).map(|mut file| load(&mut file)).unwrap_or_default()
    }

    /// Remembers what is new, here and on disk. A cache that cannot be written is no failure: the
    /// next process hashes once more.
    fn learn(&self, answers: &[Answer]) {
        let new: Vec<&Answer> = answers.iter().filter(|answer| answer.is_new).collect();
        if new.is_empty() {
            return;
        }
        let mut guard = self.stat_cache.known.write().unwrap_or_else(PoisonError::into_inner);
        let loaded = guard.get_or_insert_default();
        let mut bytes = Vec::with_capacity(new.len() * RECORD_BYTES);
        for answer in new {
            loaded.known.insert(answer.key, answer.found);
            bytes.extend_from_slice(&encode(&answer.key, &answer.found));
        }
        loaded.records_on_disk += bytes.len() / RECORD_BYTES;
        let superseded = loaded.records_on_disk.saturating_sub(loaded.known.len());
        let is_overgrown = superseded > SUPERSEDED_MIN.max(loaded.known.len())
            || loaded.records_on_disk > PATHS_MAX + SUPERSEDED_MIN;
        if let Err(error) = self.append_stat_records(&bytes) {
            tracing::debug!(%error, "the stat cache cannot be written");
        } else if is_overgrown {
            match self.compact_stat_cache() {
                Ok(compacted) => *loaded = compacted,
                Err(error) => tracing::debug!(%error, "the stat cache cannot be rewritten"),
            }
        }
    }

    /// Appends whole records under a lock. After a torn write the file ends inside a record; the tail
    /// is cut off, or every later record would be read from the wrong byte.
    fn append_stat_records(&self, records: &[u8]) -> Result<(), StoreError> {
        let _lock = locks::wait_exclusive(self, "stat.cache")?;
        let path = self.stat_cache_path();
        let storing = |error| self.storing(&path, error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(storing)?;
        let length = file.metadata().map_err(storing)?.len();
        let whole = length - length % RECORD_BYTES as u64;
        if whole == 0 || !has_header(&mut file) {
            file.set_len(0).map_err(storing)?;
            file.rewind().map_err(storing)?;
            file.write_all(HEADER).map_err(storing)?;
            self.share(&file);
        } else {
            file.seek(SeekFrom::Start(whole)).map_err(storing)?;
            file.set_len(whole).map_err(storing)?;
        }
        file.write_all(records).map_err(storing)
    }

    /// Rewrites the file with the last record of each path, the newest `PATHS_MAX` of them.
    fn compact_stat_cache(&self) -> Result<Loaded, StoreError> {
        let _lock = locks::wait_exclusive(self, "stat.cache")?;
        let path = self.stat_cache_path();
        let bytes = fs::read(&path).map_err(|error| StoreError::reading(&path, error))?;
        let mut kept: HashMap<Key, Known> = HashMap::new();
        let mut newest_first = Vec::new();
        for (key, known) in records(&bytes).rev() {
            if kept.len() < PATHS_MAX && !kept.contains_key(&key) {
                kept.insert(key, known);
                newest_first.push(encode(&key, &known));
            }
        }
        let mut staged = self.stage()?;
        let mut text = HEADER.to_vec();
        newest_first.iter().rev().for_each(|record| text.extend_from_slice(record));
        staged.write_all(&text).map_err(|error| self.storing(&path, error))?;
        self.share(staged.as_file());
        let staged = staged.into_temp_path();
        self.move_in(&staged, &path)?;
        let _ = staged.keep();
        Ok(Loaded { records_on_disk: kept.len(), known: kept })
    }

    fn stat_cache_path(&self) -> PathBuf {
        self.root.join("stat.cache")
    }
}

/// Looks at one path, and reads it when it is not known as it is.
fn ask(loaded: &Loaded, path: &Path) -> Result<Answer, StoreError> {
    let reading = |error| StoreError::reading(path, error);
    let key = key_of(path).map_err(reading)?;
    let stamp = Stamp::of(&fs::metadata(path).map_err(reading)?);
    if let Some(known) = loaded.known.get(&key)
        && known.stamp == stamp
    {
        return Ok(Answer { key, found: *known, is_new: false });
    }
    let asked_ns = i64::try_from(micros_since_1970()).unwrap_or(0).saturating_mul(1_000);
    let Some((digest, stamp)) = digest_of_file(path).map_err(reading)? else {
        let reason = "it changed while it was read: something still writes to it";
        return Err(StoreError::Unfit { path: path.to_owned(), reason });
    };
    let is_new = stamp.changed_ns() <= asked_ns.saturating_sub(SETTLED_NS);
    Ok(Answer { key, found: Known { stamp, digest }, is_new })
}

fn key_of(path: &Path) -> io::Result<Key> {
    let absolute = std::path::absolute(path)?;
    let digest = Digest::of(absolute.as_os_str().as_bytes());
    Ok(*digest.bytes().first_chunk().expect("16 bytes are fewer than 32"))
}

fn has_header(file: &mut File) -> bool {
    let mut header = [0; RECORD_BYTES];
    file.rewind().and_then(|()| file.read_exact(&mut header)).is_ok() && header == *HEADER
}

fn load(file: &mut File) -> Loaded {
    let mut bytes = Vec::new();
    if file.read_to_end(&mut bytes).is_err() {
        return Loaded::default();
    }
    let records_on_disk = bytes.len() / RECORD_BYTES;
    let mut known = HashMap::with_capacity(records_on_disk);
    known.extend(records(&bytes));
    Loaded { known, records_on_disk }
}

/// The whole records of the file, in their order; damaged ones and a torn tail are left out.
fn records(bytes: &[u8]) -> impl DoubleEndedIterator<Item = (Key, Known)> {
    let body = bytes.strip_prefix(HEADER.as_slice()).unwrap_or(&[]);
    body.chunks_exact(RECORD_BYTES).filter_map(decode)
}

fn encode(key: &Key, known: &Known) -> [u8; RECORD_BYTES] {
    let stamp = &known.stamp;
    let mut record = [0; RECORD_BYTES];
    record[..16].copy_from_slice(key);
    let words = [
        stamp.device.to_le_bytes(),
        stamp.inode.to_le_bytes(),
        stamp.size.to_le_bytes(),
        stamp.mtime_ns.to_le_bytes(),
        stamp.ctime_ns.to_le_bytes(),
    ];
    record[16..56].copy_from_slice(words.as_flattened());
    record[56..88].copy_from_slice(known.digest.bytes());
    let check = check_of(&record[..CHECKED_BYTES]);
    record[CHECKED_BYTES..].copy_from_slice(&check);
    record
}

fn decode(record: &[u8]) -> Option<(Key, Known)> {
    let (checked, check) = record.split_at(CHECKED_BYTES);
    if check != check_of(checked) {
        return None;
    }
    let word = |at: usize| checked[at..].first_chunk().copied();
    let stamp = Stamp {
        device: u64::from_le_bytes(word(16)?),
        inode: u64::from_le_bytes(word(24)?),
        size: u64::from_le_bytes(word(32)?),
        mtime_ns: i64::from_le_bytes(word(40)?),
        ctime_ns: i64::from_le_bytes(word(48)?),
    };
    let digest: &[u8; 32] = checked[56..].first_chunk()?;
    Some((*checked.first_chunk()?, Known { stamp, digest: Digest::from(*digest) }))
}

fn check_of(bytes: &[u8]) -> [u8; 8] {
    *Digest::of(bytes).bytes().first_chunk().expect("8 bytes are fewer than 32")
}
