//! The store: content by digest, records by fingerprint, and nothing trusted because it exists.
//!
//! Everything is written to `tmp/` and renamed, carries a digest or checksum, and is verified on use,
//! so a lost or torn write is a miss and never a wrong answer. Knows nothing of stages or pipelines.

mod error;
mod tree;

pub use error::StoreError;
pub use tree::{Entry, EntryKind, Tree};

use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::manifest::Fingerprint;
use crate::record::StageRecord;

/// How blobs become files for people and commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkMode {
    /// Reflink, else hard link, else copy; copies when running as root (up to 64 MB) and executables.
    #[default]
    Auto,
    /// Always copy.
    Copy,
}

/// How a store is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreOptions {
    /// Files and folders are writable by the group, for several users of one machine.
    pub group_writable: bool,
    /// Flush every object to disk when it is written, instead of once at a run's end.
    pub strict: bool,
}

/// A folder of results.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    options: StoreOptions,
}

/// An artifact that was taken into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ingested {
    /// Its tree.
    pub tree: Digest,
    /// Files in it.
    pub files: u64,
    /// Bytes in it.
    pub bytes: u64,
}

/// What became of a record that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// It is new.
    Added,
    /// The same outputs were recorded before.
    Same,
    /// An earlier record has other outputs; it stays. Names the first output that differs.
    Nondeterministic {
        /// The output's name.
        output: String,
    },
}

/// The answer to asking for the right to compute a fingerprint.
#[derive(Debug)]
pub enum Claim {
    /// It is yours until the guard is dropped or the process ends.
    Granted(ClaimGuard),
    /// Somebody else computes it: who, for people.
    Held(String),
}

/// Holds a claim.
#[derive(Debug)]
pub struct ClaimGuard {
    _file: std::fs::File,
}

impl Store {
    /// Opens the store at `root` and makes its folders when they are missing.
    pub fn open(root: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        Ok(Self { root: root.to_owned(), options })
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How it is kept.
    #[must_use]
    pub fn options(&self) -> StoreOptions {
        self.options
    }

    /// Takes the content of `folder` in as one tree. Files are moved when they lie on the store's
    /// file system and belong to us, so `folder` is empty or gone afterwards.
    pub fn ingest(&self, folder: &Path) -> Result<Ingested, StoreError> {
        let _ = folder;
        unimplemented!()
    }

    /// The tree that `digest` names, when it is here and whole.
    pub fn tree(&self, digest: &Digest) -> Result<Option<Tree>, StoreError> {
        let _ = digest;
        unimplemented!()
    }

    /// Whether the tree and all its blobs are here (by their presence and size, not their content).
    pub fn is_present(&self, tree: &Digest) -> Result<bool, StoreError> {
        let _ = tree;
        unimplemented!()
    }

    /// Puts the files of `tree` into `destination` (made when missing), verifying every blob.
    ///
    /// # Errors
    /// `StoreError::Damaged` when a blob is missing or has other content; it is then in quarantine.
    pub fn materialize(
        &self,
        tree: &Digest,
        destination: &Path,
        mode: LinkMode,
    ) -> Result<(), StoreError> {
        let _ = (tree, destination, mode);
        unimplemented!()
    }

    /// The record of `fingerprint`, when it is here and whole.
    pub fn record(&self, fingerprint: &Fingerprint) -> Result<Option<StageRecord>, StoreError> {
        let _ = fingerprint;
        unimplemented!()
    }

    /// Keeps a record. An earlier record with other outputs stays unless `replace`.
    pub fn put_record(&self, record: &StageRecord, replace: bool) -> Result<Put, StoreError> {
        let _ = (record, replace);
        unimplemented!()
    }

    /// Asks for the right to compute `fingerprint`; never waits. `holder` is what others are told.
    pub fn claim(&self, fingerprint: &Fingerprint, holder: &str) -> Result<Claim, StoreError> {
        let _ = (fingerprint, holder);
        unimplemented!()
    }

    /// Folder for attempts and checkpoints of `fingerprint`: `work/<fingerprint>`; not made here.
    #[must_use]
    pub fn work(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.root.join("work").join(fingerprint.hex())
    }

    /// A number that grows whenever something leaves the store (`gc`, quarantine): what a snapshot
    /// saw is only good for the same number.
    pub fn generation(&self) -> Result<u64, StoreError> {
        unimplemented!()
    }

    /// Flushes everything written so far to disk (`syncfs`); called at a run's end.
    pub fn sync(&self) -> Result<(), StoreError> {
        unimplemented!()
    }
}
