//! The recurrent policy of Zoph & Le (2017, arXiv:1611.01578, sec. 3.1): an LSTM reads the token of the
//! decision before and a softmax over the legal actions makes the next.
//!
//! The logit of an action is `h · w[token] + b[row, action]`. The paper has a softmax classifier of its own
//! for each decision of a fixed sequence. Here actions that mean the same (one token) share the weights
//! `w`, wherever they are offered, and each row of the process (what a Q-table takes for one state) has
//! biases of its own. So the policy works on every process, also where walks differ in length and
//! the legal actions in number; decisions of one type share what they learn as in ENAS; and the biases
//! alone already are [`super::Softmax`].
//!
//! A decision about an earlier step (an anchor: whether to read an earlier layer) also sees that step: the
//! paper's `v . tanh(Wprev h_j + Wcurr h_i)` is added to the logit of its last action, so that with two
//! actions their softmax is the paper's sigmoid, over the terms that every decision has.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;

use super::super::recurrent::{
    Attention, Lstm, Matrix, Memory, Packing, Products, Projections, Shape, Trace,
};
use super::{Categorical, Decision, Drawn, Part, Policy, Squash};
use crate::seed::Stream;
use crate::space::{Genotype, Process, StateId};

/// Sizes of the network.
#[derive(Debug, Clone, Copy)]
pub(in crate::search) struct Sizes {
    pub(in crate::search) layers: usize,
    pub(in crate::search) hidden: usize,
    pub(in crate::search) embedding: usize,
}

/// How the network begins: weights uniform in `-range..range`, biases of actions 0, from `stream`.
#[derive(Debug)]
pub(in crate::search) struct Start<'a> {
    pub(in crate::search) range: f64,
    pub(in crate::search) stream: &'a mut Stream,
}

/// An LSTM over a process.
#[derive(Debug, Clone)]
pub(in crate::search) struct Recurrent {
    hidden: usize,
    /// Number of tokens of the process, and the token before the first decision.
    tokens: usize,
    squash: Squash,
    lstm: Lstm,
    weights: Vec<f32>,
    /// `[hidden, tokens]`.
    head: Range<usize>,
    /// A number for each pair of row and slot.
    biases: Range<usize>,
    /// Where the process has anchors.
    attention: Option<Attention>,
    products: Products,
    trace: Trace,
}

/// Walks laid out for a pass: what happens at each row of the packing.
struct Batch {
    packing: Packing,
    /// The token read.
    tokens: Vec<usize>,
    /// The state where a decision is made, and the slot taken.
    decisions: Vec<(StateId, u16)>,
    /// Row of a decision about an earlier step, row of that step, and the token that gains by it.
    anchors: Vec<Anchor>,
    projections: Projections,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    row: usize,
    earlier: usize,
    token: usize,
}

/// Sequences that are being read, row by row.
struct Reading {
    memory: Memory,
    /// The attention's keys of all steps so far.
    keys: Vec<Vec<f32>>,
}

impl Reading {
    fn swap_remove(&mut self, row: usize, hidden: usize) {
        self.memory.swap_remove(row, hidden);
        self.keys.swap_remove(row);
    }
}

/// The token that an anchor's energy is added to: that of the last action.
fn gaining(process: &Process, state: StateId) -> usize {
    process.actions(state).last().map_or(0, |action| usize::from(action.token.0))
}

/// Whether any decision is about an earlier step.
fn has_anchors(process: &Process) -> bool {
    let mut states = vec![process.start()];
    let mut seen = HashSet::from([process.start()]);
    while let Some(state) = states.pop() {
        if process.anchor(state).is_some() {
            return true;
        }
        let next = process.actions(state).iter().map(|action| action.next);
        states.extend(next.filter(|state| seen.insert(*state)));
    }
    false
}

impl Recurrent {
    pub(in crate::search) fn new(
        process: &Process,
        sizes: Sizes,
        squash: Squash,
        start: &mut Start<'_>,
    ) -> Self {
        let Sizes { layers, hidden, embedding } = sizes;
        let tokens = process.tokens();
        let lstm = Lstm::new(Shape { tokens: tokens + 1, embedding, hidden, layers });
        let head = lstm.weights()..lstm.weights() + hidden * tokens;
        let attention = has_anchors(process).then(|| Attention::new(head.end, hidden));
        let drawn = attention.as_ref().map_or(head.end, Attention::end);
        let biases = drawn..drawn + process.pairs();
        #[expect(clippy::cast_possible_truncation, reason = "f32 is what weights are made of")]
        let uniform = |_| start.stream.range(-start.range, start.range) as f32;
        let mut weights: Vec<f32> = (0..drawn).map(uniform).collect();
        weights.resize(biases.end, 0.0);
        let mut policy = Self {
            hidden,
            tokens,
            squash,
            lstm,
            weights,
            head,
            biases,
            attention,
            products: Products::default(),
            trace: Trace::default(),
        };
        policy.lstm.prepare(&policy.weights);
        policy
    }

    /// Raw logits of a state's legal actions, from those of all tokens.
    fn raw<'a>(
        &'a self,
        process: &'a Process,
        state: StateId,
        logits: &'a [f32],
    ) -> impl Iterator<Item = f32> + 'a {
        let biases = &self.weights[self.biases.clone()][process.values(process.row(state))];
        let actions = process.actions(state).iter().zip(biases);
        actions.map(|(action, bias)| logits[usize::from(action.token.0)] + bias)
    }

    /// Raw logits of all tokens for each output of the network.
    fn logits(&mut self, outputs: &[f32], logits: &mut Vec<f32>) {
        logits.resize(outputs.len() / self.hidden * self.tokens, 0.0);
        let head = Matrix::new(&self.weights[self.head.clone()], self.tokens);
        self.products.set(Matrix::new(outputs, self.hidden), head, logits);
    }

    /// One decision in each sequence: reads `tokens`, then asks `choose` row by row.
    fn step(
        &mut self,
        process: &Process,
        tokens: &[usize],
        states: &[StateId],
        reading: &mut Reading,
        mut choose: impl FnMut(&Categorical) -> usize,
    ) -> Vec<usize> {
        self.lstm.step(&self.weights, tokens, &mut reading.memory);
        let mut logits = Vec::new();
        self.logits(reading.memory.output(), &mut logits);
        self.attend(process, states, reading, &mut logits);
        let mut choice = Categorical::default();
        let rows = states.iter().zip(logits.chunks_exact(self.tokens));
        let slot = |(&state, logits)| {
            choice.set(self.raw(process, state, logits).map(|raw| self.squash.apply(raw)));
            choose(&choice)
        };
        rows.map(slot).collect()
    }

    /// Adds what anchors see to the logits of their decisions.
    fn attend(
        &mut self,
        process: &Process,
        states: &[StateId],
        reading: &mut Reading,
        logits: &mut [f32],
    ) {
        let Some(attention) = &self.attention else { return };
        let outputs = reading.memory.output();
        let projections = attention.project(&self.weights, outputs, &mut self.products);
        let rows = projections.keys.chunks_exact(self.hidden);
        let rows = rows.zip(projections.queries.chunks_exact(self.hidden)).enumerate();
        for (row, (key, query)) in rows {
            let keys = &mut reading.keys[row];
            keys.extend_from_slice(key);
            if let Some(step) = process.anchor(states[row]) {
                let earlier = &keys[step * self.hidden..(step + 1) * self.hidden];
                let energy = attention.energy(&self.weights, earlier, query);
                logits[row * self.tokens + gaining(process, states[row])] += energy;
            }
        }
    }

    /// `count` sequences before their first step.
    fn begin(&self, count: usize) -> Reading {
        Reading { memory: self.lstm.begin(count), keys: vec![Vec::new(); count] }
    }

    /// Walks laid out, and the network's pass over them.
    fn forward(&mut self, process: &Process, walks: &[&Genotype], logits: &mut Vec<f32>) -> Batch {
        let mut batch = Batch::new(process, walks, self.tokens);
        let mut trace = std::mem::take(&mut self.trace);
        self.lstm.forward(&self.weights, &batch.packing, &batch.tokens, &mut trace);
        self.logits(trace.output(), logits);
        if let Some(attention) = &self.attention {
            let outputs = trace.output();
            batch.projections = attention.project(&self.weights, outputs, &mut self.products);
            for anchor in &batch.anchors {
                let number = |row: usize| row * self.hidden..(row + 1) * self.hidden;
                let key = &batch.projections.keys[number(anchor.earlier)];
                let query = &batch.projections.queries[number(anchor.row)];
                logits[anchor.row * self.tokens + anchor.token] +=
                    attention.energy(&self.weights, key, query);
            }
        }
        self.trace = trace;
        batch
    }
}

impl Recurrent {
    /// From the logits of anchors' decisions to the attention's weights and the network's outputs.
    fn backward_anchors(
        &mut self,
        batch: &Batch,
        token_slopes: &[f32],
        output_slopes: &mut [f32],
        gradient: &mut [f32],
    ) {
        let Self { attention: Some(attention), weights, trace, products, .. } = self else {
            return;
        };
        let zeros = vec![0.0; output_slopes.len()];
        let mut slopes = Projections { keys: zeros.clone(), queries: zeros };
        for anchor in &batch.anchors {
            let slope = token_slopes[anchor.row * self.tokens + anchor.token];
            let rows = (anchor.earlier, anchor.row);
            let projections = &batch.projections;
            attention.backward_energy(weights, projections, rows, slope, &mut slopes, gradient);
        }
        let outputs = trace.output();
        attention.backward(weights, outputs, &slopes, output_slopes, products, gradient);
    }
}

impl Batch {
    fn new(process: &Process, walks: &[&Genotype], start: usize) -> Self {
        let lengths: Vec<usize> = walks.iter().map(|walk| walk.0.len()).collect();
        let packing = Packing::new(&lengths);
        let mut tokens = Vec::with_capacity(packing.rows());
        let mut decisions = Vec::with_capacity(packing.rows());
        let mut anchors = Vec::new();
        let mut places = vec![(process.start(), start); walks.len()];
        for step in 0..packing.steps() {
            for (place, &walk) in packing.running(step).iter().enumerate() {
                let (state, token) = places[walk];
                if let Some(earlier) = process.anchor(state) {
                    // A sequence has the same place among those that run at every step.
                    let earlier = packing.step(earlier).start + place;
                    let (row, token) = (tokens.len(), gaining(process, state));
                    anchors.push(Anchor { row, earlier, token });
                }
                let slot = walks[walk].0[step];
                let action = process.actions(state)[usize::from(slot)];
                tokens.push(token);
                decisions.push((state, slot));
                places[walk] = (action.next, usize::from(action.token.0));
            }
        }
        Self { packing, tokens, decisions, anchors, projections: Projections::default() }
    }

    /// Walk and step of each row.
    fn rows(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.packing.steps())
            .flat_map(|step| self.packing.running(step).iter().map(move |&walk| (walk, step)))
    }
}

impl Policy for Recurrent {
    fn weights(&self) -> &[f32] {
        &self.weights
    }

    fn set_weights(&mut self, weights: Vec<f32>) {
        self.weights = weights;
        self.lstm.prepare(&self.weights);
    }

    fn parts(&self, process: &Process) -> Vec<Part> {
        let part = |(name, shape, place)| Part { name, shape, place };
        let attention = self.attention.iter().flat_map(Attention::parts);
        let mut parts: Vec<Part> =
            self.lstm.parts().into_iter().chain(attention).map(part).collect();
        let own = [
            ("head", [self.hidden, self.tokens], self.head.clone()),
            ("biases", [1, process.pairs()], self.biases.clone()),
        ];
        parts.extend(own.map(|(name, shape, place)| part((name.to_owned(), shape, place))));
        parts
    }

    /// All walks side by side, so that the network reads a token of each in one product.
    fn draw(&mut self, process: &Process, count: usize, stream: &mut Stream) -> Vec<Drawn> {
        let start = Drawn { genotype: Genotype::default(), log_probability: 0.0 };
        let mut drawn = vec![start; count];
        let mut reading = self.begin(count);
        let (mut running, mut tokens): (Vec<usize>, _) =
            ((0..count).collect(), vec![self.tokens; count]);
        let mut states = vec![process.start(); count];
        loop {
            for place in (0..running.len()).rev() {
                if process.actions(states[place]).is_empty() {
                    running.swap_remove(place);
                    tokens.swap_remove(place);
                    states.swap_remove(place);
                    reading.swap_remove(place, self.hidden);
                }
            }
            if running.is_empty() {
                return drawn;
            }
            let mut logs = Vec::with_capacity(running.len());
            let slots = self.step(process, &tokens, &states, &mut reading, |choice| {
                let slot = choice.draw(stream);
                logs.push(choice.log_probability(slot));
                slot
            });
            for (place, (slot, log)) in slots.into_iter().zip(logs).enumerate() {
                let action = process.actions(states[place])[slot];
                let slot = u16::try_from(slot).expect("a token for each slot fits 16 bits");
                let walk = &mut drawn[running[place]];
                walk.genotype.0.push(slot);
                walk.log_probability += log;
                tokens[place] = usize::from(action.token.0);
                states[place] = action.next;
            }
        }
    }

    fn look(&mut self, process: &Process, walks: &[&Genotype], look: &mut dyn FnMut(Decision)) {
        let mut logits = Vec::new();
        let batch = self.forward(process, walks, &mut logits);
        let mut choice = Categorical::default();
        let rows = batch.rows().zip(&batch.decisions).zip(logits.chunks_exact(self.tokens));
        for (((walk, step), &(state, slot)), logits) in rows {
            choice.set(self.raw(process, state, logits).map(|raw| self.squash.apply(raw)));
            let log_probability = choice.log_probability(usize::from(slot));
            look(Decision { walk, step, log_probability });
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
        let mut logits = Vec::new();
        let batch = self.forward(process, walks, &mut logits);
        if batch.packing.rows() == 0 {
            return;
        }
        let mut slopes = vec![0.0_f32; logits.len()];
        let mut choice = Categorical::default();
        let numbers = logits.chunks_exact(self.tokens).zip(slopes.chunks_exact_mut(self.tokens));
        let rows = batch.rows().zip(&batch.decisions).zip(numbers);
        for (((walk, step), &(state, slot)), (logits, slopes)) in rows {
            choice.set(self.raw(process, state, logits).map(|raw| self.squash.apply(raw)));
            let log_probability = choice.log_probability(usize::from(slot));
            let score = score(Decision { walk, step, log_probability });
            let actions = process.actions(state).iter().zip(self.raw(process, state, logits));
            let biases = &mut gradient[self.biases.clone()][process.values(process.row(state))];
            let up = choice.slopes(usize::from(slot), score, entropy_weight);
            for (((action, raw), bias), up) in actions.zip(biases).zip(up) {
                let up = (up * self.squash.slope(raw)) as f32;
                slopes[usize::from(action.token.0)] += up;
                *bias += up;
            }
        }
        let token_slopes = slopes;
        let slopes = Matrix::new(&token_slopes, self.tokens);
        let outputs = Matrix::new(self.trace.output(), self.hidden).transposed();
        self.products.add(outputs, slopes, &mut gradient[self.head.clone()]);
        let mut turned = Vec::new();
        Matrix::new(&self.weights[self.head.clone()], self.tokens).transposed_into(&mut turned);
        let mut down = vec![0.0; self.trace.output().len()];
        self.products.set(slopes, Matrix::new(&turned, self.hidden), &mut down);
        self.backward_anchors(&batch, &token_slopes, &mut down, gradient);
        let Self { lstm, weights, trace, .. } = self;
        lstm.backward(weights, &batch.packing, &batch.tokens, trace, &mut down, gradient);
    }

    fn likeliest(&self, process: &Process) -> (Genotype, Vec<Categorical>) {
        // A pass needs scratch memory: this one is rare and takes its own.
        let mut policy = self.clone();
        let (mut genotype, mut choices) = (Genotype::default(), Vec::new());
        let mut reading = policy.begin(1);
        let mut token = policy.tokens;
        let mut state = process.start();
        while !process.actions(state).is_empty() {
            let slots = policy.step(process, &[token], &[state], &mut reading, |choice| {
                choices.push(choice.clone());
                choice.likeliest()
            });
            let action = process.actions(state)[slots[0]];
            genotype.0.push(u16::try_from(slots[0]).expect("a token for each slot fits 16 bits"));
            (state, token) = (action.next, usize::from(action.token.0));
        }
        (genotype, choices)
    }

    /// Probabilities depend on all decisions before: those along the likeliest walk.
    fn table(&self, process: &Process) -> String {
        let (genotype, choices) = self.likeliest(process);
        let mut text = "step,state,action,probability,taken\n".to_owned();
        for (step, ((state, slot, _), choice)) in process.walk(&genotype).zip(choices).enumerate() {
            let actions = process.actions(state).iter().zip(choice.probabilities()).enumerate();
            for (action_slot, (action, probability)) in actions {
                let name = process.row_name(process.row(state));
                let action = process.token_name(action.token);
                let taken = action_slot == usize::from(slot);
                writeln!(text, "{step},\"{name}\",\"{action}\",{probability},{taken}")
                    .expect("writing to a string");
            }
        }
        text
    }
}
