//! The planner: turns stages into manifests as their inputs become known.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::digest::Digest;
use crate::manifest::{Fingerprint, Manifest};
use crate::record::{OutputRecord, StageRecord};

use super::{LastRun, LockFile, PlanError, Reads, StageIndex, Study, World};

/// What is known of a stage once all its inputs are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// Everything its result depends on.
    pub manifest: Manifest,
    /// The cache key.
    pub fingerprint: Fingerprint,
    /// Project files by relative path with their digest.
    pub files: BTreeMap<String, Digest>,
    /// The record, when the store has it.
    pub record: Option<StageRecord>,
    /// Whether the last run of this pipeline had this very result (cached) or not (restored).
    pub was_last: bool,
    /// Why it has to run or be restored: `with.budget.trials 200 → 300`; empty when cached.
    pub reason: String,
}

/// Turns stages into manifests as their inputs become known.
pub struct Planner<'a> {
    study: &'a Study,
    world: &'a dyn World,
    reads: Reads,
    last: LastRun,
    lock: LockFile,
    known: Vec<Option<BTreeMap<String, Digest>>>,
}

impl<'a> Planner<'a> {
    /// Plans `study`, whose project lies at `root`.
    #[must_use]
    pub fn new(
        study: &'a Study,
        root: &Path,
        world: &'a dyn World,
        last: LastRun,
        lock: LockFile,
    ) -> Self {
        let known = vec![None; study.stages.len()];
        Self { study, world, reads: Reads::new(root), last, lock, known }
    }

    /// Resolves a stage. Every stage that feeds it must be known, except for a frozen one.
    pub fn resolve(&mut self, stage: StageIndex) -> Result<Resolved, PlanError> {
        let _ = (self.study.get(stage), self.world, &self.last, &self.lock);
        unimplemented!()
    }

    /// Tells the outputs of a stage, so that those after it can be resolved.
    pub fn know(&mut self, stage: StageIndex, outputs: &BTreeMap<String, OutputRecord>) {
        self.known[stage.0] =
            Some(outputs.iter().map(|(name, output)| (name.clone(), output.tree)).collect());
    }

    /// How long the stage will take by what it, its siblings or its kind took before.
    #[must_use]
    pub fn expected(&self, stage: StageIndex) -> Option<Duration> {
        let _ = stage;
        None
    }

    /// Every project file read so far, for the snapshot.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        &self.reads
    }
}
