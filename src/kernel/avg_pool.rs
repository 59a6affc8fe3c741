//! Average pooling with any kernel, stride and padding; the global average is its largest window.

use std::ops::Range;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape as Dims, Tensor};
use rayon::prelude::*;

#[cfg(feature = "cuda")]
use super::access::{device_tensor, on_gpu, view};
use super::access::{floats, input, tensor};
#[cfg(feature = "cuda")]
use super::gpu::{self, Cuda};
use super::pointwise::wide;
use super::slide::Slide;
use crate::net::{Shape, Window};

/// Mean over windows of `[n, h, w, c]`, of the numbers inside the map only.
#[derive(Debug, Clone, Copy)]
pub struct AvgPool {
    slide: Slide,
}

impl AvgPool {
    /// From maps of `input` to maps of `output`.
    #[must_use]
    pub fn new(input: Shape, output: Shape, window: Window) -> Self {
        Self { slide: Slide { input, output, window, dilation: 1 } }
    }

    /// The mean of whole maps.
    #[must_use]
    pub fn global(input: Shape) -> Self {
        let window = Window { kernel: (input.height, input.width), ..Window::valid(1, 1) };
        Self::new(input, Shape { height: 1, width: 1, ..input }, window)
    }

    /// Overwrites `ys` with the means of the images `xs`.
    pub(crate) fn forward_to(&self, xs: &[f32], ys: &mut [f32]) {
        let Slide { input, output, .. } = self.slide;
        let (rows, columns) = (self.seen(Axis::Rows), self.seen(Axis::Columns));
        let line = input.width * input.channels;
        wide(
            #[inline(always)]
            || {
                let images = ys.chunks_exact_mut(output.len()).zip(xs.chunks_exact(input.len()));
                for (ys, image) in images {
                    for (place, ys) in ys.chunks_exact_mut(input.channels).enumerate() {
                        let (rows, columns) =
                            (&rows[place / output.width], &columns[place % output.width]);
                        ys.fill(0.0);
                        for y in rows.clone() {
                            for x in columns.clone() {
                                let from = y * line + x * input.channels;
                                for (y, x) in ys.iter_mut().zip(&image[from..]) {
                                    *y += x;
                                }
                            }
                        }
                        let share = share(rows, columns);
                        for y in ys {
                            *y *= share;
                        }
                    }
                }
            },
        );
    }

    /// Overwrites `dx` with the gradient of the input.
    pub(crate) fn gradient_to(&self, gradient: &[f32], dx: &mut [f32]) {
        let Slide { input, output, .. } = self.slide;
        let (rows, columns) = (self.seen(Axis::Rows), self.seen(Axis::Columns));
        // For each pixel the windows that see it, so that it is written once.
        let (over, beside) = (seeing(&rows, input.height), seeing(&columns, input.width));
        wide(
            #[inline(always)]
            || {
                let images =
                    dx.chunks_exact_mut(input.len()).zip(gradient.chunks_exact(output.len()));
                for (dx, gradient) in images {
                    for (place, dx) in dx.chunks_exact_mut(input.channels).enumerate() {
                        dx.fill(0.0);
                        for row in over[place / input.width].clone() {
                            for column in beside[place % input.width].clone() {
                                let share = share(&rows[row], &columns[column]);
                                let from = (row * output.width + column) * input.channels;
                                for (dx, g) in dx.iter_mut().zip(&gradient[from..]) {
                                    *dx += g * share;
                                }
                            }
                        }
                    }
                }
            },
        );
    }

    /// What of the map's rows, or columns, the window sees at each step.
    fn seen(&self, axis: Axis) -> Vec<Range<usize>> {
        let Slide { input, output, window, .. } = self.slide;
        let (steps, side, kernel, stride, pad) = match axis {
            Axis::Rows => {
                (output.height, input.height, window.kernel.0, window.stride.0, window.pad_rows.0)
            }
            Axis::Columns => {
                (output.width, input.width, window.kernel.1, window.stride.1, window.pad_columns.0)
            }
        };
        let seen = |step: usize| {
            let end = (step * stride + kernel).saturating_sub(pad).min(side);
            (step * stride).saturating_sub(pad).min(end)..end
        };
        (0..steps).map(seen).collect()
    }
}

/// Rows or columns of a map.
#[derive(Debug, Clone, Copy)]
enum Axis {
    Rows,
    Columns,
}

/// For each of `side` rows, or columns, the steps at which the window sees it.
fn seeing(seen: &[Range<usize>], side: usize) -> Vec<Range<usize>> {
    (0..side)
        .map(|place| {
            let first = seen.iter().position(|seen| seen.contains(&place)).unwrap_or(0);
            let count = seen[first..].iter().take_while(|seen| seen.contains(&place)).count();
            first..first + count
        })
        .collect()
}

/// One over the pixels under a window; one wholly in the padding has mean 0.
#[inline(always)]
#[expect(clippy::inline_always, reason = "only what is inlined is compiled for the wider vectors")]
#[expect(clippy::cast_precision_loss, reason = "windows have few pixels")]
fn share(rows: &Range<usize>, columns: &Range<usize>) -> f32 {
    1.0 / (rows.len() * columns.len()).max(1) as f32
}

impl CustomOp1 for AvgPool {
    fn name(&self) -> &'static str {
        "average pool"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Dims)> {
        let xs = input(xs, layout)?;
        let (inside, outside) = (self.slide.input.len(), self.slide.output.len());
        let images = xs.len() / inside;
        let mut ys = vec![0.0; images * outside];
        ys.par_chunks_mut(outside)
            .zip(xs.par_chunks(inside))
            .for_each(|(ys, image)| self.forward_to(image, ys));
        Ok((CpuStorage::F32(ys), self.slide.output_dims(images)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, xs: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Dims)> {
        let images = layout.dims()[0];
        let ys = gpu::avg(&Cuda::new(&xs.device), &self.slide, images, view(xs, layout)?)?;
        Ok((ys, self.slide.output_dims(images)))
    }

    fn bwd(&self, xs: &Tensor, _ys: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?;
        #[cfg(feature = "cuda")]
        if xs.device().is_cuda() {
            let images = xs.dim(0)?;
            let dx =
                on_gpu([&gradient], |gpu, [g]| gpu::avg_gradient(gpu, &self.slide, images, g))?;
            return Ok(Some(device_tensor(dx, xs.shape())));
        }
        let g = floats(&gradient)?;
        let mut dx = vec![0.0; xs.elem_count()];
        dx.par_chunks_mut(self.slide.input.len())
            .zip(g.par_chunks(self.slide.output.len()))
            .for_each(|(dx, gradient)| self.gradient_to(gradient, dx));
        Ok(Some(tensor(dx, xs.shape())?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, check, numbers, slide};
    use super::*;

    #[test]
    fn any_window_equals_its_twin() {
        for (kernel, stride, pads) in
            [(2, 2, (0, 0)), (3, 2, (0, 1)), (3, 1, (1, 1)), (5, 3, (2, 2))]
        {
            let window =
                Window { pad_rows: pads, pad_columns: pads, ..Window::valid(kernel, stride) };
            let slide = slide(Shape { channels: 3, height: 7, width: 5 }, 3, window, 1);
            check(
                &[numbers("xs", &[2, 7, 5, 3])],
                |xs| xs[0].apply_op1(AvgPool { slide }),
                |xs| reference::avg_pool(&slide, &xs[0]),
            );
        }
    }

    #[test]
    fn the_global_average_is_the_mean_of_the_map() {
        let pool = AvgPool::global(Shape { channels: 3, height: 4, width: 5 });
        check(
            &[numbers("xs", &[2, 4, 5, 3])],
            |xs| xs[0].apply_op1(pool),
            |xs| reference::avg_pool(&pool.slide, &xs[0]),
        );
    }
}
