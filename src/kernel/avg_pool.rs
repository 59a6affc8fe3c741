//! Average pooling with any kernel, stride and padding; the global average is its largest window.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape as Dims, Tensor};
use rayon::prelude::*;

use super::access::{floats, input, tensor};
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

    /// One over the pixels under the window at `place`; a window wholly in the padding has mean 0.
    #[expect(clippy::cast_precision_loss, reason = "windows have few pixels")]
    fn share(&self, place: usize) -> f32 {
        1.0 / self.slide.pixels(place).count().max(1) as f32
    }

    fn forward_image(&self, image: &[f32], ys: &mut [f32]) {
        let channels = self.slide.input.channels;
        for (place, ys) in ys.chunks_exact_mut(channels).enumerate() {
            for pixel in self.slide.pixels(place) {
                for (y, x) in ys.iter_mut().zip(&image[pixel * channels..][..channels]) {
                    *y += x;
                }
            }
            let share = self.share(place);
            for y in ys {
                *y *= share;
            }
        }
    }

    pub(crate) fn forward(&self, xs: &[f32], ys: &mut [f32]) {
        ys.fill(0.0);
        for (x, y) in xs.chunks_exact(self.slide.input.len()).zip(ys.chunks_exact_mut(self.slide.output.len())) { self.forward_image(x, y); }
    }
    pub(crate) fn gradient(&self, g: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        for (x, y) in dx.chunks_exact_mut(self.slide.input.len()).zip(g.chunks_exact(self.slide.output.len())) { self.backward(y, x); }
    }

    fn backward(&self, gradient: &[f32], dx: &mut [f32]) {
        let channels = self.slide.input.channels;
        for (place, gradient) in gradient.chunks_exact(channels).enumerate() {
            let share = self.share(place);
            for pixel in self.slide.pixels(place) {
                for (dx, g) in dx[pixel * channels..][..channels].iter_mut().zip(gradient) {
                    *dx += g * share;
                }
            }
        }
    }
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
            .for_each(|(ys, image)| self.forward_image(image, ys));
        Ok((CpuStorage::F32(ys), self.slide.output_dims(images)))
    }

    fn bwd(&self, xs: &Tensor, _ys: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?;
        let g = floats(&gradient)?;
        let mut dx = vec![0.0; xs.elem_count()];
        dx.par_chunks_mut(self.slide.input.len())
            .zip(g.par_chunks(self.slide.output.len()))
            .for_each(|(dx, gradient)| self.backward(gradient, dx));
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
