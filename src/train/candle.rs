//! The engine `candle-cpu`: candle's tensors and custom operations over our own kernels and tape.
//!
//! Weights live here as plain memory. Each step lends them to candle as tensors, which costs a copy of
//! the weights and saves every doubt about what candle shares.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{CustomOp1 as _, Device, Tensor};
use rayon::prelude::*;

use super::TrainError;
use super::engine::{Batch, Child, Engine, Moment, Outline, State, Step, Values};
use super::init;
use super::optimizer::Weights;
use super::plan::{Layers, Start};
use super::recipe::Optimizer;
use super::tape::{Pass, forward};
use crate::kernel::{CrossEntropy, Moments, floats, keep_freed_memory, tensor};
use crate::net::Shape;
use crate::seed::Seed;

/// Candle on the CPU. Bits are promised on one machine only: the product of matrices adds up in blocks
/// that depend on the processor.
#[derive(Debug, Clone, Copy, Default)]
pub struct CandleCpu;

impl Engine for CandleCpu {
    fn numerics(&self) -> &'static str {
        "candle-cpu"
    }

    fn component(&self) -> (&'static str, u32) {
        ("trainer.candle_cpu", 1)
    }

    fn plan(&self, outline: &Outline<'_>) -> Result<Box<dyn Child>, TrainError> {
        keep_freed_memory();
        Ok(Box::new(CandleChild::new(outline)))
    }
}

/// A network with its weights.
struct CandleChild {
    layers: Layers,
    image: Shape,
    weights: Vec<Trained>,
    running: Vec<Moments>,
    optimizer: Optimizer,
    weight_decay: f64,
    label_smoothing: f32,
    dropout: bool,
    seed: Seed,
}

/// A weight tensor and what the optimizer remembers of it.
struct Trained {
    values: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl CandleChild {
    #[expect(clippy::cast_possible_truncation, reason = "a share")]
    fn new(outline: &Outline<'_>) -> Self {
        let layers = Layers::of(outline.network);
        let weights = layers
            .weights
            .iter()
            .map(|weight| {
                let len = weight.shape.iter().product();
                let values = match weight.start {
                    Start::Filled(value) => vec![value; len],
                    Start::Drawn(from, to) => {
                        init::weights(outline.init, &outline.seed, &weight.name, (from, to), len)
                    }
                };
                let second = if outline.optimizer.has_second() { len } else { 0 };
                Trained { values, first: vec![0.0; len], second: vec![0.0; second] }
            })
            .collect();
        let running = layers.norms.iter().map(|&(_, channels)| Moments {
            mean: vec![0.0; channels],
            variance: vec![1.0; channels],
        });
        Self {
            running: running.collect(),
            weights,
            layers,
            image: outline.network.image(),
            optimizer: outline.optimizer,
            weight_decay: outline.weight_decay,
            label_smoothing: outline.label_smoothing as f32,
            dropout: outline.dropout,
            seed: outline.seed,
        }
    }

    fn input(&self, images: &[f32]) -> Result<Tensor, TrainError> {
        let Shape { channels, height, width } = self.image;
        let count = images.len() / self.image.len();
        Ok(Tensor::from_slice(images, (count, height, width, channels), &Device::Cpu)?)
    }

    /// The weights as tensors, for one pass.
    fn tensors(&self) -> Result<Vec<Tensor>, TrainError> {
        let pairs = self.weights.iter().zip(&self.layers.weights);
        let tensors = pairs.map(|(own, weight)| {
            Tensor::from_slice(&own.values, weight.shape.as_slice(), &Device::Cpu)
        });
        Ok(tensors.collect::<Result<Vec<Tensor>, _>>()?)
    }

    /// Loss of a batch, and the gradient of each weight tensor when the loss is finite.
    fn gradients(
        &mut self,
        batch: &Batch,
        step: u64,
    ) -> Result<(Step, Vec<Option<Tensor>>), TrainError> {
        let weights = self.tensors()?;
        let images = self.input(&batch.images)?;
        let dropout = self.dropout.then(|| self.seed.child("dropout"));
        let pass = Pass::Training { step, dropout, running: &mut self.running };
        let (logits, tape) = forward(&self.layers, images, &weights, pass)?;
        let correct = count_correct(&floats(&logits)?, &batch.labels);
        let labels: Arc<[u16]> = batch.labels.as_slice().into();
        let criterion = CrossEntropy::new(labels, self.label_smoothing);
        let loss = logits.apply_op1_no_bwd(&criterion)?;
        let seen = Step { loss: f64::from(loss.to_scalar::<f32>()?), correct };
        if !seen.loss.is_finite() {
            return Ok((seen, Vec::new()));
        }
        let one = tensor(vec![1.0], ())?;
        let gradient = criterion.bwd(&logits, &loss, &one)?;
        let gradient = gradient.expect("BUG: cross-entropy gives the gradient of its logits");
        Ok((seen, tape.backward(gradient, weights.len())?))
    }

    fn update(&mut self, gradients: &[Option<Tensor>], moment: Moment) -> Result<(), TrainError> {
        let (optimizer, decay) = (self.optimizer, self.weight_decay);
        let guards = gradients
            .iter()
            .map(|gradient| gradient.as_ref().map(floats).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        let slices: Vec<Option<&[f32]>> = guards.iter().map(Option::as_deref).collect();
        let tensors = self.weights.par_iter_mut().zip(&self.layers.weights).zip(slices);
        tensors.for_each(|((own, weight), gradient)| {
            // A weight without gradient feeds nothing that leads to the logits.
            let Some(gradient) = gradient else { return };
            let decays = matches!(weight.start, Start::Drawn(..));
            let weights = Weights {
                values: &mut own.values,
                gradient,
                first: &mut own.first,
                second: &mut own.second,
                decay: if decays { decay } else { 0.0 },
            };
            optimizer.update(weights, moment);
        });
        Ok(())
    }
}

/// Rows whose first largest number stands at their label.
fn count_correct(logits: &[f32], labels: &[u16]) -> usize {
    let classes = logits.len() / labels.len().max(1);
    let rows = logits.chunks_exact(classes.max(1)).zip(labels);
    rows.filter(|(row, label)| super::predict::best(row) == usize::from(**label)).count()
}

impl Child for CandleChild {
    fn step(&mut self, batch: &Batch, moment: Moment) -> Result<Step, TrainError> {
        let (seen, gradients) = self.gradients(batch, moment.step)?;
        self.update(&gradients, moment)?;
        Ok(seen)
    }

    fn evaluate(&self, images: &[f32]) -> Result<Vec<f32>, TrainError> {
        let weights = self.tensors()?;
        let pass = Pass::Evaluation { running: &self.running };
        let (logits, _) = forward(&self.layers, self.input(images)?, &weights, pass)?;
        let logits = floats(&logits)?.to_vec();
        Ok(logits)
    }

    fn state(&self) -> State {
        let mut state = State::default();
        for (own, weight) in self.weights.iter().zip(&self.layers.weights) {
            let values =
                |values: &[f32]| Values { shape: weight.shape.clone(), values: values.to_vec() };
            state.weights.insert(weight.name.clone(), values(&own.values));
            state.moments.insert(format!("first.{}", weight.name), values(&own.first));
            if self.optimizer.has_second() {
                state.moments.insert(format!("second.{}", weight.name), values(&own.second));
            }
        }
        for (running, (path, channels)) in self.running.iter().zip(&self.layers.norms) {
            let values =
                |values: &[f32]| Values { shape: vec![*channels], values: values.to_vec() };
            state.weights.insert(format!("{path}.mean"), values(&running.mean));
            state.weights.insert(format!("{path}.variance"), values(&running.variance));
        }
        state
    }

    fn load(&mut self, state: &State) -> Result<(), TrainError> {
        let expected = self.state();
        fits(&expected.weights, &state.weights)?;
        fits(&expected.moments, &state.moments)?;
        for (own, weight) in self.weights.iter_mut().zip(&self.layers.weights) {
            own.values.clone_from(&state.weights[&weight.name].values);
            own.first.clone_from(&state.moments[&format!("first.{}", weight.name)].values);
            if self.optimizer.has_second() {
                own.second.clone_from(&state.moments[&format!("second.{}", weight.name)].values);
            }
        }
        for (running, (path, _)) in self.running.iter_mut().zip(&self.layers.norms) {
            running.mean.clone_from(&state.weights[&format!("{path}.mean")].values);
            running.variance.clone_from(&state.weights[&format!("{path}.variance")].values);
        }
        Ok(())
    }
}

/// Whether `found` has exactly the tensors of `expected`, in their shapes.
fn fits(
    expected: &BTreeMap<String, Values>,
    found: &BTreeMap<String, Values>,
) -> Result<(), TrainError> {
    let wrong = |detail: String| Err(TrainError::State { detail });
    for (name, values) in expected {
        match found.get(name) {
            None => return wrong(format!("`{name}` is missing")),
            Some(found)
                if found.shape != values.shape || found.values.len() != values.values.len() =>
            {
                return wrong(format!("`{name}` is {:?} and not {:?}", found.shape, values.shape));
            }
            Some(_) => {}
        }
    }
    match found.keys().find(|name| !expected.contains_key(*name)) {
        Some(name) => wrong(format!("`{name}` belongs to no layer")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::reference;
    use crate::net::{Builder, Network, Op, Window};
    use crate::train::{Init, Recipe};

    /// Every operation once: a stem, a branch that is added and joined, a head.
    fn network() -> Network {
        let mut net = Builder::new(Shape { channels: 2, height: 7, width: 6 });
        let same = |kernel| Window::same(kernel, 1, 7);
        let conv =
            |filters, kernel, bias| Op::Conv { filters, window: same(kernel), dilation: 1, bias };
        let image = net.image();
        let stem = net.add("stem", conv(3, 3, true), &[image]);
        let stem = net.add("stem.relu", Op::Relu, &[stem]);
        let pool = Window { pad_rows: (0, 1), pad_columns: (0, 1), ..Window::valid(3, 2) };
        let stem = net.add("stem.pool", Op::MaxPool { window: pool }, &[stem]);
        let left = net.add("left", Op::Depthwise { window: Window::same(3, 1, 4) }, &[stem]);
        let left = net.add("left.norm", Op::BatchNorm, &[left]);
        let left = net.add("left.relu", Op::Relu, &[left]);
        let right = net.add("right", Op::AvgPool { window: Window::same(3, 1, 4) }, &[stem]);
        let sum = net.add("sum", Op::Add, &[left, right]);
        let both = net.add("both", Op::Concat, &[sum, stem]);
        let point = net.add("point", conv(4, 1, false), &[both]);
        let point = net.add("point.norm", Op::BatchNorm, &[point]);
        let flat = net.add("flat", Op::Flatten, &[point]);
        let hidden = net.add("hidden", Op::Dense { units: 5 }, &[flat]);
        let hidden = net.add("hidden.relu", Op::Relu, &[hidden]);
        net.add("logits", Op::Dense { units: 3 }, &[hidden]);
        net.finish()
    }

    fn child(network: &Network) -> CandleChild {
        let recipe = Recipe::default();
        CandleChild::new(&Outline {
            network,
            optimizer: recipe.optimizer,
            weight_decay: 0.0,
            label_smoothing: 0.0,
            dropout: true,
            init: Init::He,
            seed: Seed::root(5),
        })
    }

    /// The loss in f64, straight from the graph, without fusing anything.
    fn loss(
        network: &Network,
        weights: &[(String, Vec<f64>)],
        images: &[f64],
        labels: &[u16],
    ) -> f64 {
        let named = |node: &str, part: &str| {
            let name = format!("{node}.{part}");
            &weights.iter().find(|(key, _)| *key == name).expect("a weight of the network").1
        };
        let mut maps: Vec<Vec<f64>> = vec![images.to_vec()];
        for node in &network.nodes()[1..] {
            let xs = &maps[node.inputs[0].0];
            let from = network.node(node.inputs[0]).shape;
            let slide = |window| reference::slide(from, node.shape.channels, window, 1);
            let whole = Window { kernel: (from.height, from.width), ..Window::valid(1, 1) };
            let ys = match node.op {
                Op::Conv { window, bias, .. } => {
                    let bias = bias.then(|| named(&node.path, "bias").as_slice());
                    reference::conv(&slide(window), xs, named(&node.path, "weight"), bias)
                }
                Op::Dense { .. } => {
                    let bias = Some(named(&node.path, "bias").as_slice());
                    reference::conv(
                        &slide(Window::valid(1, 1)),
                        xs,
                        named(&node.path, "weight"),
                        bias,
                    )
                }
                Op::Depthwise { window } => {
                    reference::depthwise(&slide(window), xs, named(&node.path, "weight"))
                }
                Op::BatchNorm => reference::batch_norm(
                    xs,
                    named(&node.path, "scale"),
                    named(&node.path, "shift"),
                ),
                Op::DropPath { .. } | Op::Pad { .. } => todo!("with the engine's"),
                Op::Relu => xs.iter().map(|x| x.max(0.0)).collect(),
                Op::MaxPool { window } => reference::max_pool(&slide(window), xs),
                Op::AvgPool { window } => reference::avg_pool(&slide(window), xs),
                Op::GlobalAvgPool => reference::avg_pool(&slide(whole), xs),
                Op::Flatten | Op::Dropout { .. } | Op::Input => xs.clone(),
                Op::Add => xs.iter().zip(&maps[node.inputs[1].0]).map(|(a, b)| a + b).collect(),
                Op::Concat => {
                    let other = &maps[node.inputs[1].0];
                    let pixels = xs.len() / from.channels;
                    let rest = other.len() / pixels;
                    let pairs = xs.chunks(from.channels).zip(other.chunks(rest));
                    pairs.flat_map(|(a, b)| [a, b].concat()).collect()
                }
            };
            maps.push(ys);
        }
        reference::cross_entropy(&maps[maps.len() - 1], labels, 0.0)
    }

    #[test]
    fn the_whole_network_equals_its_twin_and_its_central_differences() {
        let network = network();
        let mut child = child(&network);
        let images = reference::numbers("images", &[4, 7, 6, 2]);
        let batch = Batch { images: images.single().to_vec(), labels: vec![0, 2, 1, 2] };
        let exact: Vec<(String, Vec<f64>)> = child
            .layers
            .weights
            .iter()
            .zip(&child.weights)
            .map(|(w, own)| (w.name.clone(), own.values.iter().map(|&x| f64::from(x)).collect()))
            .collect();
        let (names, values): (Vec<String>, Vec<Vec<f64>>) = exact.into_iter().unzip();
        let twin = |values: &[Vec<f64>]| {
            let weights: Vec<_> = names.iter().cloned().zip(values.iter().cloned()).collect();
            loss(&network, &weights, &images.exact(), &batch.labels)
        };
        let (seen, gradients) = child.gradients(&batch, 0).unwrap();
        assert!((seen.loss - twin(&values)).abs() < 1e-5, "{seen:?}");
        for (i, gradient) in gradients.iter().enumerate() {
            let found = gradient.as_ref().expect("every weight leads to the logits");
            let expected = reference::differences(&values, i, &twin);
            // f32 through eleven layers; the gradients are between 1e-3 and 1.
            reference::close(&names[i], &floats(found).unwrap(), &expected, 1e-4);
        }
    }

    #[test]
    fn weights_of_another_network_are_refused_by_name() {
        let network = network();
        let mut child = child(&network);
        let mut state = child.state();
        child.load(&state).unwrap();
        let scale = state.weights.remove("left.norm.scale").unwrap();
        assert!(
            child.load(&state).unwrap_err().to_string().contains("`left.norm.scale` is missing")
        );
        state.weights.insert("left.norm.scale".to_owned(), scale.clone());
        state.weights.insert("extra".to_owned(), scale);
        assert!(child.load(&state).unwrap_err().to_string().contains("`extra` belongs"));
    }
}
