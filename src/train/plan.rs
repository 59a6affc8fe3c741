//! From a network to the list of operations that an engine runs: rectifiers fused into what they
//! follow, weights listed by name, and where each map is read last.

use crate::kernel::{AvgPool, Conv, Depthwise, MaxPool};
use crate::net::{Network, Node, Op};

/// A network as operations in order.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) list: Vec<Layer>,
    pub(super) weights: Vec<Weight>,
    /// Batch norms: path and channels, each with a running mean and variance.
    pub(super) norms: Vec<(String, usize)>,
    /// Node that holds the logits.
    pub(super) logits: usize,
    /// Nodes in the network.
    pub(super) nodes: usize,
}

/// One operation; `inputs` and `output` are places of nodes.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) path: String,
    pub(super) work: Work,
    pub(super) inputs: Vec<usize>,
    pub(super) output: usize,
    /// Nodes that no later layer reads.
    pub(super) last_of: Vec<usize>,
}

/// What a layer computes; weights are places in [`Layers::weights`].
#[derive(Debug)]
pub(super) enum Work {
    Conv { conv: Conv, weight: usize, bias: Option<usize> },
    Depthwise { conv: Depthwise, weight: usize },
    BatchNorm { norm: usize, scale: usize, shift: usize, relu: bool },
    Relu,
    MaxPool(MaxPool),
    AvgPool(AvgPool),
    Flatten,
    Dropout { rate: f64 },
    Add,
    Concat,
}

/// A trainable tensor.
#[derive(Debug)]
pub(super) struct Weight {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) start: Start,
}

/// How a tensor begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Start {
    /// Drawn, by the connections in and out; these weights decay.
    Drawn(usize, usize),
    /// Everywhere the same; these do not decay.
    Filled(f32),
}

impl Layers {
    /// The operations of `network`.
    pub(super) fn of(network: &Network) -> Self {
        let mut layers = Self {
            list: Vec::new(),
            weights: Vec::new(),
            norms: Vec::new(),
            logits: network.nodes().len() - 1,
            nodes: network.nodes().len(),
        };
        let trained = trained_below(network);
        let fused = fused_rectifiers(network);
        for (place, node) in network.nodes().iter().enumerate() {
            if node.op != Op::Input && !fused.contains(&Some(place)) {
                let work = layers.work(network, node, fused[place].is_some(), &trained);
                layers.list.push(Layer {
                    path: node.path.clone(),
                    work,
                    inputs: node.inputs.iter().map(|input| input.0).collect(),
                    output: fused[place].unwrap_or(place),
                    last_of: Vec::new(),
                });
            }
        }
        layers.mark_last_uses();
        layers
    }

    fn work(&mut self, network: &Network, node: &Node, relu: bool, trained: &[bool]) -> Work {
        let input = network.node(node.inputs[0]).shape;
        let wanted = trained[node.inputs[0].0];
        let (output, from, to) = (node.shape, input.channels, node.shape.channels);
        match node.op {
            Op::Input => panic!("BUG: the image is no layer"),
            Op::Conv { window, dilation, bias, .. } => {
                let (rows, columns) = window.kernel;
                let conv = Conv::new(input, output, window, dilation);
                let taps = rows * columns;
                let start = Start::Drawn(taps * from, taps * to);
                let weight = self.weight(node, "weight", vec![rows, columns, from, to], start);
                let bias = bias.then(|| self.weight(node, "bias", vec![to], Start::Filled(0.0)));
                Work::Conv { conv: conv.relu(relu).input_gradient(wanted), weight, bias }
            }
            Op::Dense { units } => {
                let conv = Conv::dense(from, units).relu(relu).input_gradient(wanted);
                let weight =
                    self.weight(node, "weight", vec![from, units], Start::Drawn(from, units));
                let bias = Some(self.weight(node, "bias", vec![units], Start::Filled(0.0)));
                Work::Conv { conv, weight, bias }
            }
            Op::Depthwise { window } => {
                let (rows, columns) = window.kernel;
                let start = Start::Drawn(rows * columns, rows * columns);
                let weight = self.weight(node, "weight", vec![rows, columns, from], start);
                let conv = Depthwise::new(input, output, window).input_gradient(wanted);
                Work::Depthwise { conv, weight }
            }
            Op::BatchNorm => {
                let scale = self.weight(node, "scale", vec![to], Start::Filled(1.0));
                let shift = self.weight(node, "shift", vec![to], Start::Filled(0.0));
                self.norms.push((node.path.clone(), to));
                Work::BatchNorm { norm: self.norms.len() - 1, scale, shift, relu }
            }
            Op::Relu => Work::Relu,
            Op::MaxPool { window } => Work::MaxPool(MaxPool::new(input, output, window)),
            Op::AvgPool { window } => Work::AvgPool(AvgPool::new(input, output, window)),
            Op::GlobalAvgPool => Work::AvgPool(AvgPool::global(input)),
            Op::Flatten => Work::Flatten,
            Op::Dropout { rate } => Work::Dropout { rate },
            Op::DropPath { .. } | Op::Pad { .. } => todo!("the engine's next operations"),
            Op::Add => Work::Add,
            Op::Concat => Work::Concat,
        }
    }

    fn weight(&mut self, node: &Node, part: &str, shape: Vec<usize>, start: Start) -> usize {
        self.weights.push(Weight { name: format!("{}.{part}", node.path), shape, start });
        self.weights.len() - 1
    }

    fn mark_last_uses(&mut self) {
        let mut seen = vec![false; self.nodes];
        seen[self.logits] = true;
        for layer in self.list.iter_mut().rev() {
            for &input in &layer.inputs {
                if !std::mem::replace(&mut seen[input], true) {
                    layer.last_of.push(input);
                }
            }
        }
    }
}

/// Whether a node's value depends on weights: only then its gradient is worth computing.
fn trained_below(network: &Network) -> Vec<bool> {
    let mut trained: Vec<bool> = Vec::with_capacity(network.nodes().len());
    for node in network.nodes() {
        let own = network.node_parameters(node) > 0;
        trained.push(own || node.inputs.iter().any(|input| trained[input.0]));
    }
    trained
}

/// For each node the rectifier that is its only reader, where the two are one operation.
fn fused_rectifiers(network: &Network) -> Vec<Option<usize>> {
    let mut readers = vec![Vec::new(); network.nodes().len()];
    for (place, node) in network.nodes().iter().enumerate() {
        for input in &node.inputs {
            readers[input.0].push(place);
        }
    }
    let fuses = |op: Op| matches!(op, Op::Conv { .. } | Op::Dense { .. } | Op::BatchNorm);
    let rectifier = |place: &usize| network.nodes()[*place].op == Op::Relu;
    let pairs = network.nodes().iter().zip(&readers);
    pairs
        .map(|(node, readers)| match readers.as_slice() {
            [only] if fuses(node.op) => Some(*only).filter(rectifier),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Builder, Shape, Window};

    #[test]
    fn rectifiers_vanish_into_what_they_follow_unless_somebody_else_reads_it() {
        let mut net = Builder::new(Shape { channels: 1, height: 4, width: 4 });
        let conv = |bias| Op::Conv { filters: 2, window: Window::valid(1, 1), dilation: 1, bias };
        let image = net.image();
        let a = net.add("a", conv(true), &[image]);
        let relu = net.add("a.relu", Op::Relu, &[a]);
        let b = net.add("b", conv(false), &[relu]);
        let both = net.add("b.relu", Op::Relu, &[b]);
        let sum = net.add("sum", Op::Add, &[b, both]);
        net.add("pool", Op::GlobalAvgPool, &[sum]);
        let layers = Layers::of(&net.finish());
        let paths: Vec<&str> = layers.list.iter().map(|layer| layer.path.as_str()).collect();
        assert_eq!(paths, ["a", "b", "b.relu", "sum", "pool"]);
        assert_eq!((layers.list[0].output, layers.list[1].inputs[0]), (2, 2));
        assert_eq!(layers.list[3].last_of, [3, 4]);
        let names: Vec<&str> = layers.weights.iter().map(|weight| weight.name.as_str()).collect();
        assert_eq!(names, ["a.weight", "a.bias", "b.weight"]);
    }
}
