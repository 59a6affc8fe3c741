//! A network in the form that other programs share: inference only, maps `[batch, channel, row, column]`, vectors
//! `[batch, channel]`, weights `[out, in, row, column]`.
//!
//! What only training needs is gone (dropout, drop path, the auxiliary head). Batch norms stay layers of their own: the
//! graph is the network that was trained, layer for layer, and those who run it fold them when they load it.

use super::ExportError;
use crate::net::{Network, Node, NodeId, Op, Shape, Window};
use crate::results::{Values, Weights};

/// A network as steps in order; the last one gives the logits, a vector.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Graph {
    pub(super) steps: Vec<Step>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// Path of the layer it comes from; several steps of one layer have endings.
    pub(super) name: String,
    pub(super) work: Work,
    pub(super) inputs: Vec<Value>,
}

/// Something a step reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// The scaled images, a map.
    Images,
    /// What this step gives.
    Of(usize),
}

/// What a step computes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    /// A convolution in so many groups: 1, or as many as channels.
    Conv {
        weight: Values,
        bias: Option<Values>,
        window: Window,
        dilation: usize,
        groups: usize,
    },
    /// A vector times `weight [out, in]`, and `bias` added.
    Dense {
        weight: Values,
        bias: Values,
    },
    /// By running statistics.
    BatchNorm {
        scale: Values,
        shift: Values,
        mean: Values,
        variance: Values,
    },
    Relu,
    /// Padding is minus infinity.
    MaxPool(Window),
    /// Padding is not counted.
    AvgPool(Window),
    /// To a map of one row and one column.
    GlobalAvgPool,
    /// A map to a vector in (channel, row, column) order, or (row, column, channel) where `channels_last`.
    Flatten {
        channels_last: bool,
    },
    /// A vector to a map of one row and one column.
    Unflatten,
    /// Zeros around a map of this input; negative numbers cut off.
    Pad {
        rows: (isize, isize),
        columns: (isize, isize),
        input: Shape,
    },
    Add,
    /// On the channel axis.
    Concat,
}

impl Graph {
    /// Puts `network` with `weights`, in the layout that engines share, into this form.
    pub(super) fn of(network: &Network, weights: &Weights) -> Result<Self, ExportError> {
        let mut lowering = Lowering { network, weights, used: network.used(), steps: Vec::new() };
        let mut values: Vec<Value> = Vec::with_capacity(network.nodes().len());
        for (place, node) in network.nodes().iter().enumerate() {
            // What is not used is read by nothing that is.
            let value = if lowering.used[place] {
                lowering.node(place, node, &values)?
            } else {
                Value::Images
            };
            values.push(value);
        }
        let logits = values[values.len() - 1];
        lowering.vector("logits", logits);
        Ok(Self { steps: lowering.steps })
    }
}

struct Lowering<'a> {
    network: &'a Network,
    weights: &'a Weights,
    used: Vec<bool>,
    steps: Vec<Step>,
}

impl Lowering<'_> {
    fn node(&mut self, place: usize, node: &Node, values: &[Value]) -> Result<Value, ExportError> {
        let Some(&first) = node.inputs.first() else { return Ok(Value::Images) };
        let from = self.network.node(first).shape;
        let value = values[first.0];
        Ok(match node.op {
            Op::Input | Op::Dropout { .. } | Op::DropPath { .. } => value,
            Op::Relu => self.step(&node.path, Work::Relu, vec![value]),
            Op::Add | Op::Concat => {
                let work = if node.op == Op::Add { Work::Add } else { Work::Concat };
                let inputs = node.inputs.iter().map(|input| values[input.0]).collect();
                self.joined(node, work, inputs)
            }
            Op::Flatten => self.flatten(place, node, from, value),
            Op::Dense { units } => {
                let work = self.dense(node, first, units)?;
                let vector = self.vector(&node.path, value);
                self.step(&node.path, work, vec![vector])
            }
            _ => {
                let work = self.work_on_map(node, from)?;
                let map = self.map(&node.path, value);
                self.step(&node.path, work, vec![map])
            }
        })
    }

    /// What a layer does that reads one map.
    fn work_on_map(&self, node: &Node, from: Shape) -> Result<Work, ExportError> {
        let channels = from.channels;
        Ok(match node.op {
            Op::Conv { filters, window, dilation, bias } => {
                let (rows, columns) = window.kernel;
                let weight = self.weight(node, "weight", &[rows, columns, channels, filters])?;
                let bias = if bias { Some(self.weight(node, "bias", &[filters])?) } else { None };
                let weight = permuted(&weight, [3, 2, 0, 1]);
                Work::Conv { weight, bias, window, dilation, groups: 1 }
            }
            Op::Depthwise { window } => {
                let (rows, columns) = window.kernel;
                let mut weight = self.weight(node, "weight", &[rows, columns, channels])?;
                weight.shape.push(1);
                let weight = permuted(&weight, [2, 3, 0, 1]);
                Work::Conv { weight, bias: None, window, dilation: 1, groups: channels }
            }
            Op::BatchNorm => Work::BatchNorm {
                scale: self.weight(node, "scale", &[channels])?,
                shift: self.weight(node, "shift", &[channels])?,
                mean: self.weight(node, "mean", &[channels])?,
                variance: self.weight(node, "variance", &[channels])?,
            },
            Op::MaxPool { window } => Work::MaxPool(window),
            Op::AvgPool { window } => Work::AvgPool(window),
            Op::GlobalAvgPool => Work::GlobalAvgPool,
            Op::Pad { rows, columns } => Work::Pad { rows, columns, input: from },
            _ => panic!("BUG: `{}` reads no map, or several", node.path),
        })
    }

    /// A dense layer; where it reads a flattened map, its inputs follow the order of channels first.
    fn dense(&self, node: &Node, input: NodeId, units: usize) -> Result<Work, ExportError> {
        let len = self.network.node(input).shape.channels;
        let mut weight = self.weight(node, "weight", &[len, units])?;
        let Shape { channels, height, width } =
            self.flattened(input).unwrap_or(Shape { channels: len, height: 1, width: 1 });
        weight.shape = vec![height, width, channels, units];
        let mut weight = permuted(&weight, [3, 2, 0, 1]);
        weight.shape = vec![units, len];
        Ok(Work::Dense { weight, bias: self.weight(node, "bias", &[units])? })
    }

    /// The map that a vector was, where it lies in the order of channels first.
    fn flattened(&self, vector: NodeId) -> Option<Shape> {
        let node = self.network.node(vector);
        match node.op {
            Op::Flatten if self.feeds_only_dense(vector.0) => {
                Some(self.network.node(node.inputs[0]).shape)
            }
            Op::Relu | Op::Dropout { .. } | Op::DropPath { .. } => self.flattened(node.inputs[0]),
            _ => None,
        }
    }

    /// Whether dense layers alone read a vector, so that its order is theirs to choose.
    fn feeds_only_dense(&self, vector: usize) -> bool {
        let nodes = self.network.nodes();
        let reads = |node: &Node| node.inputs.contains(&NodeId(vector));
        let mut readers =
            (vector..nodes.len()).filter(|&reader| self.used[reader] && reads(&nodes[reader]));
        let is_logits = vector + 1 == nodes.len();
        !is_logits
            && readers.all(|reader| match nodes[reader].op {
                Op::Dense { .. } => true,
                Op::Relu | Op::Dropout { .. } | Op::DropPath { .. } => {
                    self.feeds_only_dense(reader)
                }
                _ => false,
            })
    }

    fn flatten(&mut self, place: usize, node: &Node, from: Shape, value: Value) -> Value {
        let is_one = from.height * from.width == 1 || from.channels == 1;
        let channels_last = !is_one && !self.feeds_only_dense(place);
        if self.is_vector(value) {
            return value;
        }
        self.step(&node.path, Work::Flatten { channels_last }, vec![value])
    }

    /// A step that joins vectors or maps, which must be of one rank.
    fn joined(&mut self, node: &Node, work: Work, mut inputs: Vec<Value>) -> Value {
        if !inputs.iter().all(|&input| self.is_vector(input)) {
            for (place, input) in inputs.iter_mut().enumerate() {
                *input = self.map(&format!("{}.{place}", node.path), *input);
            }
        }
        self.step(&node.path, work, inputs)
    }

    /// `value` as a vector, for the layer `reader`.
    fn vector(&mut self, reader: &str, value: Value) -> Value {
        if self.is_vector(value) {
            return value;
        }
        let work = Work::Flatten { channels_last: false };
        self.step(&format!("{reader}.vector"), work, vec![value])
    }

    /// `value` as a map, for the layer `reader`.
    fn map(&mut self, reader: &str, value: Value) -> Value {
        if !self.is_vector(value) {
            return value;
        }
        self.step(&format!("{reader}.map"), Work::Unflatten, vec![value])
    }

    fn is_vector(&self, value: Value) -> bool {
        let Value::Of(step) = value else { return false };
        let Step { work, inputs, .. } = &self.steps[step];
        match work {
            Work::Flatten { .. } | Work::Dense { .. } => true,
            Work::Relu | Work::Add | Work::Concat => self.is_vector(inputs[0]),
            _ => false,
        }
    }

    fn step(&mut self, name: &str, work: Work, inputs: Vec<Value>) -> Value {
        self.steps.push(Step { name: name.to_owned(), work, inputs });
        Value::Of(self.steps.len() - 1)
    }

    /// A layer's tensor, which must have this shape.
    fn weight(&self, node: &Node, part: &str, shape: &[usize]) -> Result<Values, ExportError> {
        let name = format!("{}.{part}", node.path);
        match self.weights.get(&name) {
            Some(found)
                if found.shape == shape
                    && found.values.len() == shape.iter().product::<usize>() =>
            {
                Ok(found.clone())
            }
            Some(found) => {
                let reason = format!("is {:?} and not {shape:?}", found.shape);
                Err(ExportError::Weights { name, reason })
            }
            None => Err(ExportError::Weights { name, reason: "is missing".to_owned() }),
        }
    }
}

/// A tensor of four dimensions with its axes in another order.
fn permuted(values: &Values, axes: [usize; 4]) -> Values {
    let from = &values.shape;
    let strides = [from[1] * from[2] * from[3], from[2] * from[3], from[3], 1];
    let shape = axes.map(|axis| from[axis]);
    let steps = axes.map(|axis| strides[axis]);
    let mut numbers = Vec::with_capacity(values.values.len());
    for a in 0..shape[0] {
        for b in 0..shape[1] {
            for c in 0..shape[2] {
                let row = a * steps[0] + b * steps[1] + c * steps[2];
                numbers.extend((0..shape[3]).map(|d| values.values[row + d * steps[3]]));
            }
        }
    }
    Values { shape: shape.to_vec(), values: numbers }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Builder;

    /// Numbers that say where they stand.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn counted(shape: &[usize]) -> Values {
        let len = shape.iter().product::<usize>();
        Values { shape: shape.to_vec(), values: (0..len).map(|i| i as f32).collect() }
    }

    fn image(channels: usize, height: usize, width: usize) -> Builder {
        Builder::new(Shape { channels, height, width })
    }

    fn weights<const N: usize>(list: [(&str, &[usize]); N]) -> Weights {
        list.into_iter().map(|(name, shape)| (name.to_owned(), counted(shape))).collect()
    }

    fn names(graph: &Graph) -> Vec<&str> {
        graph.steps.iter().map(|step| step.name.as_str()).collect()
    }

    #[test]
    fn a_dense_layer_follows_the_order_of_the_flattened_map_through_what_only_training_needs() {
        let mut net = image(2, 1, 3);
        let node = net.add("flat", Op::Flatten, &[net.image()]);
        let node = net.add("drop", Op::Dropout { rate: 0.5 }, &[node]);
        let node = net.add("relu", Op::Relu, &[node]);
        net.add("logits", Op::Dense { units: 2 }, &[node]);
        let weights = weights([("logits.weight", &[6, 2]), ("logits.bias", &[2])]);
        let graph = Graph::of(&net.finish(), &weights).expect("weights that fit");
        assert_eq!(names(&graph), ["flat", "relu", "logits"]);
        assert_eq!(graph.steps[0].work, Work::Flatten { channels_last: false });
        let Work::Dense { weight, .. } = &graph.steps[2].work else { panic!("a dense layer") };
        // Of input (column, channel) at 2 * column + channel, unit 0 has twice that number.
        assert_eq!(weight.shape, [2, 6]);
        assert_eq!(weight.values[..6], [0.0, 4.0, 8.0, 2.0, 6.0, 10.0]);
    }

    #[test]
    fn a_vector_that_others_read_keeps_its_order_and_maps_and_vectors_are_told_apart() {
        let mut net = image(2, 2, 2);
        let flat = net.add("flat", Op::Flatten, &[net.image()]);
        let dense = net.add("dense", Op::Dense { units: 8 }, &[flat]);
        let sum = net.add("sum", Op::Add, &[flat, dense]);
        let pooled = net.add("pooled", Op::GlobalAvgPool, &[sum]);
        net.add("logits", Op::Add, &[pooled, sum]);
        let weights = weights([("dense.weight", &[8, 8]), ("dense.bias", &[8])]);
        let graph = Graph::of(&net.finish(), &weights).expect("weights that fit");
        assert_eq!(graph.steps[0].work, Work::Flatten { channels_last: true });
        let Work::Dense { weight, .. } = &graph.steps[1].work else { panic!("a dense layer") };
        assert_eq!(weight.values[..3], [0.0, 8.0, 16.0]);
        let expected = [
            "flat",
            "dense",
            "sum",
            "pooled.map",
            "pooled",
            "logits.1.map",
            "logits",
            "logits.vector",
        ];
        assert_eq!(names(&graph), expected);
    }

    #[test]
    fn the_auxiliary_head_stays_behind_and_windows_turn_to_out_in_row_column() {
        let mut net = image(2, 3, 3);
        let image = net.image();
        let window = Window::valid(3, 1);
        let conv = Op::Conv { filters: 4, window, dilation: 1, bias: false };
        let conv = net.add("conv", conv, &[image]);
        let auxiliary = net.add("auxiliary", Op::Dense { units: 4 }, &[conv]);
        net.add("relu", Op::Relu, &[conv]);
        let network = net.finish_with_auxiliary(auxiliary);
        let graph = Graph::of(&network, &weights([("conv.weight", &[3, 3, 2, 4])]));
        let graph = graph.expect("the head's weights are not asked for");
        assert_eq!(names(&graph), ["conv", "relu", "logits.vector"]);
        let Work::Conv { weight, .. } = &graph.steps[0].work else { panic!("a convolution") };
        assert_eq!(
            (weight.shape.as_slice(), &weight.values[..2]),
            (&[4, 2, 3, 3][..], &[0.0, 8.0][..])
        );
    }

    #[test]
    fn weights_that_are_missing_or_of_another_shape_are_named() {
        let mut net = image(3, 1, 1);
        net.add("logits", Op::Dense { units: 2 }, &[net.image()]);
        let network = net.finish();
        let said = |weights: &Weights| Graph::of(&network, weights).expect_err("wrong").to_string();
        let wrong = said(&weights([("logits.weight", &[2, 3])]));
        assert!(wrong.contains("`logits.weight` is [2, 3] and not [3, 2]"), "{wrong}");
        let missing = said(&weights([("logits.weight", &[3, 2])]));
        assert!(missing.contains("`logits.bias` is missing"), "{missing}");
    }
}
