//! The store: content by digest, records by fingerprint, and nothing trusted because it exists.
//!
//! Everything is written to `tmp/` and renamed, carries a digest or checksum, and is verified on use,
//! so a lost or torn write is a miss and never a wrong answer. Knows nothing of stages or pipelines.

mod artifacts;
mod blobs;
mod claims;
mod error;
mod exchange;
mod fsck;
mod gc;
mod hashing;
mod ingest;
mod locks;
mod materialize;
mod objects;
mod pins;
mod publish;
mod quarantine;
mod receive;
mod records;
mod roots;
mod sealed;
mod stamp;
mod stat_cache;
mod tree;
mod trials;

pub use claims::{Claim, ClaimGuard, LockedFolder, is_locked, lock_folder};
pub use error::StoreError;
pub use exchange::{
    Foreign, Incoming, Outgoing, read_record, read_tree, read_trial, record_text, trial_text,
};
pub use fsck::{Dangling, FsckReport, Lost, Problem};
pub use gc::{DOWNLOADS, Freed, GcReport, Keep};
pub use ingest::Ingested;
pub use materialize::{LinkMode, Placed};
pub use objects::replace_file;
pub use pins::Pin;
pub use publish::{Edited, Published};
pub use receive::ReceiveError;
pub use records::{Put, first_difference};
pub use roots::Root;
pub use tree::{Entry, EntryKind, Tree, TreeFault};

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::manifest::Fingerprint;

/// Folders of a store. `tmp` comes last: where it is, the others are.
const FOLDERS: [&str; 11] = [
    "blobs",
    "trees",
    "results",
    "trials",
    "work",
    "runs",
    "state/.published",
    "locks",
    "roots",
    "quarantine",
    "tmp",
];

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
    stat_cache: stat_cache::StatCache,
    blobs_device: OnceLock<Option<u64>>,
}

/// Keeps `gc` from sweeping while objects are written that nothing names yet.
#[derive(Debug)]
pub struct Publishing {
    _lock: File,
}

impl Store {
    /// Opens the store at `root` and makes its folders when they are missing.
    pub fn open(root: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let root = std::path::absolute(root).map_err(|error| StoreError::reading(root, error))?;
        let store = Self {
            root,
            options,
            stat_cache: stat_cache::StatCache::default(),
            blobs_device: OnceLock::new(),
        };
        if !store.root.join("tmp").is_dir() {
            store.make_folder(&store.root).map_err(|error| store.storing(&store.root, error))?;
            for folder in FOLDERS {
                let folder = store.root.join(folder);
                store.make_folder(&folder).map_err(|error| store.storing(&folder, error))?;
            }
        }
        Ok(store)
    }

    /// Its folder, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How it is kept.
    #[must_use]
    pub fn options(&self) -> StoreOptions {
        self.options
    }

    /// Folder for attempts and checkpoints of `fingerprint`: `work/<fingerprint>`; not made here.
    #[must_use]
    pub fn work(&self, fingerprint: &Fingerprint) -> PathBuf {
        self.root.join("work").join(fingerprint.hex())
    }

    /// Folder of run histories.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// The disposable snapshot of `pipeline`; not made here.
    #[must_use]
    pub fn state(&self, pipeline: &str) -> PathBuf {
        self.root.join("state").join(pipeline)
    }

    /// Keeps `gc` from sweeping until the guard is dropped. Hold it briefly, from taking outputs in to
    /// putting their record.
    pub fn publishing(&self) -> Result<Publishing, StoreError> {
        locks::wait_shared(self, "gc").map(|lock| Publishing { _lock: lock })
    }

    /// Flushes everything written so far to disk (`syncfs`); called at a run's end.
    pub fn sync(&self) -> Result<(), StoreError> {
        let flushed = File::open(&self.root)
            .and_then(|folder| nix::unistd::syncfs(folder).map_err(io::Error::from));
        flushed.map_err(|error| self.storing(&self.root, error))
    }

    /// Lets the group write a file that is not an object.
    fn share(&self, file: &File) {
        let mode = if self.options.group_writable { 0o664 } else { 0o644 };
        // It fails for a file of somebody else, who has shared it already.
        let _ = file.set_permissions(Permissions::from_mode(mode));
    }
}
