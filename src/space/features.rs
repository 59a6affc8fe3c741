//! Features: what evaluators and guard rails want to know of a child network before it is built.

use serde::{Deserialize, Serialize};

use crate::net::{Shape, Sizes, Tallied};

/// Size and shape of a child network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Trainable parameters.
    pub parameters: u64,
    /// Multiply-adds of convolutions and dense layers for one image.
    pub multiply_adds: u64,
    /// Parametric operations on the longest path from image to logits, head included.
    pub depth: u32,
    /// Share of normal cells with a path of identities from input to output; 0 for chains.
    pub identity_share: f64,
    /// Halvings between the image and the head: log2 of the ratio of their sides.
    pub halvings: f64,
    /// Pooling operations among all operations that were chosen; 0 when there are none.
    pub pool_share: f64,
    /// Share of the parameters that is in dense layers.
    pub dense_share: f64,
    /// Whether convolutions are followed by batch normalisation.
    pub batch_norm: bool,
    /// Numbers in the feature maps that training keeps for one image, as [`Network::activations`] counts.
    ///
    /// [`Network::activations`]: crate::net::Network::activations
    pub activations: u64,
}

impl Features {
    /// Of a network of cells or layers with batch norm on images of shape `image`, from its tally; `last` is
    /// what the head's dense layer reads. What was chosen, identities and poolings, only the space knows:
    /// their shares are 0.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(super) fn tallied(sizes: Sizes, image: Shape, last: Tallied) -> Self {
        Self {
            parameters: sizes.parameters,
            multiply_adds: sizes.multiply_adds,
            depth: last.depth + 1,
            identity_share: 0.0,
            halvings: libm::log2(image.height as f64 / last.shape.height as f64),
            pool_share: 0.0,
            dense_share: sizes.dense_parameters as f64 / sizes.parameters as f64,
            batch_norm: true,
            activations: sizes.activations,
        }
    }

    /// A measure of a training step's memory in MiB for `batch` images, rounded up, from counts alone.
    ///
    /// Numbers of 4 bytes: each parameter with its gradient and two moments of the optimizer, each map
    /// with its gradient. That is what a framework that keeps every map holds, and a guard rail for searches, which
    /// must not depend on how an engine lays memory out. An engine says what it will really take before a
    /// training begins: fewer maps, and a gradient of the parameters for each chunk of the batch.
    #[must_use]
    pub fn memory(&self, batch: u64) -> u64 {
        let maps = self.activations.saturating_mul(batch).saturating_mul(2);
        let numbers = self.parameters.saturating_mul(4).saturating_add(maps);
        numbers.div_ceil(MIB / 4)
    }
}

/// Bytes of a MiB.
const MIB: u64 = 1 << 20;

/// Guard rails: networks beyond them are drawn again before anybody trains them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most trainable parameters.
    pub parameters_max: u64,
    /// Most multiply-adds for one image.
    pub multiply_adds_max: u64,
    /// Most memory of a training step in MiB, as [`Features::memory`] estimates.
    pub memory_max: u64,
    /// Images in the step whose memory is estimated.
    pub memory_batch: u64,
}

impl Default for Limits {
    /// What every space starts with: sizes that a machine without accelerator can train.
    fn default() -> Self {
        Self {
            parameters_max: 20_000_000,
            multiply_adds_max: 2_000_000_000,
            memory_max: 16_384,
            memory_batch: 32,
        }
    }
}

impl Limits {
    /// Whether a network with these features may be tried.
    #[must_use]
    pub fn allow(&self, features: &Features) -> bool {
        features.parameters <= self.parameters_max
            && features.multiply_adds <= self.multiply_adds_max
            && features.memory(self.memory_batch) <= self.memory_max
    }
}
