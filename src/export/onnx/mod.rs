//! ONNX: a network with its scaling as one graph, for any number of images at once.
//!
//! In goes `images`, bytes `[batch, height, width, channels]` as image libraries have them; out come `logits` and
//! `probabilities`, `[batch, classes]`. Pads are explicit everywhere.

mod message;

use self::message::{Attribute, DataType, Parts, Side, int, node, tensor, value};
use super::ExportError;
use super::graph::{Graph, Step, Value, Work};
use crate::net::Window;
use crate::results::{CONTRAST_BIAS, Scaling, Signature, Values};

/// Added to the variance by batch norms, as training does ([`crate::net::Op`]).
const EPSILON: f32 = 1e-3;
/// The scaled images, `[batch, channels, height, width]`.
const SCALED: &str = "scaled";

/// The whole file.
pub(super) fn file(graphs: &[Graph], signature: &Signature) -> Result<Vec<u8>, ExportError> {
    let mut writer = Writer::default();
    writer.scaling(&signature.scaling);
    writer.answers(graphs);
    let [height, width, channels] =
        [signature.image.height, signature.image.width, signature.image.channels];
    let (batch, classes) = (Side::Any("batch"), Side::Fixed(signature.classes.len()));
    let image = [batch, Side::Fixed(height), Side::Fixed(width), Side::Fixed(channels)];
    writer.parts.inputs = vec![value("images", DataType::Uint8, &image)];
    let output = |name| value(name, DataType::Float, &[batch, classes]);
    writer.parts.outputs = vec![output("logits"), output("probabilities")];
    let names = serde_json::to_string(&signature.classes).expect("BUG: names are text");
    let bytes = message::model(&writer.parts, &[("classes", names)]).into_bytes();
    // What readers of protocol buffers take.
    if i32::try_from(bytes.len()).is_err() {
        return Err(ExportError::TooLarge { bytes: bytes.len() });
    }
    Ok(bytes)
}

#[derive(Default)]
struct Writer {
    parts: Parts,
}

impl Writer {
    fn node(&mut self, operation: &str, inputs: &[&str], output: &str, attributes: &[Attribute]) {
        self.parts.nodes.push(node(operation, inputs, output, attributes));
    }

    fn tensor(&mut self, name: &str, values: &Values) {
        self.parts.tensors.push(tensor(name, DataType::Float, &values.shape, &values.bytes()));
    }

    /// Numbers as a vector, or a single one as a scalar.
    #[expect(clippy::cast_possible_truncation, reason = "statistics of bytes")]
    fn numbers(&mut self, name: &str, numbers: &[f64], shape: &[usize]) {
        let values = numbers.iter().map(|&number| number as f32).collect();
        self.tensor(name, &Values { shape: shape.to_vec(), values });
    }

    fn integers(&mut self, name: &str, numbers: &[i64]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.parts.tensors.push(tensor(name, DataType::Int64, &[numbers.len()], &bytes));
    }

    /// From bytes to scaled maps.
    fn scaling(&mut self, scaling: &Scaling) {
        self.node("Cast", &["images"], "bytes", &[Attribute::Int("to", DataType::Float as i64)]);
        match scaling {
            Scaling::Standard { mean, deviation } => {
                self.numbers("mean", mean, &[mean.len()]);
                self.numbers("deviation", deviation, &[deviation.len()]);
                self.node("Sub", &["bytes", "mean"], "centred", &[]);
                self.node("Div", &["centred", "deviation"], "standard", &[]);
            }
            Scaling::GlobalContrast => {
                self.numbers("bias", &[CONTRAST_BIAS], &[]);
                let all = [Attribute::Ints("axes", vec![1, 2, 3]), Attribute::Int("keepdims", 1)];
                self.node("ReduceMean", &["bytes"], "mean", &all);
                self.node("Sub", &["bytes", "mean"], "centred", &[]);
                self.node("Mul", &["centred", "centred"], "squares", &[]);
                self.node("ReduceMean", &["squares"], "variance", &all);
                self.node("Add", &["variance", "bias"], "biased", &[]);
                self.node("Sqrt", &["biased"], "deviation", &[]);
                self.node("Div", &["centred", "deviation"], "standard", &[]);
            }
        }
        let axes = Attribute::Ints("perm", vec![0, 3, 1, 2]);
        self.node("Transpose", &["standard"], SCALED, &[axes]);
    }

    /// From scaled maps to logits and probabilities. An ensemble's logits are the logarithm of the mean of its
    /// networks' probabilities.
    fn answers(&mut self, graphs: &[Graph]) {
        if let [graph] = graphs {
            let logits = self.network(graph, "");
            self.node("Identity", &[&logits], "logits", &[]);
        } else {
            self.integers("second axis", &[1]);
            let names: Vec<String> = (1..)
                .zip(graphs)
                .map(|(number, graph)| {
                    let prefix = format!("network{number}/");
                    let logits = self.network(graph, &prefix);
                    let [log, row] = ["log probabilities", "row"].map(|end| prefix.clone() + end);
                    self.node("LogSoftmax", &[&logits], &log, &[Attribute::Int("axis", 1)]);
                    self.node("Unsqueeze", &[&log, "second axis"], &row, &[]);
                    row
                })
                .collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            self.node("Concat", &names, "rows", &[Attribute::Int("axis", 1)]);
            let second = [Attribute::Ints("axes", vec![1]), Attribute::Int("keepdims", 0)];
            self.node("ReduceLogSumExp", &["rows"], "log sum", &second);
            #[expect(clippy::cast_precision_loss, reason = "few networks")]
            let networks = libm::log(graphs.len() as f64);
            self.numbers("log of networks", &[networks], &[]);
            self.node("Sub", &["log sum", "log of networks"], "logits", &[]);
        }
        self.node("Softmax", &["logits"], "probabilities", &[Attribute::Int("axis", 1)]);
    }

    /// The steps of one network; the name of its logits.
    fn network(&mut self, graph: &Graph, prefix: &str) -> String {
        let layer = |step: &Step| format!("{prefix}layer/{}", step.name);
        for step in &graph.steps {
            let inputs: Vec<String> = step
                .inputs
                .iter()
                .map(|input| match input {
                    Value::Images => SCALED.to_owned(),
                    Value::Of(step) => layer(&graph.steps[*step]),
                })
                .collect();
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            self.step(&step.work, &inputs, &layer(step));
        }
        layer(&graph.steps[graph.steps.len() - 1])
    }

    fn step(&mut self, work: &Work, inputs: &[&str], output: &str) {
        match work {
            Work::Conv { weight, bias, window, dilation, groups } => {
                let tensors = [("weight", Some(weight)), ("bias", bias.as_ref())];
                let mut attributes = slide(*window);
                attributes.push(Attribute::Ints("dilations", vec![int(*dilation); 2]));
                attributes.push(Attribute::Int("group", int(*groups)));
                self.with_tensors("Conv", inputs, output, &tensors, &attributes);
            }
            Work::Dense { weight, bias } => {
                let tensors = [("weight", Some(weight)), ("bias", Some(bias))];
                let transposed = [Attribute::Int("transB", 1)];
                self.with_tensors("Gemm", inputs, output, &tensors, &transposed);
            }
            Work::BatchNorm { scale, shift, mean, variance } => {
                let tensors = [
                    ("scale", Some(scale)),
                    ("shift", Some(shift)),
                    ("mean", Some(mean)),
                    ("variance", Some(variance)),
                ];
                let epsilon = [Attribute::Float("epsilon", EPSILON)];
                self.with_tensors("BatchNormalization", inputs, output, &tensors, &epsilon);
            }
            Work::Relu => self.node("Relu", inputs, output, &[]),
            Work::MaxPool(window) => self.node("MaxPool", inputs, output, &slide(*window)),
            Work::AvgPool(window) => {
                let mut attributes = slide(*window);
                attributes.push(Attribute::Int("count_include_pad", 0));
                self.node("AveragePool", inputs, output, &attributes);
            }
            Work::GlobalAvgPool => self.node("GlobalAveragePool", inputs, output, &[]),
            Work::Flatten { channels_last } => self.flatten(*channels_last, inputs[0], output),
            Work::Unflatten => {
                let axes = format!("{output}.axes");
                self.integers(&axes, &[2, 3]);
                self.node("Unsqueeze", &[inputs[0], &axes], output, &[]);
            }
            Work::Pad { rows, columns, input } => {
                let sides = [(*rows, input.height), (*columns, input.width)];
                self.pad(sides, inputs[0], output);
            }
            Work::Add => self.node("Sum", inputs, output, &[]),
            Work::Concat => self.node("Concat", inputs, output, &[Attribute::Int("axis", 1)]),
        }
    }

    /// A node that reads tensors of its own after its inputs.
    fn with_tensors(
        &mut self,
        operation: &str,
        inputs: &[&str],
        output: &str,
        tensors: &[(&str, Option<&Values>)],
        attributes: &[Attribute],
    ) {
        let mut names: Vec<String> = inputs.iter().map(|&name| name.to_owned()).collect();
        for (part, values) in tensors.iter().filter_map(|(part, values)| Some((part, (*values)?))) {
            let name = format!("{output}.{part}");
            self.tensor(&name, values);
            names.push(name);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.node(operation, &names, output, attributes);
    }

    fn flatten(&mut self, channels_last: bool, input: &str, output: &str) {
        let turned = format!("{output}.turned");
        if channels_last {
            let axes = Attribute::Ints("perm", vec![0, 2, 3, 1]);
            self.node("Transpose", &[input], &turned, &[axes]);
        }
        let input = if channels_last { &turned } else { input };
        self.node("Flatten", &[input], output, &[Attribute::Int("axis", 1)]);
    }

    /// Zeros first, cuts after: a map that is shifted out of its frame never is empty on the way.
    fn pad(&mut self, sides: [((isize, isize), usize); 2], input: &str, output: &str) {
        let added = |pad: isize| int(pad.max(0).unsigned_abs());
        let cut = |pad: isize| int((-pad).max(0).unsigned_abs());
        let [((above, below), height), ((left, right), width)] = sides;
        let pads = format!("{output}.pads");
        let begins = [0, 0, added(above), added(left)];
        self.integers(&pads, &[begins, [0, 0, added(below), added(right)]].concat());
        let padded = format!("{output}.padded");
        self.node("Pad", &[input, &pads], &padded, &[]);
        let end = |side: usize, (before, after): (isize, isize)| {
            int(side) + added(before) + added(after) - cut(after)
        };
        let names = ["from", "to", "axes"].map(|part| format!("{output}.{part}"));
        self.integers(&names[0], &[cut(above), cut(left)]);
        self.integers(&names[1], &[end(height, (above, below)), end(width, (left, right))]);
        self.integers(&names[2], &[2, 3]);
        self.node("Slice", &[&padded, &names[0], &names[1], &names[2]], output, &[]);
    }
}

/// Kernel, stride and pads of a sliding window.
fn slide(window: Window) -> Vec<Attribute> {
    let Window { kernel, stride, pad_rows: (above, below), pad_columns: (left, right) } = window;
    let ints =
        |numbers: &[usize]| -> Vec<i64> { numbers.iter().map(|&number| int(number)).collect() };
    vec![
        Attribute::Ints("kernel_shape", ints(&[kernel.0, kernel.1])),
        Attribute::Ints("strides", ints(&[stride.0, stride.1])),
        Attribute::Ints("pads", ints(&[above, left, below, right])),
    ]
}
