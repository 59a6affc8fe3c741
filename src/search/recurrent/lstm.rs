//! The network: embeddings of tokens, one or more layers, and the gradient through all steps.
//!
//! Per layer, with `x` the input, `h` the output and `c` the memory of the step before (Hochreiter &
//! Schmidhuber 1997, with the forget gate of Gers et al. 2000):
//!
//! ```text
//! i, f, o = sigmoid(x Wx + h Wh + b)     g = tanh(x Wx + h Wh + b)
//! c' = f c + i g                         h' = o tanh(c')
//! ```
//!
//! The first layer's `x Wx + b` depends on the token alone: it is computed once for each token of the
//! vocabulary rather than once a step.

use std::ops::Range;

use super::activation::{Backward, Forward};
use super::{Matrix, Packing, Products};

/// Sizes of an LSTM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Different inputs.
    pub(crate) tokens: usize,
    /// Numbers that an input is embedded in.
    pub(crate) embedding: usize,
    /// Units of each layer.
    pub(crate) hidden: usize,
    /// Layers.
    pub(crate) layers: usize,
}

/// Places of a layer's weights.
#[derive(Debug, Clone)]
struct Layer {
    /// `[input, 4 hidden]`.
    input: Range<usize>,
    /// `[hidden, 4 hidden]`.
    recurrent: Range<usize>,
    /// `[4 hidden]`.
    bias: Range<usize>,
}

/// An LSTM over weights that its owner keeps.
#[derive(Debug, Clone)]
pub(crate) struct Lstm {
    shape: Shape,
    /// `[tokens, embedding]`.
    embeddings: Range<usize>,
    layers: Vec<Layer>,
    products: Products,
    /// `x Wx + b` of the first layer for each token.
    sums: Vec<f32>,
    turned: Vec<f32>,
}

/// Outputs and memories of sequences between two steps, layer by layer.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    layers: Vec<State>,
    gates: Vec<f32>,
    squashed: Vec<f32>,
    next: State,
}

#[derive(Debug, Clone)]
struct State {
    output: Vec<f32>,
    memory: Vec<f32>,
}

/// What a pass over whole sequences leaves for the way back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    layers: Vec<LayerTrace>,
}

/// Rows as in the packing.
#[derive(Debug, Clone)]
struct LayerTrace {
    /// Output of the step before; zero at the start.
    entering: Vec<f32>,
    gates: Vec<f32>,
    memory: Vec<f32>,
    squashed: Vec<f32>,
    output: Vec<f32>,
}

impl Lstm {
    /// An LSTM whose weights begin at 0 of their slice.
    pub(crate) fn new(shape: Shape) -> Self {
        let Shape { tokens, embedding, hidden, layers } = shape;
        let mut end = 0;
        let mut take = |count: usize| {
            end += count;
            end - count..end
        };
        let embeddings = take(tokens * embedding);
        let layers = (0..layers).map(|layer| Layer {
            input: take(if layer == 0 { embedding } else { hidden } * 4 * hidden),
            recurrent: take(hidden * 4 * hidden),
            bias: take(4 * hidden),
        });
        let layers = layers.collect();
        Self {
            shape,
            embeddings,
            layers,
            products: Products::default(),
            sums: Vec::new(),
            turned: Vec::new(),
        }
    }

    /// Number of weights.
    pub(crate) fn weights(&self) -> usize {
        self.layers.last().map_or(self.embeddings.end, |layer| layer.bias.end)
    }

    /// Name, shape and place of each weight.
    pub(crate) fn parts(&self) -> Vec<(String, [usize; 2], Range<usize>)> {
        let Shape { tokens, embedding, hidden, .. } = self.shape;
        let mut parts =
            vec![("embeddings".to_owned(), [tokens, embedding], self.embeddings.clone())];
        for (number, layer) in self.layers.iter().enumerate() {
            let name = |what: &str| format!("layers.{number}.{what}");
            let input = layer.input.len() / (4 * hidden);
            parts.push((name("input"), [input, 4 * hidden], layer.input.clone()));
            parts.push((name("recurrent"), [hidden, 4 * hidden], layer.recurrent.clone()));
            parts.push((name("bias"), [1, 4 * hidden], layer.bias.clone()));
        }
        parts
    }

    /// Looks at `weights`: to be called after they have changed, before the next step or pass.
    pub(crate) fn prepare(&mut self, weights: &[f32]) {
        let Shape { tokens, embedding, hidden, .. } = self.shape;
        let layer = &self.layers[0];
        self.sums.clear();
        (0..tokens).for_each(|_| self.sums.extend_from_slice(&weights[layer.bias.clone()]));
        let embeddings = Matrix::new(&weights[self.embeddings.clone()], embedding);
        let input = Matrix::new(&weights[layer.input.clone()], 4 * hidden);
        self.products.add(embeddings, input, &mut self.sums);
    }

    /// The state of `count` sequences before their first step.
    pub(crate) fn begin(&self, count: usize) -> Memory {
        let zeros = vec![0.0; count * self.shape.hidden];
        let state = State { output: zeros.clone(), memory: zeros };
        Memory {
            layers: vec![state.clone(); self.shape.layers],
            gates: Vec::new(),
            squashed: Vec::new(),
            next: state,
        }
    }

    /// Reads one token in each sequence.
    pub(crate) fn step(&mut self, weights: &[f32], tokens: &[usize], memory: &mut Memory) {
        let hidden = self.shape.hidden;
        let numbers = tokens.len() * hidden;
        memory.squashed.resize(numbers, 0.0);
        for number in 0..self.layers.len() {
            let layer = &self.layers[number];
            let gates = &mut memory.gates;
            gates.clear();
            if number == 0 {
                for &token in tokens {
                    gates.extend_from_slice(self.sums_of(token));
                }
            } else {
                for _ in tokens {
                    gates.extend_from_slice(&weights[layer.bias.clone()]);
                }
                let input = Matrix::new(&memory.layers[number - 1].output, hidden);
                let factor = Matrix::new(&weights[layer.input.clone()], 4 * hidden);
                self.products.add(input, factor, gates);
            }
            let state = &mut memory.layers[number];
            let factor = Matrix::new(&weights[layer.recurrent.clone()], 4 * hidden);
            self.products.add(Matrix::new(&state.output, hidden), factor, gates);
            memory.next.output.resize(numbers, 0.0);
            memory.next.memory.resize(numbers, 0.0);
            let step = Forward {
                hidden,
                gates,
                before: Some(&state.memory),
                memory: &mut memory.next.memory,
                squashed: &mut memory.squashed,
                output: &mut memory.next.output,
            };
            step.step();
            std::mem::swap(state, &mut memory.next);
        }
    }

    /// Reads whole sequences: `tokens` has a token for each row of `packing`.
    pub(crate) fn forward(
        &mut self,
        weights: &[f32],
        packing: &Packing,
        tokens: &[usize],
        trace: &mut Trace,
    ) {
        let hidden = self.shape.hidden;
        trace.layers.resize_with(self.layers.len(), LayerTrace::empty);
        for number in 0..self.layers.len() {
            let layer = &self.layers[number];
            let (below, here) = trace.layers.split_at_mut(number);
            let here = &mut here[0];
            here.gates.clear();
            if number == 0 {
                for &token in tokens {
                    here.gates.extend_from_slice(self.sums_of(token));
                }
            } else {
                let bias = &weights[layer.bias.clone()];
                for _ in tokens {
                    here.gates.extend_from_slice(bias);
                }
                let input = Matrix::new(&below[number - 1].output, hidden);
                let factor = Matrix::new(&weights[layer.input.clone()], 4 * hidden);
                self.products.add(input, factor, &mut here.gates);
            }
            let recurrent = Matrix::new(&weights[layer.recurrent.clone()], 4 * hidden);
            here.run(packing, hidden, recurrent, &mut self.products);
        }
    }

    /// Adds the gradient of the weights to `gradient`; `slopes` is that of the last layer's output, and is
    /// used up.
    pub(crate) fn backward(
        &mut self,
        weights: &[f32],
        packing: &Packing,
        tokens: &[usize],
        trace: &Trace,
        slopes: &mut [f32],
        gradient: &mut [f32],
    ) {
        let hidden = self.shape.hidden;
        for number in (0..self.layers.len()).rev() {
            let layer = self.layers[number].clone();
            let here = &trace.layers[number];
            let recurrent = Matrix::new(&weights[layer.recurrent.clone()], 4 * hidden);
            recurrent.transposed_into(&mut self.turned);
            let turned = Matrix::new(&self.turned, hidden);
            let gates = here.run_back(packing, hidden, turned, &mut self.products, slopes);
            let entering = Matrix::new(&here.entering, hidden).transposed();
            let slope = Matrix::new(&gates, 4 * hidden);
            self.products.add(entering, slope, &mut gradient[layer.recurrent.clone()]);
            if number > 0 {
                add_rows(&gates, &mut gradient[layer.bias.clone()]);
                let input = Matrix::new(&trace.layers[number - 1].output, hidden).transposed();
                self.products.add(input, slope, &mut gradient[layer.input.clone()]);
                let factor = Matrix::new(&weights[layer.input.clone()], 4 * hidden);
                factor.transposed_into(&mut self.turned);
                self.products.set(slope, Matrix::new(&self.turned, hidden), slopes);
            } else {
                self.backward_tokens(weights, tokens, &gates, gradient);
            }
        }
    }

    /// From the first layer's gates to its weights and the embeddings, token by token.
    fn backward_tokens(
        &mut self,
        weights: &[f32],
        tokens: &[usize],
        gates: &[f32],
        gradient: &mut [f32],
    ) {
        let Shape { embedding, hidden, .. } = self.shape;
        let layer = &self.layers[0];
        let mut sums = vec![0.0; self.sums.len()];
        for (&token, gates) in tokens.iter().zip(gates.chunks_exact(4 * hidden)) {
            add(gates, &mut sums[token * 4 * hidden..(token + 1) * 4 * hidden]);
        }
        add_rows(&sums, &mut gradient[layer.bias.clone()]);
        let slope = Matrix::new(&sums, 4 * hidden);
        let embeddings = Matrix::new(&weights[self.embeddings.clone()], embedding).transposed();
        self.products.add(embeddings, slope, &mut gradient[layer.input.clone()]);
        let input = Matrix::new(&weights[layer.input.clone()], 4 * hidden);
        input.transposed_into(&mut self.turned);
        let turned = Matrix::new(&self.turned, embedding);
        self.products.add(slope, turned, &mut gradient[self.embeddings.clone()]);
    }

    fn sums_of(&self, token: usize) -> &[f32] {
        let gates = 4 * self.shape.hidden;
        &self.sums[token * gates..(token + 1) * gates]
    }
}

impl Memory {
    /// The last layer's output: a row a sequence.
    pub(crate) fn output(&self) -> &[f32] {
        &self.layers.last().expect("an LSTM has a layer").output
    }

    /// Takes a sequence out; the last one takes its place.
    pub(crate) fn swap_remove(&mut self, sequence: usize, hidden: usize) {
        for state in &mut self.layers {
            for numbers in [&mut state.output, &mut state.memory] {
                let last = numbers.len() - hidden;
                numbers.copy_within(last.., sequence * hidden);
                numbers.truncate(last);
            }
        }
    }
}

impl Trace {
    /// The last layer's output, a row for each row of the packing.
    pub(crate) fn output(&self) -> &[f32] {
        &self.layers.last().expect("an LSTM has a layer").output
    }
}

impl LayerTrace {
    fn empty() -> Self {
        let none = Vec::new;
        Self { entering: none(), gates: none(), memory: none(), squashed: none(), output: none() }
    }

    /// All steps forward; `gates` holds what the inputs add to their sums.
    fn run(
        &mut self,
        packing: &Packing,
        hidden: usize,
        recurrent: Matrix<'_>,
        products: &mut Products,
    ) {
        let numbers = packing.rows() * hidden;
        for buffer in [&mut self.entering, &mut self.memory, &mut self.squashed, &mut self.output] {
            buffer.resize(numbers, 0.0);
        }
        for step in 0..packing.steps() {
            let rows = packing.step(step);
            let numbers = rows.start * hidden..rows.end * hidden;
            let gates = &mut self.gates[4 * numbers.start..4 * numbers.end];
            let (memory_before, memory) = self.memory.split_at_mut(numbers.start);
            let before = (step > 0).then(|| packing.step(step - 1).start * hidden);
            let entering = &mut self.entering[numbers.clone()];
            match before {
                None => entering.fill(0.0),
                Some(before) => {
                    entering.copy_from_slice(&self.output[before..before + numbers.len()]);
                    products.add(Matrix::new(entering, hidden), recurrent, gates);
                }
            }
            let forward = Forward {
                hidden,
                gates,
                before: before.map(|before| &memory_before[before..]),
                memory: &mut memory[..numbers.len()],
                squashed: &mut self.squashed[numbers.clone()],
                output: &mut self.output[numbers],
            };
            forward.step();
        }
    }

    /// All steps backward: the gradient of the gates' sums, from that of the outputs.
    fn run_back(
        &self,
        packing: &Packing,
        hidden: usize,
        turned: Matrix<'_>,
        products: &mut Products,
        slopes: &mut [f32],
    ) -> Vec<f32> {
        let mut gates_slope = vec![0.0; self.gates.len()];
        let mut memory_slope = vec![0.0; packing.step(0).len() * hidden];
        let mut carried = vec![0.0; memory_slope.len()];
        for step in (0..packing.steps()).rev() {
            let rows = packing.step(step);
            let numbers = rows.start * hidden..rows.end * hidden;
            let gates = 4 * numbers.start..4 * numbers.end;
            let before = (step > 0).then(|| packing.step(step - 1).start * hidden);
            let backward = Backward {
                hidden,
                gates: &self.gates[gates.clone()],
                before: before.map(|before| &self.memory[before..before + numbers.len()]),
                squashed: &self.squashed[numbers.clone()],
                output_slope: &slopes[numbers.clone()],
                memory_slope: &mut memory_slope[..numbers.len()],
                gates_slope: &mut gates_slope[gates.clone()],
            };
            backward.step();
            if let Some(before) = before {
                let carried = &mut carried[..numbers.len()];
                products.set(Matrix::new(&gates_slope[gates], 4 * hidden), turned, carried);
                add(carried, &mut slopes[before..before + numbers.len()]);
            }
        }
        gates_slope
    }
}

/// Adds `numbers` to `sums`.
fn add(numbers: &[f32], sums: &mut [f32]) {
    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
}

/// Adds all rows of `numbers` to `sums`, which is as long as one.
fn add_rows(numbers: &[f32], sums: &mut [f32]) {
    numbers.chunks_exact(sums.len()).for_each(|row| add(row, sums));
}

#[cfg(test)]
mod tests;
