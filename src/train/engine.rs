//! The door to whatever computes: an engine plans a network, the planned child steps and evaluates.

use std::collections::BTreeMap;

use super::TrainError;
use super::recipe::Recipe;
use crate::net::Network;
pub use crate::results::Values;
use crate::seed::Seed;

/// Something that can train networks.
///
/// Engines may differ in the last bits of a number, never in what it means. What operations compute is
/// said by [`crate::net::Op`]: explicit padding (SAME is [`crate::net::Window::same`]), average pooling
/// over the numbers inside the map only, maximum ties to the first number in row order in both
/// directions, batch norm with epsilon 1e-3 and biased variance, whose running statistics keep 0.9 of
/// themselves in each step. The loss is the mean cross-entropy of the batch, weighted by class, plus
/// `auxiliary_weight` times that of the auxiliary head. Random draws are found by seed, layer path,
/// purpose, step and the image's place in the batch. Weights are laid out as [`State`] says. All of it is
/// written down once more, as plain loops, in [`super::reference`].
pub trait Engine: Send + Sync {
    /// Names its bits in manifests: `cpu-f32-v1`.
    fn numerics(&self) -> &'static str;

    /// Its name and version as a component: raised when equal input gives other bits.
    fn component(&self) -> (&'static str, u32);

    /// Makes an initialised child of `outline`.
    ///
    /// # Errors
    /// When the engine cannot compute one of its operations.
    fn plan(&self, outline: &Outline<'_>) -> Result<Box<dyn Child>, TrainError>;

    /// What the child of `outline` will take when so many images go through it together in its steps and in its
    /// evaluations; nothing where the engine cannot say.
    fn footprint(
        &self,
        outline: &Outline<'_>,
        stepped: usize,
        evaluated: usize,
    ) -> Option<Footprint> {
        _ = (outline, stepped, evaluated);
        None
    }
}

/// Memory of a child, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// From the first step and the first evaluation on.
    pub held: u64,
    /// More than that, while an evaluation runs.
    pub evaluation: u64,
}

/// What an engine must know before the first step.
#[derive(Debug, Clone)]
pub struct Outline<'a> {
    /// The network.
    pub network: &'a Network,
    /// How it is trained.
    pub recipe: &'a Recipe,
    /// Weight of each class in the loss, with mean 1 over the training images; empty when all are 1.
    pub class_weights: Vec<f32>,
    /// Steps of the whole training, for what changes on the way.
    pub steps: u64,
    /// Of weights, dropout and drop path, addressed by layer path, step and image.
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
    /// Whether the loss was a finite number, and all weights are after it.
    pub sound: bool,
}

/// A network in training.
pub trait Child: Send + Sync {
    /// Trains on one batch, which goes through the network in the parts that the recipe's `micro_batch` says.
    ///
    /// # Errors
    /// Faults of the engine; a loss that is not finite is returned, not an error.
    fn step(&mut self, batch: &Batch, moment: Moment) -> Result<Step, TrainError>;

    /// Gradients of the mean loss of `batch` by weight name, of what leads to the logits. Batch norm takes
    /// the statistics of the batch, nothing is dropped, and nothing changes.
    ///
    /// # Errors
    /// Faults of the engine.
    fn gradients(&self, batch: &Batch) -> Result<BTreeMap<String, Values>, TrainError>;

    /// Gradient by its pixels of the sum of each image's logits, in the order of `images`; as
    /// [`Child::gradients`] otherwise.
    ///
    /// # Errors
    /// Faults of the engine.
    fn image_gradients(&self, images: &[f32]) -> Result<Vec<f32>, TrainError>;

    /// Which rectifiers each image activates; as [`Child::gradients`] otherwise.
    ///
    /// # Errors
    /// Faults of the engine.
    fn codes(&self, images: &[f32]) -> Result<Codes, TrainError>;

    /// Logits of `images`, a row of classes each, with running statistics and without dropout.
    ///
    /// # Errors
    /// Faults of the engine.
    fn evaluate(&self, images: &[f32]) -> Result<Vec<f32>, TrainError>;

    /// Processor time of each operation in the steps since the last call, which begins the first time;
    /// nothing from engines that take none.
    fn profile(&mut self) -> Vec<Timing> {
        Vec::new()
    }

    /// Gives back the memory that only steps need, until the next one: of a child that is kept to be looked at.
    fn release(&mut self) {}

    /// Everything that the next step depends on.
    ///
    /// # Errors
    /// Faults of the device that has it.
    fn state(&self) -> Result<State, TrainError>;

    /// Takes over what [`Child::state`] of an equal network returned.
    ///
    /// # Errors
    /// When a tensor is missing, left over or has another shape.
    fn load(&mut self, state: &State) -> Result<(), TrainError>;
}

/// What an operation cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// Its place among the phases of a step.
    pub phase: usize,
    /// What is done.
    pub operation: String,
    /// Path of the layer, where it is done for one.
    pub path: String,
    /// Seconds of all threads together.
    pub secs: f64,
    /// Additions and multiplications of products with weights, as direct convolutions have them: what implementations
    /// are compared by; 0 where there are none.
    pub direct_flops: u64,
    /// Those that were carried out: fewer, where a convolution takes a shorter way, whose sums before and after the
    /// products do not count.
    pub executed_flops: u64,
}

/// Which rectifiers let an image through, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    /// Rectifiers in the network.
    pub len: usize,
    /// For each image `len` bits, 64 to a word, in an order that is the same for all images.
    pub words: Vec<Vec<u64>>,
}

/// A child's numbers by name, in the layout that all engines share: convolution weights `[row, column,
/// in, out]`, depthwise `[row, column, channel]`, dense `[in, out]` with inputs in (row, column,
/// channel) order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// What evaluation needs: `PATH.weight`, `PATH.bias`, and of batch norm `PATH.scale`, `.shift`,
    /// `.mean`, `.variance`.
    pub weights: BTreeMap<String, Values>,
    /// What only the next step needs: the optimizer's averages `first.NAME` and `second.NAME`, and the
    /// weights of the auxiliary head as `auxiliary.NAME`.
    pub training: BTreeMap<String, Values>,
}
