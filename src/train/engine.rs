//! The door to whatever computes: an engine plans a network, the planned child steps and evaluates.

use std::collections::BTreeMap;

use super::TrainError;
use super::recipe::{Init, Optimizer};
use crate::net::Network;
use crate::seed::Seed;

/// Something that can train networks.
pub trait Engine: Send + Sync {
    /// Names its bits in manifests: `candle-cpu`.
    fn numerics(&self) -> &'static str;

    /// Its name and version as a component: raised when equal input gives other bits.
    fn component(&self) -> (&'static str, u32);

    /// Makes an initialised child of `outline`.
    ///
    /// # Errors
    /// When the engine cannot compute one of its operations.
    fn plan(&self, outline: &Outline<'_>) -> Result<Box<dyn Child>, TrainError>;
}

/// What an engine must know before the first step.
#[derive(Debug, Clone)]
pub struct Outline<'a> {
    /// The network.
    pub network: &'a Network,
    /// The rule that updates weights.
    pub optimizer: Optimizer,
    /// Pull of weights (not of biases, scales and shifts) to zero.
    pub weight_decay: f64,
    /// Share of the target that is spread over all classes.
    pub label_smoothing: f64,
    /// Whether the network's dropout operations drop.
    pub dropout: bool,
    /// How weights begin.
    pub init: Init,
    /// Of weights and dropout, addressed by layer path, step and place.
    pub seed: Seed,
}

/// A batch: standardised pixels in (image, row, column, channel) order, and classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The numbers.
    pub images: Vec<f32>,
    /// A class for each image.
    pub labels: Vec<u16>,
}

/// When a step happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Steps before it.
    pub step: u64,
    /// Learning rate.
    pub lr: f64,
}

/// What a step saw, before it changed the weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Mean loss of the batch. When it is not finite the weights were left alone.
    pub loss: f64,
    /// Images whose largest logit was at their class.
    pub correct: usize,
}

/// A network in training.
pub trait Child: Send + Sync {
    /// Trains on one batch.
    ///
    /// # Errors
    /// Faults of the engine; a loss that is not finite is returned, not an error.
    fn step(&mut self, batch: &Batch, moment: Moment) -> Result<Step, TrainError>;

    /// Logits of `images`, a row of classes each, with running statistics and without dropout.
    ///
    /// # Errors
    /// Faults of the engine.
    fn evaluate(&self, images: &[f32]) -> Result<Vec<f32>, TrainError>;

    /// Everything that the next step depends on.
    fn state(&self) -> State;

    /// Takes over what [`Child::state`] of an equal network returned.
    ///
    /// # Errors
    /// When a tensor is missing, left over or has another shape.
    fn load(&mut self, state: &State) -> Result<(), TrainError>;
}

/// A child's numbers by name, in the layout that all engines share: convolution weights `[row, column,
/// in, out]`, depthwise `[row, column, channel]`, dense `[in, out]` with inputs in (row, column,
/// channel) order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// `PATH.weight`, `PATH.bias`, and of batch norm `PATH.scale`, `.shift`, `.mean`, `.variance`.
    pub weights: BTreeMap<String, Values>,
    /// The optimizer's averages of the same weights: `first.NAME`, `second.NAME`.
    pub moments: BTreeMap<String, Values>,
}

/// A tensor in plain memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its numbers, last dimension fastest.
    pub values: Vec<f32>,
}
