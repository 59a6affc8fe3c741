//! Holds fast operations against their slow twins, and gradients against central differences.

use candle_core::{Result, Tensor, Var};

use super::super::access::floats;
use super::super::slide::Slide;
use crate::net::{Builder, Op, Shape, Window};
use crate::seed::Seed;

/// A named argument of an operation with random numbers.
pub(crate) struct Argument {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Argument {
    /// Its numbers.
    pub(crate) fn single(&self) -> &[f32] {
        &self.values
    }

    /// Its numbers in f64.
    pub(crate) fn exact(&self) -> Vec<f64> {
        self.values.iter().map(|&x| f64::from(x)).collect()
    }
}

/// Uniform numbers between -1 and 1, always the same for a name.
#[expect(clippy::cast_possible_truncation, reason = "test data")]
pub(crate) fn numbers(name: &str, shape: &[usize]) -> Argument {
    let mut stream = Seed::root(11).stream(name, 0);
    let len = shape.iter().product();
    let values = (0..len).map(|_| stream.range(-1.0, 1.0) as f32).collect();
    Argument { shape: shape.to_vec(), values }
}

/// The slide of a convolution to `channels` whose output shape `net` infers.
pub(crate) fn slide(input: Shape, channels: usize, window: Window, dilation: usize) -> Slide {
    let mut net = Builder::new(input);
    let image = net.image();
    let op = Op::Conv { filters: channels, window, dilation, bias: false };
    let node = net.add("conv", op, &[image]);
    Slide { input, output: net.shape(node), window, dilation }
}

/// Holds `fast` and its gradients against `slow` and its central differences.
///
/// Forward: f32 rounding of sums of up to a few hundred terms, 2e-5. Gradients: differences in f64 with
/// step 1e-5 are good to 1e-9, so 1e-4 is again f32 rounding, with room for batch norm's division.
pub(crate) fn check(
    arguments: &[Argument],
    fast: impl Fn(&[Tensor]) -> Result<Tensor>,
    slow: impl Fn(&[Vec<f64>]) -> Vec<f64>,
) {
    let device = candle_core::Device::Cpu;
    let vars: Vec<Var> = arguments
        .iter()
        .map(|a| Var::from_slice(&a.values, a.shape.as_slice(), &device).unwrap())
        .collect();
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let exact: Vec<Vec<f64>> = arguments.iter().map(Argument::exact).collect();

    let ys = fast(&tensors).unwrap();
    let expected = slow(&exact);
    close("forward", &floats(&ys).unwrap(), &expected, 2e-5);

    let weights = numbers("weights of the outputs", ys.dims());
    let projection = Tensor::from_slice(&weights.values, ys.shape(), &device).unwrap();
    let loss = (&ys * &projection).unwrap().sum_all().unwrap();
    let gradients = loss.backward().unwrap();
    for (i, var) in vars.iter().enumerate() {
        let found = gradients.get(var).expect("a gradient of every argument").contiguous().unwrap();
        let expected = differences(&exact, i, &|xs| {
            slow(xs).iter().zip(&weights.values).map(|(y, &w)| y * f64::from(w)).sum()
        });
        close(&format!("gradient of argument {i}"), &floats(&found).unwrap(), &expected, 1e-4);
    }
}

/// Central differences of `loss` by every number of one argument.
pub(crate) fn differences(
    exact: &[Vec<f64>],
    argument: usize,
    loss: &dyn Fn(&[Vec<f64>]) -> f64,
) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let mut xs = exact.to_vec();
    (0..exact[argument].len())
        .map(|i| {
            xs[argument][i] = exact[argument][i] + STEP;
            let above = loss(&xs);
            xs[argument][i] = exact[argument][i] - STEP;
            let below = loss(&xs);
            xs[argument][i] = exact[argument][i];
            (above - below) / (2.0 * STEP)
        })
        .collect()
}

/// Equality up to `tolerance`, absolute below 1 and relative above.
pub(crate) fn close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let distance = (f64::from(found) - expected).abs();
        let allowed = tolerance * expected.abs().max(1.0);
        assert!(distance <= allowed, "{what} at {i}: {found} instead of {expected}");
    }
}
