//! Policies: probability distributions over walks that can be drawn from and moved uphill.
//!
//! A policy knows the space's process and its own weights. What a good move is (REINFORCE, PPO) is decided
//! by its owner, who is asked for a factor at every decision.

mod recurrent;
mod softmax;

pub(super) use recurrent::{Recurrent, Sizes, Start};
pub(super) use softmax::Softmax;

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Categorical;
use crate::seed::Stream;
use crate::space::{Genotype, Process};

/// A decision of a walk, as the owner of a policy is asked about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decision {
    /// Which of the walks.
    pub(super) walk: usize,
    /// Which of its decisions.
    pub(super) step: usize,
    /// Logarithm of the probability of what was decided, under the policy as it is.
    pub(super) log_probability: f64,
}

/// A walk that was drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Drawn {
    pub(super) genotype: Genotype,
    /// Logarithm of its probability, over all its decisions.
    pub(super) log_probability: f64,
}

/// A named part of a policy's weights: `[rows, columns]`.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) shape: [usize; 2],
    pub(super) place: Range<usize>,
}

/// A probability distribution over the walks of a process.
pub(super) trait Policy: fmt::Debug {
    /// All weights.
    fn weights(&self) -> &[f32];

    /// Replaces all weights; there are as many as before.
    fn set_weights(&mut self, weights: Vec<f32>);

    /// What the weights are.
    fn parts(&self, process: &Process) -> Vec<Part>;

    /// Draws `count` walks.
    fn draw(&mut self, process: &Process, count: usize, stream: &mut Stream) -> Vec<Drawn>;

    /// Shows every decision of `walks` to `look`.
    fn look(&mut self, process: &Process, walks: &[&Genotype], look: &mut dyn FnMut(Decision));

    /// Adds to `gradient`, for every decision of `walks`, that of
    /// `score(decision) · log p + entropy_weight · entropy` with respect to the weights.
    fn gradient(
        &mut self,
        process: &Process,
        walks: &[&Genotype],
        entropy_weight: f64,
        score: &mut dyn FnMut(Decision) -> f64,
        gradient: &mut [f32],
    );

    /// The walk that takes the likeliest action at every state, with the probabilities on its way.
    fn likeliest(&self, process: &Process) -> (Genotype, Vec<Categorical>);

    /// The probabilities that the policy has by now, as a table for people.
    fn table(&self, process: &Process) -> String;
}

/// What becomes of a raw logit: `bound · tanh(raw / temperature)`, or without a bound `raw / temperature`
/// (ENAS keeps its controller undecided with both; Bello et al. 2017).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Squash {
    /// Positive.
    pub(super) temperature: f64,
    /// Largest logit, when there is one.
    pub(super) bound: Option<f64>,
}

/// Logits are no larger, so that differences of them are finite at the lowest temperature.
const LARGEST: f64 = 1e300;

impl Squash {
    fn apply(&self, raw: f32) -> f64 {
        let cooled = (f64::from(raw) / self.temperature).clamp(-LARGEST, LARGEST);
        self.bound.map_or(cooled, |bound| bound * libm::tanh(cooled))
    }

    /// How fast the logit grows with the raw one.
    fn slope(&self, raw: f32) -> f64 {
        let cooled = f64::from(raw) / self.temperature;
        let bent = self.bound.map_or(1.0, |bound| {
            let tanh = libm::tanh(cooled);
            bound * (1.0 - tanh * tanh)
        });
        bent / self.temperature
    }
}

#[cfg(test)]
mod tests;
