//! Convolution with bias and rectifier in one operation; a dense layer is its 1x1 case.
//!
//! Patches of a few hundred output pixels are gathered into a tile that stays in the cache and
//! multiplied with the weights. The gradients use the same tiles: of the weights through the tile's
//! transpose, of the input by scattering the tile back.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape as Dims, Tensor};
use rayon::prelude::*;

use super::access::{floats, input, tensor};
use super::chunks::{parts, reduce};
use super::gemm::{Matrix, Product, multiply};
use super::slide::Slide;
use crate::net::{Shape, Window};

/// Numbers in a tile of patches: with its product it should stay in a second-level cache.
const TILE: usize = 1 << 17;
/// Output pixels in a tile, at least (the packing of the weights is shared by them) and at most.
const TILE_PIXELS: (usize, usize) = (256, 2048);
/// Output pixels in a part of a weight gradient, at least.
const PART_PIXELS: usize = 128;

/// Convolution of `[n, h, w, c]` with weights `[rows, columns, in, out]`; with a third argument a bias.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    slide: Slide,
    /// Whether negative results become zero.
    relu: bool,
    /// Whether anybody needs the gradient of the input: not for images.
    input_gradient: bool,
}

/// Gradients of a convolution; the input's is empty when nobody needs it.
struct Gradients {
    input: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Conv {
    /// A convolution from maps of `input` to maps of `output`.
    #[must_use]
    pub fn new(input: Shape, output: Shape, window: Window, dilation: usize) -> Self {
        let slide = Slide { input, output, window, dilation };
        Self { slide, relu: false, input_gradient: true }
    }

    /// A dense layer from vectors to vectors; weights are `[1, 1, in, out]`.
    #[must_use]
    pub fn dense(inputs: usize, units: usize) -> Self {
        let vector = |channels| Shape { channels, height: 1, width: 1 };
        Self::new(vector(inputs), vector(units), Window::valid(1, 1), 1)
    }

    /// With the rectifier behind it, when `relu`.
    #[must_use]
    pub fn relu(self, relu: bool) -> Self {
        Self { relu, ..self }
    }

    /// Whether negative results become zero.
    #[must_use]
    pub fn rectifies(&self) -> bool {
        self.relu
    }

    /// Whether the input's gradient is computed.
    #[must_use]
    pub fn input_gradient(self, wanted: bool) -> Self {
        Self { input_gradient: wanted, ..self }
    }

    /// Output rows in a tile.
    fn tile_rows(&self) -> usize {
        let pixels = (TILE / self.slide.patch()).clamp(TILE_PIXELS.0, TILE_PIXELS.1);
        (pixels / self.slide.output.width).max(1)
    }

    fn forward(&self, xs: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let (slide, filters) = (&self.slide, self.slide.output.channels);
        let images = xs.len() / slide.input.len();
        let rows = images * slide.output.height;
        let tile = self.tile_rows();
        let mut ys = vec![0.0; images * slide.output.len()];
        let weights = Matrix::new(weight, filters);
        ys.par_chunks_mut(tile * slide.output.width * filters).enumerate().for_each_init(
            Vec::new,
            |patches, (i, ys)| {
                let rows = i * tile..((i + 1) * tile).min(rows);
                let patches = self.patches(xs, rows, patches);
                multiply(Matrix::new(patches, slide.patch()), weights, Product::Replaces, ys);
                self.finish(ys, bias);
            },
        );
        ys
    }

    /// The patches of output rows `rows`: gathered into `buffer`, or the map itself.
    fn patches<'a>(
        &self,
        xs: &'a [f32],
        rows: Range<usize>,
        buffer: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        let line = self.slide.output.width * self.slide.patch();
        if self.slide.is_pixelwise() {
            return &xs[rows.start * line..rows.end * line];
        }
        buffer.resize(rows.len() * line, 0.0);
        self.slide.gather(xs, rows, buffer);
        buffer
    }

    /// Adds the bias and cuts off what is negative, while the tile is in the cache.
    fn finish(&self, ys: &mut [f32], bias: Option<&[f32]>) {
        // Written so that NaN stays NaN: a diverged training must be seen.
        let rectified = |y: f32| if y < 0.0 { 0.0 } else { y };
        match (bias, self.relu) {
            (None, false) => {}
            (None, true) => ys.iter_mut().for_each(|y| *y = rectified(*y)),
            (Some(bias), relu) => {
                for pixel in ys.chunks_exact_mut(bias.len()) {
                    for (y, b) in pixel.iter_mut().zip(bias) {
                        let sum = *y + b;
                        *y = if relu { rectified(sum) } else { sum };
                    }
                }
            }
        }
    }

    fn backward(&self, xs: &[f32], weight: &[f32], ys: &[f32], gradient: &[f32]) -> Gradients {
        let slide = &self.slide;
        let images = xs.len() / slide.input.len();
        let pixels = slide.output.height * slide.output.width;
        let parts = parts(images, PART_PIXELS.div_ceil(pixels));
        let mut dx = vec![0.0; if self.input_gradient { xs.len() } else { 0 }];
        let mut slices = Vec::with_capacity(parts.len());
        let mut rest = dx.as_mut_slice();
        for part in &parts {
            let size = if self.input_gradient { part.len() * slide.input.len() } else { 0 };
            let (slice, tail) = rest.split_at_mut(size);
            slices.push(slice);
            rest = tail;
        }
        let (weights, biases) = parts
            .into_par_iter()
            .zip(slices)
            .map(|(part, dx)| {
                let inside = part.start * slide.input.len()..part.end * slide.input.len();
                let outside = part.start * slide.output.len()..part.end * slide.output.len();
                self.backward_part(
                    &xs[inside],
                    weight,
                    &ys[outside.clone()],
                    &gradient[outside],
                    dx,
                )
            })
            .collect::<Vec<_>>()
            .into_iter()
            .unzip();
        Gradients { input: dx, weight: reduce(weights), bias: reduce(biases) }
    }

    /// Gradients over a few images: of the weights and the bias returned, of the images into `dx`.
    fn backward_part(
        &self,
        xs: &[f32],
        weight: &[f32],
        ys: &[f32],
        gradient: &[f32],
        dx: &mut [f32],
    ) -> (Vec<f32>, Vec<f32>) {
        let (slide, filters) = (&self.slide, self.slide.output.channels);
        let rows = xs.len() / slide.input.len() * slide.output.height;
        let (tile, line) = (self.tile_rows(), slide.output.width * filters);
        let mut dw = vec![0.0; weight.len()];
        let mut db = vec![0.0; filters];
        let (mut buffer, mut masked) = (Vec::new(), Vec::new());
        for start in (0..rows).step_by(tile) {
            let rows = start..(start + tile).min(rows);
            let outside = rows.start * line..rows.end * line;
            let gradient = self.masked(&ys[outside.clone()], &gradient[outside], &mut masked);
            for pixel in gradient.chunks_exact(filters) {
                for (sum, g) in db.iter_mut().zip(pixel) {
                    *sum += g;
                }
            }
            let gradient = Matrix::new(gradient, filters);
            let patches = Matrix::new(self.patches(xs, rows.clone(), &mut buffer), slide.patch());
            multiply(patches.transposed(), gradient, Product::Adds, &mut dw);
            if self.input_gradient {
                self.spread(gradient, weight, rows, &mut buffer, dx);
            }
        }
        (dw, db)
    }

    /// The gradient before the rectifier: nothing passes where it cut.
    fn masked<'a>(&self, ys: &[f32], gradient: &'a [f32], buffer: &'a mut Vec<f32>) -> &'a [f32] {
        if !self.relu {
            return gradient;
        }
        buffer.clear();
        buffer.extend(ys.iter().zip(gradient).map(|(y, g)| if *y > 0.0 { *g } else { 0.0 }));
        buffer
    }

    /// Brings the gradient of output rows `rows` back to the input.
    fn spread(
        &self,
        gradient: Matrix<'_>,
        weight: &[f32],
        rows: Range<usize>,
        buffer: &mut Vec<f32>,
        dx: &mut [f32],
    ) {
        let (slide, filters) = (&self.slide, self.slide.output.channels);
        let weights = Matrix::new(weight, filters).transposed();
        let line = slide.output.width * slide.patch();
        if slide.is_pixelwise() {
            let inside = rows.start * line..rows.end * line;
            multiply(gradient, weights, Product::Replaces, &mut dx[inside]);
        } else {
            buffer.resize(rows.len() * line, 0.0);
            multiply(gradient, weights, Product::Replaces, buffer);
            slide.scatter(buffer, rows, dx);
        }
    }

    fn output(&self, ys: Vec<f32>) -> (CpuStorage, Dims) {
        let images = ys.len() / self.slide.output.len();
        (CpuStorage::F32(ys), self.slide.output_dims(images))
    }

    fn gradients(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        ys: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Tensor, Tensor)> {
        let gradient = gradient.contiguous()?;
        let found =
            self.backward(&floats(xs)?, &floats(weight)?, &floats(ys)?, &floats(&gradient)?);
        let filters = found.bias.len();
        let dx = self.input_gradient.then(|| tensor(found.input, xs.shape())).transpose()?;
        Ok((dx, tensor(found.weight, weight.shape())?, tensor(found.bias, filters)?))
    }
}

impl CustomOp2 for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        xs_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Dims)> {
        let (xs, weight) = (input(xs, xs_layout)?, input(weight, weight_layout)?);
        Ok(self.output(self.forward(xs, weight, None)))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        ys: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, _) = self.gradients(xs, weight, ys, gradient)?;
        Ok((dx, Some(dw)))
    }
}

impl CustomOp3 for Conv {
    fn name(&self) -> &'static str {
        "conv with bias"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        xs_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Dims)> {
        let (xs, weight) = (input(xs, xs_layout)?, input(weight, weight_layout)?);
        Ok(self.output(self.forward(xs, weight, Some(input(bias, bias_layout)?))))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        ys: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, db) = self.gradients(xs, weight, ys, gradient)?;
        Ok((dx, Some(dw), Some(db)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, check, numbers, slide};
    use super::*;

    fn against_twin(slide: Slide, relu: bool, bias: bool) {
        let Shape { channels, height, width } = slide.input;
        let (rows, columns) = slide.window.kernel;
        let filters = slide.output.channels;
        let conv = Conv { slide, relu, input_gradient: true };
        let mut arguments = vec![
            numbers("xs", &[3, height, width, channels]),
            numbers("weight", &[rows, columns, channels, filters]),
        ];
        if bias {
            arguments.push(numbers("bias", &[filters]));
        }
        check(
            &arguments,
            |xs| match xs {
                [xs, weight, bias] => xs.apply_op3(weight, bias, conv),
                _ => xs[0].apply_op2(&xs[1], conv),
            },
            |xs| {
                let ys = reference::conv(&slide, &xs[0], &xs[1], xs.get(2).map(Vec::as_slice));
                ys.iter().map(|&y| if relu { y.max(0.0) } else { y }).collect()
            },
        );
    }

    #[test]
    fn odd_kernels_strides_pads_and_dilations_equal_the_twin() {
        let image = |channels| Shape { channels, height: 6, width: 7 };
        let pads =
            |window, rows, columns| Window { pad_rows: rows, pad_columns: columns, ..window };
        let cases = [
            (image(1), 2, Window::valid(3, 1), 1),
            (image(3), 4, pads(Window::valid(3, 1), (1, 1), (1, 1)), 1),
            (image(2), 3, pads(Window::valid(5, 2), (1, 2), (2, 1)), 1),
            (image(2), 5, Window { kernel: (1, 3), stride: (2, 1), ..Window::valid(1, 1) }, 1),
            (image(2), 3, pads(Window::valid(3, 1), (2, 2), (2, 2)), 2),
            (image(3), 2, pads(Window::valid(2, 3), (0, 1), (4, 3)), 1),
            (image(4), 3, Window::valid(1, 1), 1),
            (image(3), 3, Window::valid(1, 2), 1),
        ];
        for (i, (input, filters, window, dilation)) in cases.into_iter().enumerate() {
            against_twin(slide(input, filters, window, dilation), i % 2 == 0, i % 3 != 0);
        }
    }

    #[test]
    fn a_dense_layer_equals_the_twin() {
        against_twin(Conv::dense(7, 4).slide, true, true);
    }

    /// Several tiles and several parts: the seams of the work must not show.
    #[test]
    fn tiles_and_parts_join_without_seams() {
        let window = Window::same(3, 1, 40);
        let slide = slide(Shape { channels: 2, height: 40, width: 40 }, 3, window, 1);
        let conv = Conv { slide, relu: true, input_gradient: true };
        assert!(conv.tile_rows() < 5 * 40, "the case must have several tiles");
        let (xs, weight) = (numbers("xs", &[5, 40, 40, 2]), numbers("weight", &[3, 3, 2, 3]));
        let twin = reference::conv(&slide, &xs.exact(), &weight.exact(), None);
        let expected: Vec<f64> = twin.iter().map(|y| y.max(0.0)).collect();
        let (xs, weight) = (xs.single(), weight.single());
        let ys = conv.forward(xs, weight, None);
        reference::close("forward", &ys, &expected, 2e-5);
        let gradient: Vec<f32> = ys.iter().map(|y| y * 0.5 - 0.1).collect();
        let whole = conv.backward(xs, weight, &ys, &gradient);
        let image = slide.input.len();
        let (first, rest) = (slide.output.len(), slide.output.len() * 5);
        let one = conv.backward(&xs[..image], weight, &ys[..first], &gradient[..first]);
        assert_eq!(one.input, whole.input[..image], "an image's gradient depends on its batch");
        let others = conv.backward(&xs[image..], weight, &ys[first..rest], &gradient[first..rest]);
        let sums: Vec<f64> =
            one.weight.iter().zip(&others.weight).map(|(a, b)| f64::from(a + b)).collect();
        reference::close("weights", &whole.weight, &sums, 2e-4);
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let slide =
            slide(Shape { channels: 5, height: 20, width: 20 }, 7, Window::same(3, 1, 20), 1);
        let conv = Conv { slide, relu: true, input_gradient: true };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (xs, w) = (numbers("xs", &[9, 20, 20, 5]), numbers("w", &[3, 3, 5, 7]));
                let (xs, w) = (xs.single(), w.single());
                let ys = conv.forward(xs, w, None);
                let back = conv.backward(xs, w, &ys, &ys);
                (ys, back.input, back.weight, back.bias)
            })
        };
        assert_eq!(run(1), run(3));
    }
}
