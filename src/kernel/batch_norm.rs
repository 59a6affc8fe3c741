//! Batch normalisation with the rectifier behind it in one operation.
//!
//! Statistics are taken before the operation ([`Moments::of`]): training normalises with those of the
//! batch, evaluation with the running ones, and candle's operations have no second output to hand the
//! former out.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape as Dims, Tensor};
use rayon::prelude::*;

use super::access::{floats, input, tensor};
use super::chunks::parts;
use super::pointwise::{Pattern, wide};

/// Added to the variance.
pub const EPSILON: f64 = 1e-3;

/// Pixels whose sums are kept in f32 before they are added up in f64.
const BLOCK: usize = 64;
/// Pixels in a part of a sum, at least.
const PART_PIXELS: usize = 512;

/// Mean and biased variance of each channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Mean.
    pub mean: Vec<f32>,
    /// Mean squared distance from the mean.
    pub variance: Vec<f32>,
}

impl Moments {
    /// Of all pixels of `xs`, rows of `channels` numbers.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "statistics")]
    pub fn of(xs: &[f32], channels: usize) -> Self {
        let pixels = (xs.len() / channels).max(1) as f64;
        let sums = channel_sums(xs.len() / channels, channels, |range, sums| {
            for row in xs[range.start * channels..range.end * channels].chunks_exact(channels) {
                for (sum, x) in sums.iter_mut().zip(row) {
                    *sum += x;
                }
            }
        });
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / pixels) as f32).collect();
        // A second pass: the difference of squares loses all digits where the mean is large.
        let squares = channel_sums(xs.len() / channels, channels, |range, sums| {
            for row in xs[range.start * channels..range.end * channels].chunks_exact(channels) {
                for ((sum, x), mean) in sums.iter_mut().zip(row).zip(&mean) {
                    *sum += (x - mean) * (x - mean);
                }
            }
        });
        let variance = squares.iter().map(|sum| (sum / pixels) as f32).collect();
        Self { mean, variance }
    }

    #[expect(clippy::cast_possible_truncation, reason = "kept as f32")]
    fn inverse_deviation(&self) -> Vec<f32> {
        let inverse = |&v: &f32| (1.0 / (f64::from(v) + EPSILON).sqrt()) as f32;
        self.variance.iter().map(inverse).collect()
    }
}

/// Sums `width` numbers over all pixels: `add` adds a run of pixels to f32 sums, which are then added
/// up in f64, in an order fixed by the number of pixels.
fn channel_sums(
    pixels: usize,
    width: usize,
    add: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync,
) -> Vec<f64> {
    let sums: Vec<Vec<f64>> = parts(pixels, PART_PIXELS)
        .into_par_iter()
        .map(|part| {
            let mut total = vec![0.0_f64; width];
            let mut sums = vec![0.0_f32; width];
            for start in part.clone().step_by(BLOCK) {
                sums.fill(0.0);
                add(start..(start + BLOCK).min(part.end), &mut sums);
                for (total, sum) in total.iter_mut().zip(&sums) {
                    *total += f64::from(*sum);
                }
            }
            total
        })
        .collect();
    let mut total = vec![0.0; width];
    for part in &sums {
        for (total, sum) in total.iter_mut().zip(part) {
            *total += sum;
        }
    }
    total
}

/// `scale · (x - mean) / sqrt(variance + ε) + shift` for `[…, c]`; arguments: map, scale, shift.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    moments: Arc<Moments>,
    relu: bool,
}

impl BatchNorm {
    /// Normalises with `moments`; the gradient holds where they are those of the argument.
    #[must_use]
    pub fn new(moments: Arc<Moments>, relu: bool) -> Self {
        Self { moments, relu }
    }

    fn forward(&self, xs: &[f32], scale: &[f32], shift: &[f32]) -> Vec<f32> {
        let channels = scale.len();
        let inverse = self.moments.inverse_deviation();
        let factor: Vec<f32> = scale.iter().zip(&inverse).map(|(s, i)| s * i).collect();
        let centred = self.moments.mean.iter().zip(&factor).zip(shift);
        let offset: Vec<f32> = centred.map(|((m, f), s)| s - m * f).collect();
        let mut ys = vec![0.0; xs.len()];
        let part = PART_PIXELS * channels;
        ys.par_chunks_mut(part).zip(xs.par_chunks(part)).for_each(|(ys, xs)| {
            for (ys, xs) in ys.chunks_exact_mut(channels).zip(xs.chunks_exact(channels)) {
                for ((y, x), (f, o)) in ys.iter_mut().zip(xs).zip(factor.iter().zip(&offset)) {
                    *y = x * f + o;
                }
            }
            if self.relu {
                for y in ys {
                    *y = if *y < 0.0 { 0.0 } else { *y };
                }
            }
        });
        ys
    }

    /// Gradients of map, scale and shift.
    fn backward(
        &self,
        xs: &[f32],
        scale: &[f32],
        ys: &[f32],
        gradient: &[f32],
    ) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let channels = scale.len();
        let masked;
        let gradient = if self.relu {
            masked = mask(ys, gradient);
            &masked
        } else {
            gradient
        };
        let inverse = self.moments.inverse_deviation();
        let (dscale, dshift) = self.parameter_gradients(xs, gradient, &inverse);
        let dx = self.map_gradient(xs, gradient, scale, &inverse, (&dscale, &dshift));
        debug_assert_eq!(dx.len(), xs.len() / channels * channels);
        (dx, dscale, dshift)
    }

    #[expect(clippy::cast_possible_truncation, reason = "kept as f32")]
    fn parameter_gradients(
        &self,
        xs: &[f32],
        gradient: &[f32],
        inverse: &[f32],
    ) -> (Vec<f32>, Vec<f32>) {
        let channels = inverse.len();
        let sums = channel_sums(xs.len() / channels, 2 * channels, |range, sums| {
            let range = range.start * channels..range.end * channels;
            let (dscale, dshift) = sums.split_at_mut(channels);
            let rows = xs[range.clone()].chunks_exact(channels);
            for (xs, gs) in rows.zip(gradient[range].chunks_exact(channels)) {
                let pairs = xs.iter().zip(gs).zip(&self.moments.mean);
                for (((x, g), mean), (a, b)) in pairs.zip(dscale.iter_mut().zip(dshift.iter_mut()))
                {
                    *a += g * (x - mean);
                    *b += g;
                }
            }
        });
        let dscale = sums[..channels].iter().zip(inverse).map(|(s, i)| *s as f32 * i).collect();
        let dshift = sums[channels..].iter().map(|s| *s as f32).collect();
        (dscale, dshift)
    }

    /// `dx = scale/σ · (g - mean(g) - x̂ · mean(g·x̂))`, as three numbers a channel: `a·g + b·x + c`.
    #[expect(clippy::cast_precision_loss, reason = "pixels of a batch")]
    fn map_gradient(
        &self,
        xs: &[f32],
        gradient: &[f32],
        scale: &[f32],
        inverse: &[f32],
        (dscale, dshift): (&[f32], &[f32]),
    ) -> Vec<f32> {
        let channels = scale.len();
        let pixels = (xs.len() / channels) as f32;
        let coefficients: Vec<[f32; 3]> = (0..channels)
            .map(|c| {
                let a = scale[c] * inverse[c];
                let b = -a * inverse[c] * dscale[c] / pixels;
                [a, b, -a * dshift[c] / pixels - b * self.moments.mean[c]]
            })
            .collect();
        let mut dx = vec![0.0; xs.len()];
        let part = PART_PIXELS * channels;
        let parts = dx.par_chunks_mut(part).zip(xs.par_chunks(part)).zip(gradient.par_chunks(part));
        parts.for_each(|((dx, xs), gs)| {
            let rows = dx.chunks_exact_mut(channels).zip(xs.chunks_exact(channels));
            for ((dx, xs), gs) in rows.zip(gs.chunks_exact(channels)) {
                for (((dx, x), g), [a, b, c]) in dx.iter_mut().zip(xs).zip(gs).zip(&coefficients) {
                    *dx = a * g + b * x + c;
                }
            }
        });
        dx
    }
}

/// Mean and spread of numbers that come image by image, a mean and a sum of squared distances a channel.
///
/// Each image is passed over twice while it is near, and joined by Chan, Golub and LeVeque (1979): one pass
/// over squares would lose all digits where the mean is large, two passes over the batch would read it twice.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    pixels: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Spread {
    /// Of nothing.
    pub(crate) fn new(channels: usize) -> Self {
        Self { pixels: 0.0, mean: vec![0.0; channels], squares: vec![0.0; channels] }
    }

    /// Forgets what it has seen.
    pub(crate) fn clear(&mut self) {
        self.pixels = 0.0;
        self.mean.fill(0.0);
        self.squares.fill(0.0);
    }

    /// Pixels that it has seen.
    pub(crate) fn pixels(&self) -> f64 {
        self.pixels
    }

    /// Takes in one image.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "statistics")]
    pub(crate) fn add(&mut self, image: &[f32]) {
        let channels = self.mean.len();
        let pixels = (image.len() / channels) as f64;
        let sums = folded(image, channels, 1, |xs, sums| {
            for (sum, x) in sums.iter_mut().zip(xs) {
                *sum += x;
            }
        });
        let means: Vec<f64> = sums.iter().map(|sum| sum / pixels).collect();
        let pattern = Pattern::new(&means.iter().map(|&mean| mean as f32).collect::<Vec<_>>());
        let squares = folded(image, channels, 1, |xs, sums| {
            for ((sum, x), mean) in sums.iter_mut().zip(xs).zip(pattern.numbers()) {
                *sum += (x - mean) * (x - mean);
            }
        });
        self.join(pixels, &means, &squares);
    }

    /// Takes in what another has seen.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.join(other.pixels, &other.mean, &other.squares);
    }

    fn join(&mut self, pixels: f64, means: &[f64], squares: &[f64]) {
        let total = self.pixels + pixels;
        if total == 0.0 {
            return;
        }
        let own = self.mean.iter_mut().zip(&mut self.squares);
        for ((mean, square), (other, others)) in own.zip(means.iter().zip(squares)) {
            let apart = other - *mean;
            *mean += apart * pixels / total;
            *square += others + apart * apart * self.pixels * pixels / total;
        }
        self.pixels = total;
    }

    /// Mean and biased variance.
    #[expect(clippy::cast_possible_truncation, reason = "kept as f32")]
    pub(crate) fn moments(&self) -> Moments {
        Moments {
            mean: self.mean.iter().map(|&mean| mean as f32).collect(),
            variance: self.squares.iter().map(|sum| (sum / self.pixels) as f32).collect(),
        }
    }
}

/// Sums over an image, `width` numbers a channel: `add` adds a run of pixels to as many sums, which are folded
/// to one of each channel in the end.
fn folded(
    image: &[f32],
    channels: usize,
    width: usize,
    add: impl Fn(&[f32], &mut [f32]),
) -> Vec<f64> {
    let run = Pattern::pixels(channels) * channels;
    let mut sums = vec![0.0_f32; run * width];
    wide(
        #[inline(always)]
        || {
            for xs in image.chunks(run) {
                add(xs, &mut sums);
            }
        },
    );
    let mut folded = vec![0.0_f64; channels * width];
    for (part, sums) in sums.chunks_exact(run).enumerate() {
        for pixel in sums.chunks_exact(channels) {
            for (total, sum) in folded[part * channels..].iter_mut().zip(pixel) {
                *total += f64::from(*sum);
            }
        }
    }
    folded
}

/// A batch norm in a step, ready for passes over images.
#[derive(Debug, Clone, Default)]
pub(crate) struct Normaliser {
    mean: Vec<f32>,
    inverse: Vec<f32>,
    factor: Pattern,
    offset: Pattern,
    centre: Pattern,
    /// Of the gradient, of the map, and alone: see [`Normaliser::gradient`].
    back: [Pattern; 3],
}

impl Normaliser {
    /// Normalises with `moments`.
    pub(crate) fn new(moments: &Moments, scale: &[f32], shift: &[f32]) -> Self {
        let inverse = moments.inverse_deviation();
        let factor: Vec<f32> = scale.iter().zip(&inverse).map(|(s, i)| s * i).collect();
        let centred = moments.mean.iter().zip(&factor).zip(shift);
        let offset: Vec<f32> = centred.map(|((m, f), s)| s - m * f).collect();
        Self {
            factor: Pattern::new(&factor),
            offset: Pattern::new(&offset),
            centre: Pattern::new(&moments.mean),
            mean: moments.mean.clone(),
            inverse,
            back: Default::default(),
        }
    }

    /// Overwrites `ys` with the normalised images.
    pub(crate) fn apply(&self, xs: &[f32], relu: bool, ys: &mut [f32]) {
        let (factor, offset) = (self.factor.numbers(), self.offset.numbers());
        let runs = ys.chunks_mut(factor.len()).zip(xs.chunks(factor.len()));
        wide(
            #[inline(always)]
            || {
                for (ys, xs) in runs {
                    if relu {
                        for ((y, x), (f, o)) in ys.iter_mut().zip(xs).zip(factor.iter().zip(offset))
                        {
                            let number = x * f + o;
                            *y = if number < 0.0 { 0.0 } else { number };
                        }
                    } else {
                        for ((y, x), (f, o)) in ys.iter_mut().zip(xs).zip(factor.iter().zip(offset))
                        {
                            *y = x * f + o;
                        }
                    }
                }
            },
        );
    }

    /// Adds an image's sums of g (x - mean) and of g to `sums`, each a number a channel.
    pub(crate) fn add_sums(&self, xs: &[f32], gradient: &[f32], relu: bool, sums: &mut [f64]) {
        let channels = self.mean.len();
        let run = self.factor.numbers().len();
        let (factor, offset) = (self.factor.numbers(), self.offset.numbers());
        let centre = self.centre.numbers();
        let mut products = vec![0.0_f32; run];
        let mut alone = vec![0.0_f32; run];
        wide(
            #[inline(always)]
            || {
                for (xs, gs) in xs.chunks(run).zip(gradient.chunks(run)) {
                    let channels = factor.iter().zip(offset).zip(centre);
                    let own = products.iter_mut().zip(&mut alone);
                    for (((x, g), ((f, o), m)), (product, alone)) in
                        xs.iter().zip(gs).zip(channels).zip(own)
                    {
                        let g = if relu && x * f + o <= 0.0 { 0.0 } else { *g };
                        *product += g * (x - m);
                        *alone += g;
                    }
                }
            },
        );
        for (part, numbers) in [products, alone].iter().enumerate() {
            for pixel in numbers.chunks_exact(channels) {
                for (total, number) in sums[part * channels..].iter_mut().zip(pixel) {
                    *total += f64::from(*number);
                }
            }
        }
    }

    /// Gradients of scale and shift from the sums over the whole batch of `pixels` pixels; from here on
    /// [`Normaliser::gradient`] knows its coefficients.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "kept as f32")]
    pub(crate) fn turn(
        &mut self,
        sums: &[f64],
        scale: &[f32],
        pixels: f64,
    ) -> (Vec<f32>, Vec<f32>) {
        let channels = self.mean.len();
        let dscale: Vec<f32> =
            sums[..channels].iter().zip(&self.inverse).map(|(s, i)| *s as f32 * i).collect();
        let dshift: Vec<f32> = sums[channels..].iter().map(|s| *s as f32).collect();
        let pixels = pixels as f32;
        let mut back = [(); 3].map(|()| vec![0.0; channels]);
        for c in 0..channels {
            let a = scale[c] * self.inverse[c];
            let b = -a * self.inverse[c] * dscale[c] / pixels;
            back[0][c] = a;
            back[1][c] = b;
            back[2][c] = -a * dshift[c] / pixels - b * self.mean[c];
        }
        self.back = back.map(|numbers| Pattern::new(&numbers));
        (dscale, dshift)
    }

    /// Overwrites `dx` with `scale/σ · (g - mean(g) - x̂ · mean(g·x̂))`, as three numbers a channel:
    /// `a·g + b·x + c`.
    pub(crate) fn gradient(&self, xs: &[f32], gradient: &[f32], relu: bool, dx: &mut [f32]) {
        let run = self.factor.numbers().len();
        let (factor, offset) = (self.factor.numbers(), self.offset.numbers());
        let [a, b, c] = &self.back;
        let (a, b, c) = (a.numbers(), b.numbers(), c.numbers());
        let runs = dx.chunks_mut(run).zip(xs.chunks(run)).zip(gradient.chunks(run));
        wide(
            #[inline(always)]
            || {
                for ((dx, xs), gs) in runs {
                    let channels = factor.iter().zip(offset).zip(a.iter().zip(b).zip(c));
                    for (((dx, x), g), ((f, o), ((a, b), c))) in
                        dx.iter_mut().zip(xs).zip(gs).zip(channels)
                    {
                        let g = if relu && x * f + o <= 0.0 { 0.0 } else { *g };
                        *dx = a * g + b * x + c;
                    }
                }
            },
        );
    }
}

/// The gradient before the rectifier.
fn mask(ys: &[f32], gradient: &[f32]) -> Vec<f32> {
    ys.par_iter().zip(gradient).map(|(y, g)| if *y > 0.0 { *g } else { 0.0 }).collect()
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch norm"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        xs_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
        shift: &CpuStorage,
        shift_layout: &Layout,
    ) -> Result<(CpuStorage, Dims)> {
        let xs = input(xs, xs_layout)?;
        let ys = self.forward(xs, input(scale, scale_layout)?, input(shift, shift_layout)?);
        Ok((CpuStorage::F32(ys), xs_layout.shape().clone()))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        scale: &Tensor,
        _shift: &Tensor,
        ys: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let (dx, dscale, dshift) =
            self.backward(&floats(xs)?, &floats(scale)?, &floats(ys)?, &floats(&gradient)?);
        let channels = dscale.len();
        Ok((
            Some(tensor(dx, xs.shape())?),
            Some(tensor(dscale, channels)?),
            Some(tensor(dshift, channels)?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, check, numbers};
    use super::*;

    fn norm(xs: &Tensor, relu: bool) -> BatchNorm {
        let channels = xs.dim(3).unwrap();
        BatchNorm::new(Arc::new(Moments::of(&floats(xs).unwrap(), channels)), relu)
    }

    #[test]
    fn normalising_with_and_without_rectifier_equals_its_twin() {
        for relu in [false, true] {
            check(
                &[numbers("xs", &[3, 4, 5, 3]), numbers("scale", &[3]), numbers("shift", &[3])],
                |xs| xs[0].apply_op3(&xs[1], &xs[2], norm(&xs[0], relu)),
                |xs| {
                    let ys = reference::batch_norm(&xs[0], &xs[1], &xs[2]);
                    ys.iter().map(|&y| if relu { y.max(0.0) } else { y }).collect()
                },
            );
        }
    }

    #[test]
    fn a_large_mean_does_not_spoil_the_variance() {
        let xs: Vec<f32> = (0..4000_u16).map(|i| 10_000.0 + f32::from(i % 2)).collect();
        let moments = Moments::of(&xs, 1);
        assert!((moments.variance[0] - 0.25).abs() < 1e-4, "{moments:?}");
    }
}
