//! Recipes: everything about a training but the network, the data and how long.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::augment::Augmentation;
use super::optimizer::Optimizer;
use super::schedule::Schedule;

/// Version of what the same recipe means: batches, augmentation, schedules, optimizers, when a child has diverged.
pub const RECIPE_VERSION: u32 = 4;

/// How children are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Images in a step; the images that do not fill a last batch wait for the next epoch.
    #[schemars(range(min = 1, max = 65536))]
    pub batch: usize,
    /// Most images of a step that go through the network together: a step is cut into as few parts of near equal
    /// size as it takes, whose gradients are added up before the one update of the weights, so that it fits into
    /// less memory. Batch norm takes its statistics from each part, and its running ones follow each part: there
    /// another number is another training. Without batch norm only roundings differ. Missing: all images of the
    /// step.
    #[schemars(range(min = 1, max = 65536))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<usize>,
    /// The rule that updates weights.
    pub optimizer: Optimizer,
    /// Learning rate before the schedule.
    #[schemars(range(min = 0.000_000_01, max = 100.0))]
    pub lr: f64,
    /// Pull of weights to zero; biases and batch norm's scale and shift are left alone.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub weight_decay: f64,
    /// How the learning rate falls.
    pub schedule: Schedule,
    /// Share of all steps over which the learning rate rises to its full height first.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub warmup: f64,
    /// Longest gradient, as the 2-norm over all weights of the network; a longer one is scaled down to
    /// it. Missing: any length. NASNet's finals use 5.
    #[schemars(range(min = 0.000_001, max = 1_000_000.0))]
    pub clip: Option<f64>,
    /// Share of the target that is spread over all classes.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub label_smoothing: f64,
    /// How much the images of each class weigh in the loss.
    pub class_weights: ClassWeights,
    /// Whether dropout layers that the space has put in drop.
    pub dropout: bool,
    /// Probability that a path of the deepest cell is kept in the last step (`ScheduledDropPath`, Zoph et
    /// al. 2018): it falls from 1 in the first step, for shallower cells less far. Missing: nothing is
    /// dropped. NASNet has 0.6 on CIFAR-10.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub drop_path: Option<f64>,
    /// Weight of the auxiliary head's loss beside that of the logits, where the space has put a head in;
    /// with 0 it is not trained.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub auxiliary_weight: f64,
    /// How weights begin.
    pub init: Init,
    /// How the bytes of all images become numbers.
    pub preprocessing: Preprocessing,
    /// How training images are varied, in this order, before `preprocessing`.
    #[schemars(length(max = 32))]
    pub augment: Vec<Augmentation>,
    /// Epochs without a better validation accuracy after which the training ends early. Missing: it never
    /// does.
    #[schemars(range(min = 1, max = 100_000))]
    pub patience: Option<u64>,
    /// Which weights a trained child has.
    pub weights: Kept,
    /// The numbers that convolutions and dense layers multiply. `bf16` needs `device: cuda`.
    #[serde(skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            batch: 32,
            micro_batch: None,
            optimizer: Optimizer::default(),
            lr: 0.001,
            weight_decay: 0.0005,
            schedule: Schedule::default(),
            warmup: 0.0,
            clip: None,
            label_smoothing: 0.0,
            class_weights: ClassWeights::None,
            dropout: true,
            drop_path: None,
            auxiliary_weight: 0.4,
            init: Init::He,
            preprocessing: Preprocessing::Standard,
            augment: Vec::new(),
            patience: None,
            weights: Kept::Last,
            precision: Precision::F32,
        }
    }
}

/// The numbers that convolutions and dense layers multiply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Single precision, as everything else.
    #[default]
    F32,
    /// Operands rounded to bfloat16, for tensor cores; products, their sums and everything else in single precision,
    /// weights among it.
    Bf16,
}

impl Precision {
    /// Whether all is in single precision.
    #[must_use]
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

/// How weights begin; biases begin at 0, batch norm's scale at 1 and shift at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Uniform with variance 2 / inputs, for rectifiers.
    He,
    /// Uniform with variance 2 / (inputs + outputs).
    Xavier,
}

/// How much the images of each class weigh in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// All the same.
    None,
    /// Each class as much as any other, however many images it has: images / (classes · images of the
    /// class), from the training images. The loss stays a mean over images.
    Balanced,
}

/// How the bytes of images become numbers; the same in training and evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preprocessing {
    /// Mean 0 and deviation 1 in each channel, over all training images.
    Standard,
    /// Mean 0 and deviation near 1 in each image by itself, over all its pixels and channels: divided by
    /// the root of the variance plus 10 (global contrast normalisation, Goodfellow et al. 2013).
    GlobalContrast,
}

/// Which weights a trained child has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// Those after the last epoch.
    Last,
    /// Those after the epoch with the best validation accuracy, the first of equals.
    Best,
}

impl Recipe {
    /// The words that need validation images to mean anything: their keys.
    #[must_use]
    pub fn words_on_validation(&self) -> Vec<&'static str> {
        let patience = self.patience.is_some().then_some("patience");
        let weights = (self.weights == Kept::Best).then_some("weights");
        patience.into_iter().chain(weights).collect()
    }

    /// The parts in which the `images` of a step go through the network, by their places in the batch.
    pub(super) fn micro_batches(
        &self,
        images: usize,
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        let most = self.micro_batch.unwrap_or(images).max(1);
        let parts = images.div_ceil(most).max(1);
        (0..parts).map(move |part| part * images / parts..(part + 1) * images / parts)
    }

    /// Learning rate of step `step` (from 0) of `steps`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "steps are far below 2^52")]
    pub fn lr(&self, step: u64, steps: u64) -> f64 {
        let warmup = self.warmup * steps as f64;
        let done = step as f64;
        if done < warmup {
            return self.lr * (done + 1.0) / (warmup + 1.0);
        }
        self.lr * self.schedule.share((done - warmup) / (steps as f64 - warmup).max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::quarters;
    use super::*;

    fn rates(recipe: &Recipe, steps: u64) -> Vec<f64> {
        (0..steps).map(|step| recipe.lr(step, steps)).collect()
    }

    #[test]
    fn the_metaqnn_steps_fall_at_the_quarters() {
        let schedule = Schedule::Step { factor: 0.5, at: quarters() };
        let recipe = Recipe { lr: 8.0, schedule, ..Recipe::default() };
        assert_eq!(rates(&recipe, 8), [8.0, 8.0, 4.0, 4.0, 2.0, 2.0, 1.0, 1.0]);
    }

    #[test]
    fn cosine_falls_from_full_to_end_and_warmup_rises_before() {
        let schedule = Schedule::cosine(0.1);
        let recipe = Recipe { lr: 1.0, schedule, warmup: 0.25, ..Recipe::default() };
        let rates = rates(&recipe, 100);
        assert!(rates[..25].is_sorted() && rates[25..].is_sorted_by(|a, b| a >= b));
        assert!((rates[25] - 1.0).abs() < 1e-12 && (rates[99] - 0.1).abs() < 0.001, "{rates:?}");
        assert!(rates[0] > 0.0, "a first step of nothing teaches nothing");
    }

    #[test]
    fn a_step_is_cut_into_the_fewest_parts_that_are_small_enough() {
        let sizes = |micro_batch, images| {
            let recipe = Recipe { micro_batch, ..Recipe::default() };
            recipe.micro_batches(images).map(|part| part.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(None, 40), [40]);
        assert_eq!(sizes(Some(64), 40), [40]);
        assert_eq!(sizes(Some(16), 40), [13, 13, 14]);
        assert_eq!(sizes(Some(1), 3), [1, 1, 1]);
    }

    #[test]
    fn what_came_later_is_not_said_where_it_is_as_before() {
        let text = serde_json::to_string(&Recipe::default()).unwrap();
        for key in ["micro_batch", "precision"] {
            assert!(!text.contains(key), "manifests of earlier results would change: {text}");
        }
        let mixed = Recipe { precision: Precision::Bf16, ..Recipe::default() };
        let text = serde_json::to_string(&mixed).unwrap();
        assert!(text.contains(r#""precision":"bf16""#), "{text}");
    }

    #[test]
    fn a_recipe_survives_json() {
        let recipe = Recipe { schedule: Schedule::Constant, ..Recipe::default() };
        let text = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
    }
}
