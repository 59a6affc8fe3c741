//! Set-selection attention: does a step connect with an earlier one? (Zoph & Le 2017, sec. 3.3)
//!
//! `P(j -> i) = sigmoid(v . tanh(Wprev h_j + Wcurr h_i))`, with `h` the network's output at the two steps.
//! Here is the energy inside the sigmoid; what it is added to belongs to the policy.

use std::ops::Range;

use super::activation::tanh;
use super::machine::{self, Vector, Work};
use super::{Matrix, Products};

/// Attention over weights that its owner keeps.
#[derive(Debug, Clone)]
pub(crate) struct Attention {
    hidden: usize,
    /// `Wprev`, `[hidden, hidden]`.
    previous: Range<usize>,
    /// `Wcurr`, `[hidden, hidden]`.
    current: Range<usize>,
    /// `v`, `[hidden]`.
    vector: Range<usize>,
}

/// `h Wprev` and `h Wcurr` of some outputs, or the gradients of both: rows of `hidden` numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Projections {
    pub(crate) keys: Vec<f32>,
    pub(crate) queries: Vec<f32>,
}

impl Attention {
    /// Attention whose weights begin at `start` of their slice.
    pub(crate) fn new(start: usize, hidden: usize) -> Self {
        let current = start + hidden * hidden;
        let vector = current + hidden * hidden;
        Self {
            hidden,
            previous: start..current,
            current: current..vector,
            vector: vector..vector + hidden,
        }
    }

    /// One past its last weight.
    pub(crate) fn end(&self) -> usize {
        self.vector.end
    }

    /// Name, shape and place of each weight.
    pub(crate) fn parts(&self) -> [(String, [usize; 2], Range<usize>); 3] {
        let square = [self.hidden, self.hidden];
        [
            ("attention.previous".to_owned(), square, self.previous.clone()),
            ("attention.current".to_owned(), square, self.current.clone()),
            ("attention.vector".to_owned(), [1, self.hidden], self.vector.clone()),
        ]
    }

    /// Projects outputs of the network.
    pub(crate) fn project(
        &self,
        weights: &[f32],
        outputs: &[f32],
        products: &mut Products,
    ) -> Projections {
        let mut project = |place: &Range<usize>| {
            let mut projected = vec![0.0; outputs.len()];
            let factor = Matrix::new(&weights[place.clone()], self.hidden);
            products.add(Matrix::new(outputs, self.hidden), factor, &mut projected);
            projected
        };
        Projections { keys: project(&self.previous), queries: project(&self.current) }
    }

    /// `v . tanh(key + query)`.
    pub(crate) fn energy(&self, weights: &[f32], key: &[f32], query: &[f32]) -> f32 {
        let mut energy = 0.0;
        let vector = &weights[self.vector.clone()];
        machine::run(Energy { key, query, vector, sum: &mut energy });
        energy
    }

    /// Adds the gradient of one energy, times `slope`: `v`'s to `gradient`, that of the rows `key` and
    /// `query` of `projections` to the same rows of `slopes`.
    pub(crate) fn backward_energy(
        &self,
        weights: &[f32],
        projections: &Projections,
        (key, query): (usize, usize),
        slope: f32,
        slopes: &mut Projections,
        gradient: &mut [f32],
    ) {
        let row = |row: usize| row * self.hidden..(row + 1) * self.hidden;
        machine::run(EnergySlope {
            key: &projections.keys[row(key)],
            query: &projections.queries[row(query)],
            vector: &weights[self.vector.clone()],
            slope,
            key_slope: &mut slopes.keys[row(key)],
            query_slope: &mut slopes.queries[row(query)],
            vector_slope: &mut gradient[self.vector.clone()],
        });
    }

    /// From the projections to the weights, and to the outputs they were made of.
    pub(crate) fn backward(
        &self,
        weights: &[f32],
        outputs: &[f32],
        slopes: &Projections,
        output_slopes: &mut [f32],
        products: &mut Products,
        gradient: &mut [f32],
    ) {
        let both = [(&self.previous, &slopes.keys), (&self.current, &slopes.queries)];
        let mut turned = Vec::new();
        for (place, slopes) in both {
            let slopes = Matrix::new(slopes, self.hidden);
            let outputs = Matrix::new(outputs, self.hidden).transposed();
            products.add(outputs, slopes, &mut gradient[place.clone()]);
            Matrix::new(&weights[place.clone()], self.hidden).transposed_into(&mut turned);
            products.add(slopes, Matrix::new(&turned, self.hidden), output_slopes);
        }
    }
}

struct Energy<'a> {
    key: &'a [f32],
    query: &'a [f32],
    vector: &'a [f32],
    sum: &'a mut f32,
}

impl Work for Energy<'_> {
    #[expect(clippy::inline_always, reason = "it is compiled for each instruction set")]
    #[inline(always)]
    fn run<V: Vector>(self) {
        for ((key, query), factor) in self.key.iter().zip(self.query).zip(self.vector) {
            *self.sum = factor.mul_add(tanh(key + query), *self.sum);
        }
    }
}

struct EnergySlope<'a> {
    key: &'a [f32],
    query: &'a [f32],
    vector: &'a [f32],
    slope: f32,
    key_slope: &'a mut [f32],
    query_slope: &'a mut [f32],
    vector_slope: &'a mut [f32],
}

impl Work for EnergySlope<'_> {
    #[expect(clippy::inline_always, reason = "it is compiled for each instruction set")]
    #[inline(always)]
    fn run<V: Vector>(self) {
        for i in 0..self.vector.len() {
            let squashed = tanh(self.key[i] + self.query[i]);
            self.vector_slope[i] = self.slope.mul_add(squashed, self.vector_slope[i]);
            let through = self.slope * self.vector[i] * squashed.mul_add(-squashed, 1.0);
            self.key_slope[i] += through;
            self.query_slope[i] += through;
        }
    }
}
