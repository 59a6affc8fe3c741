//! Exchange: objects as they leave for another store and come in from one.
//!
//! What comes in is written to `tmp/` and verified before it has a name here; what leaves verifies itself
//! while it is read. Knows nothing of where the other store lies.

use std::fs::{self, File};
use std::io::{self, Read, Write};

use serde_json::Value;
use tempfile::NamedTempFile;

use super::gc::digest_in;
use super::objects::files_by_prefix;
use super::tree::Tree;
use super::{Store, StoreError, records, sealed, trials};
use crate::digest::{Digest, Hasher};
use crate::manifest::Fingerprint;
use crate::record::StageRecord;

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
    if Digest::of(text) != *digest {
        return Err(Foreign::Damaged);
    }
    let text = std::str::from_utf8(text).map_err(|_| Foreign::Damaged)?;
    if let Some(format) = super::tree::newer_format(text) {
        return Err(Foreign::Newer(format));
    }
    Tree::parse(text).map_err(|_| Foreign::Damaged)
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

    /// A place for a blob of `size` bytes that comes in.
    pub fn incoming(&self, size: u64) -> Result<Incoming<'_>, StoreError> {
        Ok(Incoming { store: self, staged: self.stage()?, hasher: Hasher::new(), done: 0, size })
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
    staged: NamedTempFile,
    hasher: Hasher,
    done: u64,
    size: u64,
}

impl Incoming<'_> {
    /// Gives the content its name if it is what `digest` says; else it is gone. Says which.
    pub fn keep(self, digest: &Digest) -> Result<bool, StoreError> {
        if self.done != self.size || self.hasher.digest() != *digest {
            return Ok(false);
        }
        self.store.commit(self.staged, &self.store.blob_path(digest)).map(|()| true)
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
            let mut incoming = store.incoming(4).unwrap();
            incoming.write_all(wrong).unwrap();
            assert!(!incoming.keep(&digest).unwrap());
            assert!(!store.has_blob(&digest, 4));
        }
        assert!(store.incoming(4).unwrap().write_all(b"leaves").is_err());
        let mut incoming = store.incoming(4).unwrap();
        incoming.write_all(b"leaf").unwrap();
        assert!(incoming.keep(&digest).unwrap() && store.has_blob(&digest, 4));
        assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
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
