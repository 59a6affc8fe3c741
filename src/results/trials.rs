//! `trials` artifacts: `card.json`, and one trial a line in `trials.jsonl`.

use serde::{Deserialize, Serialize};

use crate::net::Shape;

/// Name of the card's file.
pub const CARD_FILE: &str = "card.json";
/// Name of the file with a trial a line.
pub const TRIALS_FILE: &str = "trials.jsonl";

/// What all trials of an artifact share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialsCard {
    /// Version of the format.
    pub format: u32,
    /// Search space by name and its bound parameters.
    pub space: serde_json::Value,
    /// Strategy by name and its bound parameters.
    pub strategy: serde_json::Value,
    /// Evaluator by name and its bound parameters.
    pub evaluator: serde_json::Value,
    /// Shape of the images.
    pub image: Shape,
    /// Number of classes.
    pub classes: usize,
    /// Whether scores are made up (`mock`).
    pub mock: bool,
}

/// One trial: a genotype, evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Position in the search, from 0.
    pub trial: u64,
    /// Canonical text.
    pub genotype: String,
    /// Validation accuracy, 0 to 1.
    pub score: f64,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What the controller learned from.
    pub reward: f64,
    /// Trainable parameters of the child network.
    pub parameters: u64,
    /// Multiply-adds of the child network for one image.
    pub multiply_adds: u64,
    /// Epochs trained.
    pub epochs: u64,
    /// Optimizer steps.
    pub steps: u64,
    /// Exploration rate when it was proposed (Q-learning).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// Validation accuracy after each epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<f64>,
}
