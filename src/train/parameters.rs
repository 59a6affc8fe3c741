//! A network's numbers and what an optimizer remembers of them, the same for every engine on the CPU.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::TrainError;
use super::engine::{Moment, Outline, State, Values};
use super::init;
use super::optimizer::{Optimizer, Weights, clip};
use super::plan::{Layers, Norm, Start, Weight};
use crate::kernel::{Memory, Moments, UNIT};

/// Share of the running statistics that a batch leaves in place.
const MOMENTUM: f32 = 0.9;

/// Weights and running statistics. All weights lie in one piece of memory, each tensor at the beginning of a
/// line of the cache; gradients are laid out alike.
#[derive(Debug)]
pub(super) struct Parameters {
    weights: Vec<Weight>,
    norms: Vec<Norm>,
    spans: Vec<Range<usize>>,
    values: Memory,
    /// What the optimizer averages.
    first: Vec<f32>,
    /// The same of squares; empty where the optimizer has none.
    second: Vec<f32>,
    running: Vec<Moments>,
}

impl Parameters {
    /// As a training begins.
    pub(super) fn new(outline: &Outline<'_>, layers: &Layers) -> Self {
        let (spans, end) = laid_out(&layers.weights);
        let mut values = Memory::new(end);
        for (weight, span) in layers.weights.iter().zip(&spans) {
            let own = &mut values[span.clone()];
            match weight.start {
                Start::Filled(value) => own.fill(value),
                Start::Drawn(from, to) => {
                    let (init, seed) = (outline.recipe.init, &outline.seed);
                    let drawn = init::weights(init, seed, &weight.name, (from, to), own.len());
                    own.copy_from_slice(&drawn);
                }
            }
        }
        let running = layers.norms.iter().map(|norm| Moments {
            mean: vec![0.0; norm.channels],
            variance: vec![1.0; norm.channels],
        });
        let squares = if outline.recipe.optimizer.has_second() { end } else { 0 };
        Self {
            running: running.collect(),
            weights: layers.weights.clone(),
            norms: layers.norms.clone(),
            spans,
            values,
            first: vec![0.0; end],
            second: vec![0.0; squares],
        }
    }

    /// Numbers in the piece of memory that weights, and gradients, lie in.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The same, before there is any, and bytes of everything that [`Parameters::new`] makes.
    pub(super) fn size(layers: &Layers, optimizer: Optimizer) -> (usize, usize) {
        let (_, len) = laid_out(&layers.weights);
        let averages = if optimizer.has_second() { 2 } else { 1 };
        let running: usize = layers.norms.iter().map(|norm| 2 * norm.channels).sum();
        (len, Memory::bytes(len) + size_of::<f32>() * (averages * len + running))
    }

    /// All weights where they lie.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// What the optimizer averages, and the same of squares, laid out alike; the latter may be empty.
    #[cfg(feature = "cuda")]
    pub(super) fn averages(&self) -> [&[f32]; 2] {
        [&self.first, &self.second]
    }

    /// Whether a weight tensor decays.
    #[cfg(feature = "cuda")]
    pub(super) fn decays(&self, weight: usize) -> bool {
        self.weights[weight].decays()
    }

    /// Where a weight tensor lies.
    pub(super) fn span(&self, weight: usize) -> Range<usize> {
        self.spans[weight].clone()
    }

    /// The running statistics of each batch norm.
    pub(super) fn running(&self) -> &[Moments] {
        &self.running
    }

    /// Lets the running statistics of a batch norm follow those of a batch.
    pub(super) fn follow(&mut self, norm: usize, batch: &Moments) {
        let Moments { mean, variance } = &mut self.running[norm];
        for (running, batch) in [(mean, &batch.mean), (variance, &batch.variance)] {
            for (running, batch) in running.iter_mut().zip(batch) {
                *running = MOMENTUM * *running + (1.0 - MOMENTUM) * batch;
            }
        }
    }

    /// An optimizer's step; whether all weights that it changed are finite numbers then. A tensor without gradient
    /// feeds nothing that leads to the logits and stays.
    #[expect(clippy::cast_possible_truncation, reason = "a factor up to 1")]
    pub(super) fn update(
        &mut self,
        optimizer: Optimizer,
        weight_decay: f64,
        longest: Option<f64>,
        gradients: &[Option<&[f32]>],
        moment: Moment,
    ) -> bool {
        let factor = longest.map_or(1.0, |longest| clip(norm(gradients), longest)) as f32;
        let mut units = Vec::new();
        let mut rest =
            (&mut self.values[..], self.first.as_mut_slice(), self.second.as_mut_slice());
        let mut begin = 0;
        for ((span, weight), gradient) in self.spans.iter().zip(&self.weights).zip(gradients) {
            let (_, values) = rest.0.split_at_mut(span.start - begin);
            let (values, tail) = values.split_at_mut(span.len());
            rest.0 = tail;
            let (_, first) = rest.1.split_at_mut(span.start - begin);
            let (first, tail) = first.split_at_mut(span.len());
            rest.1 = tail;
            let mut second: &mut [f32] = &mut [];
            if optimizer.has_second() {
                let (_, own) = rest.2.split_at_mut(span.start - begin);
                let (own, tail) = own.split_at_mut(span.len());
                (second, rest.2) = (own, tail);
            }
            begin = span.end;
            let Some(gradient) = gradient else { continue };
            let decays = weight.decays();
            let mut second = second.chunks_mut(UNIT);
            let parts = values.chunks_mut(UNIT).zip(first.chunks_mut(UNIT));
            units.extend(parts.zip(gradient.chunks(UNIT)).map(|((values, first), gradient)| {
                let decay = if decays { weight_decay } else { 0.0 };
                let second = second.next().unwrap_or_default();
                Weights { values, gradient, factor, first, second, decay }
            }));
        }
        let updated = units.into_par_iter().map(|weights| optimizer.update(weights, moment));
        updated.reduce(|| true, |all, own| all & own)
    }

    /// Everything that the next step depends on.
    pub(super) fn state(&self) -> State {
        self.state_of(&self.values, [&self.first, &self.second])
    }

    /// The same of numbers that lie elsewhere, laid out alike.
    pub(super) fn state_of(&self, own: &[f32], [first, second]: [&[f32]; 2]) -> State {
        let mut state = State::default();
        for (weight, span) in self.weights.iter().zip(&self.spans) {
            let values =
                |values: &[f32]| Values { shape: weight.shape.clone(), values: values.to_vec() };
            state.put(&weight.name, weight.used, values(&own[span.clone()]));
            let first = values(&first[span.clone()]);
            state.training.insert(format!("first.{}", weight.name), first);
            if let Some(second) = second.get(span.clone()) {
                state.training.insert(format!("second.{}", weight.name), values(second));
            }
        }
        for (running, norm) in self.running.iter().zip(&self.norms) {
            let values =
                |values: &[f32]| Values { shape: vec![norm.channels], values: values.to_vec() };
            state.put(&format!("{}.mean", norm.path), norm.used, values(&running.mean));
            state.put(&format!("{}.variance", norm.path), norm.used, values(&running.variance));
        }
        state
    }

    /// Takes over what [`Parameters::state`] returned for an equal network.
    pub(super) fn load(&mut self, state: &State) -> Result<(), TrainError> {
        let expected = self.state();
        fits(&expected.weights, &state.weights)?;
        fits(&expected.training, &state.training)?;
        for (weight, span) in self.weights.iter().zip(&self.spans) {
            let name = &weight.name;
            self.values[span.clone()].copy_from_slice(state.get(name, weight.used));
            let averages = |average: &str| &state.training[&format!("{average}.{name}")].values;
            self.first[span.clone()].copy_from_slice(averages("first"));
            if let Some(second) = self.second.get_mut(span.clone()) {
                second.copy_from_slice(averages("second"));
            }
        }
        for (running, norm) in self.running.iter_mut().zip(&self.norms) {
            running.mean.clone_from(state.get(&format!("{}.mean", norm.path), norm.used));
            running.variance.clone_from(state.get(&format!("{}.variance", norm.path), norm.used));
        }
        Ok(())
    }
}

/// Where weight tensors lie, and where the last one ends.
fn laid_out(weights: &[Weight]) -> (Vec<Range<usize>>, usize) {
    let mut spans = Vec::with_capacity(weights.len());
    let mut end = 0;
    for weight in weights {
        let len = weight.shape.iter().product::<usize>();
        spans.push(end..end + len);
        end = Memory::aligned(end + len);
    }
    (spans, end)
}

/// 2-norm of all numbers together, summed in their order.
pub(super) fn norm(gradients: &[Option<&[f32]>]) -> f64 {
    let numbers = gradients.iter().flatten().flat_map(|gradient| gradient.iter());
    libm::sqrt(numbers.map(|&number| f64::from(number) * f64::from(number)).sum())
}

impl State {
    /// Where the auxiliary head's numbers stand.
    fn auxiliary(name: &str) -> String {
        format!("auxiliary.{name}")
    }

    fn put(&mut self, name: &str, used: bool, values: Values) {
        if used {
            self.weights.insert(name.to_owned(), values);
        } else {
            self.training.insert(Self::auxiliary(name), values);
        }
    }

    fn get(&self, name: &str, used: bool) -> &Vec<f32> {
        let found =
            if used { self.weights.get(name) } else { self.training.get(&Self::auxiliary(name)) };
        &found.expect("BUG: `fits` lets only whole states through").values
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
