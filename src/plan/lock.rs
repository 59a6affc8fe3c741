//! The lock file: which results a pipeline had, for git and for other people.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::manifest::Fingerprint;

use super::PlanError;

/// A locked stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedStage {
    /// The cache key of its result.
    pub fingerprint: Fingerprint,
    /// Trees of its outputs by name.
    pub outputs: BTreeMap<String, Digest>,
}

/// The content of a `<pipeline>.lock`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockFile {
    /// Stages by the text of their id.
    #[serde(default)]
    pub stages: BTreeMap<String, LockedStage>,
    /// Digests of network sources by address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
}

/// A stage whose result is not the locked one, for `run --locked` and `verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockDifference {
    /// The text of the stage's id.
    pub stage: String,
    /// What differs, for people.
    pub what: String,
}

/// The lock file of the pipeline at `file`: beside it, with the extension `lock`.
#[must_use]
pub fn lock_path(file: &Path) -> PathBuf {
    file.with_extension("lock")
}

impl LockFile {
    /// Reads the lock file at `path`; an empty one when there is none.
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let _ = path;
        Ok(Self::default())
    }

    /// Takes over `fresh` stages, drops those that `is_current` denies, and writes the file
    /// atomically when that changes it. Returns whether it did.
    pub fn update(
        self,
        path: &Path,
        fresh: BTreeMap<String, LockedStage>,
        is_current: &dyn Fn(&str) -> bool,
    ) -> Result<bool, PlanError> {
        let _ = (path, fresh, is_current);
        unimplemented!()
    }

    /// Where `found` differs from what is locked; stages only in the lock file are left out.
    #[must_use]
    pub fn differences(&self, found: &BTreeMap<String, LockedStage>) -> Vec<LockDifference> {
        let _ = found;
        unimplemented!()
    }
}
