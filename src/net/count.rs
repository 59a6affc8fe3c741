//! Counts parameters and multiply-adds from the graph that is trained.

use super::{Network, Node, NodeId, Op, Shape};

impl Network {
    /// The nodes in topological order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Shape of the image.
    #[must_use]
    pub fn image(&self) -> Shape {
        self.nodes[0].shape
    }

    /// Number of classes: the logits of the last node.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.nodes[self.nodes.len() - 1].shape.len()
    }

    /// Logits of the auxiliary head, when there is one.
    #[must_use]
    pub fn auxiliary(&self) -> Option<NodeId> {
        self.auxiliary
    }

    /// Whether each node leads to the logits; the rest is the auxiliary head.
    #[must_use]
    pub fn used(&self) -> Vec<bool> {
        let mut used = vec![false; self.nodes.len()];
        used[self.nodes.len() - 1] = true;
        for place in (0..self.nodes.len()).rev() {
            if used[place] {
                self.nodes[place].inputs.iter().for_each(|input| used[input.0] = true);
            }
        }
        used
    }

    /// Trainable parameters: weights, biases, batch norm's scale and shift; without the auxiliary head.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.counted().map(|node| self.node_parameters(node)).sum()
    }

    /// Multiply-adds of convolutions and dense layers for one image; nothing else is counted.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        self.counted().map(|node| self.node_multiply_adds(node)).sum()
    }

    /// Numbers in the feature maps that training keeps for one image. The image itself is not counted,
    /// nor what can overwrite its input: rectifiers, dropout, dropped paths, flattening.
    #[must_use]
    pub fn activations(&self) -> u64 {
        let kept = self.counted().filter(|node| node.op.keeps_output());
        kept.map(|node| node.shape.len() as u64).sum()
    }

    /// The nodes that lead to the logits.
    fn counted(&self) -> impl Iterator<Item = &Node> {
        let used = self.used();
        self.nodes.iter().zip(used).filter_map(|(node, used)| used.then_some(node))
    }

    /// Trainable parameters of one node.
    #[must_use]
    pub fn node_parameters(&self, node: &Node) -> u64 {
        node.op.parameters(self.channels_in(node), node.shape)
    }

    /// Multiply-adds of one node for one image.
    #[must_use]
    pub fn node_multiply_adds(&self, node: &Node) -> u64 {
        node.op.multiply_adds(self.channels_in(node), node.shape)
    }

    /// Channels of a node's first input; 0 for the image, which has none.
    fn channels_in(&self, node: &Node) -> usize {
        node.inputs.first().map_or(0, |&input| self.node(input).shape.channels)
    }
}

impl Op {
    /// Trainable parameters, for `channels` read and an output of shape `output`.
    pub(super) fn parameters(self, channels: usize, output: Shape) -> u64 {
        let numbers = match self {
            Self::Conv { filters, window, bias, .. } => {
                window.kernel.0 * window.kernel.1 * channels * filters
                    + if bias { filters } else { 0 }
            }
            Self::Depthwise { window } => window.kernel.0 * window.kernel.1 * channels,
            Self::BatchNorm => 2 * output.channels,
            Self::Dense { units } => (channels + 1) * units,
            _ => 0,
        };
        numbers as u64
    }

    /// Multiply-adds for one image, for `channels` read and an output of shape `output`.
    pub(super) fn multiply_adds(self, channels: usize, output: Shape) -> u64 {
        let numbers = match self {
            Self::Conv { window, .. } => {
                window.kernel.0 * window.kernel.1 * channels * output.len()
            }
            Self::Depthwise { window } => window.kernel.0 * window.kernel.1 * output.len(),
            Self::Dense { units } => channels * units,
            _ => 0,
        };
        numbers as u64
    }

    /// Whether training keeps the output beside the input; the others can overwrite it.
    pub(super) fn keeps_output(self) -> bool {
        !matches!(
            self,
            Self::Input | Self::Relu | Self::Dropout { .. } | Self::DropPath { .. } | Self::Flatten
        )
    }
}
