//! Exchange: objects as they leave for another store and come in from one.
//!
//! What comes in is written to `tmp/` and verified before it has a name here; what leaves verifies itself
//! while it is read. Knows nothing of where the other store lies.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;

use serde_json::Value;
use tempfile::{NamedTempFile, TempPath};

use super::gc::digest_in;
use super::objects::{SMALL_BYTES_MAX, files_by_prefix};
use super::tree::Tree;
use super::{Store, StoreError, records, sealed, trials};
use crate::digest::{Digest, Hasher};
use crate::manifest::Fingerprint;
use crate::record::StageRecord;

/// What is larger is gone on with after its transfer ended early.
const RESUMED_BYTES_MIN: u64 = 8 << 20;

/// Why the text of an object from elsewhere is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// It is torn, or not the object that its name promises.
    #[error("it is damaged")]
    Damaged,
    /// A later version wrote it.
    #[error("it was written by a newer phytotron (format {0}): update")]
    Newer(u32),
}

/// The text of a record, as every store keeps it.
#[must_use]
pub fn record_text(record: &StageRecord) -> Vec<u8> {
    sealed::seal(record)
}

/// The record in a text from elsewhere.
pub fn read_record(text: &[u8], fingerprint: &Fingerprint) -> Result<StageRecord, Foreign> {
    records::read(text, fingerprint)
}

/// The text of a trial, as every store keeps it.
#[must_use]
pub fn trial_text(key: &Digest, trial: &Value) -> Vec<u8> {
    sealed::seal(&trials::TrialFile::new(*key, trial.clone()))
}

/// The trial in a text from elsewhere.
pub fn read_trial(text: &[u8], key: &Digest) -> Result<Value, Foreign> {
    trials::read(text, key)
}

/// The tree in a text from elsewhere. One that would write outside its folder is damaged, too.
pub fn read_tree(text: &[u8], digest: &Digest) -> Result<Tree, Foreign> {
    let newer = std::str::from_utf8(text).ok().and_then(super::tree::newer_format);
    if let Some(format) = newer.filter(|_| Digest::of(text) == *digest) {
        return Err(Foreign::Newer(format));
    }
    tree_in(text, digest).map_err(|_| Foreign::Damaged)
}

/// The tree `digest` in `text`, or what is wrong with it.
pub(super) fn tree_in(text: &[u8], digest: &Digest) -> Result<Tree, String> {
    if Digest::of(text) != *digest {
        return Err("has other content than its name says".to_owned());
    }
    let text = std::str::from_utf8(text).map_err(|_| "is not UTF-8".to_owned())?;
    let tree = Tree::parse(text).map_err(|fault| fault.to_string())?;
    // Another text of the same entries would be kept under another name.
    if tree.digest() != *digest {
        return Err("is not written as trees are".to_owned());
    }
    Ok(tree)
}

impl Store {
    /// Every fingerprint under which there is a record, whole or not, sorted.
    pub fn fingerprints(&self) -> Result<Vec<Fingerprint>, StoreError> {
        self.names("results")
    }

    /// Every key under which there is a trial, whole or not, sorted.
    pub fn trial_keys(&self) -> Result<Vec<Digest>, StoreError> {
        self.names("trials")
    }

    fn names(&self, room: &str) -> Result<Vec<Digest>, StoreError> {
        let files = files_by_prefix(&self.root.join(room))?;
        Ok(files.iter().filter_map(|path| digest_in(path)).collect())
    }

    /// Whether a blob is here, by its size and not by its content.
    #[must_use]
    pub fn has_blob(&self, digest: &Digest, size: u64) -> bool {
        fs::symlink_metadata(self.blob_path(digest))
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
    }

    /// A place for the blob `digest` of `size` bytes that comes in. A large one whose transfer ended early is
    /// gone on with: [`Incoming::done`] says how much of it is here.
    pub fn incoming(&self, digest: &Digest, size: u64) -> Result<Incoming<'_>, StoreError> {
        let begun = if size >= RESUMED_BYTES_MIN { self.begun(digest) } else { None };
        let (staged, hasher, done) = match begun {
            Some(begun) => begun,
            None => (self.stage()?, Hasher::new(), 0),
        };
        Ok(Incoming { store: self, digest: *digest, staged, hasher, done, size })
    }

    /// The blob `digest` as far as an earlier transfer came, as a file that stays when it is dropped. None
    /// while another transfer writes it, or when it cannot be had for any other reason: then it begins anew.
    fn begun(&self, digest: &Digest) -> Option<(NamedTempFile, Hasher, u64)> {
        let folder = self.root.join("tmp");
        self.make_folder(&folder).ok()?;
        let path = folder.join(format!("{digest}.part"));
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let mut file = options.open(&path).ok()?;
        file.try_lock().ok()?;
        // Whoever had the lock before may have moved the file to its place.
        let [opened, named] = [file.metadata().ok()?.ino(), fs::metadata(&path).ok()?.ino()];
        if opened != named {
            return None;
        }
        let mut hasher = Hasher::new();
        let done = io::copy(&mut file, &mut hasher).ok()?;
        let mut staged = NamedTempFile::from_parts(file, TempPath::try_from_path(path).ok()?);
        staged.disable_cleanup(true);
        Some((staged, hasher, done))
    }

    /// The blob's content, which verifies itself: where it is not what its name says, reading its end fails
    /// with [`io::ErrorKind::InvalidData`]. None when it is not here.
    pub fn outgoing(&self, digest: &Digest) -> Result<Option<Outgoing>, StoreError> {
        let path = self.blob_path(digest);
        match File::open(&path) {
            Ok(file) => Ok(Some(Outgoing { file, hasher: Hasher::new(), digest: *digest })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::reading(&path, error)),
        }
    }
}

/// A blob on its way in.
#[derive(Debug)]
pub struct Incoming<'a> {
    store: &'a Store,
    digest: Digest,
    staged: NamedTempFile,
    hasher: Hasher,
    done: u64,
    size: u64,
}

impl Incoming<'_> {
    /// Bytes that are here.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Gives the content its name if it is what the digest says; else it is gone. Says which.
    pub fn keep(self) -> Result<bool, StoreError> {
        if self.done != self.size || self.hasher.digest() != self.digest {
            self.discard();
            return Ok(false);
        }
        let path = self.store.blob_path(&self.digest);
        let _publishing = self.store.publishing()?;
        if self.size > SMALL_BYTES_MAX || !self.store.has_small(&path, &self.digest, self.size) {
            self.store.commit(self.staged, &path)?;
        }
        Ok(true)
    }

    /// Forgets what has come: nothing of it is gone on with.
    pub fn discard(mut self) {
        self.staged.disable_cleanup(false);
    }
}

impl Write for Incoming<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Who sends more than was announced would fill the disk.
        if self.done + bytes.len() as u64 > self.size {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let written = self.staged.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.done += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.staged.flush()
    }
}

/// A blob on its way out.
#[derive(Debug)]
pub struct Outgoing {
    file: File,
    hasher: Hasher,
    digest: Digest,
}

impl Read for Outgoing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.hasher.digest() != self.digest {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreOptions;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        (folder, store)
    }

    #[test]
    fn only_what_its_name_says_comes_in() {
        let (_folder, store) = store();
        let digest = Digest::of(b"leaf");
        for wrong in [&b"lea"[..], b"leag", b""] {
            let mut incoming = store.incoming(&digest, 4).unwrap();
            incoming.write_all(wrong).unwrap();
            assert!(!incoming.keep().unwrap());
            assert!(!store.has_blob(&digest, 4));
        }
        assert!(store.incoming(&digest, 4).unwrap().write_all(b"leaves").is_err());
        let mut incoming = store.incoming(&digest, 4).unwrap();
        incoming.write_all(b"leaf").unwrap();
        assert!(incoming.keep().unwrap() && store.has_blob(&digest, 4));
        assert_eq!(leavings(&store), 0);
    }

    #[test]
    fn a_large_blob_is_gone_on_with_and_a_wrong_one_begun_anew() {
        let (_folder, store) = store();
        let bytes = vec![7; usize::try_from(RESUMED_BYTES_MIN).unwrap()];
        let digest = Digest::of(&bytes);
        let begin = || store.incoming(&digest, RESUMED_BYTES_MIN).unwrap();
        begin().write_all(&bytes[..1000]).unwrap();
        let mut first = begin();
        assert_eq!(first.done(), 1000);
        // Another one at the same time does not write into the first one's file.
        assert_eq!(begin().done(), 0);
        first.write_all(b"wrong").unwrap();
        drop(first);
        let mut second = begin();
        assert_eq!(second.done(), 1005);
        second.write_all(&bytes[1005..]).unwrap();
        assert!(!second.keep().unwrap());
        let mut third = begin();
        assert_eq!(third.done(), 0);
        third.write_all(&bytes).unwrap();
        assert!(third.keep().unwrap() && store.has_blob(&digest, RESUMED_BYTES_MIN));
        assert_eq!(leavings(&store), 0);
    }

    fn leavings(store: &Store) -> usize {
        fs::read_dir(store.root().join("tmp")).unwrap().count()
    }

    #[test]
    fn what_leaves_says_at_its_end_when_it_has_gone_bad() {
        let (_folder, store) = store();
        let digest = store.put_blob(b"leaf").unwrap();
        let mut bytes = Vec::new();
        store.outgoing(&digest).unwrap().unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"leaf");
        let path = store.blob_path(&digest);
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"loaf").unwrap();
        let read = store.outgoing(&digest).unwrap().unwrap().read_to_end(&mut bytes);
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(store.outgoing(&Digest::of(b"x")).unwrap().is_none());
    }
}
