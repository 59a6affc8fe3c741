//! Convolution with bias and rectifier in one operation; a dense layer is its 1x1 case.
//!
//! All three passes are products ([`super::product`]) that read maps where they lie: a row of the kernel is one
//! run of memory. Maps with padding are first copied into a scratch that has it, a band of rows at a time. Only
//! dilated kernels gather their patches, and only gradients of strided or dilated ones are scattered back. Kernels of
//! 3x3 over many channels take the shorter way of [`super::winograd`]; the shape alone decides.

mod bf16;
mod dense_gradient;
mod multiply_adds;

use std::ops::Range;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape as Dims, Tensor};
use rayon::prelude::*;

#[cfg(feature = "cuda")]
use super::access::{device_tensor, on_gpu, view};
use super::access::{floats, input, tensor};
use super::aligned::Memory;
use super::chunks::{UNIT, parts, reduce};
#[cfg(feature = "cuda")]
use super::gpu::{Convolution, Cuda};
use super::product::{Left, Panels, Product, Right, Start, turn};
use super::slide::Slide;
use super::winograd::{self, Winograd};
use crate::net::{Shape, Window};
#[cfg(test)]
pub(crate) use bf16::rounded_to_bf16;
pub(crate) use dense_gradient::DenseGradient;
pub(crate) use multiply_adds::MultiplyAdds;

/// Numbers of a band of rows: with what is computed from it, it should stay in a second-level cache.
const BAND: usize = 1 << 16;
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
    /// Whether operands of products are rounded to bfloat16 first ([`bf16`]).
    bf16: bool,
}

/// Memory that kernels use again and again.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Maps with their padding, or patches.
    pub(crate) numbers: Memory,
    panels: Panels,
    winograd: winograd::Scratch,
}

/// The weights of a convolution as its passes read them.
#[derive(Debug)]
pub(crate) enum Weights {
    Plain(Panels),
    /// By position of a tile.
    Winograd(Vec<Panels>),
}

impl Default for Weights {
    /// Of nothing.
    fn default() -> Self {
        Self::Plain(Panels::default())
    }
}

/// The way of a gradient back to the input, with the weights as it needs them.
#[derive(Debug)]
pub(crate) enum WayBack {
    /// Nobody needs it.
    None,
    /// A convolution of the output's gradient, with these weights.
    Turned(Conv, Weights),
    /// Gradients of patches, by these weights, added where the patches came from.
    Scattered(Panels),
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
        Self { slide, relu: false, input_gradient: true, bf16: false }
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

    /// Output rows of a band.
    fn band_rows(&self) -> usize {
        let Slide { input, output, window, .. } = &self.slide;
        let row = window.stride.0 * input.width * input.channels + output.width * output.channels;
        let row = if self.slide.dilation == 1 { row } else { output.width * self.slide.patch() };
        (BAND / row).clamp(1, output.height)
    }

    /// The shorter way to the output, where it pays.
    fn winograd(&self) -> Option<Winograd> {
        Winograd::of(&self.slide).filter(Winograd::pays)
    }

    /// The shorter way to the weights' gradient, where it pays.
    fn winograd_sums(&self) -> Option<Winograd> {
        Winograd::of(&self.slide).filter(Winograd::pays_for_sums)
    }

    fn forward(&self, xs: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let Slide { input, output, .. } = &self.slide;
        let (xs, weight) = (self.operands(xs), self.operands(weight));
        let mut ys = vec![0.0; xs.len() / input.len() * output.len()];
        let weights = self.weights(&weight);
        let images = ys.par_chunks_mut(output.len()).zip(xs.par_chunks(input.len()));
        images.for_each_init(Scratch::default, |scratch, (ys, image)| {
            self.forward_to(image, &weights, bias, ys, scratch);
        });
        ys
    }

    /// The weights as passes read them.
    pub(crate) fn weights(&self, weight: &[f32]) -> Weights {
        match self.winograd() {
            Some(winograd) => Weights::Winograd(winograd.kernels(weight)),
            None => Weights::Plain(Panels::of(weight, self.slide.output.channels)),
        }
    }

    /// Overwrites `ys` with the output for the images `xs`, in this thread.
    pub(crate) fn forward_to(
        &self,
        xs: &[f32],
        weights: &Weights,
        bias: Option<&[f32]>,
        ys: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (slide, filters) = (&self.slide, self.slide.output.channels);
        let weight = match weights {
            Weights::Plain(panels) => panels,
            Weights::Winograd(kernels) => {
                let winograd = self.winograd().expect("BUG: its weights were made for it");
                let scratch = &mut scratch.winograd;
                return winograd.forward(xs, kernels, bias, self.relu, ys, scratch);
            }
        };
        if slide.is_pixelwise() {
            let left = Left::matrix(xs, slide.input.channels);
            let start = bias.map_or(Start::Zero, Start::Each);
            let right = weight.right();
            return Product { left, right, columns: filters, start, relu: self.relu }.write(ys);
        }
        let rows = self.band_rows();
        let images = ys.chunks_exact_mut(slide.output.len());
        for (ys, image) in images.zip(xs.chunks_exact(slide.input.len())) {
            let bands = ys.chunks_mut(rows * slide.output.width * filters);
            for (number, ys) in bands.enumerate() {
                self.band(image, number * rows, weight, bias, ys, &mut scratch.numbers);
            }
        }
    }

    /// The output rows from `first` on that `ys` has place for.
    fn band(
        &self,
        image: &[f32],
        first: usize,
        weight: &Panels,
        bias: Option<&[f32]>,
        ys: &mut [f32],
        scratch: &mut Memory,
    ) {
        let filters = self.slide.output.channels;
        let rows = first..first + ys.len() / (self.slide.output.width * filters);
        let left = self.pixels(image, rows, scratch);
        let start = bias.map_or(Start::Zero, Start::Each);
        let right = weight.right();
        Product { left, right, columns: filters, start, relu: self.relu }.write(ys);
    }

    /// The patches of an image's output rows, a row each: read where they lie, or from `scratch`.
    fn pixels<'a>(
        &self,
        image: &'a [f32],
        rows: Range<usize>,
        scratch: &'a mut Memory,
    ) -> Left<'a> {
        let Slide { input, output, window, dilation } = self.slide;
        if self.slide.is_pixelwise() {
            let line = input.width * input.channels;
            return Left::matrix(&image[rows.start * line..rows.end * line], input.channels);
        }
        if dilation > 1 {
            return Left::matrix(self.gathered(image, rows, scratch), self.slide.patch());
        }
        let (lines, segment) = (rows.len(), self.padded_width());
        Left {
            values: self.padded(image, rows, scratch),
            lines,
            line: window.stride.0 * segment,
            rows: output.width,
            row: window.stride.1 * input.channels,
            segments: window.kernel.0,
            segment,
            run: window.kernel.1 * input.channels,
            step: 1,
        }
    }

    /// The patches of an image's output rows, one after another.
    fn gathered<'a>(
        &self,
        image: &[f32],
        rows: Range<usize>,
        scratch: &'a mut Memory,
    ) -> &'a [f32] {
        let patches = scratch.of_len(rows.len() * self.slide.output.width * self.slide.patch());
        self.slide.gather(image, rows, patches);
        patches
    }

    /// Numbers in a row of the image with as much padding as the window sees.
    fn padded_width(&self) -> usize {
        let Slide { input, output, window, .. } = &self.slide;
        ((output.width - 1) * window.stride.1 + window.kernel.1) * input.channels
    }

    /// The rows of the image that output rows `rows` see, with their padding.
    fn padded<'a>(
        &self,
        image: &'a [f32],
        rows: Range<usize>,
        scratch: &'a mut Memory,
    ) -> &'a [f32] {
        let Slide { input, window, .. } = &self.slide;
        let (width, line) = (self.padded_width(), input.width * input.channels);
        let first = rows.start * window.stride.0;
        let seen = (rows.len() - 1) * window.stride.0 + window.kernel.0;
        let is_inside = window.pad_rows.0 == 0 && first + seen <= input.height;
        if window.pad_columns.0 == 0 && width == line && is_inside {
            return &image[first * line..];
        }
        let padded = scratch.of_len(seen * width);
        let left = (window.pad_columns.0 * input.channels).min(width);
        let inside = line.min(width - left);
        for (row, padded) in padded.chunks_exact_mut(width).enumerate() {
            match (first + row).checked_sub(window.pad_rows.0).filter(|&y| y < input.height) {
                None => padded.fill(0.0),
                Some(y) => {
                    padded[..left].fill(0.0);
                    padded[left..left + inside].copy_from_slice(&image[y * line..][..inside]);
                    padded[left + inside..].fill(0.0);
                }
            }
        }
        padded
    }

    fn backward(&self, xs: &[f32], weight: &[f32], ys: &[f32], gradient: &[f32]) -> Gradients {
        let slide = &self.slide;
        let images = xs.len() / slide.input.len();
        let pixels = slide.output.height * slide.output.width;
        let parts = parts(images, PART_PIXELS.div_ceil(pixels));
        let back = self.way_back(weight);
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
                self.backward_part(&xs[inside], &back, &ys[outside.clone()], &gradient[outside], dx)
            })
            .collect::<Vec<_>>()
            .into_iter()
            .unzip();
        let mut dw = vec![0.0; weight.len()];
        self.gradient_of_sums(&reduce(weights), &mut dw);
        Gradients { input: dx, weight: dw, bias: reduce(biases) }
    }

    /// Gradients over a few images: sums for the weights and the bias returned, of the images into `dx`.
    fn backward_part(
        &self,
        xs: &[f32],
        back: &WayBack,
        ys: &[f32],
        gradient: &[f32],
        dx: &mut [f32],
    ) -> (Vec<f32>, Vec<f32>) {
        let mut sums = vec![0.0; self.sums()];
        let mut db = vec![0.0; self.slide.output.channels];
        let mut masked = Vec::new();
        let gradient = self.masked(ys, gradient, &mut masked);
        let scratch = &mut Scratch::default();
        self.backward_to(xs, gradient, back, &mut sums, Some(&mut db), dx, scratch);
        (sums, db)
    }

    /// Numbers that the gradient of the weights is summed up in; [`Conv::gradient_of_sums`] makes it of them.
    pub(crate) fn sums(&self) -> usize {
        let plain = self.slide.patch() * self.slide.output.channels;
        self.winograd_sums().map_or(plain, |winograd| winograd.sums())
    }

    /// Overwrites `dw` with what the sums of all images say.
    pub(crate) fn gradient_of_sums(&self, sums: &[f32], dw: &mut [f32]) {
        if let Some(winograd) = self.winograd_sums() {
            dw.fill(0.0);
            return winograd.add_gradient(sums, dw);
        }
        let parts = dw.par_chunks_mut(UNIT).zip(sums.par_chunks(UNIT));
        parts.for_each(|(dw, sums)| super::pointwise::add_zero(sums, dw));
    }

    /// Adds to the sums of weights and bias what `xs` and the gradient before the rectifier say, and overwrites
    /// `dx`, which is empty when nobody wants it.
    #[expect(clippy::too_many_arguments, reason = "three gradients from three sources")]
    pub(crate) fn backward_to(
        &self,
        xs: &[f32],
        gradient: &[f32],
        back: &WayBack,
        sums: &mut [f32],
        db: Option<&mut [f32]>,
        dx: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let slide = &self.slide;
        if let Some(winograd) = self.winograd_sums() {
            winograd.add_sums(xs, gradient, sums, &mut scratch.winograd);
        } else {
            let together = self.images_together();
            let (inside, outside) = (together * slide.input.len(), together * slide.output.len());
            for (images, gradient) in xs.chunks(inside).zip(gradient.chunks(outside)) {
                self.backward_weight(images, gradient, scratch, sums);
            }
        }
        self.rest_of_backward_to(gradient, back, db, dx, scratch);
    }

    /// [`Conv::backward_to`] without the weights, whose gradient a [`DenseGradient`] finds.
    pub(crate) fn rest_of_backward_to(
        &self,
        gradient: &[f32],
        back: &WayBack,
        db: Option<&mut [f32]>,
        dx: &mut [f32],
        scratch: &mut Scratch,
    ) {
        if let Some(db) = db {
            for pixel in gradient.chunks_exact(self.slide.output.channels) {
                for (sum, g) in db.iter_mut().zip(pixel) {
                    *sum += g;
                }
            }
        }
        if !dx.is_empty() {
            self.backward_input(gradient, back, dx, scratch);
        }
    }

    /// Images that are taken as one on the way back: where each has few pixels and they follow one another as
    /// pixels do, as in a dense layer, together they make longer chains.
    fn images_together(&self) -> usize {
        let pixels = self.slide.output.height * self.slide.output.width;
        if self.slide.is_pixelwise() { PART_PIXELS.div_ceil(pixels) } else { 1 }
    }

    /// Goes on with the chains of the weights' gradient: a term for each output pixel.
    fn backward_weight(
        &self,
        image: &[f32],
        gradient: &[f32],
        scratch: &mut Scratch,
        dw: &mut [f32],
    ) {
        let Slide { input, output, window, dilation } = self.slide;
        let filters = output.channels;
        let Scratch { numbers, panels, .. } = scratch;
        if self.slide.is_pixelwise() {
            let right = panels.arranged(gradient, filters);
            return go_on(Left::transposed(image, input.channels), right, filters, dw);
        }
        let band = self.band_rows();
        let line = output.width * filters;
        for (number, gradient) in gradient.chunks(band * line).enumerate() {
            let rows = number * band..number * band + gradient.len() / line;
            let right = panels.arranged(gradient, filters);
            if dilation > 1 {
                let patches = self.gathered(image, rows, numbers);
                go_on(Left::transposed(patches, self.slide.patch()), right, filters, dw);
                continue;
            }
            let (segments, width) = (rows.len(), self.padded_width());
            let padded = self.padded(image, rows, numbers);
            let taps = window.kernel.1 * input.channels;
            for (row, dw) in dw.chunks_exact_mut(taps * filters).enumerate() {
                let left = Left {
                    values: &padded[row * width..],
                    lines: 1,
                    line: 0,
                    rows: taps,
                    row: 1,
                    segments,
                    segment: window.stride.0 * width,
                    run: output.width,
                    step: window.stride.1 * input.channels,
                };
                go_on(left, right, filters, dw);
            }
        }
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

    /// Numbers that the weights take as [`Conv::weights`] and as [`Conv::way_back`] have them.
    pub(crate) fn weights_lens(&self) -> [usize; 2] {
        let plain = self.slide.patch() * self.slide.output.channels;
        let of = |conv: &Self| conv.winograd().map_or(plain, |winograd| winograd.sums());
        let back = self.turned().as_ref().map_or(plain, of);
        [of(self), if self.input_gradient { back } else { 0 }]
    }

    /// Numbers of scratch that the passes over groups of `images` use at most: of maps, of panels, and of
    /// the shorter way.
    pub(crate) fn scratch_lens(&self, images: usize) -> [usize; 3] {
        let back = self.turned().filter(|_| self.input_gradient);
        let ways = [self.winograd(), self.winograd_sums(), back.and_then(|back| back.winograd())];
        let shorter = ways.into_iter().flatten().map(|way| way.scratch_len(images)).max();
        let [maps, panels] = self.plain_scratch_lens(images);
        [maps, panels, shorter.unwrap_or(0)]
    }

    /// Those of the plain ways.
    fn plain_scratch_lens(&self, images: usize) -> [usize; 2] {
        let Slide { input, output, window, dilation } = self.slide;
        let (rows, filters) = (self.band_rows(), output.channels);
        let patches = rows * output.width * self.slide.patch();
        let is_turned = self.turned().is_some();
        let seen = ((rows - 1) * window.stride.0 + window.kernel.0) * self.padded_width();
        let there = match (self.slide.is_pixelwise(), dilation) {
            (true, _) => 0,
            (false, 1) => seen,
            (false, _) => patches,
        };
        let back = match (self.input_gradient, is_turned) {
            (false, _) => 0,
            (true, true) if self.slide.is_pixelwise() => 0,
            // The turned kernel sees as much around the output as the kernel sees around the input, or less.
            (true, true) => {
                let row = input.width * input.channels + output.width * filters;
                let rows = (BAND / row).clamp(1, input.height);
                let width = (input.width + window.kernel.1 - 1) * filters;
                (rows + window.kernel.0 - 1) * width
            }
            (true, false) => patches,
        };
        let together = self.images_together().min(images) * output.height;
        let rows = if self.slide.is_pixelwise() { together } else { rows };
        let panels = if Panels::are_needed(filters) { rows * output.width * filters } else { 0 };
        [there.max(back), panels]
    }

    /// How the gradient of the input is found.
    pub(crate) fn way_back(&self, weight: &[f32]) -> WayBack {
        let Slide { input, output, .. } = self.slide;
        if !self.input_gradient {
            return WayBack::None;
        }
        let Some(conv) = self.turned() else {
            return WayBack::Scattered(Panels::of_turned(weight, output.channels));
        };
        let tap = input.channels * output.channels;
        if weight.len() == tap {
            return WayBack::Turned(
                conv,
                Weights::Plain(Panels::of_turned(weight, output.channels)),
            );
        }
        let mut turned = vec![0.0; weight.len()];
        let taps = turned.par_chunks_exact_mut(tap).zip(weight.par_chunks_exact(tap).rev());
        taps.for_each(|(turned, tap)| turn(tap, output.channels, turned));
        let weights = conv.weights(&turned);
        WayBack::Turned(conv, weights)
    }

    /// The way back as a convolution of the gradient with the kernel turned by 180 degrees, and in and out exchanged;
    /// there is none where the kernel moves by more, is dilated or lies beside the map.
    fn turned(&self) -> Option<Self> {
        let Slide { input, output, window, dilation } = self.slide;
        let pads = [window.pad_rows.0, window.pad_columns.0];
        let (rows, columns) = window.kernel;
        if pads[0] >= rows || pads[1] >= columns || dilation > 1 || window.stride != (1, 1) {
            return None;
        }
        let pad = (rows - 1 - pads[0], columns - 1 - pads[1]);
        let window = Window {
            pad_rows: (pad.0, rows - 1 - pad.0),
            pad_columns: (pad.1, columns - 1 - pad.1),
            ..window
        };
        let slide = Slide { input: output, output: input, window, dilation: 1 };
        Some(Self { slide, relu: false, input_gradient: false, bf16: false })
    }

    fn backward_input(
        &self,
        gradient: &[f32],
        back: &WayBack,
        dx: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (slide, filters) = (&self.slide, self.slide.output.channels);
        match back {
            WayBack::None => {}
            WayBack::Turned(turned, weights) => {
                turned.forward_to(gradient, weights, None, dx, scratch);
            }
            WayBack::Scattered(weight) => {
                dx.fill(0.0);
                let band = self.band_rows();
                let line = slide.output.width * filters;
                for (number, gradient) in gradient.chunks(band * line).enumerate() {
                    let rows = number * band..number * band + gradient.len() / line;
                    let count = rows.len() * slide.output.width * slide.patch();
                    let patches = scratch.numbers.of_len(count);
                    let left = Left::matrix(gradient, filters);
                    let (columns, start) = (slide.patch(), Start::Zero);
                    let right = weight.right();
                    Product { left, right, columns, start, relu: false }.write(patches);
                    slide.scatter(patches, rows, dx);
                }
            }
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
        #[cfg(feature = "cuda")]
        if xs.device().is_cuda() {
            return self.gradients_on_gpu([xs, weight, ys, &gradient]);
        }
        let found = self.gradients_of_operands(
            &floats(xs)?,
            &floats(weight)?,
            &floats(ys)?,
            &floats(&gradient)?,
        );
        let filters = found.bias.len();
        let dx = self.input_gradient.then(|| tensor(found.input, xs.shape())).transpose()?;
        Ok((dx, tensor(found.weight, weight.shape())?, tensor(found.bias, filters)?))
    }
}

#[cfg(feature = "cuda")]
impl Conv {
    fn on_images(&self, images: usize) -> Convolution {
        Convolution { slide: self.slide, images, relu: self.relu, bf16: self.bf16 }
    }

    fn gradients_on_gpu(&self, tensors: [&Tensor; 4]) -> Result<(Option<Tensor>, Tensor, Tensor)> {
        let [xs, weight, ..] = tensors;
        let conv = self.on_images(xs.dim(0)?);
        let found = on_gpu(tensors, |gpu, views| conv.gradients(gpu, views, self.input_gradient))?;
        Ok((
            found.input.map(|dx| device_tensor(dx, xs.shape())),
            device_tensor(found.weight, weight.shape()),
            device_tensor(found.bias, self.slide.output.channels),
        ))
    }
}

/// Goes on with chains whose sums so far are in `out`.
fn go_on(left: Left<'_>, right: Right<'_>, columns: usize, out: &mut [f32]) {
    Product { left, right, columns, start: Start::Output, relu: false }.write(out);
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

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        xs: &CudaStorage,
        xs_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Dims)> {
        let (gpu, images) = (Cuda::new(&xs.device), xs_layout.dims()[0]);
        let (xs, weight) = (view(xs, xs_layout)?, view(weight, weight_layout)?);
        let ys = self.on_images(images).forward(&gpu, xs, weight, None)?;
        Ok((ys, self.slide.output_dims(images)))
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

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        xs: &CudaStorage,
        xs_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(CudaStorage, Dims)> {
        let (gpu, images) = (Cuda::new(&xs.device), xs_layout.dims()[0]);
        let (xs, weight) = (view(xs, xs_layout)?, view(weight, weight_layout)?);
        let bias = view(bias, bias_layout)?;
        let ys = self.on_images(images).forward(&gpu, xs, weight, Some(bias))?;
        Ok((ys, self.slide.output_dims(images)))
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
        let conv = Conv { slide, relu, input_gradient: true, bf16: false };
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

    /// Several bands and several parts: the seams of the work must not show.
    #[test]
    fn bands_and_parts_join_without_seams() {
        let window = Window::same(3, 1, 40);
        let slide = slide(Shape { channels: 2, height: 40, width: 40 }, 3, window, 1);
        let conv = Conv { slide, relu: true, input_gradient: true, bf16: false };
        assert!(conv.band_rows() < 400, "the case must have several bands");
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
        let conv = Conv { slide, relu: true, input_gradient: true, bf16: false };
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
