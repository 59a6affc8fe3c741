//! One description of a network for two readers: [`Builder`] makes nodes of it, [`Tally`] only counts.
//!
//! A search asks for the size of millions of networks and builds a few. With one description the counts
//! cannot differ from the network that is trained; with no node made they cost microseconds.

use std::fmt;

use super::build::infer;
use super::{Builder, NodeId, Op, Shape};

/// Takes the operations of a network one by one.
pub trait Assemble {
    /// An output that later operations may read.
    type Map: Copy;

    /// The image.
    fn image(&self) -> Self::Map;

    /// Shape of an output.
    fn shape(&self, map: Self::Map) -> Shape;

    /// Adds an operation that reads `inputs`; `path` is the node's name.
    ///
    /// # Panics
    /// When the inputs do not fit the operation: the space has described an illegal network.
    fn add(&mut self, path: fmt::Arguments<'_>, op: Op, inputs: &[Self::Map]) -> Self::Map;
}

impl Assemble for Builder {
    type Map = NodeId;

    fn image(&self) -> NodeId {
        Builder::image(self)
    }

    fn shape(&self, map: NodeId) -> Shape {
        Builder::shape(self, map)
    }

    fn add(&mut self, path: fmt::Arguments<'_>, op: Op, inputs: &[NodeId]) -> NodeId {
        Builder::add(self, path.to_string(), op, inputs)
    }
}

/// Counts what a network would have, all operations that it is given included.
#[derive(Debug, Clone)]
pub struct Tally {
    image: Shape,
    sizes: Sizes,
}

/// What was counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Trainable parameters.
    pub parameters: u64,
    /// Those in dense layers.
    pub dense_parameters: u64,
    /// Multiply-adds for one image.
    pub multiply_adds: u64,
    /// Numbers in the maps that training keeps for one image.
    pub activations: u64,
}

impl Sizes {
    /// What was counted since it was `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            parameters: self.parameters - earlier.parameters,
            dense_parameters: self.dense_parameters - earlier.dense_parameters,
            multiply_adds: self.multiply_adds - earlier.multiply_adds,
            activations: self.activations - earlier.activations,
        }
    }
}

/// An output that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tallied {
    /// Its shape.
    pub shape: Shape,
    /// Parametric operations on the longest path from the image: convolutions and dense layers, where
    /// the halves of a separable convolution are one.
    pub depth: u32,
}

impl Tally {
    /// A count for images of shape `image`.
    #[must_use]
    pub fn new(image: Shape) -> Self {
        Self { image, sizes: Sizes::default() }
    }

    /// Counts what was counted elsewhere.
    pub fn count(&mut self, more: Sizes) {
        self.sizes.parameters += more.parameters;
        self.sizes.dense_parameters += more.dense_parameters;
        self.sizes.multiply_adds += more.multiply_adds;
        self.sizes.activations += more.activations;
    }

    /// What was counted so far.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }
}

impl Assemble for Tally {
    type Map = Tallied;

    fn image(&self) -> Tallied {
        Tallied { shape: self.image, depth: 0 }
    }

    fn shape(&self, map: Tallied) -> Shape {
        map.shape
    }

    fn add(&mut self, path: fmt::Arguments<'_>, op: Op, inputs: &[Tallied]) -> Tallied {
        let shape = infer(op, inputs.iter().map(|input| input.shape))
            .unwrap_or_else(|| panic!("BUG: `{path}` ({op:?}) cannot read {inputs:?}"));
        let channels = inputs[0].shape.channels;
        let parameters = op.parameters(channels, shape);
        let is_dense = matches!(op, Op::Dense { .. });
        self.sizes.parameters += parameters;
        self.sizes.dense_parameters += if is_dense { parameters } else { 0 };
        self.sizes.multiply_adds += op.multiply_adds(channels, shape);
        self.sizes.activations += if op.keeps_output() { shape.len() as u64 } else { 0 };
        let parametric = is_dense || matches!(op, Op::Conv { .. });
        let before = inputs.iter().map(|input| input.depth).max().unwrap_or(0);
        Tallied { shape, depth: before + u32::from(parametric) }
    }
}
