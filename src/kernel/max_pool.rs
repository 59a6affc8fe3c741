//! Maximum pooling with any kernel, stride and padding.
//!
//! A tie goes to the first number in row order, in both directions: the gradient finds the winner
//! again by comparing with the result, which costs one more read and saves a map of indices.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape as Dims, Tensor};
use rayon::prelude::*;

use super::access::{floats, input, tensor};
use super::slide::Slide;
use crate::net::{Shape, Window};

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

    fn forward_image(&self, image: &[f32], ys: &mut [f32]) {
        let channels = self.slide.input.channels;
        for (place, ys) in ys.chunks_exact_mut(channels).enumerate() {
            ys.fill(f32::NEG_INFINITY);
            for pixel in self.slide.pixels(place) {
                for (y, &x) in ys.iter_mut().zip(&image[pixel * channels..][..channels]) {
                    // NaN wins and stays: a diverged training must be seen.
                    *y = if x > *y || x.is_nan() { x } else { *y };
                }
            }
        }
    }

    pub(crate) fn forward(&self, xs: &[f32], ys: &mut [f32], winners: &mut [u8]) {
        let c = self.slide.input.channels;
        let kc = self.slide.window.kernel.1;
        let (inside, outside) = (self.slide.input.len(), self.slide.output.len());
        for (i, (x, y)) in xs.chunks_exact(inside).zip(ys.chunks_exact_mut(outside)).enumerate() {
            self.forward_image(x, y);
            if winners.is_empty() { continue; }
            let w = &mut winners[i * outside..][..outside];
            for place in 0..outside / c {
                for ch in 0..c {
                    let best = y[place * c + ch];
                    let mut win = 255;
                    let (row, column) = (place / self.slide.output.width, place % self.slide.output.width);
                    'o: for a in 0..self.slide.window.kernel.0 { if let Some(yy) = self.slide.row(row, a) {
                        for b in 0..kc { if let Some(xx) = self.slide.column(column, b) {
                            if x[(yy * self.slide.input.width + xx) * c + ch].to_bits() == best.to_bits() { win = (a * kc + b) as u8; break 'o; }
                        } } } }
                    w[place * c + ch] = win;
                }
            }
        }
    }
    pub(crate) fn gradient(&self, winners: &[u8], g: &[f32], dx: &mut [f32]) {
        dx.fill(0.0);
        let c = self.slide.input.channels;
        let kc = self.slide.window.kernel.1;
        let (inside, outside) = (self.slide.input.len(), self.slide.output.len());
        for (i, (x, g)) in dx.chunks_exact_mut(inside).zip(g.chunks_exact(outside)).enumerate() {
            let w = &winners[i * outside..][..outside];
            for (j, (&w, g)) in w.iter().zip(g).enumerate() {
                if w == 255 { continue; }
                let (place, ch) = (j / c, j % c);
                let (row, column) = (place / self.slide.output.width, place % self.slide.output.width);
                let yy = self.slide.row(row, w as usize / kc).unwrap();
                let xx = self.slide.column(column, w as usize % kc).unwrap();
                x[(yy * self.slide.input.width + xx) * c + ch] += g;
            }
        }
    }

    fn backward(&self, image: &[f32], ys: &[f32], gradient: &[f32], dx: &mut [f32]) {
        let channels = self.slide.input.channels;
        let mut open = vec![0.0; channels];
        let places = ys.chunks_exact(channels).zip(gradient.chunks_exact(channels));
        for (place, (ys, gradient)) in places.enumerate() {
            open.copy_from_slice(gradient);
            for pixel in self.slide.pixels(place) {
                let here = pixel * channels..(pixel + 1) * channels;
                let numbers = image[here.clone()].iter().zip(ys);
                for ((dx, open), (x, y)) in dx[here].iter_mut().zip(&mut open).zip(numbers) {
                    let wins = x.to_bits() == y.to_bits();
                    *dx += if wins { *open } else { 0.0 };
                    *open = if wins { 0.0 } else { *open };
                }
            }
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
            .for_each(|(ys, image)| self.forward_image(image, ys));
        Ok((CpuStorage::F32(ys), self.slide.output_dims(images)))
    }

    fn bwd(&self, xs: &Tensor, ys: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?;
        let guards = (floats(xs)?, floats(ys)?, floats(&gradient)?);
        let (x, y, g): (&[f32], &[f32], &[f32]) = (&guards.0, &guards.1, &guards.2);
        let (inside, outside) = (self.slide.input.len(), self.slide.output.len());
        let mut dx = vec![0.0; x.len()];
        dx.par_chunks_mut(inside)
            .zip(x.par_chunks(inside))
            .zip(y.par_chunks(outside).zip(g.par_chunks(outside)))
            .for_each(|((dx, image), (ys, gradient))| self.backward(image, ys, gradient, dx));
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
