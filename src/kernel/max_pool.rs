//! Maximum pooling with any kernel, stride and padding.
//!
//! A tie goes to the first number in row order, in both directions: the way forward notes which tap of the kernel
//! won, in a byte.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape as Dims, Tensor};
use rayon::prelude::*;

#[cfg(feature = "cuda")]
use super::access::{device_tensor, on_gpu, view};
use super::access::{floats, input, tensor};
#[cfg(feature = "cuda")]
use super::gpu::{self, Cuda, View};
use super::pointwise::wide;
use super::slide::Slide;
use crate::net::{Shape, Window};

/// The winner where a window saw padding only.
const NOBODY: u8 = u8::MAX;

/// Maximum over windows of `[n, h, w, c]`; padding never wins.
#[derive(Debug, Clone, Copy)]
pub struct MaxPool {
    slide: Slide,
}

impl MaxPool {
    /// From maps of `input` to maps of `output`.
    #[must_use]
    pub fn new(input: Shape, output: Shape, window: Window) -> Self {
        Self { slide: Slide { input, output, window, dilation: 1 } }
    }

    /// Overwrites `ys` with the maxima of the images `xs`, and `winners`, unless it is empty, with the tap of the
    /// kernel that each came from, counted in row order; [`NOBODY`] where a window saw padding only.
    pub(crate) fn forward_to(&self, xs: &[f32], ys: &mut [f32], winners: &mut [u8]) {
        if winners.is_empty() {
            return self.walk(xs, ys, &mut []);
        }
        self.walk(xs, ys, winners);
    }

    fn walk(&self, xs: &[f32], ys: &mut [f32], winners: &mut [u8]) {
        let Slide { input, output, .. } = self.slide;
        let mut spare = vec![0; if winners.is_empty() { output.channels } else { 0 }];
        wide(
            #[inline(always)]
            || {
                let mut taps = Vec::new();
                for (image, xs) in xs.chunks_exact(input.len()).enumerate() {
                    for place in 0..output.height * output.width {
                        self.taps(place, &mut taps);
                        let pixel = (image * output.height * output.width + place) * input.channels;
                        let ys = &mut ys[pixel..pixel + input.channels];
                        let winners = match winners.get_mut(pixel..pixel + input.channels) {
                            Some(winners) => winners,
                            None => &mut spare[..],
                        };
                        maxima(xs, &taps, ys, winners);
                    }
                }
            },
        );
    }

    /// Overwrites `dx` with the gradient of the input: each number of `gradient` goes to its winner.
    pub(crate) fn gradient_to(&self, winners: &[u8], gradient: &[f32], dx: &mut [f32]) {
        let Slide { input, output, window, .. } = self.slide;
        let apart = window.stride.0 >= window.kernel.0 && window.stride.1 >= window.kernel.1;
        let places = output.height * output.width;
        wide(
            #[inline(always)]
            || {
                dx.fill(0.0);
                let mut taps = Vec::new();
                for (image, dx) in dx.chunks_exact_mut(input.len()).enumerate() {
                    for place in 0..places {
                        self.taps(place, &mut taps);
                        let pixel = (image * places + place) * input.channels;
                        let won = pixel..pixel + input.channels;
                        let (gradient, winners) = (&gradient[won.clone()], &winners[won]);
                        for &(tap, from) in &taps {
                            let dx = &mut dx[from..from + input.channels];
                            if apart {
                                for ((dx, g), winner) in dx.iter_mut().zip(gradient).zip(winners) {
                                    *dx = if *winner == tap { *g } else { 0.0 };
                                }
                            } else {
                                for ((dx, g), winner) in dx.iter_mut().zip(gradient).zip(winners) {
                                    *dx += if *winner == tap { *g } else { 0.0 };
                                }
                            }
                        }
                    }
                }
            },
        );
    }

    /// The taps of the window at output pixel `place` that lie on the map, each with where its pixel begins.
    #[expect(clippy::cast_possible_truncation, reason = "kernels have fewer than 255 taps")]
    fn taps(&self, place: usize, taps: &mut Vec<(u8, usize)>) {
        let Slide { input, output, window, .. } = self.slide;
        let (row, column) = (place / output.width, place % output.width);
        taps.clear();
        for i in 0..window.kernel.0 {
            let Some(y) = self.slide.row(row, i) else { continue };
            for j in 0..window.kernel.1 {
                if let Some(x) = self.slide.column(column, j) {
                    let tap = (i * window.kernel.1 + j) as u8;
                    taps.push((tap, (y * input.width + x) * input.channels));
                }
            }
        }
    }
}

/// The largest number of each channel and where it stands; the first of equals, and NaN, which wins and stays: a
/// diverged training must be seen.
#[inline(always)]
#[expect(clippy::inline_always, reason = "only what is inlined is compiled for the wider vectors")]
fn maxima(xs: &[f32], taps: &[(u8, usize)], ys: &mut [f32], winners: &mut [u8]) {
    let channels = ys.len();
    let Some((&(tap, from), others)) = taps.split_first() else {
        ys.fill(f32::NEG_INFINITY);
        winners.fill(NOBODY);
        return;
    };
    ys.copy_from_slice(&xs[from..from + channels]);
    winners.fill(tap);
    for &(tap, from) in others {
        let xs = &xs[from..from + channels];
        for ((y, winner), x) in ys.iter_mut().zip(winners.iter_mut()).zip(xs) {
            let wins = *x > *y || x.is_nan();
            *y = if wins { *x } else { *y };
            *winner = if wins { tap } else { *winner };
        }
    }
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max pool"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Dims)> {
        let xs = input(xs, layout)?;
        let (inside, outside) = (self.slide.input.len(), self.slide.output.len());
        let images = xs.len() / inside;
        let mut ys = vec![0.0; images * outside];
        ys.par_chunks_mut(outside)
            .zip(xs.par_chunks(inside))
            .for_each(|(ys, image)| self.forward_to(image, ys, &mut []));
        Ok((CpuStorage::F32(ys), self.slide.output_dims(images)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, xs: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Dims)> {
        let images = layout.dims()[0];
        let found = gpu::max(&Cuda::new(&xs.device), &self.slide, images, view(xs, layout)?)?;
        Ok((found.output, self.slide.output_dims(images)))
    }

    /// Candle's operations have no second output to keep the winners in: they are found again.
    fn bwd(&self, xs: &Tensor, _ys: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?;
        #[cfg(feature = "cuda")]
        if xs.device().is_cuda() {
            let images = xs.dim(0)?;
            let dx = on_gpu([xs, &gradient], |gpu, [xs, g]| {
                let winners = gpu::max(gpu, &self.slide, images, xs)?.winners;
                gpu::max_gradient(gpu, &self.slide, images, g, View::of(&winners))
            })?;
            return Ok(Some(device_tensor(dx, xs.shape())));
        }
        let guards = (floats(xs)?, floats(&gradient)?);
        let (x, g): (&[f32], &[f32]) = (&guards.0, &guards.1);
        let (inside, outside) = (self.slide.input.len(), self.slide.output.len());
        let mut dx = vec![0.0; x.len()];
        dx.par_chunks_mut(inside).zip(x.par_chunks(inside)).zip(g.par_chunks(outside)).for_each(
            |((dx, image), gradient)| {
                let (mut ys, mut winners) = (vec![0.0; outside], vec![0; outside]);
                self.forward_to(image, &mut ys, &mut winners);
                self.gradient_to(&winners, gradient, dx);
            },
        );
        Ok(Some(tensor(dx, xs.shape())?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, check, numbers, slide};
    use super::*;
    use candle_core::{Device, Var};

    fn pool(slide: Slide) -> MaxPool {
        MaxPool { slide }
    }

    #[test]
    fn any_window_equals_its_twin() {
        for (kernel, stride, pads) in
            [(2, 2, (0, 0)), (3, 2, (0, 1)), (3, 1, (1, 1)), (5, 3, (2, 2)), (2, 3, (0, 0))]
        {
            let window =
                Window { pad_rows: pads, pad_columns: pads, ..Window::valid(kernel, stride) };
            let slide = slide(Shape { channels: 3, height: 7, width: 6 }, 3, window, 1);
            check(
                &[numbers("xs", &[2, 7, 6, 3])],
                |xs| xs[0].apply_op1(pool(slide)),
                |xs| reference::max_pool(&slide, &xs[0]),
            );
        }
    }

    /// The gradient of a tie is whole and goes to the first number. (Candle's own operation gives a
    /// quarter of it to a single maximum.)
    #[test]
    fn ties_go_to_the_first_number() {
        let slide = slide(Shape { channels: 1, height: 2, width: 4 }, 1, Window::valid(2, 2), 1);
        let xs = [0.0_f32, 7.0, 5.0, 5.0, 7.0, 7.0, 5.0, 5.0];
        let xs = Var::from_slice(&xs, (1, 2, 4, 1), &Device::Cpu).unwrap();
        let loss = xs.apply_op1(pool(slide)).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        let dx = floats(gradients.get(&xs).unwrap()).unwrap().to_vec();
        let dx: Vec<u32> = dx.iter().map(|x| x.to_bits()).collect();
        assert_eq!(dx, [0.0_f32, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0].map(f32::to_bits));
    }
}
