//! Recipes: everything about a training but the network, the data and how long.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of what the same recipe means: batches, augmentation, schedules, optimizers.
pub const RECIPE_VERSION: u32 = 1;

/// How children are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Images in a step; the images that do not fill a last batch wait for the next epoch.
    #[schemars(range(min = 1, max = 65536))]
    pub batch: usize,
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
    /// Share of the target that is spread over all classes.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub label_smoothing: f64,
    /// Whether dropout layers that the space has put in drop.
    pub dropout: bool,
    /// How weights begin.
    pub init: Init,
    /// How training images are varied.
    pub augment: Augmentation,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            batch: 32,
            optimizer: Optimizer::default(),
            lr: 0.001,
            weight_decay: 0.0005,
            schedule: Schedule::default(),
            warmup: 0.0,
            label_smoothing: 0.0,
            dropout: true,
            init: Init::He,
            augment: Augmentation::default(),
        }
    }
}

/// The rule that updates weights. Weight decay is added to the gradient, but by `adamw` to the step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(tag = "kind")]
pub enum Optimizer {
    /// Adam (Kingma and Ba 2015) with epsilon 1e-8.
    Adam {
        /// Decay of the mean gradient.
        #[serde(default = "beta1")]
        #[schemars(range(min = 0.0, max = 0.9999))]
        beta1: f64,
        /// Decay of the mean squared gradient.
        #[serde(default = "beta2")]
        #[schemars(range(min = 0.0, max = 0.999_999))]
        beta2: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    Adamw {
        /// Decay of the mean gradient.
        #[serde(default = "beta1")]
        #[schemars(range(min = 0.0, max = 0.9999))]
        beta1: f64,
        /// Decay of the mean squared gradient.
        #[serde(default = "beta2")]
        #[schemars(range(min = 0.0, max = 0.999_999))]
        beta2: f64,
    },
    /// Stochastic gradient descent with momentum.
    Sgd {
        /// Share of the velocity kept.
        #[serde(default = "momentum")]
        #[schemars(range(min = 0.0, max = 0.9999))]
        momentum: f64,
        /// Looks ahead along the velocity.
        #[serde(default = "yes")]
        nesterov: bool,
    },
}

fn beta1() -> f64 {
    0.9
}

fn beta2() -> f64 {
    0.999
}

fn momentum() -> f64 {
    0.9
}

fn yes() -> bool {
    true
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adam { beta1: beta1(), beta2: beta2() }
    }
}

/// How the learning rate falls after the warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(tag = "kind")]
pub enum Schedule {
    /// It does not.
    Constant,
    /// By a factor at some shares of all steps.
    Step {
        /// The factor, each time.
        #[serde(default = "fifth")]
        #[schemars(range(min = 0.000_001, max = 1.0))]
        factor: f64,
        /// Shares of all steps, each between 0 and 1.
        #[serde(default = "quarters")]
        #[schemars(length(max = 64), inner(range(min = 0.0, max = 1.0)))]
        at: Vec<f64>,
    },
    /// Along half a cosine to a last share of it.
    Cosine {
        /// The share left at the end.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        end: f64,
    },
}

fn fifth() -> f64 {
    0.2
}

fn quarters() -> Vec<f64> {
    vec![0.25, 0.5, 0.75]
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Cosine { end: 0.0 }
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

/// How training images are varied; drawn anew for each image at each step, never at evaluation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Left and right are exchanged half of the time.
    pub mirror: bool,
    /// Most pixels that an image is moved, each way; what moves in is the channel's mean.
    #[schemars(range(min = 0, max = 64))]
    pub shift: usize,
}

impl Recipe {
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

impl Schedule {
    /// Share of the full learning rate when the share `done` of the steps after the warm-up is done.
    fn share(&self, done: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Step { factor, at } => {
                let falls = at.iter().filter(|&&place| done >= place).count();
                (0..falls).fold(1.0, |share, _| share * factor)
            }
            Self::Cosine { end } => {
                let height = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * done));
                end + (1.0 - end) * height
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
        let schedule = Schedule::Cosine { end: 0.1 };
        let recipe = Recipe { lr: 1.0, schedule, warmup: 0.25, ..Recipe::default() };
        let rates = rates(&recipe, 100);
        assert!(rates[..25].is_sorted() && rates[25..].is_sorted_by(|a, b| a >= b));
        assert!((rates[25] - 1.0).abs() < 1e-12 && (rates[99] - 0.1).abs() < 0.001, "{rates:?}");
        assert!(rates[0] > 0.0, "a first step of nothing teaches nothing");
    }

    #[test]
    fn a_recipe_survives_json() {
        let recipe = Recipe { schedule: Schedule::Constant, ..Recipe::default() };
        let text = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe);
    }
}
