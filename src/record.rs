//! Records: what the store keeps of a finished stage.
//!
//! A record is immutable and readable; its format carries a version. Wall time, host and path live
//! here and never in an artifact.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::artifact::ArtifactType;
use crate::digest::Digest;
use crate::manifest::{Fingerprint, Manifest};

/// Version of the record's format.
pub const RECORD_FORMAT: u32 = 1;

/// One named output of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRecord {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ArtifactType,
    /// Its tree in the store.
    pub tree: Digest,
    /// Files in the tree.
    pub files: u64,
    /// Bytes in the tree.
    pub bytes: u64,
}

/// What an attempt cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds on the clock.
    pub wall_secs: f64,
    /// Seconds of processor time, user and system, of the stage's process and its children.
    pub cpu_secs: f64,
    /// Largest resident memory of any one process, in bytes.
    pub peak_memory_bytes: u64,
}

/// A finished stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// [`RECORD_FORMAT`] at writing.
    pub format: u32,
    /// The cache key; equals the manifest's fingerprint.
    pub fingerprint: Fingerprint,
    /// What the result depends on.
    pub manifest: Manifest,
    /// The outputs by name.
    pub outputs: BTreeMap<String, OutputRecord>,
    /// Headline numbers: `test_accuracy`, `trials`, `best_score`.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Whether running again gives the same bytes (a budget in seconds does not).
    #[serde(default = "yes")]
    pub reproducible: bool,
    /// How it is known that running again gives the same bytes.
    #[serde(default, skip_serializing_if = "Repeatability::is_tested")]
    pub repeatability: Repeatability,
    /// What it cost.
    pub cost: Cost,
    /// Host name.
    pub host: String,
    /// Versions of what computed it: `phytotron`, `candle`.
    pub versions: BTreeMap<String, String>,
    /// When it was finished, seconds since 1970.
    pub finished_at: u64,
}

/// How it is known that a computation gives the same bytes again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeatability {
    /// Tests hold its engine to it.
    #[default]
    Tested,
    /// Nobody has seen two runs agree: a device that no test has run on.
    Unverified,
    /// A second computation on its device gave the same bytes.
    Agreed,
}

impl Repeatability {
    /// Whether there is nothing to say of it.
    #[must_use]
    pub fn is_tested(&self) -> bool {
        *self == Self::Tested
    }
}

fn yes() -> bool {
    true
}
