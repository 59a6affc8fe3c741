//! Child networks as one typed layer graph with shapes.
//!
//! The graph is the single source for parameter and multiply-add counts, drawings, memory estimates
//! and every engine that trains. It knows nothing of genotypes (`space` builds graphs) nor of tensors
//! (`train` executes them).

mod build;
mod check;
mod count;
mod drawing;
mod tally;

pub use build::Builder;
pub use drawing::{Block, Diagram, Drawing, Operation};
pub use tally::{Assemble, Sizes, Tallied, Tally};

use serde::{Deserialize, Serialize};

/// Shape of one image's feature map; a vector has `height` and `width` 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// Numbers in one feature map.
    #[must_use]
    pub fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A node's place in its network; inputs stand before their users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub usize);

/// A sliding window: kernel, stride and explicit padding, each for rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// Rows and columns of the kernel.
    pub kernel: (usize, usize),
    /// Step down and right.
    pub stride: (usize, usize),
    /// Rows added above and below.
    pub pad_rows: (usize, usize),
    /// Columns added left and right.
    pub pad_columns: (usize, usize),
}

/// One operation. Batch normalisation: epsilon 1e-3, running statistics with momentum 0.9 and biased
/// variance. Average pooling does not count padding. Maximum ties go to the first index in row order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// The image.
    Input,
    /// Convolution to `filters` channels; padding is zeros.
    Conv {
        /// Output channels.
        filters: usize,
        /// Kernel, stride, padding.
        window: Window,
        /// Distance between kernel taps.
        dilation: usize,
        /// Whether a bias is added.
        bias: bool,
    },
    /// Convolution of each channel by itself; no bias.
    Depthwise {
        /// Kernel, stride, padding.
        window: Window,
    },
    /// Batch normalisation over batch, rows and columns, with scale and shift.
    BatchNorm,
    /// Rectifier.
    Relu,
    /// Maximum over windows; padding counts as minus infinity.
    MaxPool {
        /// Kernel, stride, padding.
        window: Window,
    },
    /// Mean over windows, of the numbers inside the map only.
    AvgPool {
        /// Kernel, stride, padding.
        window: Window,
    },
    /// Mean over the whole map.
    GlobalAvgPool,
    /// Rows, columns and channels in one vector (row, column, channel order).
    Flatten,
    /// Fully connected layer with bias.
    Dense {
        /// Output numbers.
        units: usize,
    },
    /// Drops numbers with probability `rate` in training and scales the rest by `1 / (1 - rate)`.
    Dropout {
        /// Probability of dropping.
        rate: f64,
    },
    /// Drops the whole map of an image in training and scales what is kept by one over the probability
    /// to keep. How likely that is, the recipe says; without a word from it nothing is dropped
    /// (`ScheduledDropPath`, Zoph et al. 2018, section 3).
    DropPath {
        /// Depth of the cell in its network, above 0 and at most 1: deeper paths are dropped more.
        share: f64,
    },
    /// Zeros around the map; negative numbers cut rows and columns off. The map may be shifted
    /// altogether out of its frame: what is left are zeros.
    Pad {
        /// Rows above and below.
        rows: (isize, isize),
        /// Columns left and right.
        columns: (isize, isize),
    },
    /// Sum of all inputs.
    Add,
    /// Inputs one after another on the channel axis.
    Concat,
}

/// An operation in a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Stable name, unique in the network: addresses weights and random draws (`conv0`, `cell3.block1.a`).
    pub path: String,
    /// What it computes.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<NodeId>,
    /// What it writes.
    pub shape: Shape,
}

/// A trainable network: nodes in topological order; the last one gives the class logits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    nodes: Vec<Node>,
    /// Logits of the auxiliary head: trained with the network, never counted, evaluated or kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auxiliary: Option<NodeId>,
}
