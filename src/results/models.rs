//! `models` artifacts: `summary.json`, and a folder for each trained child network.
//!
//! `models/NN/` holds `network.json`, `weights.safetensors`, `signature.json`, `history.jsonl`,
//! `confusion.csv`, and `drawing.json` where the space draws its networks in diagrams. That of the chosen
//! network also has `mistakes.json` and the images that it names.

use serde::{Deserialize, Serialize};

use super::By;

/// Version of the artifact's format.
pub const MODELS_FORMAT: u32 = 2;
/// Name of the summary's file.
pub const SUMMARY_FILE: &str = "summary.json";
/// Name of the file of layers, inside a network's folder.
pub const NETWORK_FILE: &str = "network.json";
/// Name of the file of trained tensors, inside a network's folder.
pub const WEIGHTS_FILE: &str = "weights.safetensors";
/// Name of the file with an epoch a line, inside a network's folder.
pub const HISTORY_FILE: &str = "history.jsonl";
/// Name of the file of diagrams, inside a network's folder.
pub const DRAWING_FILE: &str = "drawing.json";
/// Name of the file of the most confident mistakes, inside the chosen network's folder.
pub const MISTAKES_FILE: &str = "mistakes.json";

/// Folder of the network with this rank (from 1), relative to the artifact.
#[must_use]
pub fn model_folder(rank: usize) -> String {
    format!("models/{rank:02}")
}

/// Everything `retrain` found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelsSummary {
    /// Version of the format.
    pub format: u32,
    /// The network that was chosen before the test set was read.
    pub chosen: Chosen,
    /// All retrained networks by rank, best first; the test never reorders them.
    pub models: Vec<ModelSummary>,
    /// What the ranks go by.
    #[serde(default)]
    pub by: By,
    /// Class names.
    pub classes: Vec<String>,
    /// Images in the test set.
    pub test_images: u64,
    /// Test images of each class.
    pub test_images_by_class: Vec<u64>,
    /// Test accuracy of the mean of all networks' class probabilities, when there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<Chosen>,
    /// Ranks of the networks in the ensemble; empty when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ensemble_ranks: Vec<usize>,
}

impl ModelsSummary {
    /// Rank of the network that was chosen; texts are unique.
    #[must_use]
    pub fn chosen_rank(&self) -> Option<usize> {
        let is_chosen = |model: &&ModelSummary| model.genotype == self.chosen.genotype;
        self.models.iter().find(is_chosen).map(|model| model.rank)
    }
}

/// A test result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// Canonical text (for an ensemble: how many networks).
    pub genotype: String,
    /// Share of the test images it gets right.
    pub test_accuracy: f64,
    /// Wilson interval, 95 %.
    pub interval: [f64; 2],
}

/// One retrained network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Rank by what the search knew, from 1.
    pub rank: usize,
    /// Canonical text.
    pub genotype: String,
    /// Mean score of the trials that proposed it.
    pub search_score: f64,
    /// Mean reward of these trials, where it ranks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_reward: Option<f64>,
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-adds for one image.
    pub multiply_adds: u64,
    /// Epochs trained.
    pub epochs: u64,
    /// Loss over the last training epoch.
    pub training_loss: f64,
    /// Test accuracy.
    pub test_accuracy: f64,
    /// Wilson interval, 95 %.
    pub interval: [f64; 2],
    /// Mean of the classes' recalls.
    pub balanced_accuracy: f64,
    /// Rows: true class; columns: predicted class.
    pub confusion: Vec<Vec<u64>>,
    /// Why it could not be trained, when it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A test image that a network took for another class; an entry of `mistakes.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// Place in the test set, from 0.
    pub image: u64,
    /// Its class.
    pub label: usize,
    /// The class it was taken for.
    pub prediction: usize,
    /// Probability that the network gave the wrong class.
    pub probability: f32,
    /// Probability that it gave the right one.
    pub probability_of_label: f32,
    /// The image as PNG, relative to the network's folder.
    pub file: String,
}

/// One epoch of a training; a line of `history.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: u64,
    /// Mean training loss.
    pub loss: f64,
    /// Training accuracy on augmented batches as they passed.
    pub accuracy: f64,
    /// Accuracy on validation images, when there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<f64>,
    /// Learning rate at its end.
    pub lr: f64,
}
