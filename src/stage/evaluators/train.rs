//! The `train` evaluator: a child's validation accuracy after a short real training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dataset::Dataset;
use crate::search::Evaluate;
use crate::stage::{Component, Job, StageError};

/// How children are trained while a search runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {}

impl TrainConfig {
    /// The versions that its scores depend on.
    #[must_use]
    pub fn components(&self) -> Vec<Component> {
        Vec::new()
    }

    /// The engine whose bits its scores depend on.
    #[must_use]
    pub fn numerics(&self) -> &'static str {
        "candle-cpu"
    }

    /// An evaluator that trains on `data` with the job's threads, its checkpoint folder and trial cache.
    ///
    /// # Errors
    /// When the data does not allow it: too few images, a fraction that leaves none.
    pub fn open<'a>(
        &'a self,
        job: &'a Job<'a>,
        data: Dataset,
    ) -> Result<Box<dyn Evaluate + 'a>, StageError> {
        let _ = (job, data);
        unimplemented!()
    }
}
