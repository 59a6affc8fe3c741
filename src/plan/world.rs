//! What planning asks of the world: records, trees and digests of files.
//!
//! A trait, so that the whole room is tested without a store on disk.

use std::path::Path;

use crate::digest::Digest;
use crate::manifest::Fingerprint;
use crate::record::StageRecord;
use crate::store::{StoreError, Tree};

/// Digest of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileDigest {
    /// Of its content.
    pub digest: Digest,
    /// Whether it may be executed.
    pub executable: bool,
}

/// Answers from the store and the project; never changes either.
pub trait World: Sync {
    /// The record of `fingerprint`, when the store has it.
    fn record(&self, fingerprint: &Fingerprint) -> Result<Option<StageRecord>, StoreError>;

    /// The files of an artifact, when the store has them.
    fn tree(&self, tree: &Digest) -> Result<Option<Tree>, StoreError>;

    /// Digest of the file at `path`, through the stat cache.
    fn file(&self, path: &Path) -> std::io::Result<FileDigest>;
}
