//! Convolution of each channel by itself.
//!
//! Written directly: a product of matrices would have one column. All channels of a pixel lie side by
//! side, so each tap is a run of independent multiply-adds.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape as Dims, Tensor};
use rayon::prelude::*;

use super::access::{floats, input, tensor};
use super::chunks::{parts, reduce};
use super::slide::Slide;
use crate::net::{Shape, Window};

/// Convolution of `[n, h, w, c]` with weights `[rows, columns, c]`; no bias.
#[derive(Debug, Clone, Copy)]
pub struct Depthwise {
    slide: Slide,
    input_gradient: bool,
}

impl Depthwise {
    /// From maps of `input` to maps of `output`.
    #[must_use]
    pub fn new(input: Shape, output: Shape, window: Window) -> Self {
        Self { slide: Slide { input, output, window, dilation: 1 }, input_gradient: true }
    }

    /// Whether the input's gradient is computed.
    #[must_use]
    pub fn input_gradient(self, wanted: bool) -> Self {
        Self { input_gradient: wanted, ..self }
    }

    /// Tap and pixel pairs under the window at output pixel `place`.
    fn taps(&self, place: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let slide = &self.slide;
        let (row, column) = (place / slide.output.width, place % slide.output.width);
        let (rows, columns) = slide.window.kernel;
        (0..rows).filter_map(move |i| slide.row(row, i).map(|y| (i, y))).flat_map(move |(i, y)| {
            (0..columns).filter_map(move |j| {
                slide.column(column, j).map(|x| (i * columns + j, y * slide.input.width + x))
            })
        })
    }

    fn forward_image(&self, image: &[f32], weight: &[f32], ys: &mut [f32]) {
        let channels = self.slide.input.channels;
        for (place, ys) in ys.chunks_exact_mut(channels).enumerate() {
            for (tap, pixel) in self.taps(place) {
                let weight = &weight[tap * channels..][..channels];
                let xs = &image[pixel * channels..][..channels];
                for ((y, x), w) in ys.iter_mut().zip(xs).zip(weight) {
                    *y += x * w;
                }
            }
        }
    }

    pub(crate) fn forward(&self, xs: &[f32], weight: &[f32], ys: &mut [f32], _: &mut Vec<f32>) {
        ys.fill(0.0);
        for (x, y) in xs.chunks_exact(self.slide.input.len()).zip(ys.chunks_exact_mut(self.slide.output.len())) { self.forward_image(x, weight, y); }
    }
    pub(crate) fn input_gradient_to(&self, g: &[f32], weight: &[f32], dx: &mut [f32], _: &mut Vec<f32>) {
        dx.fill(0.0);
        for (x, y) in dx.chunks_exact_mut(self.slide.input.len()).zip(g.chunks_exact(self.slide.output.len())) { self.backward_input(weight, y, x); }
    }
    pub(crate) fn weight_gradient_to(&self, xs: &[f32], g: &[f32], dw: &mut [f32], _: &mut Vec<f32>) {
        for (x, y) in xs.chunks_exact(self.slide.input.len()).zip(g.chunks_exact(self.slide.output.len())) { self.backward_weight(x, y, dw); }
    }

    fn backward_input(&self, weight: &[f32], gradient: &[f32], dx: &mut [f32]) {
        let channels = self.slide.input.channels;
        for (place, gradient) in gradient.chunks_exact(channels).enumerate() {
            for (tap, pixel) in self.taps(place) {
                let weight = &weight[tap * channels..][..channels];
                let dx = &mut dx[pixel * channels..][..channels];
                for ((dx, g), w) in dx.iter_mut().zip(gradient).zip(weight) {
                    *dx += g * w;
                }
            }
        }
    }

    fn backward_weight(&self, image: &[f32], gradient: &[f32], dw: &mut [f32]) {
        let channels = self.slide.input.channels;
        for (place, gradient) in gradient.chunks_exact(channels).enumerate() {
            for (tap, pixel) in self.taps(place) {
                let xs = &image[pixel * channels..][..channels];
                let dw = &mut dw[tap * channels..][..channels];
                for ((dw, g), x) in dw.iter_mut().zip(gradient).zip(xs) {
                    *dw += g * x;
                }
            }
        }
    }
}

impl CustomOp2 for Depthwise {
    fn name(&self) -> &'static str {
        "depthwise conv"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        xs_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Dims)> {
        let (xs, weight) = (input(xs, xs_layout)?, input(weight, weight_layout)?);
        let (inside, outside) = (self.slide.input.len(), self.slide.output.len());
        let images = xs.len() / inside;
        let mut ys = vec![0.0; images * outside];
        ys.par_chunks_mut(outside)
            .zip(xs.par_chunks(inside))
            .for_each(|(ys, image)| self.forward_image(image, weight, ys));
        Ok((CpuStorage::F32(ys), self.slide.output_dims(images)))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        _ys: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let guards = (floats(xs)?, floats(weight)?, floats(&gradient)?);
        let (x, w, g): (&[f32], &[f32], &[f32]) = (&guards.0, &guards.1, &guards.2);
        let (inside, outside) = (self.slide.input.len(), self.slide.output.len());
        let sums = parts(x.len() / inside, 1)
            .into_par_iter()
            .map(|part| {
                let mut dw = vec![0.0; w.len()];
                for i in part {
                    let image = &x[i * inside..][..inside];
                    self.backward_weight(image, &g[i * outside..][..outside], &mut dw);
                }
                dw
            })
            .collect();
        let dw = tensor(reduce(sums), weight.shape())?;
        if !self.input_gradient {
            return Ok((None, Some(dw)));
        }
        let mut dx = vec![0.0; x.len()];
        dx.par_chunks_mut(inside)
            .zip(g.par_chunks(outside))
            .for_each(|(dx, gradient)| self.backward_input(w, gradient, dx));
        Ok((Some(tensor(dx, xs.shape())?), Some(dw)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, check, numbers, slide};
    use super::*;

    #[test]
    fn any_window_equals_its_twin() {
        for (kernel, stride, pads) in
            [(3, 1, (1, 1)), (5, 2, (1, 2)), (3, 2, (0, 1)), (2, 1, (0, 0))]
        {
            let window =
                Window { pad_rows: pads, pad_columns: pads, ..Window::valid(kernel, stride) };
            let slide = slide(Shape { channels: 3, height: 6, width: 7 }, 3, window, 1);
            check(
                &[numbers("xs", &[2, 6, 7, 3]), numbers("weight", &[kernel, kernel, 3])],
                |xs| xs[0].apply_op2(&xs[1], Depthwise { slide, input_gradient: true }),
                |xs| reference::depthwise(&slide, &xs[0], &xs[1]),
            );
        }
    }
}
