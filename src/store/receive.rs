//! Receiving: objects from elsewhere, kept only when they are what their names say.
//!
//! Where they come from (a bundle, another store) is not known here and changes nothing: a blob is hashed while it
//! is written to `tmp/`, a tree by its text, a record by its checksum and its manifest.

use std::fs::File;
use std::io::{self, Read, Write as _};

use super::exchange::tree_in;
use super::tree::Tree;
use super::{Foreign, Store, StoreError, records};
use crate::digest::Digest;
use crate::manifest::Fingerprint;
use crate::record::StageRecord;

const PIECE_BYTES: usize = 256 << 10;

/// Why an object from elsewhere was not kept.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// It is not what its name says.
    #[error("{object} {name} {reason}")]
    Refused {
        /// `blob`, `tree`, `record`.
        object: &'static str,
        /// The name it came under.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The other side could not be read.
    #[error("it cannot be read")]
    Source(#[source] io::Error),
    /// The store could not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Keeps what `source` holds, which is to be `size` bytes, as the blob `digest`.
    ///
    /// # Errors
    /// [`ReceiveError::Refused`] when the content has another size or digest; nothing is kept then.
    pub fn receive_blob(
        &self,
        digest: &Digest,
        size: u64,
        source: &mut dyn Read,
    ) -> Result<(), ReceiveError> {
        let refuse = || refused("blob", digest, "has other content than its name says");
        let mut incoming = self.incoming(digest, size)?;
        let mut skipped = source.take(incoming.done());
        io::copy(&mut skipped, &mut io::sink()).map_err(ReceiveError::Source)?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = source.read(&mut piece).map_err(ReceiveError::Source)?;
            if read == 0 {
                break;
            }
            match incoming.write_all(&piece[..read]) {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    incoming.discard();
                    return Err(refuse());
                }
                other => other.map_err(|error| self.storing(&self.blob_path(digest), error))?,
            }
        }
        if incoming.keep()? { Ok(()) } else { Err(refuse()) }
    }

    /// Keeps the tree whose text is `bytes`; its blobs are received apart.
    ///
    /// # Errors
    /// [`ReceiveError::Refused`] when it is not the tree `digest`, or names a place outside the artifact.
    pub fn receive_tree(&self, digest: &Digest, bytes: &[u8]) -> Result<Tree, ReceiveError> {
        let tree = tree_in(bytes, digest).map_err(|reason| refused("tree", digest, &reason))?;
        self.put_tree(&tree)?;
        Ok(tree)
    }

    /// Keeps the record in `bytes`, as [`record_text`](super::record_text) gave them; an earlier record stays.
    ///
    /// # Errors
    /// [`ReceiveError::Refused`] when its checksum, its manifest or its name is wrong.
    pub fn receive_record(
        &self,
        fingerprint: &Fingerprint,
        bytes: &[u8],
    ) -> Result<StageRecord, ReceiveError> {
        let record = match records::read(bytes, fingerprint) {
            Ok(record) => record,
            Err(Foreign::Damaged) => {
                return Err(refused("record", fingerprint, "is damaged or of another result"));
            }
            Err(Foreign::Newer(format)) => {
                let path = self.record_path(fingerprint);
                return Err(StoreError::Newer { path, format }.into());
            }
        };
        self.put_record(&record, false)?;
        Ok(record)
    }

    /// Keeps a result of another store: its record, and with `contents` its trees and blobs.
    ///
    /// # Errors
    /// When the other store does not have them whole.
    pub fn copy_result(
        &self,
        other: &Self,
        record: &StageRecord,
        contents: bool,
    ) -> Result<(), ReceiveError> {
        for output in record.outputs.values().filter(|_| contents) {
            let tree = other.whole_tree(&output.tree)?;
            for (blob, size) in tree.blobs() {
                let path = other.blob_path(&blob);
                let mut file =
                    File::open(&path).map_err(|error| StoreError::reading(&path, error))?;
                self.receive_blob(&blob, size, &mut file)?;
            }
            self.put_tree(&tree)?;
        }
        self.put_record(record, false)?;
        Ok(())
    }
}

fn refused(object: &'static str, name: &Digest, reason: &str) -> ReceiveError {
    ReceiveError::Refused { object, name: name.short(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Entry, EntryKind, StoreOptions};

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        (folder, store)
    }

    #[test]
    fn a_blob_is_kept_only_under_its_own_name() {
        let (_folder, store) = store();
        let digest = Digest::of(b"leaf");
        store.receive_blob(&digest, 4, &mut &b"leaf"[..]).unwrap();
        assert_eq!(std::fs::read(store.blob_path(&digest)).unwrap(), b"leaf");
        let other = Digest::of(b"oak");
        for size in [3, 4, 5] {
            assert!(store.receive_blob(&other, size, &mut &b"leaf"[..]).is_err());
        }
        assert!(!store.blob_path(&other).exists());
    }

    #[test]
    fn a_tree_that_leads_outside_is_refused_whatever_its_digest() {
        let (_folder, store) = store();
        let kind = EntryKind::File { digest: Digest::of(b""), size: 0, executable: false };
        let evil = Tree { entries: vec![Entry { path: "../x".to_owned(), kind }] };
        let text = evil.text();
        let error = store.receive_tree(&Digest::of(text.as_bytes()), text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("plain"), "{error}");
        assert_eq!(store.tree(&evil.digest()).unwrap(), None);
    }
}
