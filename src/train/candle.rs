//! The engine `candle-cpu`: candle's tensors and custom operations over our own kernels and tape.
//!
//! Weights live here as plain memory. Each step lends them to candle as tensors, which costs a copy of
//! the weights and saves every doubt about what candle shares.

mod probe;
mod state;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{CustomOp1 as _, Device, Tensor};
use rayon::prelude::*;

use super::TrainError;
use super::engine::{Batch, Child, Codes, Engine, Moment, Outline, State, Step, Values};
use super::init;
use super::optimizer::{Weights, clip};
use super::plan::{Layers, Start};
use super::recipe::Recipe;
use super::tape::{Chance, Pass, Run, forward};
use crate::kernel::{CrossEntropy, Moments, floats, keep_freed_memory, tensor};
use crate::net::{Network, Shape};
use crate::seed::Seed;

/// Candle on the CPU. Its bits do not depend on the processor: convolutions are chains of fused multiply-adds
/// whatever vectors walk them (`crate::kernel`), and the rest is compiled for every processor alike.
#[derive(Debug, Clone, Copy, Default)]
pub struct CandleCpu;

impl Engine for CandleCpu {
    fn numerics(&self) -> &'static str {
        "candle-cpu"
    }

    fn component(&self) -> (&'static str, u32) {
        ("trainer.candle_cpu", 2)
    }

    fn plan(&self, outline: &Outline<'_>) -> Result<Box<dyn Child>, TrainError> {
        keep_freed_memory();
        Ok(Box::new(CandleChild::new(outline)))
    }
}

/// A network with its weights.
struct CandleChild {
    network: Network,
    layers: Layers,
    image: Shape,
    weights: Vec<Trained>,
    running: Vec<Moments>,
    recipe: Recipe,
    class_weights: Arc<[f32]>,
    steps: u64,
    seed: Seed,
}

/// A weight tensor and what the optimizer remembers of it.
struct Trained {
    values: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl CandleChild {
    fn new(outline: &Outline<'_>) -> Self {
        let (layers, recipe) = (Layers::of(outline.network, false), outline.recipe.clone());
        let weights = layers
            .weights
            .iter()
            .map(|weight| {
                let len = weight.shape.iter().product();
                let values = match weight.start {
                    Start::Filled(value) => vec![value; len],
                    Start::Drawn(from, to) => {
                        init::weights(recipe.init, &outline.seed, &weight.name, (from, to), len)
                    }
                };
                let second = if recipe.optimizer.has_second() { len } else { 0 };
                Trained { values, first: vec![0.0; len], second: vec![0.0; second] }
            })
            .collect();
        let running = layers.norms.iter().map(|norm| Moments {
            mean: vec![0.0; norm.channels],
            variance: vec![1.0; norm.channels],
        });
        Self {
            running: running.collect(),
            weights,
            layers,
            image: outline.network.image(),
            network: outline.network.clone(),
            recipe,
            class_weights: outline.class_weights.as_slice().into(),
            steps: outline.steps,
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

    /// The loss of logits against a batch's labels.
    #[expect(clippy::cast_possible_truncation, reason = "a share")]
    fn criterion(&self, batch: &Batch) -> CrossEntropy {
        let labels: Arc<[u16]> = batch.labels.as_slice().into();
        CrossEntropy::new(labels, self.recipe.label_smoothing as f32)
            .class_weights(self.class_weights.clone())
    }

    /// Loss of a batch, and the gradient of each weight tensor when the loss is finite.
    fn learn(
        &mut self,
        batch: &Batch,
        step: u64,
    ) -> Result<(Step, Vec<Option<Tensor>>), TrainError> {
        let weights = self.tensors()?;
        let images = self.input(&batch.images)?;
        let chance = Chance {
            seed: self.seed,
            step,
            steps: self.steps,
            dropout: self.recipe.dropout,
            path_kept: self.recipe.drop_path.unwrap_or(1.0),
        };
        let criterion = self.criterion(batch);
        let weight = self.recipe.auxiliary_weight;
        let pass = Pass::Training { chance, running: &mut self.running, auxiliary: weight > 0.0 };
        let Run { logits, auxiliary, tape } = forward(&self.layers, images, &weights, pass)?;
        let correct = count_correct(&floats(&logits)?, &batch.labels);
        let (mut loss, gradient) = judge(&criterion, &logits, 1.0)?;
        let mut auxiliary_gradient = None;
        if let Some(logits) = auxiliary {
            let (own, gradient) = judge(&criterion, &logits, weight)?;
            loss += weight * own;
            auxiliary_gradient = Some(gradient);
        }
        let seen = Step { loss, correct };
        if !seen.loss.is_finite() {
            return Ok((seen, Vec::new()));
        }
        Ok((seen, tape.backward(gradient, auxiliary_gradient)?.weights))
    }

    #[expect(clippy::cast_possible_truncation, reason = "a factor up to 1")]
    fn update(&mut self, gradients: &[Option<Tensor>], moment: Moment) -> Result<(), TrainError> {
        let (optimizer, decay) = (self.recipe.optimizer, self.recipe.weight_decay);
        let guards = gradients
            .iter()
            .map(|gradient| gradient.as_ref().map(floats).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        let slices: Vec<Option<&[f32]>> = guards.iter().map(Option::as_deref).collect();
        let factor = self.recipe.clip.map_or(1.0, |longest| clip(norm(&slices), longest)) as f32;
        let tensors = self.weights.par_iter_mut().zip(&self.layers.weights).zip(slices);
        tensors.for_each(|((own, weight), gradient)| {
            // A weight without gradient feeds nothing that leads to the logits.
            let Some(gradient) = gradient else { return };
            let decays = matches!(weight.start, Start::Drawn(..));
            let weights = Weights {
                values: &mut own.values,
                gradient: &scaled(gradient, factor),
                first: &mut own.first,
                second: &mut own.second,
                decay: if decays { decay } else { 0.0 },
            };
            optimizer.update(weights, moment);
        });
        Ok(())
    }
}

/// Loss of `logits`, and `weight` times its gradient.
#[expect(clippy::cast_possible_truncation, reason = "a weight near 1")]
fn judge(
    criterion: &CrossEntropy,
    logits: &Tensor,
    weight: f64,
) -> Result<(f64, Tensor), TrainError> {
    let loss = logits.apply_op1_no_bwd(criterion)?;
    let gradient = criterion.bwd(logits, &loss, &tensor(vec![weight as f32], ())?)?;
    let gradient = gradient.expect("BUG: cross-entropy gives the gradient of its logits");
    Ok((f64::from(loss.to_scalar::<f32>()?), gradient))
}

/// 2-norm of all numbers together, summed in their order.
fn norm(gradients: &[Option<&[f32]>]) -> f64 {
    let numbers = gradients.iter().flatten().flat_map(|gradient| gradient.iter());
    libm::sqrt(numbers.map(|&number| f64::from(number) * f64::from(number)).sum())
}

#[expect(clippy::float_cmp, reason = "exactly 1 is nothing to do")]
fn scaled(gradient: &[f32], factor: f32) -> Cow<'_, [f32]> {
    if factor == 1.0 {
        return Cow::Borrowed(gradient);
    }
    Cow::Owned(gradient.iter().map(|number| number * factor).collect())
}

/// Rows whose first largest number stands at their label.
fn count_correct(logits: &[f32], labels: &[u16]) -> usize {
    let classes = logits.len() / labels.len().max(1);
    let rows = logits.chunks_exact(classes.max(1)).zip(labels);
    rows.filter(|(row, label)| super::predict::best(row) == usize::from(**label)).count()
}

impl Child for CandleChild {
    fn step(&mut self, batch: &Batch, moment: Moment) -> Result<Step, TrainError> {
        let (seen, gradients) = self.learn(batch, moment.step)?;
        self.update(&gradients, moment)?;
        Ok(seen)
    }

    fn gradients(&self, batch: &Batch) -> Result<BTreeMap<String, Values>, TrainError> {
        self.weight_gradients(batch)
    }

    fn image_gradients(&self, images: &[f32]) -> Result<Vec<f32>, TrainError> {
        self.pixel_gradients(images)
    }

    fn codes(&self, images: &[f32]) -> Result<Codes, TrainError> {
        self.rectifier_codes(images)
    }

    fn evaluate(&self, images: &[f32]) -> Result<Vec<f32>, TrainError> {
        let weights = self.tensors()?;
        let pass = Pass::Evaluation { running: &self.running };
        let Run { logits, .. } = forward(&self.layers, self.input(images)?, &weights, pass)?;
        let logits = floats(&logits)?.to_vec();
        Ok(logits)
    }

    fn state(&self) -> State {
        self.written()
    }

    fn load(&mut self, state: &State) -> Result<(), TrainError> {
        self.read(state)
    }
}
