//! Candle's tensors and custom operations over our own kernels and tape: the engine `candle-cpu`, and what
//! [`super::Cuda`] runs.
//!
//! On the CPU weights live here as plain memory. Each step lends them to candle as tensors, which costs a copy
//! of the weights and saves every doubt about what candle shares. On a GPU they stay on it ([`resident`]).

mod probe;
#[cfg(feature = "cuda")]
mod resident;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{CustomOp1 as _, Device, Tensor};

use super::TrainError;
use super::engine::{Batch, Child, Codes, Engine, Moment, Outline, State, Step, Values};
use super::parameters::Parameters;
use super::plan::Layers;
use super::predict::count_correct;
use super::recipe::Recipe;
use super::tape::{Chance, Pass, Run, forward};
use crate::kernel::{CrossEntropy, floats, keep_freed_memory, on_cpu, sum, tensor};
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
        ("trainer.candle_cpu", 3)
    }

    fn plan(&self, outline: &Outline<'_>) -> Result<Box<dyn Child>, TrainError> {
        keep_freed_memory();
        Ok(Box::new(CandleChild::new(outline)))
    }
}

/// A network with its weights.
pub(super) struct CandleChild {
    network: Network,
    layers: Layers,
    image: Shape,
    device: Device,
    parameters: Parameters,
    /// The weights, where they live on a GPU; `parameters` then has their layout and the running statistics.
    #[cfg(feature = "cuda")]
    resident: Option<resident::Resident>,
    recipe: Recipe,
    class_weights: Arc<[f32]>,
    steps: u64,
    seed: Seed,
}

impl CandleChild {
    /// A child of `outline` on the CPU, as a training begins.
    fn new(outline: &Outline<'_>) -> Self {
        let recipe = outline.recipe.clone();
        let layers = Layers::of(outline.network, false).in_precision(recipe.precision);
        Self {
            #[cfg(feature = "cuda")]
            resident: None,
            parameters: Parameters::new(outline, &layers),
            device: Device::Cpu,
            layers,
            image: outline.network.image(),
            network: outline.network.clone(),
            recipe,
            class_weights: outline.class_weights.as_slice().into(),
            steps: outline.steps,
            seed: outline.seed,
        }
    }

    /// A child of `outline` on a GPU.
    #[cfg(feature = "cuda")]
    pub(super) fn on_gpu(outline: &Outline<'_>, device: Device) -> Result<Self, TrainError> {
        let child = Self::new(outline);
        let resident = Some(resident::Resident::new(&child.parameters, &device)?);
        Ok(Self { device, resident, ..child })
    }

    fn input(&self, images: &[f32]) -> Result<Tensor, TrainError> {
        let Shape { channels, height, width } = self.image;
        let count = images.len() / self.image.len();
        Ok(Tensor::from_slice(images, (count, height, width, channels), &self.device)?)
    }

    /// The weights as tensors, for one pass.
    fn tensors(&self) -> Result<Vec<Tensor>, TrainError> {
        #[cfg(feature = "cuda")]
        if let Some(resident) = &self.resident {
            return Ok(resident.tensors(&self.parameters, &self.layers.weights)?);
        }
        let tensors = self.layers.weights.iter().enumerate().map(|(place, weight)| {
            let values = &self.parameters.values()[self.parameters.span(place)];
            Tensor::from_slice(values, weight.shape.as_slice(), &Device::Cpu)
        });
        Ok(tensors.collect::<Result<Vec<Tensor>, _>>()?)
    }

    /// The loss of logits against a batch's labels.
    #[expect(clippy::cast_possible_truncation, reason = "a share")]
    fn criterion(&self, labels: &[u16]) -> CrossEntropy {
        CrossEntropy::new(labels.into(), self.recipe.label_smoothing as f32)
            .class_weights(self.class_weights.clone())
    }

    /// Loss of a batch, and the gradient of each weight tensor when the loss is finite.
    fn learn(
        &mut self,
        batch: &Batch,
        step: u64,
    ) -> Result<(Step, Vec<Option<Tensor>>), TrainError> {
        let weights = self.tensors()?;
        let mut seen = Step { loss: 0.0, correct: 0, sound: true };
        let mut gradients: Vec<Option<Tensor>> = vec![None; weights.len()];
        for part in self.recipe.micro_batches(batch.labels.len()) {
            let (own, found) = self.learn_part(batch, part, &weights, step)?;
            seen.loss += own.loss;
            seen.correct += own.correct;
            if !own.sound {
                return Ok((Step { sound: false, ..seen }, Vec::new()));
            }
            for (total, own) in gradients.iter_mut().zip(found) {
                *total = match (total.take(), own) {
                    (Some(before), Some(own)) => Some(sum(&before, &own)?),
                    (before, own) => before.or(own),
                };
            }
        }
        Ok((seen, gradients))
    }

    /// The share of a part of a batch in the loss and in the gradients; none of these when the loss is not finite.
    fn learn_part(
        &mut self,
        batch: &Batch,
        part: Range<usize>,
        weights: &[Tensor],
        step: u64,
    ) -> Result<(Step, Vec<Option<Tensor>>), TrainError> {
        let chance = Chance {
            seed: self.seed,
            step,
            steps: self.steps,
            first: part.start,
            dropout: self.recipe.dropout,
            path_kept: self.recipe.drop_path.unwrap_or(1.0),
        };
        let size = self.image.len();
        let images = self.input(&batch.images[part.start * size..part.end * size])?;
        let labels = &batch.labels[part];
        let criterion = self.criterion(labels).part_of(batch.labels.len());
        let weight = self.recipe.auxiliary_weight;
        let mut statistics = Vec::new();
        let pass = Pass::Training { chance, seen: &mut statistics, auxiliary: weight > 0.0 };
        let Run { logits, auxiliary, tape } = forward(&self.layers, images, weights, pass)?;
        for (norm, batch) in &statistics {
            self.parameters.follow(*norm, &*batch.moments()?);
        }
        let correct = count_correct(&floats(&on_cpu(&logits)?)?, labels);
        let (mut loss, gradient) = judge(&criterion, &logits, 1.0)?;
        let mut auxiliary_gradient = None;
        if let Some(logits) = auxiliary {
            let (own, gradient) = judge(&criterion, &logits, weight)?;
            loss += weight * own;
            auxiliary_gradient = Some(gradient);
        }
        let seen = Step { loss, correct, sound: loss.is_finite() };
        if !seen.sound {
            return Ok((seen, Vec::new()));
        }
        Ok((seen, tape.backward(gradient, auxiliary_gradient)?.weights))
    }

    /// Whether all weights are finite numbers after the update. On a GPU nobody looks, which would mean to wait for
    /// it: a weight that overflowed shows in the next loss.
    fn update(&mut self, gradients: &[Option<Tensor>], moment: Moment) -> Result<bool, TrainError> {
        #[cfg(feature = "cuda")]
        if let Some(resident) = &self.resident {
            resident.update(&self.recipe, &self.parameters, gradients, moment)?;
            return Ok(true);
        }
        let guards = gradients
            .iter()
            .map(|gradient| gradient.as_ref().map(floats).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        let slices: Vec<Option<&[f32]>> = guards.iter().map(Option::as_deref).collect();
        let Recipe { optimizer, weight_decay, clip, .. } = self.recipe;
        Ok(self.parameters.update(optimizer, weight_decay, clip, &slices, moment))
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

impl Child for CandleChild {
    fn step(&mut self, batch: &Batch, moment: Moment) -> Result<Step, TrainError> {
        let (mut seen, gradients) = self.learn(batch, moment.step)?;
        if seen.sound {
            seen.sound = self.update(&gradients, moment)?;
        }
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
        let pass = Pass::Evaluation { running: self.parameters.running() };
        let Run { logits, .. } = forward(&self.layers, self.input(images)?, &weights, pass)?;
        let logits = floats(&on_cpu(&logits)?)?.to_vec();
        Ok(logits)
    }

    fn state(&self) -> Result<State, TrainError> {
        #[cfg(feature = "cuda")]
        if let Some(resident) = &self.resident {
            return Ok(resident.state(&self.parameters)?);
        }
        Ok(self.parameters.state())
    }

    fn load(&mut self, state: &State) -> Result<(), TrainError> {
        self.parameters.load(state)?;
        #[cfg(feature = "cuda")]
        if self.resident.is_some() {
            self.resident = Some(resident::Resident::new(&self.parameters, &self.device)?);
        }
        Ok(())
    }
}
