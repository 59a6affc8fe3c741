//! Convolution of each channel by itself.
//!
//! Written directly: a product of matrices would have one column. All channels of a pixel lie side by side, so
//! vectors run over them. A map is copied into a scratch that has its padding, so the loops have no cases; several
//! pixels, or all taps of a kernel, are kept in registers. As in [`super::product`] every number is one chain of
//! fused multiply-adds, taps in row order and a gradient's terms in the order of images and pixels, so vectors of any
//! width have the same bits.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape as Dims, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

#[cfg(feature = "cuda")]
use super::access::{device_tensor, on_gpu, view};
use super::access::{floats, input, tensor};
use super::aligned::Memory;
use super::chunks::{parts, reduce};
#[cfg(feature = "cuda")]
use super::gpu::{self, Cuda};
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

    /// Overwrites `ys` with the output for the images `xs`.
    pub(crate) fn forward_to(
        &self,
        xs: &[f32],
        weight: &[f32],
        ys: &mut [f32],
        scratch: &mut Memory,
    ) {
        let Slide { input, output, window, .. } = self.slide;
        let images = ys.chunks_exact_mut(output.len()).zip(xs.chunks_exact(input.len()));
        for (ys, image) in images {
            let (padded, line) = self.padded(image, scratch);
            run(Taps { padded, line, stride: window.stride, weight, output, window, ys });
        }
    }

    /// Overwrites `dx` with the gradient of the input.
    pub(crate) fn input_gradient_to(
        &self,
        gradient: &[f32],
        weight: &[f32],
        dx: &mut [f32],
        scratch: &mut Memory,
    ) {
        let Slide { input, output, window, .. } = self.slide;
        let turned: Vec<f32> =
            weight.chunks_exact(input.channels).rev().flatten().copied().collect();
        let images = dx.chunks_exact_mut(input.len()).zip(gradient.chunks_exact(output.len()));
        for (dx, gradient) in images {
            let (padded, line) = self.spread(gradient, scratch);
            let (weight, output, ys) = (turned.as_slice(), input, dx);
            run(Taps { padded, line, stride: (1, 1), weight, output, window, ys });
        }
    }

    /// Adds the gradient of the weights to `dw`.
    pub(crate) fn weight_gradient_to(
        &self,
        xs: &[f32],
        gradient: &[f32],
        dw: &mut [f32],
        scratch: &mut Memory,
    ) {
        let Slide { input, output, window, .. } = self.slide;
        let images = gradient.chunks_exact(output.len()).zip(xs.chunks_exact(input.len()));
        for (gradient, image) in images {
            let (padded, line) = self.padded(image, scratch);
            run(Sums { padded, line, gradient, output, window, dw });
        }
    }

    /// Multiply-adds for an image of each pass: forward, and of each gradient.
    pub(crate) fn multiply_adds(&self) -> usize {
        let Slide { output, window, .. } = self.slide;
        output.len() * window.kernel.0 * window.kernel.1
    }

    /// Numbers of scratch that the passes use at most.
    pub(crate) fn scratch_len(&self) -> usize {
        let Slide { input, output, window, .. } = self.slide;
        let side = |steps: usize, stride: usize, kernel: usize| (steps - 1) * stride + kernel;
        let seen = side(output.height, window.stride.0, window.kernel.0)
            * side(output.width, window.stride.1, window.kernel.1);
        let spread = (input.height + window.kernel.0 - 1) * (input.width + window.kernel.1 - 1);
        seen.max(spread) * input.channels
    }

    /// What the window sees of an image, with its padding, and the numbers in a row of it.
    fn padded<'a>(&self, image: &[f32], scratch: &'a mut Memory) -> (&'a [f32], usize) {
        let Slide { input, output, window, .. } = self.slide;
        let side = |steps: usize, stride: usize, kernel: usize| (steps - 1) * stride + kernel;
        let rows = side(output.height, window.stride.0, window.kernel.0);
        let line = side(output.width, window.stride.1, window.kernel.1) * input.channels;
        let padded = scratch.of_len(rows * line);
        let left = (window.pad_columns.0 * input.channels).min(line);
        let inside = (input.width * input.channels).min(line - left);
        for (row, padded) in padded.chunks_exact_mut(line).enumerate() {
            match row.checked_sub(window.pad_rows.0).filter(|&y| y < input.height) {
                None => padded.fill(0.0),
                Some(y) => {
                    padded[..left].fill(0.0);
                    let from = &image[y * input.width * input.channels..][..inside];
                    padded[left..left + inside].copy_from_slice(from);
                    padded[left + inside..].fill(0.0);
                }
            }
        }
        (padded, line)
    }

    /// A gradient as a window that moves by one pixel sees it: with zeros between its pixels where the window moved
    /// by more, and so placed that the turned kernel at an input pixel meets what that pixel was read for.
    fn spread<'a>(&self, gradient: &[f32], scratch: &'a mut Memory) -> (&'a [f32], usize) {
        let Slide { input, output, window, .. } = self.slide;
        let rows = input.height + window.kernel.0 - 1;
        let columns = input.width + window.kernel.1 - 1;
        let (line, channels) = (columns * input.channels, input.channels);
        let padded = scratch.of_len(rows * line);
        padded.fill(0.0);
        let place = |step: usize, stride: usize, kernel: usize, pad: usize, end: usize| {
            (step * stride + kernel - 1).checked_sub(pad).filter(|&place| place < end)
        };
        for (row, pixels) in gradient.chunks_exact(output.width * channels).enumerate() {
            let (stride, pad) = (window.stride.0, window.pad_rows.0);
            let Some(y) = place(row, stride, window.kernel.0, pad, rows) else { continue };
            for (column, pixel) in pixels.chunks_exact(channels).enumerate() {
                let (stride, pad) = (window.stride.1, window.pad_columns.0);
                if let Some(x) = place(column, stride, window.kernel.1, pad, columns) {
                    padded[y * line + x * channels..][..channels].copy_from_slice(pixel);
                }
            }
        }
        (padded, line)
    }
}

/// Runs a pass with the widest vectors that this processor has.
fn run(pass: impl WithSimd<Output = ()>) {
    pulp::Arch::new().dispatch(pass);
}

/// Sums over the taps of a window, for every pixel of `ys`.
struct Taps<'a> {
    /// A map with its padding.
    padded: &'a [f32],
    /// Numbers in a row of it.
    line: usize,
    stride: (usize, usize),
    weight: &'a [f32],
    output: Shape,
    window: Window,
    ys: &'a mut [f32],
}

impl WithSimd for Taps<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Shape { channels, height, width } = self.output;
        let (rows, columns) = self.window.kernel;
        // What makes the pointers below sound.
        let last = ((height - 1) * self.stride.0 + rows - 1) * self.line
            + ((width - 1) * self.stride.1 + columns) * channels;
        assert!(last <= self.padded.len(), "BUG: the padded map is too small");
        assert_eq!(self.weight.len(), rows * columns * channels, "BUG: other weights");
        assert_eq!(self.ys.len(), self.output.len(), "BUG: the output has another size");
        for first in (0..channels).step_by(S::F32_LANES) {
            // SAFETY: the ends of all three slices are checked above, and a part of a vector touches only its own
            // channels.
            unsafe {
                if first + S::F32_LANES <= channels {
                    self.channels::<S, false>(simd, first);
                } else {
                    self.channels::<S, true>(simd, first);
                }
            }
        }
    }
}

impl Taps<'_> {
    /// All pixels of a vector of channels, or of a part of one.
    ///
    /// # Safety
    /// As [`Taps::tile`].
    #[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
    #[inline(always)]
    unsafe fn channels<S: Simd, const PART: bool>(&mut self, simd: S, first: usize) {
        for row in 0..self.output.height {
            let mut column = 0;
            while column < self.output.width {
                // SAFETY: as above.
                unsafe {
                    column += match self.output.width - column {
                        8.. => self.tile::<S, PART, 8>(simd, first, row, column),
                        4.. => self.tile::<S, PART, 4>(simd, first, row, column),
                        2.. => self.tile::<S, PART, 2>(simd, first, row, column),
                        _ => self.tile::<S, PART, 1>(simd, first, row, column),
                    };
                }
            }
        }
    }

    /// `PIXELS` pixels of a row; returns their number.
    ///
    /// # Safety
    /// The window at each pixel lies in `padded`, its weights in `weight` and its output in `ys`.
    #[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
    #[inline(always)]
    unsafe fn tile<S: Simd, const PART: bool, const PIXELS: usize>(
        &mut self,
        simd: S,
        first: usize,
        row: usize,
        column: usize,
    ) -> usize {
        let channels = self.output.channels;
        let vector = Vector::<S, PART>::new(simd, channels - first);
        let (rows, columns) = self.window.kernel;
        let step = self.stride.1 * channels;
        let mut sums = [simd.splat_f32s(0.0); PIXELS];
        // SAFETY: see above.
        unsafe {
            let corner = self.padded.as_ptr().add(row * self.stride.0 * self.line + column * step);
            let mut weight = self.weight.as_ptr().add(first);
            for i in 0..rows {
                let mut tap = corner.add(i * self.line + first);
                for _ in 0..columns {
                    let factor = vector.load(weight);
                    for (pixel, sum) in sums.iter_mut().enumerate() {
                        let number = vector.load(tap.add(pixel * step));
                        *sum = simd.mul_add_f32s(number, factor, *sum);
                    }
                    weight = weight.wrapping_add(channels);
                    tap = tap.wrapping_add(channels);
                }
            }
            let place = (row * self.output.width + column) * channels + first;
            let to = self.ys.as_mut_ptr().add(place);
            for (pixel, sum) in sums.into_iter().enumerate() {
                vector.store(to.add(pixel * channels), sum);
            }
        }
        PIXELS
    }
}

/// Sums over the pixels of a gradient, for every tap of `dw`.
struct Sums<'a> {
    padded: &'a [f32],
    line: usize,
    gradient: &'a [f32],
    output: Shape,
    window: Window,
    dw: &'a mut [f32],
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Shape { channels, height, width } = self.output;
        let ((rows, columns), stride) = (self.window.kernel, self.window.stride);
        // What makes the pointers below sound.
        let last = ((height - 1) * stride.0 + rows - 1) * self.line
            + ((width - 1) * stride.1 + columns) * channels;
        assert!(last <= self.padded.len(), "BUG: the padded map is too small");
        assert_eq!(self.dw.len(), rows * columns * channels, "BUG: other weights");
        assert_eq!(self.gradient.len(), self.output.len(), "BUG: another gradient");
        for first in (0..channels).step_by(S::F32_LANES) {
            // SAFETY: the ends of all three slices are checked above, and a part of a vector touches only its own
            // channels.
            unsafe {
                if first + S::F32_LANES <= channels {
                    self.channels::<S, false>(simd, first);
                } else {
                    self.channels::<S, true>(simd, first);
                }
            }
        }
    }
}

impl Sums<'_> {
    /// All taps of a vector of channels, or of a part of one: as many at a time as there are registers for.
    ///
    /// # Safety
    /// As [`Sums::tile`].
    #[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
    #[inline(always)]
    unsafe fn channels<S: Simd, const PART: bool>(&mut self, simd: S, first: usize) {
        let (rows, columns) = self.window.kernel;
        let mut row = 0;
        while row < rows {
            // SAFETY: as above.
            unsafe {
                row += match (rows - row, columns) {
                    (3.., 3) => self.tile::<S, PART, 3, 3>(simd, first, row, 0),
                    (5.., 5) => self.tile::<S, PART, 5, 5>(simd, first, row, 0),
                    (3.., 7) => self.tile::<S, PART, 3, 7>(simd, first, row, 0),
                    (_, 7) => self.tile::<S, PART, 1, 7>(simd, first, row, 0),
                    _ => {
                        for column in 0..columns {
                            self.tile::<S, PART, 1, 1>(simd, first, row, column);
                        }
                        1
                    }
                };
            }
        }
    }

    /// `ROWS` times `COLUMNS` taps from a tap on, over all pixels; returns the rows.
    ///
    /// # Safety
    /// Each of these taps lies in `padded` at every pixel and in `dw`, each pixel in `gradient`.
    #[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
    #[inline(always)]
    unsafe fn tile<S: Simd, const PART: bool, const ROWS: usize, const COLUMNS: usize>(
        &mut self,
        simd: S,
        first: usize,
        row: usize,
        column: usize,
    ) -> usize {
        let Shape { channels, height, width } = self.output;
        let vector = Vector::<S, PART>::new(simd, channels - first);
        let ((_, columns), stride) = (self.window.kernel, self.window.stride);
        let step = stride.1 * channels;
        let mut sums = [[simd.splat_f32s(0.0); COLUMNS]; ROWS];
        // SAFETY: see above.
        unsafe {
            let dw = self.dw.as_mut_ptr().add((row * columns + column) * channels + first);
            for (i, sums) in sums.iter_mut().enumerate() {
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum = vector.load(dw.add((i * columns + j) * channels));
                }
            }
            let mut gradient = self.gradient.as_ptr().add(first);
            for y in 0..height {
                let corner = (y * stride.0 + row) * self.line + column * channels + first;
                let mut tap = self.padded.as_ptr().add(corner);
                for _ in 0..width {
                    let g = vector.load(gradient);
                    for (i, sums) in sums.iter_mut().enumerate() {
                        for (j, sum) in sums.iter_mut().enumerate() {
                            let number = vector.load(tap.add(i * self.line + j * channels));
                            *sum = simd.mul_add_f32s(number, g, *sum);
                        }
                    }
                    gradient = gradient.wrapping_add(channels);
                    tap = tap.wrapping_add(step);
                }
            }
            for (i, sums) in sums.into_iter().enumerate() {
                for (j, sum) in sums.into_iter().enumerate() {
                    vector.store(dw.add((i * columns + j) * channels), sum);
                }
            }
        }
        ROWS
    }
}

/// Reads and writes whole vectors, or a part of one.
#[derive(Clone, Copy)]
struct Vector<S: Simd, const PART: bool> {
    simd: S,
    mask: pulp::MemMask<S::m32s>,
}

impl<S: Simd, const PART: bool> Vector<S, PART> {
    /// For at most `numbers` numbers.
    #[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
    #[inline(always)]
    fn new(simd: S, numbers: usize) -> Self {
        let numbers = u32::try_from(numbers).unwrap_or(u32::MAX);
        Self { simd, mask: simd.mask_between_m32s(0, if PART { numbers } else { 0 }) }
    }

    /// # Safety
    /// The numbers from `from` on may be read.
    #[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> S::f32s {
        // SAFETY: see above; vectors may lie anywhere.
        unsafe {
            if PART {
                self.simd.mask_load_ptr_f32s(self.mask, from)
            } else {
                from.cast::<S::f32s>().read_unaligned()
            }
        }
    }

    /// # Safety
    /// The numbers from `to` on may be written.
    #[expect(clippy::inline_always, reason = "a vector lives in registers of the caller's target")]
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, vector: S::f32s) {
        // SAFETY: see above; vectors may lie anywhere.
        unsafe {
            if PART {
                self.simd.mask_store_ptr_f32s(self.mask, to, vector);
            } else {
                to.cast::<S::f32s>().write_unaligned(vector);
            }
        }
    }
}

#[cfg(feature = "cuda")]
impl Depthwise {
    fn gradients_on_gpu(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (slide, images) = (&self.slide, xs.dim(0)?);
        let (dx, dw) = on_gpu([xs, weight, gradient], |gpu, [xs, weight, gradient]| {
            let dx = self
                .input_gradient
                .then(|| gpu::depthwise_input_gradient(gpu, slide, images, gradient, weight));
            let dw = gpu::depthwise_weight_gradient(gpu, slide, images, xs, gradient)?;
            Ok((dx.transpose()?, dw))
        })?;
        let dx = dx.map(|dx| device_tensor(dx, xs.shape()));
        Ok((dx, Some(device_tensor(dw, weight.shape()))))
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
        ys.par_chunks_mut(outside).zip(xs.par_chunks(inside)).for_each_init(
            Memory::default,
            |scratch, (ys, image)| {
                self.forward_to(image, weight, ys, scratch);
            },
        );
        Ok((CpuStorage::F32(ys), self.slide.output_dims(images)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        xs: &CudaStorage,
        xs_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Dims)> {
        let images = xs_layout.dims()[0];
        let (gpu, weight) = (Cuda::new(&xs.device), view(weight, weight_layout)?);
        let ys = gpu::depthwise(&gpu, &self.slide, images, view(xs, xs_layout)?, weight)?;
        Ok((ys, self.slide.output_dims(images)))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        _ys: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        #[cfg(feature = "cuda")]
        if xs.device().is_cuda() {
            return self.gradients_on_gpu(xs, weight, &gradient);
        }
        let guards = (floats(xs)?, floats(weight)?, floats(&gradient)?);
        let (x, w, g): (&[f32], &[f32], &[f32]) = (&guards.0, &guards.1, &guards.2);
        let (inside, outside) = (self.slide.input.len(), self.slide.output.len());
        let sums = parts(x.len() / inside, 1)
            .into_par_iter()
            .map(|part| {
                let mut dw = vec![0.0; w.len()];
                let (x, g) =
                    (&x[part.start * inside..part.end * inside], &g[part.start * outside..]);
                let g = &g[..part.len() * outside];
                self.weight_gradient_to(x, g, &mut dw, &mut Memory::default());
                dw
            })
            .collect();
        let dw = tensor(reduce(sums), weight.shape())?;
        if !self.input_gradient {
            return Ok((None, Some(dw)));
        }
        let mut dx = vec![0.0; x.len()];
        dx.par_chunks_mut(inside).zip(g.par_chunks(outside)).for_each_init(
            Memory::default,
            |scratch, (dx, gradient)| {
                self.input_gradient_to(gradient, w, dx, scratch);
            },
        );
        Ok((Some(tensor(dx, xs.shape())?), Some(dw)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::reference::{self, check, numbers, slide};
    use super::*;
    use crate::seed::Seed;

    fn window(kernel: (usize, usize), stride: usize, pads: (usize, usize)) -> Window {
        Window { kernel, stride: (stride, stride), pad_rows: pads, pad_columns: pads }
    }

    #[test]
    fn any_window_equals_its_twin() {
        let windows = [
            ((3, 3), 1, (1, 1)),
            ((5, 5), 2, (1, 2)),
            ((3, 3), 2, (0, 1)),
            ((2, 2), 1, (0, 0)),
            ((7, 7), 1, (3, 3)),
            ((1, 7), 1, (0, 3)),
            ((7, 3), 3, (3, 3)),
            ((3, 3), 1, (4, 4)),
        ];
        for (kernel, stride, pads) in windows {
            let window = Window {
                pad_rows: if kernel.0 == 1 { (0, 0) } else { pads },
                ..window(kernel, stride, pads)
            };
            let slide = slide(Shape { channels: 3, height: 6, width: 7 }, 3, window, 1);
            check(
                &[numbers("xs", &[2, 6, 7, 3]), numbers("weight", &[kernel.0, kernel.1, 3])],
                |xs| xs[0].apply_op2(&xs[1], Depthwise { slide, input_gradient: true }),
                |xs| reference::depthwise(&slide, &xs[0], &xs[1]),
            );
        }
    }

    fn bits(numbers: &[f32]) -> Vec<u32> {
        numbers.iter().map(|number| number.to_bits()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn every_path_has_the_same_bits(
            channels in 1_usize..41,
            (height, width) in (3_usize..8, 3_usize..20),
            (rows, columns) in (1_usize..8, 1_usize..8),
            stride in 1_usize..3,
        ) {
            let side = |steps: usize, kernel: usize| (steps - 1) * stride + kernel;
            let line = side(width, columns) * channels;
            let draw = |name: &str, len: usize| -> Vec<f32> {
                let mut stream = Seed::root(5).stream(name, len as u64);
                #[expect(clippy::cast_possible_truncation, reason = "test numbers")]
                (0..len).map(|_| stream.normal() as f32).collect()
            };
            let padded = draw("padded", side(height, rows) * line);
            let weight = draw("weight", rows * columns * channels);
            let gradient = draw("gradient", height * width * channels);
            let output = Shape { channels, height, width };
            let window = Window { kernel: (rows, columns), ..Window::valid(1, stride) };
            let taps = |ys: &mut [f32], path: usize| {
                let stride = window.stride;
                let pass = Taps { padded: &padded, line, stride, weight: &weight, output, window, ys };
                force(pass, path)
            };
            let sums = |dw: &mut [f32], path: usize| {
                force(Sums { padded: &padded, line, gradient: &gradient, output, window, dw }, path)
            };
            let mut found: Vec<(Vec<u32>, Vec<u32>)> = Vec::new();
            for path in 0..3 {
                let (mut ys, mut dw) = (vec![0.0; gradient.len()], weight.clone());
                if taps(&mut ys, path) && sums(&mut dw, path) {
                    found.push((bits(&ys), bits(&dw)));
                }
            }
            prop_assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }

    /// Runs a pass with vectors of one kind, where the processor has them.
    fn force(pass: impl WithSimd<Output = ()>, path: usize) -> bool {
        match path {
            0 => pass.with_simd(pulp::Scalar::new()),
            #[cfg(target_arch = "x86_64")]
            1 => match pulp::x86::V3::try_new() {
                Some(simd) => Simd::vectorize(simd, pass),
                None => return false,
            },
            #[cfg(target_arch = "x86_64")]
            2 => match pulp::x86::V4::try_new() {
                Some(simd) => Simd::vectorize(simd, pass),
                None => return false,
            },
            _ => return false,
        }
        true
    }
}
