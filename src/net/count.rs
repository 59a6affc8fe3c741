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
        let kept = |node: &&Node| {
            !matches!(
                node.op,
                Op::Input | Op::Relu | Op::Dropout { .. } | Op::DropPath { .. } | Op::Flatten
            )
        };
        self.counted().filter(kept).map(|node| node.shape.len() as u64).sum()
    }

    /// The nodes that lead to the logits.
    fn counted(&self) -> impl Iterator<Item = &Node> {
        let used = self.used();
        self.nodes.iter().zip(used).filter_map(|(node, used)| used.then_some(node))
    }

    /// Trainable parameters of one node.
    #[must_use]
    pub fn node_parameters(&self, node: &Node) -> u64 {
        let numbers = match node.op {
            Op::Conv { filters, window, bias, .. } => {
                window.kernel.0 * window.kernel.1 * self.channels_in(node) * filters
                    + if bias { filters } else { 0 }
            }
            Op::Depthwise { window } => window.kernel.0 * window.kernel.1 * self.channels_in(node),
            Op::BatchNorm => 2 * node.shape.channels,
            Op::Dense { units } => (self.channels_in(node) + 1) * units,
            _ => 0,
        };
        numbers as u64
    }

    /// Multiply-adds of one node for one image.
    #[must_use]
    pub fn node_multiply_adds(&self, node: &Node) -> u64 {
        let numbers = match node.op {
            Op::Conv { window, .. } => {
                window.kernel.0 * window.kernel.1 * self.channels_in(node) * node.shape.len()
            }
            Op::Depthwise { window } => window.kernel.0 * window.kernel.1 * node.shape.len(),
            Op::Dense { units } => self.channels_in(node) * units,
            _ => 0,
        };
        numbers as u64
    }

    /// Channels of a node's only input.
    fn channels_in(&self, node: &Node) -> usize {
        self.node(node.inputs[0]).shape.channels
    }
}
