//! Events: everything a run can say.
//!
//! Training, search and run emit events; progress, journal and `--json` listen. Nothing else prints.

use serde::{Deserialize, Serialize};

use crate::artifact::StageId;
use crate::manifest::Fingerprint;

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It ran and its record is in the store.
    Done,
    /// Its record was known; nothing was done.
    Cached,
    /// An older result, or a result of another pipeline, was put back.
    Restored,
    /// It ran and failed.
    Failed,
    /// Something it needs failed.
    Skipped,
    /// The run was interrupted before or while it ran.
    Interrupted,
}

impl Ending {
    /// Whether the stage has a result now.
    #[must_use]
    pub fn is_well(self) -> bool {
        matches!(self, Self::Done | Self::Cached | Self::Restored)
    }

    /// The word that people read.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Cached => "cached",
            Self::Restored => "restored",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Something a run announces. In the journal each stands on one line with a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant's sentence names its fields")]
pub enum Event {
    /// The run begins.
    RunStarted { run: String, pipeline: String, stages: usize },
    /// The stage waits for another run that computes the same result.
    StageWaits { stage: StageId, holder: String },
    /// An attempt begins; the first is 1.
    StageStarted { stage: StageId, fingerprint: Fingerprint, attempt: u32 },
    /// `done` of `total` `unit`s (trials, epochs, images) are done.
    Progress {
        stage: StageId,
        unit: String,
        done: u64,
        total: u64,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// A trial of a search ended; `score` is missing when it failed. `best` is the best score so far.
    TrialEnded {
        stage: StageId,
        trial: u64,
        genotype: String,
        score: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        best: Option<f64>,
    },
    /// What the stage's processes hold in memory now.
    Usage { stage: StageId, memory_bytes: u64 },
    /// An epoch of a training ended.
    EpochEnded {
        stage: StageId,
        child: String,
        epoch: u64,
        epochs: u64,
        loss: f64,
        accuracy: Option<f64>,
    },
    /// `done` of `total` objects and `bytes` of `bytes_total` have moved; `what` is `pushing to lab`.
    Transfer { what: String, done: u64, total: u64, bytes: u64, bytes_total: u64 },
    /// Something a person should read.
    Warning { stage: Option<StageId>, text: String },
    /// An attempt failed and another follows.
    StageRetries { stage: StageId, attempt: u32, reason: String },
    /// The stage reached its end; `reason` says why it failed or was skipped.
    StageEnded {
        stage: StageId,
        ending: Ending,
        secs: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The run ends.
    RunEnded { ok: bool, secs: f64 },
}

impl Event {
    /// The stage that it is about, when it is about one.
    #[must_use]
    pub fn stage(&self) -> Option<&StageId> {
        match self {
            Self::StageWaits { stage, .. }
            | Self::StageStarted { stage, .. }
            | Self::Progress { stage, .. }
            | Self::TrialEnded { stage, .. }
            | Self::Usage { stage, .. }
            | Self::EpochEnded { stage, .. }
            | Self::StageRetries { stage, .. }
            | Self::StageEnded { stage, .. } => Some(stage),
            Self::Warning { stage, .. } => stage.as_ref(),
            Self::RunStarted { .. } | Self::Transfer { .. } | Self::RunEnded { .. } => None,
        }
    }
}

/// Takes events. Cheap to call; never fails: losing an event loses no result.
pub trait Emit: Send + Sync {
    /// Announces `event`.
    fn emit(&self, event: Event);
}

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Emit for Silent {
    fn emit(&self, _: Event) {}
}
