//! The engine `cpu-f32-v1`: a network as a program over memory that is laid out before the first step.
//!
//! [`program`] says what is done in which phase, [`place`] where every map lies, [`chunk`] does it; here the phases
//! are run, and what the chunks found between two of them is put together.

mod chunk;
mod memory;
mod place;
mod program;
mod sums;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use self::chunk::{Chunk, Context};
use self::program::{Program, Purpose};
use self::sums::WeightSums;
use super::TrainError;
use super::engine::{
    Batch, Child, Codes, Engine, Footprint, Moment, Outline, State, Step, Timing, Values,
};
use super::parameters::Parameters;
use super::plan::{Layers, Work};
use super::recipe::Recipe;
use super::tape::Chance;
use crate::kernel::{
    CrossEntropy, DenseGradient, Memory, Moments, Normaliser, Spread, UNIT, WayBack, Weights, parts,
};
use crate::net::Network;
use crate::seed::Seed;

/// The trainer on CPUs. Its bits depend neither on the number of threads nor on the processor: sums run in an order
/// that the shapes fix, and vectors of any width give the same numbers (`crate::kernel`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu;

impl Engine for Cpu {
    fn numerics(&self) -> &'static str {
        "cpu-f32-v1"
    }

    fn component(&self) -> (&'static str, u32) {
        ("trainer.cpu", 2)
    }

    fn plan(&self, outline: &Outline<'_>) -> Result<Box<dyn Child>, TrainError> {
        if !outline.recipe.precision.is_f32() {
            return Err(TrainError::Precision);
        }
        Ok(Box::new(CpuChild::new(outline)))
    }

    fn footprint(
        &self,
        outline: &Outline<'_>,
        stepped: usize,
        evaluated: usize,
    ) -> Option<Footprint> {
        Some(memory::footprint(outline, stepped, evaluated))
    }
}

impl Cpu {
    /// The purpose of steps of a recipe, and their images when all go through as one part.
    fn training(recipe: &Recipe) -> (Purpose, Option<usize>) {
        let purpose = Purpose::Training {
            auxiliary: recipe.auxiliary_weight > 0.0,
            dropout: recipe.dropout,
            drop_path: recipe.drop_path.is_some_and(|kept| kept < 1.0),
        };
        (purpose, recipe.micro_batch.is_none().then_some(recipe.batch))
    }
}

/// A network with its weights and programs.
struct CpuChild {
    network: Network,
    layers: Layers,
    parameters: Parameters,
    recipe: Recipe,
    class_weights: Arc<[f32]>,
    steps: u64,
    seed: Seed,
    training: Bench,
    evaluation: Program,
    /// Chunks of evaluations that are over.
    spare: Mutex<Vec<Chunk>>,
}

/// A program with the memory to run it on a batch, whole or part by part.
struct Bench {
    program: Program,
    /// Where chunks sum up gradients.
    sums: WeightSums,
    /// Of the weights, laid out as they are, once a step's sums are complete.
    gradients: Memory,
    chunks: Vec<Chunk>,
    normalisers: Vec<Normaliser>,
    /// Of each layer that is a convolution.
    weights: Vec<Weights>,
    /// Empty until the first way back of a step.
    backs: Vec<WayBack>,
    /// Gradients of scale and shift by batch norm, over all parts of the batch so far.
    affine: Vec<Option<[Vec<f32>; 2]>>,
    /// What late gradients took, all threads together.
    late_times: Vec<Duration>,
}

/// What a forward pass needs to know beside the images.
struct Run<'a> {
    layers: &'a Layers,
    parameters: &'a Parameters,
    images: &'a [f32],
    chance: Option<Chance>,
}

impl CpuChild {
    fn new(outline: &Outline<'_>) -> Self {
        let (network, recipe) = (outline.network, outline.recipe);
        let layers = Layers::of(network, false);
        let (training, whole) = Cpu::training(recipe);
        Self {
            parameters: Parameters::new(outline, &layers),
            training: Bench::new(Program::of(network, &layers, training, whole), &layers),
            evaluation: Program::of(network, &layers, Purpose::Evaluation, None),
            spare: Mutex::default(),
            layers,
            network: network.clone(),
            recipe: recipe.clone(),
            class_weights: outline.class_weights.as_slice().into(),
            steps: outline.steps,
            seed: outline.seed,
        }
    }

    /// The loss of logits against a batch's labels.
    #[expect(clippy::cast_possible_truncation, reason = "a share")]
    fn criterion(&self, labels: &[u16]) -> CrossEntropy {
        CrossEntropy::new(labels.into(), self.recipe.label_smoothing as f32)
            .class_weights(self.class_weights.clone())
    }

    /// Loss of a batch; the gradients of the weights are then complete, unless the loss is not finite.
    fn learn(&mut self, batch: &Batch, step: u64) -> Step {
        let mut seen = Step { loss: 0.0, correct: 0, sound: true };
        self.training.begin(&self.layers, &self.parameters);
        for part in self.recipe.micro_batches(batch.labels.len()) {
            let own = self.learn_part(batch, part, step);
            seen.loss += own.loss;
            seen.correct += own.correct;
            if !own.sound {
                return Step { sound: false, ..seen };
            }
        }
        self.training.reduce(&self.layers, &self.parameters);
        seen
    }

    /// The share of a part of a batch in the loss, with its gradients added to those of each chunk.
    #[expect(clippy::cast_possible_truncation, reason = "a weight near 1")]
    fn learn_part(&mut self, batch: &Batch, part: Range<usize>, step: u64) -> Step {
        let chance = Some(Chance {
            seed: self.seed,
            step,
            steps: self.steps,
            first: part.start,
            dropout: self.recipe.dropout,
            path_kept: self.recipe.drop_path.unwrap_or(1.0),
        });
        let size = self.network.image().len();
        let images = &batch.images[part.start * size..part.end * size];
        let labels = &batch.labels[part];
        let criterion = self.criterion(labels).part_of(batch.labels.len());
        let run = Run { layers: &self.layers, parameters: &self.parameters, images, chance };
        let bench = &mut self.training;
        let moments = bench.forward(&run, labels.len());
        let program = &bench.program;
        let logits = bench.gather(program.logits);
        let correct = super::predict::count_correct(&logits, labels);
        let mut loss = criterion.mean_loss(&logits);
        let mut seeds = vec![criterion.gradient(&logits, 1.0)];
        if let Some(head) = program.auxiliary {
            let logits = bench.gather(head);
            let weight = self.recipe.auxiliary_weight;
            loss += weight * criterion.mean_loss(&logits);
            seeds.push(criterion.gradient(&logits, weight as f32));
        }
        if loss.is_finite() {
            bench.backward(&run, &seeds);
        }
        for (norm, moments) in moments.into_iter().enumerate() {
            if let Some(moments) = moments {
                self.parameters.follow(norm, &moments);
            }
        }
        Step { loss, correct, sound: loss.is_finite() }
    }

    /// Forward and, with the gradient that `start` gives the logits, back, for a look that changes nothing.
    fn look(
        &self,
        layers: &Layers,
        purpose: Purpose,
        images: &[f32],
        start: impl FnOnce(&[f32]) -> Vec<f32>,
    ) -> Bench {
        let mut bench = Bench::new(Program::of(&self.network, layers, purpose, None), layers);
        let run = Run { layers, parameters: &self.parameters, images, chance: None };
        bench.begin(layers, &self.parameters);
        bench.forward(&run, images.len() / self.network.image().len());
        if !bench.program.seeds.is_empty() {
            let seed = start(&bench.gather(bench.program.logits));
            bench.backward(&run, &[seed]);
            bench.reduce(layers, &self.parameters);
        }
        bench
    }
}

impl Bench {
    fn new(program: Program, layers: &Layers) -> Self {
        Self {
            sums: WeightSums::of(layers, &program.late),
            late_times: vec![Duration::ZERO; program.late.len()],
            program,
            gradients: Memory::default(),
            chunks: Vec::new(),
            normalisers: Vec::new(),
            weights: Vec::new(),
            backs: Vec::new(),
            affine: Vec::new(),
        }
    }

    /// Begins a step: no gradients yet, and weights as they are now.
    fn begin(&mut self, layers: &Layers, parameters: &Parameters) {
        self.chunks.par_iter_mut().for_each(|chunk| chunk.weight_sums.fill(0.0));
        // What the last step had goes first, or both would be there at once.
        (self.weights, self.backs) = (Vec::new(), Vec::new());
        self.weights = weights(layers, parameters);
        self.affine = vec![None; layers.norms.len()];
    }

    /// Everything before the loss for a part of the batch; returns the statistics that the batch norms found.
    fn forward(&mut self, run: &Run<'_>, images: usize) -> Vec<Option<Moments>> {
        let norms = run.layers.norms.len();
        let parts = parts(images, 1);
        for part in parts.iter().skip(self.chunks.len()) {
            let part = part.clone();
            self.chunks.push(Chunk::new(&self.program, run.layers, part, self.sums.len()));
        }
        // A smaller part of the batch than the last may leave chunks without images.
        let parts = parts.into_iter().chain(std::iter::repeat(images..images));
        for (chunk, part) in self.chunks.iter_mut().zip(parts) {
            chunk.turn_to(part, &self.program);
        }
        self.normalisers.resize_with(norms, Normaliser::default);
        let mut found = vec![None; norms];
        for phase in 0..self.program.loss {
            self.run_phase(phase, run);
            for &norm in &self.program.phases[phase].spreads {
                let mut spread = Spread::new(run.layers.norms[norm].channels);
                self.chunks.iter().for_each(|chunk| spread.merge(&chunk.spreads[norm]));
                let moments = spread.moments();
                let [scale, shift] = affine(run, norm);
                self.normalisers[norm] = Normaliser::new(&moments, scale, shift);
                found[norm] = Some(moments);
            }
        }
        found
    }

    /// Everything behind the loss for a part of the batch, from the gradients of the heads' logits; the chunks add
    /// the gradients of the weights to those that they have.
    fn backward(&mut self, run: &Run<'_>, seeds: &[Vec<f32>]) {
        for (&map, seed) in self.program.seeds.iter().zip(seeds) {
            let mut rest = seed.as_slice();
            for chunk in &mut self.chunks {
                let own = chunk.kept_mut(&self.program, map);
                let (seed, tail) = rest.split_at(own.len());
                own.copy_from_slice(seed);
                rest = tail;
            }
        }
        if self.backs.is_empty() {
            self.backs = ways_back(run.layers, run.parameters);
        }
        for phase in self.program.loss + 1..self.program.phases.len() {
            self.run_phase(phase, run);
            for &norm in &self.program.phases[phase].sums {
                let mut sums = vec![0.0; 2 * run.layers.norms[norm].channels];
                for chunk in &self.chunks {
                    sums.iter_mut().zip(&chunk.sums[norm]).for_each(|(sum, own)| *sum += own);
                }
                let pixels = self.chunks.iter().map(|chunk| chunk.spreads[norm].pixels()).sum();
                let [scale, _] = affine(run, norm);
                let (dscale, dshift) = self.normalisers[norm].turn(&sums, scale, pixels);
                match &mut self.affine[norm] {
                    before @ None => *before = Some([dscale, dshift]),
                    Some(before) => {
                        for (before, own) in before.iter_mut().zip([dscale, dshift]) {
                            crate::kernel::pointwise::add(&own, before);
                        }
                    }
                }
            }
        }
    }

    fn run_phase(&mut self, phase: usize, run: &Run<'_>) {
        let Run { layers, parameters, images, chance } = *run;
        let Self { program, chunks, normalisers, weights, backs, sums, .. } = self;
        let context = Context {
            program,
            layers,
            images,
            parameters,
            normalisers,
            weights,
            sums,
            backs,
            chance,
        };
        chunks.par_iter_mut().for_each(|chunk| chunk.run(phase, &context));
    }

    /// Ends a step: adds the sums of all chunks to those of the first, in their order, and makes gradients of them and
    /// of those of the batch norms.
    fn reduce(&mut self, layers: &Layers, parameters: &Parameters) {
        let Some((first, others)) = self.chunks.split_first_mut() else { return };
        first.weight_sums.par_chunks_mut(UNIT).enumerate().for_each(|(unit, sums)| {
            for other in others.iter() {
                let own = &other.weight_sums[unit * UNIT..][..sums.len()];
                crate::kernel::pointwise::add(own, sums);
            }
        });
        let gradients = self.gradients.of_len(parameters.len());
        self.sums.finish(&first.weight_sums, parameters, gradients);
        for (norm, own) in self.affine.drain(..).enumerate() {
            let spans = layers.affine(norm).map(|weight| parameters.span(weight));
            for (span, gradient) in spans.into_iter().zip(own.into_iter().flatten()) {
                gradients[span].copy_from_slice(&gradient);
            }
        }
        self.find_late(layers, parameters);
    }

    /// The gradients that no chunk has summed up.
    fn find_late(&mut self, layers: &Layers, parameters: &Parameters) {
        let Self { program, chunks, gradients, late_times, .. } = self;
        for (late, time) in program.late.iter().zip(late_times) {
            let (conv, weight, _) = layers.conv(late.layer);
            let parts = chunks
                .iter()
                .map(|chunk| (chunk.kept(program, late.input), chunk.kept(program, late.gradient)));
            let dense = DenseGradient::new(conv, parts);
            let blocks = gradients[parameters.span(weight)].par_chunks_mut(dense.block());
            let times = blocks.enumerate().map_init(Vec::new, |buffer, (number, dw)| {
                let began = Instant::now();
                dense.write(number, dw, buffer);
                began.elapsed()
            });
            *time += times.sum::<Duration>();
        }
    }

    /// A kept map of all images.
    fn gather(&self, map: program::MapId) -> Vec<f32> {
        let chunks = self.chunks.iter();
        chunks.flat_map(|chunk| chunk.kept(&self.program, map)).copied().collect()
    }
}

/// The weights of each layer that is a convolution, as its passes need them.
fn weights(layers: &Layers, parameters: &Parameters) -> Vec<Weights> {
    let own = |work: &Work| match work {
        Work::Conv { conv, weight, .. } => {
            conv.weights(&parameters.values()[parameters.span(*weight)])
        }
        _ => Weights::default(),
    };
    layers.list.par_iter().map(|layer| own(&layer.work)).collect()
}

/// The way back of each layer that is a convolution.
fn ways_back(layers: &Layers, parameters: &Parameters) -> Vec<WayBack> {
    let own = |work: &Work| match work {
        Work::Conv { conv, weight, .. } => {
            conv.way_back(&parameters.values()[parameters.span(*weight)])
        }
        _ => WayBack::None,
    };
    layers.list.par_iter().map(|layer| own(&layer.work)).collect()
}

/// Scale and shift of a batch norm.
fn affine<'a>(run: &Run<'a>, norm: usize) -> [&'a [f32]; 2] {
    run.layers.affine(norm).map(|weight| &run.parameters.values()[run.parameters.span(weight)])
}

impl Child for CpuChild {
    fn step(&mut self, batch: &Batch, moment: Moment) -> Result<Step, TrainError> {
        let mut seen = self.learn(batch, moment.step);
        if seen.sound {
            let Bench { gradients, program, .. } = &self.training;
            let gradients: Vec<Option<&[f32]>> = program
                .trained
                .iter()
                .enumerate()
                .map(|(weight, trained)| trained.then(|| &gradients[self.parameters.span(weight)]))
                .collect();
            let Recipe { optimizer, weight_decay, clip, .. } = self.recipe;
            seen.sound = self.parameters.update(optimizer, weight_decay, clip, &gradients, moment);
        }
        Ok(seen)
    }

    fn gradients(&self, batch: &Batch) -> Result<BTreeMap<String, Values>, TrainError> {
        let criterion = self.criterion(&batch.labels);
        let purpose = Purpose::Gradients { images: false };
        let bench = self
            .look(&self.layers, purpose, &batch.images, |logits| criterion.gradient(logits, 1.0));
        let trained = self.layers.weights.iter().enumerate();
        let trained = trained.filter(|(weight, _)| bench.program.trained[*weight]);
        Ok(trained
            .map(|(place, weight)| {
                let values = bench.gradients[self.parameters.span(place)].to_vec();
                (weight.name.clone(), Values { shape: weight.shape.clone(), values })
            })
            .collect())
    }

    fn image_gradients(&self, images: &[f32]) -> Result<Vec<f32>, TrainError> {
        let layers = Layers::of(&self.network, true);
        let purpose = Purpose::Gradients { images: true };
        let bench = self.look(&layers, purpose, images, |logits| vec![1.0; logits.len()]);
        Ok(bench.gather(bench.program.image_gradient.expect("BUG: the program was made for it")))
    }

    fn codes(&self, images: &[f32]) -> Result<Codes, TrainError> {
        let bench = self.look(&self.layers, Purpose::Rectifiers, images, |_| Vec::new());
        let count = images.len() / self.network.image().len();
        let mut codes = Codes { len: 0, words: vec![Vec::new(); count] };
        bench.program.rectified.iter().for_each(|&map| codes.add(&bench.gather(map)));
        Ok(codes)
    }

    fn evaluate(&self, images: &[f32]) -> Result<Vec<f32>, TrainError> {
        let count = images.len() / self.network.image().len();
        let run = Run { layers: &self.layers, parameters: &self.parameters, images, chance: None };
        let running = self.parameters.running().iter().enumerate();
        let normalisers: Vec<Normaliser> = running
            .map(|(norm, moments)| {
                let [scale, shift] = affine(&run, norm);
                Normaliser::new(moments, scale, shift)
            })
            .collect();
        let context = Context {
            program: &self.evaluation,
            layers: &self.layers,
            images,
            parameters: &self.parameters,
            normalisers: &normalisers,
            weights: &weights(&self.layers, &self.parameters),
            sums: &self.training.sums,
            backs: &[],
            chance: None,
        };
        let chunks = parts(count, 1).into_par_iter().map(|part| {
            let mut chunk = self.spare(part);
            (0..self.evaluation.loss).for_each(|phase| chunk.run(phase, &context));
            chunk
        });
        let chunks: Vec<Chunk> = chunks.collect();
        let logits =
            chunks.iter().flat_map(|chunk| chunk.kept(&self.evaluation, self.evaluation.logits));
        let logits = logits.copied().collect();
        *self.spare.lock().expect("BUG: an evaluation panicked") = chunks;
        Ok(logits)
    }

    fn profile(&mut self) -> Vec<Timing> {
        let Bench { program, chunks, late_times, .. } = &mut self.training;
        let images = chunks.iter().map(|chunk| chunk.timed).sum();
        let mut timings = program.timings(&self.layers, images, |phase, place| {
            let own = |chunk: &Chunk| chunk.times.get(phase).map_or(0, |times| times[place]);
            chunks.iter().map(own).sum()
        });
        for (late, time) in program.late.iter().zip(late_times) {
            timings.push(program.late_timing(&self.layers, images, late, std::mem::take(time)));
        }
        for chunk in chunks {
            chunk.profile(program);
        }
        timings
    }

    fn release(&mut self) {
        let Bench { chunks, normalisers, weights, backs, affine, gradients, .. } =
            &mut self.training;
        *chunks = Vec::new();
        *normalisers = Vec::new();
        *weights = Vec::new();
        *gradients = Memory::default();
        *backs = Vec::new();
        *affine = Vec::new();
        self.spare.lock().expect("BUG: an evaluation panicked").clear();
    }

    fn state(&self) -> Result<State, TrainError> {
        Ok(self.parameters.state())
    }

    fn load(&mut self, state: &State) -> Result<(), TrainError> {
        self.parameters.load(state)
    }
}

impl CpuChild {
    /// A chunk for these images, one of an earlier evaluation where its size fits.
    fn spare(&self, images: std::ops::Range<usize>) -> Chunk {
        let mut spare = self.spare.lock().expect("BUG: an evaluation panicked");
        if let Some(place) = spare.iter().position(|chunk| chunk.images.len() == images.len()) {
            let mut chunk = spare.swap_remove(place);
            chunk.images = images;
            return chunk;
        }
        drop(spare);
        Chunk::new(&self.evaluation, &self.layers, images, 0)
    }
}
