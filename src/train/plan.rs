//! From a network to the list of operations that an engine runs: rectifiers fused into what they
//! follow, weights listed by name, and where each map is read last.

use super::recipe::Precision;
use crate::kernel::{AvgPool, Conv, Depthwise, MaxPool, Pad};
use crate::net::{Network, Node, Op};

/// A network as operations in order.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) list: Vec<Layer>,
    pub(super) weights: Vec<Weight>,
    /// Batch norms, each with a running mean and variance.
    pub(super) norms: Vec<Norm>,
    /// Node that holds the logits.
    pub(super) logits: usize,
    /// Node that holds the logits of the auxiliary head.
    pub(super) auxiliary: Option<usize>,
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
    /// Whether it leads to the logits; the rest is the auxiliary head.
    pub(super) used: bool,
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
    DropPath { share: f64 },
    Pad(Pad),
    Add,
    Concat,
}

/// A trainable tensor.
#[derive(Debug, Clone)]
pub(super) struct Weight {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) start: Start,
    /// Whether it leads to the logits; the rest is the auxiliary head's.
    pub(super) used: bool,
}

/// A batch norm.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    pub(super) path: String,
    pub(super) channels: usize,
    /// As [`Weight::used`].
    pub(super) used: bool,
}

/// How a tensor begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Start {
    /// Drawn, by the connections in and out; these weights decay.
    Drawn(usize, usize),
    /// Everywhere the same; these do not decay.
    Filled(f32),
}

impl Weight {
    /// Whether weight decay pulls at it.
    pub(super) fn decays(&self) -> bool {
        matches!(self.start, Start::Drawn(..))
    }
}

impl Work {
    /// The weights that a layer's gradients belong to, in their order.
    pub(super) fn weights(&self) -> Vec<usize> {
        match self {
            Self::Conv { weight, bias, .. } => [*weight].into_iter().chain(*bias).collect(),
            Self::Depthwise { weight, .. } => vec![*weight],
            Self::BatchNorm { scale, shift, .. } => vec![*scale, *shift],
            _ => Vec::new(),
        }
    }

    /// Whether its output is a rectifier's.
    pub(super) fn rectifies(&self) -> bool {
        match self {
            Self::Conv { conv, .. } => conv.rectifies(),
            Self::BatchNorm { relu, .. } => *relu,
            Self::Relu => true,
            _ => false,
        }
    }
}

impl Layers {
    /// The convolution at `place`, with its weight and its bias.
    ///
    /// # Panics
    /// When something else is there.
    pub(super) fn conv(&self, place: usize) -> (&Conv, usize, Option<usize>) {
        match &self.list[place].work {
            Work::Conv { conv, weight, bias } => (conv, *weight, *bias),
            _ => unreachable!("BUG: another kind of layer"),
        }
    }

    /// The operations of `network`, which give the gradient of the images when that is wanted.
    pub(super) fn of(network: &Network, image_gradient: bool) -> Self {
        let mut layers = Self {
            list: Vec::new(),
            weights: Vec::new(),
            norms: Vec::new(),
            logits: network.nodes().len() - 1,
            auxiliary: network.auxiliary().map(|node| node.0),
            nodes: network.nodes().len(),
        };
        let wanted = gradients_wanted(network, image_gradient);
        let (fused, used) = (fused_rectifiers(network), network.used());
        for (place, node) in network.nodes().iter().enumerate() {
            if node.op != Op::Input && !fused.contains(&Some(place)) {
                let input_wanted = wanted[node.inputs[0].0];
                let work = layers.work(network, node, fused[place].is_some(), input_wanted);
                layers.mark_used(&work, used[place]);
                layers.list.push(Layer {
                    path: node.path.clone(),
                    work,
                    inputs: node.inputs.iter().map(|input| input.0).collect(),
                    output: fused[place].unwrap_or(place),
                    used: used[place],
                    last_of: Vec::new(),
                });
            }
        }
        layers.mark_last_uses();
        layers
    }

    /// With products of numbers of `precision`.
    pub(super) fn in_precision(mut self, precision: Precision) -> Self {
        for layer in &mut self.list {
            if let Work::Conv { conv, .. } = &mut layer.work {
                *conv = conv.bf16(precision == Precision::Bf16);
            }
        }
        self
    }

    fn work(&mut self, network: &Network, node: &Node, relu: bool, wanted: bool) -> Work {
        let input = network.node(node.inputs[0]).shape;
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
                self.norms.push(Norm { path: node.path.clone(), channels: to, used: true });
                Work::BatchNorm { norm: self.norms.len() - 1, scale, shift, relu }
            }
            Op::Relu => Work::Relu,
            Op::MaxPool { window } => Work::MaxPool(MaxPool::new(input, output, window)),
            Op::AvgPool { window } => Work::AvgPool(AvgPool::new(input, output, window)),
            Op::GlobalAvgPool => Work::AvgPool(AvgPool::global(input)),
            Op::Flatten => Work::Flatten,
            Op::Dropout { rate } => Work::Dropout { rate },
            Op::DropPath { share } => Work::DropPath { share },
            Op::Pad { rows, columns } => Work::Pad(Pad::new(input, output, rows.0, columns.0)),
            Op::Add => Work::Add,
            Op::Concat => Work::Concat,
        }
    }

    /// Scale and shift of a batch norm.
    pub(super) fn affine(&self, norm: usize) -> [usize; 2] {
        let own = |layer: &Layer| match layer.work {
            Work::BatchNorm { norm: own, scale, shift, .. } if own == norm => Some([scale, shift]),
            _ => None,
        };
        self.list.iter().find_map(own).expect("BUG: a norm without a layer")
    }

    fn weight(&mut self, node: &Node, part: &str, shape: Vec<usize>, start: Start) -> usize {
        let name = format!("{}.{part}", node.path);
        self.weights.push(Weight { name, shape, start, used: true });
        self.weights.len() - 1
    }

    /// Says of a layer's weights whether they lead to the logits.
    fn mark_used(&mut self, work: &Work, used: bool) {
        for weight in work.weights() {
            self.weights[weight].used = used;
        }
        if let Work::BatchNorm { norm, .. } = work {
            self.norms[*norm].used = used;
        }
    }

    fn mark_last_uses(&mut self) {
        let mut seen = vec![false; self.nodes];
        seen[self.logits] = true;
        self.auxiliary.into_iter().for_each(|node| seen[node] = true);
        for layer in self.list.iter_mut().rev() {
            for &input in &layer.inputs {
                if !std::mem::replace(&mut seen[input], true) {
                    layer.last_of.push(input);
                }
            }
        }
    }
}

/// Whether a node's gradient is worth computing: its value depends on weights, or on images whose
/// gradient is wanted.
fn gradients_wanted(network: &Network, image_gradient: bool) -> Vec<bool> {
    let mut wanted: Vec<bool> = Vec::with_capacity(network.nodes().len());
    for node in network.nodes() {
        let own = network.node_parameters(node) > 0 || (node.op == Op::Input && image_gradient);
        wanted.push(own || node.inputs.iter().any(|input| wanted[input.0]));
    }
    wanted
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
    fn layers_and_weights_of_an_auxiliary_head_are_marked() {
        let mut net = Builder::new(Shape { channels: 1, height: 1, width: 1 });
        let dense = Op::Dense { units: 2 };
        let image = net.image();
        let stem = net.add("stem", dense, &[image]);
        let norm = net.add("aux.norm", Op::BatchNorm, &[stem]);
        let auxiliary = net.add("aux", dense, &[norm]);
        net.add("logits", dense, &[stem]);
        let layers = Layers::of(&net.finish_with_auxiliary(auxiliary), false);
        assert_eq!(
            layers.list.iter().map(|l| l.used).collect::<Vec<_>>(),
            [true, false, false, true]
        );
        let unused = layers.weights.iter().filter(|weight| !weight.used);
        assert!(unused.map(|weight| &weight.name).all(|name| name.starts_with("aux")));
        assert!(!layers.norms[0].used && layers.weights.iter().filter(|w| w.used).count() == 4);
    }

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
        let layers = Layers::of(&net.finish(), false);
        let paths: Vec<&str> = layers.list.iter().map(|layer| layer.path.as_str()).collect();
        assert_eq!(paths, ["a", "b", "b.relu", "sum", "pool"]);
        assert_eq!((layers.list[0].output, layers.list[1].inputs[0]), (2, 2));
        assert_eq!(layers.list[3].last_of, [3, 4]);
        let names: Vec<&str> = layers.weights.iter().map(|weight| weight.name.as_str()).collect();
        assert_eq!(names, ["a.weight", "a.bias", "b.weight"]);
    }
}
