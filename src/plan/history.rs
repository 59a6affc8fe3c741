//! History: what the last run of a pipeline left, so that changes have a reason and times an estimate.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::manifest::Fingerprint;

use super::{StageIndex, Study};

/// What the last run knew of a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// Expected times by what stages took before.
#[derive(Debug, Default)]
pub(super) struct Times {
    stages: Vec<Option<f64>>,
    names: HashMap<String, Mean>,
    kinds: HashMap<&'static str, Mean>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }
}

impl Times {
    /// Gathers the seconds that `secs` knows for each stage.
    pub(super) fn of(study: &Study, secs: impl Fn(StageIndex) -> Option<f64>) -> Self {
        let mut times = Self::default();
        for (index, stage) in study.iter() {
            let secs = secs(index);
            times.stages.push(secs);
            if let Some(secs) = secs {
                times.names.entry(stage.id.name.clone()).or_default().add(secs);
                times.kinds.entry(stage.stage.kind()).or_default().add(secs);
            }
        }
        times
    }

    /// What the stage itself took, else its other cells on average, else its kind in this pipeline.
    pub(super) fn expected(&self, study: &Study, index: StageIndex) -> Option<Duration> {
        let stage = study.get(index);
        let mean = |mean: &Mean| mean.sum / mean.count;
        let secs = self.stages[index.0]
            .or_else(|| self.names.get(&stage.id.name).map(mean))
            .or_else(|| self.kinds.get(stage.stage.kind()).map(mean))?;
        Duration::try_from_secs_f64(secs).ok()
    }
}
