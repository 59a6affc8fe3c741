//! The reference: a whole network forward and back as plain loops, in f32 or f64.
//!
//! What every engine must compute, said once more so that it can be read: batch norm with the batch's own
//! statistics, nothing dropped. Tests hold engines against it; proxies that need f64 run on it.

use std::collections::BTreeMap;

use crate::kernel::reference as ops;
use crate::kernel::{Float, Slide};
use crate::net::{Network, Node, NodeId, Op, Window};

/// A network with weights by name, in the layout of [`super::State`].
#[derive(Debug, Clone)]
pub struct Reference<'a, F> {
    network: &'a Network,
    weights: BTreeMap<String, Vec<F>>,
    norms: Norms,
    /// Whether each node is run.
    run: Vec<bool>,
}

/// What batch norms do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// They normalise by the statistics of the batch.
    Batch,
    /// Nothing, as if they were not there (synflow).
    Removed,
}

/// Gradients of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients<F> {
    /// By weight name, of what leads to where the gradient came from.
    pub weights: BTreeMap<String, Vec<F>>,
    /// Of the images.
    pub images: Vec<F>,
}

impl<'a, F: Float> Reference<'a, F> {
    /// `network` with `weights`: `PATH.weight`, `PATH.bias`, `PATH.scale`, `PATH.shift`.
    #[must_use]
    pub fn new(network: &'a Network, weights: BTreeMap<String, Vec<F>>, norms: Norms) -> Self {
        Self { network, weights, norms, run: vec![true; network.nodes().len()] }
    }

    /// Without what does not lead to the logits, whose maps stay empty and whose weights may be missing.
    #[must_use]
    pub fn without_auxiliary(self) -> Self {
        Self { run: self.network.used(), ..self }
    }

    /// What every node gives for `images` (image, row, column, channel), in the order of the nodes.
    #[must_use]
    pub fn forward(&self, images: &[F]) -> Vec<Vec<F>> {
        let mut maps: Vec<Vec<F>> = Vec::with_capacity(self.network.nodes().len());
        for (node, &run) in self.network.nodes().iter().zip(&self.run) {
            if !run {
                maps.push(Vec::new());
                continue;
            }
            let inputs: Vec<&[F]> =
                node.inputs.iter().map(|input| maps[input.0].as_slice()).collect();
            let map =
                if node.op == Op::Input { images.to_vec() } else { self.output(node, &inputs) };
            maps.push(map);
        }
        maps
    }

    /// Gradients of everything from those of some nodes, where `maps` is what [`Reference::forward`] gave.
    #[must_use]
    pub fn backward(&self, maps: &[Vec<F>], from: Vec<(NodeId, Vec<F>)>) -> Gradients<F> {
        let mut found: Vec<Option<Vec<F>>> = vec![None; maps.len()];
        for (node, gradient) in from {
            add(&mut found[node.0], gradient);
        }
        let mut weights = BTreeMap::new();
        for (place, node) in self.network.nodes().iter().enumerate().skip(1).rev() {
            let Some(gradient) = found[place].take() else { continue };
            let inputs: Vec<&[F]> =
                node.inputs.iter().map(|input| maps[input.0].as_slice()).collect();
            let (inward, own) = self.gradients(node, &inputs, &maps[place], &gradient);
            for (input, gradient) in node.inputs.iter().zip(inward) {
                add(&mut found[input.0], gradient);
            }
            weights
                .extend(own.into_iter().map(|(part, own)| (format!("{}.{part}", node.path), own)));
        }
        let images = found[0].take().unwrap_or_else(|| vec![F::ZERO; maps[0].len()]);
        Gradients { weights, images }
    }

    /// A node's weight by the last part of its name.
    fn weight(&self, node: &Node, part: &str) -> &[F] {
        let name = format!("{}.{part}", node.path);
        self.weights.get(&name).unwrap_or_else(|| panic!("BUG: the reference has no `{name}`"))
    }

    /// The window that a node slides over its input; whole maps and vectors have one, too.
    fn slide(&self, node: &Node) -> Option<Slide> {
        let input = self.network.node(node.inputs[0]).shape;
        let (window, dilation) = match node.op {
            Op::Conv { window, dilation, .. } => (window, dilation),
            Op::Depthwise { window } | Op::MaxPool { window } | Op::AvgPool { window } => {
                (window, 1)
            }
            Op::Dense { .. } => (Window::valid(1, 1), 1),
            Op::GlobalAvgPool => {
                (Window { kernel: (input.height, input.width), ..Window::valid(1, 1) }, 1)
            }
            _ => return None,
        };
        Some(Slide::new(input, node.shape, window, dilation))
    }

    /// Channels of a node's inputs.
    fn channels(&self, node: &Node) -> Vec<usize> {
        node.inputs.iter().map(|&input| self.network.node(input).shape.channels).collect()
    }

    fn output(&self, node: &Node, inputs: &[&[F]]) -> Vec<F> {
        let xs = inputs[0];
        let slide = || self.slide(node).expect("BUG: this operation slides");
        let weight = |part| self.weight(node, part);
        match node.op {
            Op::Input => panic!("BUG: the image is no operation"),
            Op::Conv { bias, .. } => {
                ops::conv(&slide(), xs, weight("weight"), bias.then(|| weight("bias")))
            }
            Op::Dense { .. } => ops::conv(&slide(), xs, weight("weight"), Some(weight("bias"))),
            Op::Depthwise { .. } => ops::depthwise(&slide(), xs, weight("weight")),
            Op::BatchNorm if self.norms == Norms::Batch => {
                ops::batch_norm(xs, weight("scale"), weight("shift"))
            }
            Op::Relu => ops::relu(xs),
            Op::MaxPool { .. } => ops::max_pool(&slide(), xs),
            Op::AvgPool { .. } | Op::GlobalAvgPool => ops::avg_pool(&slide(), xs),
            Op::BatchNorm | Op::Flatten | Op::Dropout { .. } | Op::DropPath { .. } => xs.to_vec(),
            Op::Pad { rows, columns } => {
                let from = self.network.node(node.inputs[0]).shape;
                ops::pad(from, node.shape, (rows.0, columns.0), xs)
            }
            Op::Add => {
                let sum = |i: usize| inputs.iter().map(|input| input[i]).sum();
                (0..xs.len()).map(sum).collect()
            }
            Op::Concat => ops::concat(inputs, &self.channels(node)),
        }
    }

    /// Gradients of a node's inputs, and of its weights by the last part of their names.
    #[expect(clippy::type_complexity, reason = "two lists that are taken apart at once")]
    fn gradients(
        &self,
        node: &Node,
        inputs: &[&[F]],
        ys: &[F],
        gradient: &[F],
    ) -> (Vec<Vec<F>>, Vec<(&'static str, Vec<F>)>) {
        let xs = inputs[0];
        let slide = || self.slide(node).expect("BUG: this operation slides");
        let only = |dx| (vec![dx], Vec::new());
        match node.op {
            Op::Input => panic!("BUG: the image is no operation"),
            Op::Conv { .. } | Op::Dense { .. } => {
                let weight = self.weight(node, "weight");
                let (dx, dw, db) = ops::conv_gradient(&slide(), xs, weight, gradient);
                let biased = !matches!(node.op, Op::Conv { bias: false, .. });
                let bias = biased.then_some(("bias", db));
                (vec![dx], [("weight", dw)].into_iter().chain(bias).collect())
            }
            Op::Depthwise { .. } => {
                let weight = self.weight(node, "weight");
                let (dx, dw) = ops::depthwise_gradient(&slide(), xs, weight, gradient);
                (vec![dx], vec![("weight", dw)])
            }
            Op::BatchNorm if self.norms == Norms::Batch => {
                let scale = self.weight(node, "scale");
                let (dx, dscale, dshift) = ops::batch_norm_gradient(xs, scale, gradient);
                (vec![dx], vec![("scale", dscale), ("shift", dshift)])
            }
            Op::Relu => only(ops::relu_gradient(ys, gradient)),
            Op::MaxPool { .. } => only(ops::max_pool_gradient(&slide(), xs, gradient)),
            Op::AvgPool { .. } | Op::GlobalAvgPool => {
                only(ops::avg_pool_gradient(&slide(), xs.len(), gradient))
            }
            Op::BatchNorm | Op::Flatten | Op::Dropout { .. } | Op::DropPath { .. } => {
                only(gradient.to_vec())
            }
            Op::Pad { rows, columns } => {
                let from = self.network.node(node.inputs[0]).shape;
                only(ops::pad(node.shape, from, (-rows.0, -columns.0), gradient))
            }
            Op::Add => (vec![gradient.to_vec(); inputs.len()], Vec::new()),
            Op::Concat => (ops::concat_gradient(gradient, &self.channels(node)), Vec::new()),
        }
    }
}

/// Mean cross-entropy of `logits` against `labels`, and its gradient; `smoothing` is the share of the
/// target that is spread over all classes.
#[must_use]
pub fn loss<F: Float>(logits: &[F], labels: &[u16], smoothing: f64) -> (f64, Vec<F>) {
    let gradient = ops::cross_entropy_gradient(logits, labels, smoothing);
    (ops::cross_entropy(logits, labels, smoothing), gradient)
}

fn add<F: Float>(sum: &mut Option<Vec<F>>, gradient: Vec<F>) {
    match sum {
        None => *sum = Some(gradient),
        Some(sum) => sum.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g),
    }
}

#[cfg(test)]
pub(super) mod tests;
