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
    /// is written over, or every later record would be read from the wrong byte.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;
    use std::os::unix::fs::PermissionsExt;

    struct Room {
        folder: tempfile::TempDir,
    }

    impl Room {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn store(&self) -> Store {
            let options = StoreOptions { group_writable: true, strict: false };
            Store::open(&self.folder.path().join("store"), options).unwrap()
        }

        fn cache(&self) -> PathBuf {
            self.folder.path().join("store/stat.cache")
        }

        /// A file, and an answer that claims `content` for it: what comes back tells who answered.
        fn claim(&self, name: &str, content: &str) -> (PathBuf, Answer) {
            let path = self.folder.path().join(name);
            if !path.exists() {
                fs::write(&path, name).unwrap();
            }
            let stamp = Stamp::of(&fs::metadata(&path).unwrap());
            let found = Known { stamp, digest: Digest::of(content.as_bytes()) };
            let answer = Answer { key: key_of(&path).unwrap(), found, is_new: true };
            (path, answer)
        }
    }

    #[test]
    fn a_known_file_is_not_read_and_a_changed_one_is() {
        let room = Room::new();
        let (path, answer) = room.claim("file", "remembered");
        room.store().learn(&[answer]);
        let store = room.store();
        assert_eq!(store.digest_file(&path).unwrap(), Digest::of(b"remembered"));
        fs::write(&path, "file").unwrap();
        assert_eq!(store.digest_file(&path).unwrap(), Digest::of(b"file"));
    }

    #[test]
    fn a_remembered_blob_is_hashed_again_when_any_time_of_it_changes() {
        let room = Room::new();
        let store = room.store();
        let content = vec![7; 2 << 20];
        let digest = store.put_blob(&content).unwrap();
        let path = store.blob_path(&digest);
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let set_back = || File::open(&path).unwrap().set_modified(long_ago).unwrap();
        set_back();
        let remember = |digest: Digest| {
            let stamp = Stamp::of(&fs::metadata(&path).unwrap());
            let key = key_of(&path).unwrap();
            store.learn(&[Answer { key, found: Known { stamp, digest }, is_new: true }]);
        };
        let verify = || store.verify_blob(&digest, content.len() as u64, true).unwrap();
        remember(digest);
        assert_eq!(verify(), Ok(()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all(&[8]).unwrap();
        set_back();
        assert!(verify().is_err(), "size, inode and mtime are the same, the ctime is not");
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_changed_just_now_is_not_remembered() {
        let room = Room::new();
        let (path, _) = room.claim("file", "");
        let store = room.store();
        store.digest_file(&path).unwrap();
        assert!(!room.cache().exists());
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        File::open(&path).unwrap().set_modified(long_ago).unwrap();
        store.digest_file(&path).unwrap();
        assert!(!room.cache().exists(), "its ctime is young, whatever its mtime says");
    }

    #[test]
    fn a_file_that_was_left_alone_is_remembered() {
        let store = Room::new().store();
        let exe = std::env::current_exe().unwrap();
        let stamp = Stamp::of(&fs::metadata(&exe).unwrap());
        let age = i64::try_from(micros_since_1970()).unwrap() * 1_000 - stamp.changed_ns();
        let answer = ask(&Loaded::default(), &exe).unwrap();
        assert_eq!(answer.is_new, age >= SETTLED_NS);
        drop(store);
    }

    #[test]
    fn a_torn_tail_costs_one_record_and_no_later_one() {
        let room = Room::new();
        let claims: Vec<_> = (0..4).map(|n| room.claim(&format!("f{n}"), "remembered")).collect();
        let mut answers = Vec::new();
        let mut paths = Vec::new();
        for (path, answer) in claims {
            paths.push(path);
            answers.push(answer);
        }
        room.store().learn(&answers[..3]);
        let file = OpenOptions::new().write(true).open(room.cache()).unwrap();
        file.set_len(file.metadata().unwrap().len() - 7).unwrap();
        room.store().learn(&answers[3..]);
        let store = room.store();
        let is_remembered =
            |path: &PathBuf| store.digest_file(path).unwrap() == Digest::of(b"remembered");
        assert_eq!(paths.iter().map(is_remembered).collect::<Vec<_>>(), [true, true, false, true]);
    }

    #[test]
    fn every_flipped_byte_of_a_record_is_found() {
        let room = Room::new();
        let (_, answer) = room.claim("file", "remembered");
        let record = encode(&answer.key, &answer.found);
        assert_eq!(decode(&record), Some((answer.key, answer.found)));
        for at in 0..RECORD_BYTES {
            let mut flipped = record;
            flipped[at] ^= 1;
            assert_eq!(decode(&flipped), None, "flip at {at}");
        }
        assert_eq!(decode(&[0; RECORD_BYTES]), None);
    }

    #[test]
    fn a_file_that_is_no_cache_is_replaced() {
        let room = Room::new();
        let store = room.store();
        fs::write(room.cache(), "x".repeat(500)).unwrap();
        let (path, answer) = room.claim("file", "remembered");
        store.learn(&[answer]);
        assert_eq!(room.store().digest_file(&path).unwrap(), Digest::of(b"remembered"));
        assert_eq!(fs::metadata(room.cache()).unwrap().len(), 2 * RECORD_BYTES as u64);
        let mode = fs::metadata(room.cache()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o664, "the group may append");
    }

    #[test]
    fn many_writers_lose_no_record() {
        let room = Room::new();
        let (writers, each) = (8_usize, 40_usize);
        let claims: Vec<Vec<_>> = (0..writers)
            .map(|writer| {
                (0..each).map(|n| room.claim(&format!("{writer}-{n}"), "remembered")).collect()
            })
            .collect();
        let paths: Vec<PathBuf> = claims.iter().flatten().map(|(path, _)| path.clone()).collect();
        std::thread::scope(|scope| {
            for claims in claims {
                let store = room.store();
                scope.spawn(move || {
                    for (_, answer) in claims {
                        store.learn(&[answer]);
                    }
                });
            }
        });
        let digests = room.store().digest_files(&paths).unwrap();
        assert!(digests.iter().all(|digest| *digest == Digest::of(b"remembered")));
    }

    #[test]
    fn superseded_records_are_dropped_when_there_are_many() {
        let room = Room::new();
        let store = room.store();
        let (path, answer) = room.claim("file", "last");
        let old = Known { digest: Digest::of(b"old"), ..answer.found };
        let mut bytes = HEADER.to_vec();
        for _ in 0..=SUPERSEDED_MIN {
            bytes.extend_from_slice(&encode(&answer.key, &old));
        }
        fs::write(room.cache(), bytes).unwrap();
        let (other, other_answer) = room.claim("other", "other");
        assert_eq!(store.digest_file(&path).unwrap(), Digest::of(b"old"));
        store.learn(&[answer, other_answer]);
        assert_eq!(fs::metadata(room.cache()).unwrap().len(), 3 * RECORD_BYTES as u64);
        for store in [store, room.store()] {
            let digests = store.digest_files(&[path.clone(), other.clone()]).unwrap();
            assert_eq!(digests, [Digest::of(b"last"), Digest::of(b"other")]);
        }
    }
}
