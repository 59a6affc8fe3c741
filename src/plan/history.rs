//! History: what the last run of a pipeline left, so that changes have a reason and times an estimate.

use std::collections::BTreeMap;

use crate::manifest::Fingerprint;

/// What the last run knew of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct LastStage {
    /// Fingerprint of the last result of it that was used.
    pub fingerprint: Fingerprint,
    /// Seconds that computing it took.
    pub secs: f64,
}

/// What the last run of a pipeline left, by stage id; empty before the first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LastRun {
    /// By the text of the stage's id.
    pub stages: BTreeMap<String, LastStage>,
}
