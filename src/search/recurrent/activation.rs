//! The cell of an LSTM, number by number: gates, memory, output, and the way back.
//!
//! `tanh` is a ratio of polynomials (the coefficients are Eigen's), so that it is made of the four
//! operations that are the same everywhere and that the compiler turns into vectors; a library's `tanhf` is
//! neither. `sigmoid(x) = (1 + tanh(x/2)) / 2`.

use super::machine::{self, Vector, Work};

/// Beyond it `tanh` is 1 in f32.
const SATURATED: f32 = 7.905_311;
const ODD: [f32; 7] = [
    -2.760_768_5e-16,
    2.000_188e-13,
    -8.604_672e-11,
    5.122_297e-8,
    1.485_722_4e-5,
    6.372_619_3e-4,
    4.893_525e-3,
];
const EVEN: [f32; 4] = [1.198_258_4e-6, 1.185_347e-4, 2.268_434_6e-3, 4.893_525e-3];

/// Hyperbolic tangent, to 4e-7; NaN stays NaN.
#[expect(clippy::inline_always, reason = "it is compiled for each instruction set")]
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let x = if x > SATURATED { SATURATED } else { x };
    let x = if x < -SATURATED { -SATURATED } else { x };
    let square = x * x;
    let polynomial = |coefficients: &[f32]| {
        coefficients.iter().fold(0.0, |sum: f32, coefficient| sum.mul_add(square, *coefficient))
    };
    x * polynomial(&ODD) / polynomial(&EVEN)
}

#[expect(clippy::inline_always, reason = "it is compiled for each instruction set")]
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    tanh(0.5 * x).mul_add(0.5, 0.5)
}

/// One step forward of the sequences that are running. Rows have `hidden` numbers; those of `gates` four
/// times as many: input, forget, candidate, output.
#[derive(Debug)]
pub(super) struct Forward<'a> {
    pub(super) hidden: usize,
    /// Sums of the gates; replaced by what the gates make of them.
    pub(super) gates: &'a mut [f32],
    /// Memory that the step begins with; none at a sequence's start.
    pub(super) before: Option<&'a [f32]>,
    /// Memory after the step.
    pub(super) memory: &'a mut [f32],
    /// Its `tanh`.
    pub(super) squashed: &'a mut [f32],
    /// What the cell puts out.
    pub(super) output: &'a mut [f32],
}

impl Forward<'_> {
    /// Takes the step.
    pub(super) fn step(self) {
        machine::run(self);
    }
}

impl Work for Forward<'_> {
    #[expect(clippy::inline_always, reason = "it is compiled for each instruction set")]
    #[inline(always)]
    fn run<V: Vector>(self) {
        let hidden = self.hidden;
        for (row, gates) in self.gates.chunks_exact_mut(4 * hidden).enumerate() {
            let numbers = row * hidden..(row + 1) * hidden;
            let (sigmoids, rest) = gates.split_at_mut(2 * hidden);
            let (candidate, out) = rest.split_at_mut(hidden);
            for x in &mut *sigmoids {
                *x = sigmoid(*x);
            }
            for x in &mut *candidate {
                *x = tanh(*x);
            }
            for x in &mut *out {
                *x = sigmoid(*x);
            }
            let (input, forget) = sigmoids.split_at(hidden);
            let memory = &mut self.memory[numbers.clone()];
            for ((memory, input), candidate) in memory.iter_mut().zip(input).zip(&*candidate) {
                *memory = input * candidate;
            }
            if let Some(before) = self.before {
                let kept = forget.iter().zip(&before[numbers.clone()]);
                for (memory, (forget, before)) in memory.iter_mut().zip(kept) {
                    *memory = forget.mul_add(*before, *memory);
                }
            }
            let squashed = &mut self.squashed[numbers.clone()];
            squashed
                .iter_mut()
                .zip(&*memory)
                .for_each(|(squashed, memory)| *squashed = tanh(*memory));
            let output = self.output[numbers].iter_mut().zip(&*out);
            for ((output, gate), squashed) in output.zip(&*squashed) {
                *output = gate * squashed;
            }
        }
    }
}

/// One step backward; see [`Forward`].
#[derive(Debug)]
pub(super) struct Backward<'a> {
    pub(super) hidden: usize,
    /// The gates after the forward step.
    pub(super) gates: &'a [f32],
    /// Memory that the step began with; none at a sequence's start.
    pub(super) before: Option<&'a [f32]>,
    /// `tanh` of the memory after the step.
    pub(super) squashed: &'a [f32],
    /// Gradient of the output.
    pub(super) output_slope: &'a [f32],
    /// Gradient of the memory after the step; replaced by that of the memory before.
    pub(super) memory_slope: &'a mut [f32],
    /// Gradient of the gates' sums.
    pub(super) gates_slope: &'a mut [f32],
}

impl Backward<'_> {
    /// Takes the step.
    pub(super) fn step(self) {
        machine::run(self);
    }
}

impl Work for Backward<'_> {
    #[expect(clippy::inline_always, reason = "it is compiled for each instruction set")]
    #[inline(always)]
    fn run<V: Vector>(self) {
        let hidden = self.hidden;
        let rows =
            self.gates.chunks_exact(4 * hidden).zip(self.gates_slope.chunks_exact_mut(4 * hidden));
        for (row, (gates, slopes)) in rows.enumerate() {
            let numbers = row * hidden..(row + 1) * hidden;
            let squashed = &self.squashed[numbers.clone()];
            let output_slope = &self.output_slope[numbers.clone()];
            let memory_slope = &mut self.memory_slope[numbers.clone()];
            let (input, rest) = gates.split_at(hidden);
            let (forget, rest) = rest.split_at(hidden);
            let (candidate, out) = rest.split_at(hidden);
            let (input_slope, rest) = slopes.split_at_mut(hidden);
            let (forget_slope, rest) = rest.split_at_mut(hidden);
            let (candidate_slope, out_slope) = rest.split_at_mut(hidden);
            for i in 0..hidden {
                let (out, squashed) = (out[i], squashed[i]);
                let through = output_slope[i] * out;
                memory_slope[i] += through * squashed.mul_add(-squashed, 1.0);
                out_slope[i] = output_slope[i] * squashed * (out * (1.0 - out));
            }
            for i in 0..hidden {
                let (input, candidate) = (input[i], candidate[i]);
                input_slope[i] = memory_slope[i] * candidate * (input * (1.0 - input));
                candidate_slope[i] = memory_slope[i] * input * candidate.mul_add(-candidate, 1.0);
            }
            match self.before {
                None => forget_slope.fill(0.0),
                Some(before) => {
                    let before = &before[numbers];
                    for i in 0..hidden {
                        forget_slope[i] =
                            memory_slope[i] * before[i] * (forget[i] * (1.0 - forget[i]));
                    }
                }
            }
            for i in 0..hidden {
                memory_slope[i] *= forget[i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_and_sigmoid_are_right_to_the_last_digits() {
        for step in -32_000_i16..=32_000 {
            let x = f32::from(step) / 1_000.0;
            let exact = libm::tanh(f64::from(x));
            assert!((f64::from(tanh(x)) - exact).abs() < 4e-7, "tanh {x}");
            let exact = 1.0 / (1.0 + libm::exp(-f64::from(x)));
            assert!((f64::from(sigmoid(x)) - exact).abs() < 4e-7, "sigmoid {x}");
        }
        assert!(tanh(f32::NAN).is_nan(), "a broken controller is seen");
    }
}
