//! The gradient of a dense layer of many weights, found at the end of a step.

use super::super::chunks::UNIT;
use super::super::pointwise;
use super::super::product::{Left, Panels, Product, Start};
use super::Conv;

/// The gradient of a dense layer's weights from all vectors of a batch at once, with the bits of sums that the parts of
/// the batch have made each for itself: of many weights these are larger than all maps.
#[derive(Debug)]
pub(crate) struct DenseGradient<'a> {
    /// Vectors that went into the layer, and gradients of those that came out.
    parts: Vec<(&'a [f32], Panels)>,
    inputs: usize,
    units: usize,
}

impl<'a> DenseGradient<'a> {
    /// Of the layer `dense`, from what went in and the gradient of what came out, by part of the batch.
    pub(crate) fn new(dense: &Conv, parts: impl Iterator<Item = (&'a [f32], &'a [f32])>) -> Self {
        let (inputs, units) = (dense.slide.input.channels, dense.slide.output.channels);
        let parts = parts.filter(|(xs, _)| !xs.is_empty());
        let parts = parts.map(|(xs, gradient)| (xs, Panels::of(gradient, units))).collect();
        Self { parts, inputs, units }
    }

    /// Numbers of the gradient that are found together.
    pub(crate) fn block(&self) -> usize {
        self.units * (UNIT / self.units).max(1)
    }

    /// Overwrites the `number`-th block; `buffer` is whatever it is.
    pub(crate) fn write(&self, number: usize, dw: &mut [f32], buffer: &mut Vec<f32>) {
        let (first, rows) = (number * self.block() / self.units, dw.len() / self.units);
        buffer.resize(dw.len(), 0.0);
        dw.fill(0.0);
        for (xs, gradient) in &self.parts {
            let left = Left {
                values: &xs[first..],
                rows,
                run: xs.len() / self.inputs,
                ..Left::transposed(xs, self.inputs)
            };
            let (right, start) = (gradient.right(), Start::Zero);
            Product { left, right, columns: self.units, start, relu: false }.write(buffer);
            pointwise::add(buffer, dw);
        }
    }
}
