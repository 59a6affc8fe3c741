//! Builds networks node by node and infers every shape.

use super::{Network, Node, NodeId, Op, Shape, Window};

/// Grows a [`Network`]; every method returns the new node.
#[derive(Debug, Clone)]
pub struct Builder {
    nodes: Vec<Node>,
}

impl Builder {
    /// Starts with the image, node 0.
    #[must_use]
    pub fn new(image: Shape) -> Self {
        let input =
            Node { path: "image".to_owned(), op: Op::Input, inputs: Vec::new(), shape: image };
        Self { nodes: vec![input] }
    }

    /// The image.
    #[must_use]
    pub fn image(&self) -> NodeId {
        NodeId(0)
    }

    /// Shape of a node's output.
    #[must_use]
    pub fn shape(&self, node: NodeId) -> Shape {
        self.nodes[node.0].shape
    }

    /// Adds an operation that reads `inputs`.
    ///
    /// # Panics
    /// When the inputs do not fit the operation: the space has built an illegal network.
    pub fn add(&mut self, path: impl Into<String>, op: Op, inputs: &[NodeId]) -> NodeId {
        let path = path.into();
        let shapes = inputs.iter().map(|&input| self.shape(input));
        let shape = infer(op, shapes.clone()).unwrap_or_else(|| {
            let shapes: Vec<Shape> = shapes.collect();
            panic!("BUG: `{path}` ({op:?}) cannot read {shapes:?}")
        });
        self.nodes.push(Node { path, op, inputs: inputs.to_vec(), shape });
        NodeId(self.nodes.len() - 1)
    }

    /// The finished network, whose logits are the last node.
    #[must_use]
    pub fn finish(self) -> Network {
        Network { nodes: self.nodes, auxiliary: None }
    }

    /// The finished network with an auxiliary head, whose logits are `auxiliary`.
    #[must_use]
    pub fn finish_with_auxiliary(self, auxiliary: NodeId) -> Network {
        Network { nodes: self.nodes, auxiliary: Some(auxiliary) }
    }
}

/// Output shape of `op`, or nothing when the inputs do not fit.
pub(super) fn infer(
    op: Op,
    mut inputs: impl ExactSizeIterator<Item = Shape> + Clone,
) -> Option<Shape> {
    let len = inputs.len();
    let all = inputs.clone();
    let first = inputs.next()?;
    let only = || (len == 1).then_some(first);
    match op {
        Op::Input => None,
        Op::Conv { filters, window, dilation, .. } => {
            let (height, width) = window.slide(only()?, dilation)?;
            Some(Shape { channels: filters, height, width })
        }
        Op::Depthwise { window } | Op::MaxPool { window } | Op::AvgPool { window } => {
            let (height, width) = window.slide(only()?, 1)?;
            Some(Shape { channels: first.channels, height, width })
        }
        Op::BatchNorm | Op::Relu | Op::Dropout { .. } | Op::DropPath { .. } => only(),
        Op::Pad { rows, columns } => {
            let grown = |side: usize, (before, after): (isize, isize)| {
                side.checked_add_signed(before + after).filter(|&side| side > 0)
            };
            let (height, width) = (grown(only()?.height, rows)?, grown(first.width, columns)?);
            Some(Shape { channels: first.channels, height, width })
        }
        Op::GlobalAvgPool => only().map(|s| Shape { channels: s.channels, height: 1, width: 1 }),
        Op::Flatten => only().map(|s| Shape { channels: s.len(), height: 1, width: 1 }),
        Op::Dense { units } => only().filter(|s| s.height == 1 && s.width == 1).map(|_| Shape {
            channels: units,
            height: 1,
            width: 1,
        }),
        Op::Add => inputs.all(|shape| shape == first).then_some(first),
        Op::Concat => {
            let channels = all.map(|shape| shape.channels).sum();
            let fit = |s: Shape| (s.height, s.width) == (first.height, first.width);
            inputs.all(fit).then_some(Shape { channels, ..first })
        }
    }
}

impl Window {
    /// A square window without padding.
    #[must_use]
    pub fn valid(kernel: usize, stride: usize) -> Self {
        Self {
            kernel: (kernel, kernel),
            stride: (stride, stride),
            pad_rows: (0, 0),
            pad_columns: (0, 0),
        }
    }

    /// A square window padded so that the output side is `ceil(side / stride)`; an odd rest of the
    /// padding goes below and right.
    #[must_use]
    pub fn same(kernel: usize, stride: usize, side: usize) -> Self {
        let map = Shape { channels: 1, height: side, width: side };
        Self::same_on((kernel, kernel), (stride, stride), 1, map)
    }

    /// A window with taps `dilation` apart on `map`, padded so that each output side is
    /// `ceil(side / stride)`; an odd rest of the padding goes below and right.
    #[must_use]
    pub fn same_on(
        kernel: (usize, usize),
        stride: (usize, usize),
        dilation: usize,
        map: Shape,
    ) -> Self {
        let pad = |kernel: usize, stride: usize, side: usize| {
            let reach = (kernel - 1) * dilation + 1;
            let total = ((side.div_ceil(stride) - 1) * stride + reach).saturating_sub(side);
            (total / 2, total - total / 2)
        };
        let pad_rows = pad(kernel.0, stride.0, map.height);
        let pad_columns = pad(kernel.1, stride.1, map.width);
        Self { kernel, stride, pad_rows, pad_columns }
    }

    /// Rows and columns of the output, or nothing when the window does not fit once.
    #[must_use]
    pub fn slide(&self, input: Shape, dilation: usize) -> Option<(usize, usize)> {
        let steps = |side: usize, (before, after): (usize, usize), kernel: usize, stride: usize| {
            let reach = (kernel - 1) * dilation + 1;
            (side + before + after).checked_sub(reach).map(|rest| rest / stride + 1)
        };
        Some((
            steps(input.height, self.pad_rows, self.kernel.0, self.stride.0)?,
            steps(input.width, self.pad_columns, self.kernel.1, self.stride.1)?,
        ))
    }
}
