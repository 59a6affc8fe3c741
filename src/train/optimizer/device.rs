//! A step of an optimizer as one launch of a kernel, `kernels/optimizer.cu`.

use std::ops::Range;

use candle_core::Result;

use super::{Optimizer, Rates, Share};
use crate::kernel::gpu::{Kernel, Launch, Machine, Parameters, View};
use crate::train::engine::Moment;

/// An update of one weight tensor within the memory of all: weights, first averages, second averages.
#[derive(Debug, Clone)]
pub(in crate::train) struct Update {
    pub(in crate::train) optimizer: Optimizer,
    pub(in crate::train) moment: Moment,
    /// Where the tensor lies among the weights.
    pub(in crate::train) span: Range<usize>,
    /// Numbers of all weights.
    pub(in crate::train) stride: usize,
    /// What the gradient is multiplied with first.
    pub(in crate::train) factor: f32,
    /// Weight decay, 0 for what does not decay.
    pub(in crate::train) decay: f64,
}

impl Update {
    /// Changes `state` by `gradient`.
    pub(in crate::train) fn run<M: Machine>(
        &self,
        machine: &M,
        gradient: View<'_, M::Memory>,
        state: &mut M::Memory,
    ) -> Result<()> {
        let (name, parameters) = self.kernel();
        let launch = Launch::over(Kernel::new("optimizer", name), self.span.len(), parameters);
        machine.launch(&launch, &[gradient], &mut [state])
    }

    #[expect(clippy::cast_possible_truncation, reason = "rates as f32")]
    fn kernel(&self) -> (&'static str, Parameters) {
        let span = Parameters::ints(&[self.span.start, self.span.len(), self.stride]);
        let reals = |numbers: &[f32]| {
            numbers.iter().fold(span.real(self.factor), |all, &number| all.real(number))
        };
        let (lr, decay) = (self.moment.lr as f32, self.decay as f32);
        match self.optimizer {
            Optimizer::Sgd { momentum, nesterov } => {
                ("sgd", reals(&[lr, momentum as f32, decay]).flag(nesterov))
            }
            Optimizer::Rmsprop { decay: rho, momentum, epsilon } => {
                let Share { kept, taken } = Share::kept(rho);
                let rates = [lr, momentum as f32, epsilon as f32, decay, kept, taken];
                ("rmsprop", reals(&rates))
            }
            Optimizer::Adam { beta1, beta2 } => self.adam(reals, (beta1, beta2), false),
            Optimizer::Adamw { beta1, beta2 } => self.adam(reals, (beta1, beta2), true),
        }
    }

    fn adam(
        &self,
        reals: impl Fn(&[f32]) -> Parameters,
        betas: (f64, f64),
        decoupled: bool,
    ) -> (&'static str, Parameters) {
        let Rates { mean, square, size, root, added, kept } =
            Rates::of(self.moment, betas, self.decay, decoupled);
        let shares = [mean.kept, mean.taken, square.kept, square.taken];
        ("adam", reals(&[&shares[..], &[size, root, added, kept]].concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Weights;
    use super::*;
    use crate::kernel::gpu::Emulator;
    use crate::seed::Seed;

    #[expect(clippy::cast_possible_truncation, reason = "test data")]
    fn numbers(name: &str, low: f64, len: usize) -> Vec<f32> {
        let mut stream = Seed::root(5).stream(name, 0);
        (0..len).map(|_| stream.range(low, 1.0) as f32).collect()
    }

    #[test]
    fn steps_have_the_bits_of_the_cpu() {
        let Some(gpu) = Emulator::shared() else { return };
        let (stride, span) = (300, 16..293);
        let shared = (0.9, 0.999);
        for optimizer in [
            Optimizer::Sgd { momentum: 0.9, nesterov: false },
            Optimizer::Sgd { momentum: 0.9, nesterov: true },
            Optimizer::Adam { beta1: shared.0, beta2: shared.1 },
            Optimizer::Adamw { beta1: shared.0, beta2: shared.1 },
            Optimizer::Rmsprop { decay: 0.9, momentum: 0.8, epsilon: 0.01 },
        ] {
            let gradient = numbers("gradient", -1.0, span.len());
            let mut values = numbers("values", -1.0, stride);
            let mut first = numbers("first", -1.0, stride);
            let seconds = if optimizer.has_second() { stride } else { 0 };
            let mut second = numbers("second", 0.0, seconds);
            let all = [values.as_slice(), &first, &second].concat();
            let moment = Moment { step: 3, lr: 0.1 };

            let mut state = gpu.numbers(&all).unwrap();
            let (span, factor, decay) = (span.clone(), 0.7, 0.01);
            let update = Update { optimizer, moment, span: span.clone(), stride, factor, decay };
            let device = gpu.numbers(&gradient).unwrap();
            update.run(gpu, View::of(&device), &mut state).unwrap();

            let second_span = if second.is_empty() { 0..0 } else { span.clone() };
            let weights = Weights {
                values: &mut values[span.clone()],
                gradient: &gradient,
                factor,
                first: &mut first[span],
                second: &mut second[second_span],
                decay,
            };
            optimizer.update(weights, moment);
            let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let expected = [values.as_slice(), &first, &second].concat();
            assert_eq!(bits(&Emulator::read(&state)), bits(&expected), "{optimizer:?}");
        }
    }
}
