//! The door between search and evaluation: candidates go out, evaluations come back in order.
//!
//! `search` never trains; `stage` puts an evaluator behind this trait.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::net::Network;
use crate::seed::Seed;
use crate::statistics::Bar;

/// A genotype to be scored.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Position of the trial in the search, from 0.
    pub trial: u64,
    /// Canonical text of the genotype.
    pub genotype: String,
    /// The child network it stands for.
    pub network: Network,
    /// The trial's seed.
    pub seed: Seed,
    /// Epochs to train for, in place of the evaluator's own.
    pub epochs: Option<u64>,
    /// Accuracy that its training must have reached by each epoch to go on.
    pub bar: Bar,
}

/// What became of a candidate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Validation accuracy in `0.0..=1.0`, a failed child's at chance level; or a measure mapped there
    /// without changing its order. Never NaN.
    pub score: f64,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Epochs trained, over all attempts.
    pub epochs: u64,
    /// Optimizer steps, over all attempts.
    pub steps: u64,
    /// Validation accuracy after each epoch of the last attempt; empty for evaluators that do not train.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<f64>,
    /// Raw values that were measured, by name; those that are not finite are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, f64>,
}

/// Scores genotypes.
pub trait Evaluate {
    /// Scores a batch; the answer has the batch's order and length.
    ///
    /// # Errors
    /// When the evaluator itself is broken or was told to stop. A child that cannot be trained is an
    /// evaluation with a failure, not an error.
    fn evaluate(&mut self, batch: &[Candidate]) -> Result<Vec<Evaluation>, EvaluateError>;
}

/// Why no evaluation came back.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The stop flag was seen; the search keeps its checkpoint and ends.
    #[error("interrupted")]
    Interrupted,
    /// Anything else.
    #[error("{0}")]
    Broken(String),
}
