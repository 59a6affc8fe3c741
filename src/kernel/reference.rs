//! The slow twins: every operation as its definition says, in f64, and the check against them.

use candle_core::{Result, Tensor, Var};

use super::access::floats;
use super::slide::Slide;
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

/// Runs over every output place and tap that lies on the map: `visit(output pixel, tap, input pixel)`,
/// pixels counted through all images.
fn taps(slide: &Slide, images: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let (kernel, stride) = (slide.window.kernel, slide.window.stride);
    let pads = (slide.window.pad_rows.0, slide.window.pad_columns.0);
    let (input, output) = (slide.input, slide.output);
    for image in 0..images {
        for (row, column) in grid(output.height, output.width) {
            for (i, j) in grid(kernel.0, kernel.1) {
                let y = row * stride.0 + i * slide.dilation;
                let x = column * stride.1 + j * slide.dilation;
                let inside = y >= pads.0
                    && x >= pads.1
                    && y - pads.0 < input.height
                    && x - pads.1 < input.width;
                if inside {
                    let from = (image * input.height + y - pads.0) * input.width + x - pads.1;
                    let to = (image * output.height + row) * output.width + column;
                    visit(to, i * kernel.1 + j, from);
                }
            }
        }
    }
}

fn grid(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}

/// Convolution.
pub(crate) fn conv(slide: &Slide, xs: &[f64], weight: &[f64], bias: Option<&[f64]>) -> Vec<f64> {
    let (inputs, filters) = (slide.input.channels, slide.output.channels);
    let images = xs.len() / slide.input.len();
    let mut ys: Vec<f64> = (0..images * slide.output.len())
        .map(|i| bias.map_or(0.0, |bias| bias[i % filters]))
        .collect();
    taps(slide, images, |to, tap, from| {
        for (c, f) in grid(inputs, filters) {
            ys[to * filters + f] +=
                xs[from * inputs + c] * weight[(tap * inputs + c) * filters + f];
        }
    });
    ys
}

/// Depthwise convolution.
pub(crate) fn depthwise(slide: &Slide, xs: &[f64], weight: &[f64]) -> Vec<f64> {
    let channels = slide.input.channels;
    let images = xs.len() / slide.input.len();
    let mut ys = vec![0.0; images * slide.output.len()];
    taps(slide, images, |to, tap, from| {
        for c in 0..channels {
            ys[to * channels + c] += xs[from * channels + c] * weight[tap * channels + c];
        }
    });
    ys
}

/// Maximum pooling.
pub(crate) fn max_pool(slide: &Slide, xs: &[f64]) -> Vec<f64> {
    let channels = slide.input.channels;
    let images = xs.len() / slide.input.len();
    let mut ys = vec![f64::NEG_INFINITY; images * slide.output.len()];
    taps(slide, images, |to, _, from| {
        for c in 0..channels {
            ys[to * channels + c] = ys[to * channels + c].max(xs[from * channels + c]);
        }
    });
    ys
}

/// Average pooling without padding in the count.
pub(crate) fn avg_pool(slide: &Slide, xs: &[f64]) -> Vec<f64> {
    let channels = slide.input.channels;
    let images = xs.len() / slide.input.len();
    let mut ys = vec![0.0; images * slide.output.len()];
    let mut counts = vec![0.0_f64; ys.len()];
    taps(slide, images, |to, _, from| {
        for c in 0..channels {
            ys[to * channels + c] += xs[from * channels + c];
            counts[to * channels + c] += 1.0;
        }
    });
    ys.iter().zip(&counts).map(|(y, count)| y / count.max(1.0)).collect()
}

/// Batch normalisation with the batch's own statistics.
#[expect(clippy::cast_precision_loss, reason = "test sizes")]
pub(crate) fn batch_norm(xs: &[f64], scale: &[f64], shift: &[f64]) -> Vec<f64> {
    let channels = scale.len();
    let pixels = (xs.len() / channels) as f64;
    let of = |c: usize| xs.iter().skip(c).step_by(channels);
    let mean: Vec<f64> = (0..channels).map(|c| of(c).sum::<f64>() / pixels).collect();
    let variance: Vec<f64> = (0..channels)
        .map(|c| of(c).map(|x| (x - mean[c]) * (x - mean[c])).sum::<f64>() / pixels)
        .collect();
    let normal = |(i, x): (usize, &f64)| {
        let c = i % channels;
        scale[c] * (x - mean[c]) / (variance[c] + super::EPSILON).sqrt() + shift[c]
    };
    xs.iter().enumerate().map(normal).collect()
}

/// Mean cross-entropy with label smoothing.
#[expect(clippy::cast_precision_loss, reason = "test sizes")]
pub(crate) fn cross_entropy(logits: &[f64], labels: &[u16], smoothing: f64) -> f64 {
    let classes = logits.len() / labels.len();
    let rows = logits.chunks_exact(classes).zip(labels);
    let losses = rows.map(|(row, &label)| {
        let total: f64 = row.iter().map(|x| x.exp()).sum();
        let share = |c: usize| {
            smoothing / classes as f64 + if c == usize::from(label) { 1.0 - smoothing } else { 0.0 }
        };
        row.iter().enumerate().map(|(c, x)| -share(c) * (x.exp() / total).ln()).sum::<f64>()
    });
    losses.sum::<f64>() / labels.len() as f64
}
