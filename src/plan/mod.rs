//! Plans: which stages are cached, restored or run, and why.
//!
//! Binds the stages of a pipeline, joins them to a graph, checks what only the whole shows (ports,
//! cycles), and turns stages into manifests as their inputs become known. Starts nothing, writes nothing
//! but the snapshot and the lock file.

mod study;

pub use study::{Feed, Study, StudyStage};

use crate::digest::Digest;
use crate::manifest::{Fingerprint, Manifest};
use crate::record::StageRecord;
use crate::store::StoreError;

/// Index of a stage in a [`Study`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageIndex(pub usize);

/// What is known of a stage once all its inputs are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// Everything its result depends on.
    pub manifest: Manifest,
    /// The cache key.
    pub fingerprint: Fingerprint,
    /// Project files by relative path with their digest.
    pub files: std::collections::BTreeMap<String, Digest>,
    /// The record, when the store has it.
    pub record: Option<StageRecord>,
    /// Whether the last run of this pipeline had this very result (cached) or not (restored).
    pub was_last: bool,
    /// Why it has to run or be restored: `with.budget.trials 200 → 300`; empty when cached.
    pub reason: String,
}

/// Turns stages into manifests as their inputs become known.
pub trait Resolve {
    /// Resolves a stage whose inputs all have records; `known` gives the record of an earlier stage.
    fn resolve(
        &mut self,
        stage: StageIndex,
        known: &dyn Fn(StageIndex) -> StageRecord,
    ) -> Result<Resolved, PlanError>;
}

/// Why no plan could be made of a valid pipeline.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A project file that a stage reads cannot be read.
    #[error("stage `{stage}` reads `{path}`: {reason}")]
    Input {
        /// The stage.
        stage: String,
        /// The path or pattern.
        path: String,
        /// Why: missing, a folder, not readable.
        reason: String,
    },
}
