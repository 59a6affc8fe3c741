//! Independent softmaxes: a logit for each state and action, nothing shared (the controller of
//! NATS-Bench, `reinforce.py`).
//!
//! States that share a row of the process share a softmax, as they share values in a Q-table. On a space
//! whose decisions depend on nothing that is one softmax a decision.

use std::fmt::Write as _;

use super::{Categorical, Decision, Drawn, Part, Policy};
use crate::seed::Stream;
use crate::space::{Genotype, Process, StateId};

/// Standard deviation of the first logits: almost uniform.
const SPREAD: f64 = 1e-3;

/// A logit for each pair of row and slot.
#[derive(Debug, Clone)]
pub(in crate::search) struct Softmax {
    logits: Vec<f32>,
}

impl Softmax {
    /// Normal logits of deviation 0.001, drawn from `stream`.
    #[expect(clippy::cast_possible_truncation, reason = "f32 is what weights are made of")]
    pub(in crate::search) fn new(process: &Process, stream: &mut Stream) -> Self {
        let logits = (0..process.pairs()).map(|_| (SPREAD * stream.normal()) as f32);
        Self { logits: logits.collect() }
    }

    fn logits(&self, process: &Process, state: StateId) -> impl Iterator<Item = f64> + '_ {
        self.logits[process.values(process.row(state))].iter().map(|&logit| f64::from(logit))
    }
}

impl Policy for Softmax {
    fn weights(&self) -> &[f32] {
        &self.logits
    }

    fn set_weights(&mut self, weights: Vec<f32>) {
        self.logits = weights;
    }

    fn parts(&self, process: &Process) -> Vec<Part> {
        let pairs = process.pairs();
        vec![Part { name: "logits".to_owned(), shape: [1, pairs], place: 0..pairs }]
    }

    fn draw(&mut self, process: &Process, count: usize, stream: &mut Stream) -> Vec<Drawn> {
        let mut choice = Categorical::default();
        let mut walk = || {
            let (mut genotype, mut log_probability) = (Genotype::default(), 0.0);
            process.episode(&mut genotype, |state| {
                choice.set(self.logits(process, state));
                let slot = choice.draw(stream);
                log_probability += choice.log_probability(slot);
                slot
            });
            Drawn { genotype, log_probability }
        };
        (0..count).map(|_| walk()).collect()
    }

    fn look(&mut self, process: &Process, walks: &[&Genotype], look: &mut dyn FnMut(Decision)) {
        let mut choice = Categorical::default();
        for (walk, genotype) in walks.iter().enumerate() {
            for (step, (state, slot, _)) in process.walk(genotype).enumerate() {
                choice.set(self.logits(process, state));
                let log_probability = choice.log_probability(usize::from(slot));
                look(Decision { walk, step, log_probability });
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "f32 is what weights are made of")]
    fn gradient(
        &mut self,
        process: &Process,
        walks: &[&Genotype],
        entropy_weight: f64,
        score: &mut dyn FnMut(Decision) -> f64,
        gradient: &mut [f32],
    ) {
        let mut choice = Categorical::default();
        for (walk, genotype) in walks.iter().enumerate() {
            for (step, (state, slot, _)) in process.walk(genotype).enumerate() {
                choice.set(self.logits(process, state));
                let log_probability = choice.log_probability(usize::from(slot));
                let score = score(Decision { walk, step, log_probability });
                let slopes = choice.slopes(usize::from(slot), score, entropy_weight);
                let sums = &mut gradient[process.values(process.row(state))];
                sums.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope as f32);
            }
        }
    }

    fn likeliest(&self, process: &Process) -> (Genotype, Vec<Categorical>) {
        let (mut genotype, mut choices) = (Genotype::default(), Vec::new());
        process.episode(&mut genotype, |state| {
            let choice = Categorical::new(self.logits(process, state));
            let slot = choice.likeliest();
            choices.push(choice);
            slot
        });
        (genotype, choices)
    }

    fn table(&self, process: &Process) -> String {
        let mut text = "state,action,probability\n".to_owned();
        for row in process.rows() {
            let logits = self.logits[process.values(row)].iter().map(|&logit| f64::from(logit));
            let choice = Categorical::new(logits);
            for (action, probability) in process.row_actions(row).iter().zip(choice.probabilities())
            {
                let (state, action) = (process.row_name(row), process.token_name(action.token));
                writeln!(text, "\"{state}\",\"{action}\",{probability}")
                    .expect("writing to a string");
            }
        }
        text
    }
}
