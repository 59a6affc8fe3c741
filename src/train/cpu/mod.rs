//! The engine `cpu-f32-v1`: a network as a program over memory that is laid out before the first step.
//!
//! [`program`] says what is done in which phase, [`place`] where every map lies, [`chunk`] does it; here the phases
//! are run, and what the chunks found between two of them is put together.

mod chunk;
mod place;
mod program;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use self::chunk::{Chunk, Context};
use self::program::{Program, Purpose};
use super::TrainError;
use super::engine::{Batch, Child, Codes, Engine, Moment, Outline, State, Step, Timing, Values};
use super::parameters::Parameters;
use super::plan::{Layers, Work};
use super::recipe::Recipe;
use super::tape::Chance;
use crate::kernel::{CrossEntropy, Moments, Normaliser, Panels, Spread, WayBack, parts};
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
        ("trainer.cpu", 1)
    }

    fn plan(&self, outline: &Outline<'_>) -> Result<Box<dyn Child>, TrainError> {
        Ok(Box::new(CpuChild::new(outline)))
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

/// A program with the memory to run it on a batch.
struct Bench {
    program: Program,
    chunks: Vec<Chunk>,
    normalisers: Vec<Normaliser>,
    panels: Vec<Panels>,
    backs: Vec<WayBack>,
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
        let training = Purpose::Training {
            auxiliary: recipe.auxiliary_weight > 0.0,
            dropout: recipe.dropout,
            drop_path: recipe.drop_path.is_some_and(|kept| kept < 1.0),
        };
        Self {
            parameters: Parameters::new(outline, &layers),
            training: Bench::new(Program::of(network, &layers, training)),
            evaluation: Program::of(network, &layers, Purpose::Evaluation),
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

    /// Loss of a batch; the gradients of the weights are then in the first chunk, unless the loss is not finite.
    #[expect(clippy::cast_possible_truncation, reason = "a weight near 1")]
    fn learn(&mut self, batch: &Batch, step: u64) -> Step {
        let chance = Chance {
            seed: self.seed,
            step,
            steps: self.steps,
            dropout: self.recipe.dropout,
            path_kept: self.recipe.drop_path.unwrap_or(1.0),
        };
        let criterion = self.criterion(&batch.labels);
        let images = &batch.images;
        let chance = Some(chance);
        let run = Run { layers: &self.layers, parameters: &self.parameters, images, chance };
        let bench = &mut self.training;
        let moments = bench.forward(&run, batch.labels.len());
        let program = &bench.program;
        let logits = bench.gather(program.logits);
        let correct = super::predict::count_correct(&logits, &batch.labels);
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
        Step { loss, correct }
    }

    /// Forward and, with the gradient that `start` gives the logits, back, for a look that changes nothing.
    fn look(
        &self,
        layers: &Layers,
        purpose: Purpose,
        images: &[f32],
        start: impl FnOnce(&[f32]) -> Vec<f32>,
    ) -> Bench {
        let mut bench = Bench::new(Program::of(&self.network, layers, purpose));
        let run = Run { layers, parameters: &self.parameters, images, chance: None };
        bench.forward(&run, images.len() / self.network.image().len());
        if !bench.program.seeds.is_empty() {
            let seed = start(&bench.gather(bench.program.logits));
            bench.backward(&run, &[seed]);
        }
        bench
    }
}

impl Bench {
    fn new(program: Program) -> Self {
        Self {
            program,
            chunks: Vec::new(),
            normalisers: Vec::new(),
            panels: Vec::new(),
            backs: Vec::new(),
        }
    }

    /// Everything before the loss; returns the statistics that the batch norms found.
    fn forward(&mut self, run: &Run<'_>, images: usize) -> Vec<Option<Moments>> {
        let norms = run.layers.norms.len();
        if self.chunks.iter().map(|chunk| chunk.images.len()).sum::<usize>() != images {
            let chunk = |part| Chunk::new(&self.program, run.layers, part, run.parameters.len());
            self.chunks = parts(images, 1).into_iter().map(chunk).collect();
        }
        self.chunks.par_iter_mut().for_each(Chunk::clear);
        self.panels = panels(run);
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

    /// Everything behind the loss, from the gradients of the heads' logits.
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
        let back = |work: &Work| match work {
            Work::Conv { conv, weight, .. } => {
                conv.way_back(&run.parameters.values()[run.parameters.span(*weight)])
            }
            _ => WayBack::None,
        };
        self.backs = run.layers.list.par_iter().map(|layer| back(&layer.work)).collect();
        let mut parameters = Vec::new();
        for phase in self.program.loss + 1..self.program.phases.len() {
            self.run_phase(phase, run);
            for &norm in &self.program.phases[phase].sums {
                let mut sums = vec![0.0; 2 * run.layers.norms[norm].channels];
                for chunk in &self.chunks {
                    sums.iter_mut().zip(&chunk.sums[norm]).for_each(|(sum, own)| *sum += own);
                }
                let pixels = self.chunks.iter().map(|chunk| chunk.spreads[norm].pixels()).sum();
                let [scale, _] = affine(run, norm);
                parameters.push((norm, self.normalisers[norm].turn(&sums, scale, pixels)));
            }
        }
        self.reduce();
        for (norm, (dscale, dshift)) in parameters {
            let [scale, shift] = run.layers.affine(norm).map(|weight| run.parameters.span(weight));
            self.chunks[0].gradients[scale].copy_from_slice(&dscale);
            self.chunks[0].gradients[shift].copy_from_slice(&dshift);
        }
    }

    fn run_phase(&mut self, phase: usize, run: &Run<'_>) {
        let Run { layers, parameters, images, chance } = *run;
        let Self { program, chunks, normalisers, panels, backs } = self;
        let context =
            Context { program, layers, images, parameters, normalisers, panels, backs, chance };
        chunks.par_iter_mut().for_each(|chunk| chunk.run(phase, &context));
    }

    /// Adds the gradients of all chunks to those of the first, in their order.
    fn reduce(&mut self) {
        const UNIT: usize = 1 << 14;
        let Some((first, others)) = self.chunks.split_first_mut() else { return };
        first.gradients.par_chunks_mut(UNIT).enumerate().for_each(|(unit, sums)| {
            for other in others.iter() {
                let own = &other.gradients[unit * UNIT..][..sums.len()];
                crate::kernel::pointwise::add(own, sums);
            }
        });
    }

    /// A kept map of all images.
    fn gather(&self, map: program::MapId) -> Vec<f32> {
        let chunks = self.chunks.iter();
        chunks.flat_map(|chunk| chunk.kept(&self.program, map)).copied().collect()
    }
}

/// The weights of each layer that is a convolution, as its passes need them.
fn panels(run: &Run<'_>) -> Vec<Panels> {
    let own = |work: &Work| match work {
        Work::Conv { conv, weight, .. } => {
            conv.panels(&run.parameters.values()[run.parameters.span(*weight)])
        }
        _ => Panels::default(),
    };
    run.layers.list.par_iter().map(|layer| own(&layer.work)).collect()
}

/// Scale and shift of a batch norm.
fn affine<'a>(run: &Run<'a>, norm: usize) -> [&'a [f32]; 2] {
    run.layers.affine(norm).map(|weight| &run.parameters.values()[run.parameters.span(weight)])
}

impl Child for CpuChild {
    fn step(&mut self, batch: &Batch, moment: Moment) -> Result<Step, TrainError> {
        let seen = self.learn(batch, moment.step);
        if seen.loss.is_finite() {
            let Bench { chunks, program, .. } = &self.training;
            let gradients: Vec<Option<&[f32]>> = program
                .trained
                .iter()
                .enumerate()
                .map(|(weight, trained)| {
                    trained.then(|| &chunks[0].gradients[self.parameters.span(weight)])
                })
                .collect();
            let Recipe { optimizer, weight_decay, clip, .. } = self.recipe;
            self.parameters.update(optimizer, weight_decay, clip, &gradients, moment);
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
                let values = bench.chunks[0].gradients[self.parameters.span(place)].to_vec();
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
            panels: &panels(&run),
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
        let Bench { program, chunks, .. } = &mut self.training;
        let timings = program.timings(&self.layers, |phase, place| {
            let own = |chunk: &Chunk| chunk.times.get(phase).map_or(0, |times| times[place]);
            chunks.iter().map(own).sum()
        });
        for chunk in chunks {
            chunk.profile(program);
        }
        timings
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
