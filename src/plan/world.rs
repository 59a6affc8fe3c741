//! What planning asks of the world: records, trees and digests of files.
//!
//! A trait, so that the room is tested against answers made up in memory, and so that a store with a
//! remote behind it can answer, too.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::manifest::Fingerprint;
use crate::record::StageRecord;
use crate::remote::Tier;
use crate::store::{Store, StoreError, Tree};

use super::PlanError;

/// Answers from the store and the project; never changes a result.
pub trait World: Sync {
    /// The record of `fingerprint`, when the store has it.
    fn record(&self, fingerprint: &Fingerprint) -> Result<Option<StageRecord>, PlanError>;

    /// The remote that a record would come from, when it is not here. Asked after [`World::record`].
    fn elsewhere(&self, _: &Fingerprint) -> Option<&str> {
        None
    }

    /// The files of an artifact, when the store has them.
    fn tree(&self, tree: &Digest) -> Result<Option<Tree>, PlanError>;

    /// Digests of the files at `paths`, in their order. Many at once, as they are hashed in parallel.
    fn digests(&self, paths: &[PathBuf]) -> Result<Vec<Digest>, StoreError>;
}

impl World for Store {
    fn record(&self, fingerprint: &Fingerprint) -> Result<Option<StageRecord>, PlanError> {
        Ok(Store::record(self, fingerprint)?)
    }

    fn tree(&self, tree: &Digest) -> Result<Option<Tree>, PlanError> {
        Ok(Store::tree(self, tree)?)
    }

    fn digests(&self, paths: &[PathBuf]) -> Result<Vec<Digest>, StoreError> {
        self.digest_files(paths)
    }
}

impl World for Tier<'_> {
    fn record(&self, fingerprint: &Fingerprint) -> Result<Option<StageRecord>, PlanError> {
        Ok(Tier::record(self, fingerprint)?)
    }

    fn elsewhere(&self, fingerprint: &Fingerprint) -> Option<&str> {
        self.is_remote(fingerprint).then(|| self.name())
    }

    fn tree(&self, tree: &Digest) -> Result<Option<Tree>, PlanError> {
        Ok(Tier::tree(self, tree)?)
    }

    fn digests(&self, paths: &[PathBuf]) -> Result<Vec<Digest>, StoreError> {
        self.store().digest_files(paths)
    }
}
