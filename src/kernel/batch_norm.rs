//! Batch normalisation with the rectifier behind it in one operation.
//!
//! Statistics are taken before the operation ([`Moments::of`]): training normalises with those of the
//! batch, evaluation with the running ones, and candle's operations have no second output to hand the
//! former out.

use std::sync::Arc;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
#[cfg(feature = "cuda")]
use candle_core::bail;
use candle_core::{CpuStorage, CustomOp3, D, Device, Layout, Result, Shape as Dims, Tensor};

#[cfg(feature = "cuda")]
use super::access::{device_tensor, on_gpu, view};
use super::access::{floats, input, tensor};
#[cfg(feature = "cuda")]
use super::gpu;
use super::pointwise::{Pattern, wide};

/// Added to the variance.
pub const EPSILON: f64 = 1e-3;

/// Pixels that statistics are taken of together, where nobody says where an image ends.
const BLOCK: usize = 4096;

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
    pub fn of(xs: &[f32], channels: usize) -> Self {
        let mut spread = Spread::new(channels);
        xs.chunks(BLOCK * channels).for_each(|block| spread.add(block));
        spread.moments()
    }

    /// Of all pixels of a map `[…, c]`, where it lies.
    ///
    /// # Errors
    /// When it is not contiguous, and faults of its device.
    pub fn of_map(xs: &Tensor) -> Result<Statistics> {
        let channels = xs.dim(D::Minus1)?;
        #[cfg(feature = "cuda")]
        if xs.device().is_cuda() {
            let pixels = xs.elem_count() / channels;
            let [mean, variance] =
                on_gpu([xs], |gpu, [xs]| gpu::moments(gpu, xs, pixels, channels))?;
            let of = |memory| device_tensor(memory, channels);
            return Ok(Statistics::Device { mean: of(mean), variance: of(variance) });
        }
        Ok(Statistics::Host(Arc::new(Self::of(&floats(xs)?, channels))))
    }

    #[expect(clippy::cast_possible_truncation, reason = "kept as f32")]
    fn inverse_deviation(&self) -> Vec<f32> {
        let inverse = |&v: &f32| (1.0 / (f64::from(v) + EPSILON).sqrt()) as f32;
        self.variance.iter().map(inverse).collect()
    }
}

/// Moments where they are used.
#[derive(Debug, Clone)]
pub enum Statistics {
    /// In plain memory, for maps on the CPU.
    Host(Arc<Moments>),
    /// On a GPU, which would have to be waited for.
    Device {
        /// Mean of each channel.
        mean: Tensor,
        /// Mean squared distance from the mean of each channel.
        variance: Tensor,
    },
}

impl Statistics {
    /// Of `moments`, for maps on `device`.
    ///
    /// # Errors
    /// Faults of the device.
    pub fn on(device: &Device, moments: &Moments) -> Result<Self> {
        if device.is_cpu() {
            return Ok(Self::Host(Arc::new(moments.clone())));
        }
        let of = |numbers: &[f32]| Tensor::from_slice(numbers, numbers.len(), device);
        Ok(Self::Device { mean: of(&moments.mean)?, variance: of(&moments.variance)? })
    }

    /// In plain memory; waits for the device that has them.
    ///
    /// # Errors
    /// Faults of the device.
    pub fn moments(&self) -> Result<Arc<Moments>> {
        match self {
            Self::Host(moments) => Ok(moments.clone()),
            Self::Device { mean, variance } => {
                let (mean, variance) = (mean.to_vec1()?, variance.to_vec1()?);
                Ok(Arc::new(Moments { mean, variance }))
            }
        }
    }
}

/// `scale · (x - mean) / sqrt(variance + ε) + shift` for `[…, c]`; arguments: map, scale, shift.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    statistics: Statistics,
    relu: bool,
}

impl BatchNorm {
    /// Normalises with `statistics`; the gradient holds where they are those of the argument.
    #[must_use]
    pub fn new(statistics: Statistics, relu: bool) -> Self {
        Self { statistics, relu }
    }
}

/// Mean and spread of numbers that come image by image, a mean and a sum of squared distances a channel.
///
/// Each image is passed over twice while it is near, and joined by Chan, Golub and `LeVeque` (1979): one pass
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
    #[expect(clippy::cast_possible_truncation, reason = "kept as f32")]
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

#[cfg(feature = "cuda")]
impl BatchNorm {
    fn gradients_on_gpu(
        &self,
        tensors: [&Tensor; 6],
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (xs, channels) = (tensors[0], tensors[2].elem_count());
        let size = [xs.elem_count() / channels, channels];
        let found = on_gpu(tensors, |gpu, [xs, gradient, mean, variance, scale, shift]| {
            let (maps, moments) = ([xs, gradient], [mean, variance]);
            gpu::norm_gradients(gpu, maps, moments, [scale, shift], size, self.relu)
        })?;
        Ok((
            Some(device_tensor(found.input, xs.shape())),
            Some(device_tensor(found.scale, channels)),
            Some(device_tensor(found.shift, channels)),
        ))
    }
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
        let (scale, shift) = (input(scale, scale_layout)?, input(shift, shift_layout)?);
        let mut ys = vec![0.0; xs.len()];
        Normaliser::new(&*self.statistics.moments()?, scale, shift).apply(xs, self.relu, &mut ys);
        Ok((CpuStorage::F32(ys), xs_layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        xs: &CudaStorage,
        xs_layout: &Layout,
        scale: &CudaStorage,
        scale_layout: &Layout,
        shift: &CudaStorage,
        shift_layout: &Layout,
    ) -> Result<(CudaStorage, Dims)> {
        let Statistics::Device { mean, variance } = &self.statistics else {
            bail!("statistics on the CPU for a map on a GPU")
        };
        let affine = [view(scale, scale_layout)?, view(shift, shift_layout)?];
        let (xs, channels) = (view(xs, xs_layout)?, mean.elem_count());
        let size = [xs_layout.shape().elem_count() / channels, channels];
        let ys = on_gpu([mean, variance], |gpu, moments| {
            gpu::normalise(gpu, xs, moments, affine, size, self.relu)
        })?;
        Ok((ys, xs_layout.shape().clone()))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        _ys: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        #[cfg(feature = "cuda")]
        if let Statistics::Device { mean, variance } = &self.statistics {
            let tensors = [xs, &gradient, mean, variance, scale, shift];
            return self.gradients_on_gpu(tensors);
        }
        let guards = (floats(xs)?, floats(scale)?, floats(shift)?, floats(&gradient)?);
        let (x, scale, shift, g): (&[f32], &[f32], &[f32], &[f32]) =
            (&guards.0, &guards.1, &guards.2, &guards.3);
        let channels = scale.len();
        let mut norm = Normaliser::new(&*self.statistics.moments()?, scale, shift);
        let mut sums = vec![0.0; 2 * channels];
        for (x, g) in x.chunks(BLOCK * channels).zip(g.chunks(BLOCK * channels)) {
            norm.add_sums(x, g, self.relu, &mut sums);
        }
        #[expect(clippy::cast_precision_loss, reason = "pixels of a batch")]
        let pixels = (x.len() / channels) as f64;
        let (dscale, dshift) = norm.turn(&sums, scale, pixels);
        let mut dx = vec![0.0; x.len()];
        norm.gradient(x, g, self.relu, &mut dx);
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
        BatchNorm::new(Moments::of_map(xs).unwrap(), relu)
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
