//! Convolutions with 3x3 kernels that move by one pixel, with 16 products where plain ones need 36: minimal filtering
//! F(2x2, 3x3) (Winograd 1980; Lavin and Gray 2016, arXiv:1509.09308, section 4.1).
//!
//! The output is cut into tiles of 2x2 pixels, each of which sees 4x4 pixels `d` of the padded input. With the kernel `g`
//! and the gradient `e` of a tile, for each pair of channels:
//!
//! ```text
//! output    Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A
//! gradient  Gᵀ [ Σ over tiles of (Bᵀ d B) ⊙ (A e Aᵀ) ] G
//! ```
//!
//! At each of the 16 positions of a tile that is a product of matrices: tiles by input channels by output channels. All
//! passes around it are sums and differences of long runs, so the bits are the same with vectors of any width. For
//! that the columns of a row are kept in two halves, even ones and odd ones.

use std::ops::Range;

use super::aligned::Memory;
use super::pointwise::wide;
use super::product::{Left, Panels, Product, Start};
use super::slide::Slide;
use crate::net::{Shape, Window};

/// Positions of a tile.
const POSITIONS: usize = 16;
/// Numbers of the transformed tiles that are in use at a time: they stay in a second-level cache.
const BAND: usize = 1 << 18;
/// `G`: from a kernel's rows to those of its transform.
const KERNEL: [[f32; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

/// A convolution with a 3x3 kernel, stride 1 and no dilation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Winograd {
    input: Shape,
    output: Shape,
    /// Rows of padding above and columns to the left.
    pads: (usize, usize),
}

/// Memory that is used again and again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Four rows of the padded input, each in halves.
    lines: Memory,
    /// A row on its way.
    line: Memory,
    inputs: Memory,
    outputs: Memory,
    panels: Panels,
}

impl Winograd {
    /// The convolution as one of these, when it is one.
    pub(super) fn of(slide: &Slide) -> Option<Self> {
        let Slide { input, output, window, dilation } = *slide;
        let Window { kernel, stride, pad_rows, pad_columns } = window;
        let fits = kernel == (3, 3) && stride == (1, 1) && dilation == 1;
        fits.then_some(Self { input, output, pads: (pad_rows.0, pad_columns.0) })
    }

    /// Whether fewer products pay for the passes around them: with few channels they do not (measured).
    pub(super) fn pays(&self) -> bool {
        let (inputs, outputs) = (self.input.channels, self.output.channels);
        inputs * outputs >= 16 * (inputs + outputs)
    }

    /// The same of the weights' gradient, which has fewer such passes.
    pub(super) fn pays_for_sums(&self) -> bool {
        self.input.channels.min(self.output.channels) >= 16
    }

    /// Numbers that the gradient of the weights is summed up in.
    pub(super) fn sums(&self) -> usize {
        POSITIONS * self.pair()
    }

    /// Numbers of scratch that the passes over groups of `images` use at most.
    pub(super) fn scratch_len(&self, images: usize) -> usize {
        let (rows, columns) = self.tiles();
        let (inputs, outputs) = (self.input.channels, self.output.channels);
        let tiles = columns * self.together(rows * images);
        let panels = if Panels::are_needed(outputs) { tiles * outputs } else { 0 };
        let line = (2 * (columns + 1) * inputs).max(4 * columns * outputs);
        8 * (columns + 1) * inputs + line + POSITIONS * tiles * (inputs + outputs) + panels
    }

    /// Pairs of an input and an output channel.
    fn pair(&self) -> usize {
        self.input.channels * self.output.channels
    }

    /// Rows and columns of tiles.
    fn tiles(&self) -> (usize, usize) {
        (self.output.height.div_ceil(2), self.output.width.div_ceil(2))
    }

    /// Products of numbers that are added up for an image.
    pub(super) fn products(&self) -> usize {
        let (rows, columns) = self.tiles();
        rows * columns * self.sums()
    }

    /// The transforms of the kernel, by position.
    pub(super) fn kernels(&self, weight: &[f32]) -> Vec<Panels> {
        let taps: Vec<&[f32]> = weight.chunks_exact(self.pair()).collect();
        let mut sums = vec![0.0; self.pair()];
        (0..POSITIONS)
            .map(|position| {
                sums.fill(0.0);
                for (tap, factor) in factors(position) {
                    let numbers = sums.iter_mut().zip(taps[tap]);
                    numbers.for_each(|(sum, number)| *sum += factor * number);
                }
                Panels::of(&sums, self.output.channels)
            })
            .collect()
    }

    /// Adds to `dw` what the sums over all tiles say of the weights.
    pub(super) fn add_gradient(&self, sums: &[f32], dw: &mut [f32]) {
        for (position, sums) in sums.chunks_exact(self.pair()).enumerate() {
            for (tap, factor) in factors(position) {
                let dw = &mut dw[tap * self.pair()..][..self.pair()];
                dw.iter_mut().zip(sums).for_each(|(number, sum)| *number += factor * sum);
            }
        }
    }

    /// Overwrites `ys` with the output for the images `xs`.
    pub(super) fn forward(
        &self,
        xs: &[f32],
        kernels: &[Panels],
        bias: Option<&[f32]>,
        relu: bool,
        ys: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (inputs, outputs) = (self.input.channels, self.output.channels);
        let zeros = vec![0.0; outputs];
        let bias = bias.unwrap_or(&zeros);
        let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
        for band in self.bands(xs) {
            let tiles = band.len() * self.tiles().1;
            self.transform_inputs(xs, &band, scratch);
            let Scratch { inputs: transformed, outputs: products, line, .. } = scratch;
            let products = products.of_len(POSITIONS * tiles * outputs);
            let positions = products.chunks_exact_mut(tiles * outputs);
            let lefts = transformed.chunks_exact(tiles * inputs);
            for ((out, left), kernel) in positions.zip(lefts).zip(kernels) {
                let (left, right) = (Left::matrix(left, inputs), kernel.right());
                Product { left, right, columns: outputs, start: Start::Zero, relu: false }
                    .write(out);
            }
            for (place, row) in band.enumerate() {
                self.transform_output(products, place, row, (bias, floor), ys, line);
            }
        }
    }

    /// Adds to `sums`, by position, what the images and the gradient of their output say.
    pub(super) fn add_sums(
        &self,
        xs: &[f32],
        gradient: &[f32],
        sums: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let (inputs, outputs) = (self.input.channels, self.output.channels);
        for band in self.bands(xs) {
            let tiles = band.len() * self.tiles().1;
            self.transform_inputs(xs, &band, scratch);
            let Scratch { inputs: transformed, outputs: gradients, line, panels, .. } = scratch;
            let gradients = gradients.of_len(POSITIONS * tiles * outputs);
            for (place, row) in band.enumerate() {
                self.transform_gradient(gradient, place, row, gradients, line);
            }
            let lefts = transformed.chunks_exact(tiles * inputs);
            let rights = gradients.chunks_exact(tiles * outputs);
            let sums = sums.chunks_exact_mut(self.pair());
            for ((sums, left), right) in sums.zip(lefts).zip(rights) {
                let left = Left::transposed(left, inputs);
                let right = panels.arranged(right, outputs);
                Product { left, right, columns: outputs, start: Start::Output, relu: false }
                    .write(sums);
            }
        }
    }

    /// Rows of tiles, counted through all images, that are taken together.
    fn bands(&self, xs: &[f32]) -> impl Iterator<Item = Range<usize>> + use<> {
        let rows = xs.len() / self.input.len() * self.tiles().0;
        let together = self.together(rows);
        (0..rows).step_by(together).map(move |first| first..(first + together).min(rows))
    }

    /// How many of `rows` rows of tiles are taken together.
    fn together(&self, rows: usize) -> usize {
        let row = POSITIONS * self.tiles().1 * (self.input.channels + self.output.channels);
        (BAND / row).clamp(1, rows.max(1))
    }

    /// `Bᵀ d B` of all tiles of a band: by position, then by tile.
    fn transform_inputs(&self, xs: &[f32], band: &Range<usize>, scratch: &mut Scratch) {
        let (rows, columns) = self.tiles();
        let channels = self.input.channels;
        let (run, half) = (columns * channels, (columns + 1) * channels);
        let size = band.len() * run;
        let lines = scratch.lines.of_len(8 * half);
        let line = scratch.line.of_len(2 * half);
        let inputs = scratch.inputs.of_len(POSITIONS * size);
        for (place, row) in band.clone().enumerate() {
            let (image, row) =
                (&xs[row / rows * self.input.len()..][..self.input.len()], row % rows);
            let is_below = place > 0 && row > 0;
            if is_below {
                // Tiles overlap by two rows.
                lines.copy_within(4 * half.., 0);
            }
            let fresh = if is_below { 2..4 } else { 0..4 };
            for (nth, line) in lines.chunks_exact_mut(2 * half).enumerate() {
                if fresh.contains(&nth) {
                    self.read(image, 2 * row + nth, line);
                }
            }
            for (quarter, inputs) in inputs.chunks_exact_mut(4 * size).enumerate() {
                across(lines, quarter, line);
                let (even, odd) = line.split_at(half);
                let [a, b, c, d] = parts(inputs, size, place * run, run);
                along(
                    (&even[..run], &even[channels..]),
                    (&odd[..run], &odd[channels..]),
                    a,
                    b,
                    c,
                    d,
                );
            }
        }
    }

    /// A row of the padded image: its even columns, then its odd ones.
    fn read(&self, image: &[f32], row: usize, line: &mut [f32]) {
        let channels = self.input.channels;
        let Some(row) = row.checked_sub(self.pads.0).filter(|&row| row < self.input.height) else {
            return line.fill(0.0);
        };
        let pixels = image[row * self.input.width * channels..].chunks_exact(channels);
        let half = line.len() / 2;
        let columns = 2 * half / channels;
        let inside = self.pads.1..(self.pads.1 + self.input.width).min(columns);
        for column in (0..inside.start.min(columns)).chain(inside.end..columns) {
            line[place(column, half, channels)..][..channels].fill(0.0);
        }
        for (column, pixel) in inside.zip(pixels) {
            line[place(column, half, channels)..][..channels].copy_from_slice(pixel);
        }
    }

    /// `Aᵀ M A` of a row of tiles, with bias, and nothing below `floor`.
    fn transform_output(
        &self,
        products: &[f32],
        place: usize,
        row: usize,
        (bias, floor): (&[f32], f32),
        ys: &mut [f32],
        line: &mut Memory,
    ) {
        let (rows, columns) = self.tiles();
        let channels = self.output.channels;
        let (run, size) = (columns * channels, products.len() / POSITIONS);
        let at = |position: usize| &products[position * size + place * run..][..run];
        let image = &mut ys[row / rows * self.output.len()..][..self.output.len()];
        let first = row % rows * 2;
        let line = line.of_len(4 * run);
        let below = image.chunks_exact_mut(self.output.width * channels).skip(first).take(2);
        for (nth, ys) in below.enumerate() {
            for (column, sums) in line.chunks_exact_mut(run).enumerate() {
                if nth == 0 {
                    add_three(at(column), at(4 + column), at(8 + column), sums);
                } else {
                    take_two(at(4 + column), at(8 + column), at(12 + column), sums);
                }
            }
            finish(line, run, bias, floor, ys);
        }
    }

    /// `A e Aᵀ` of a row of tiles, by position.
    fn transform_gradient(
        &self,
        gradient: &[f32],
        place_in_band: usize,
        row: usize,
        gradients: &mut [f32],
        line: &mut Memory,
    ) {
        let (rows, columns) = self.tiles();
        let channels = self.output.channels;
        let (run, size) = (columns * channels, gradients.len() / POSITIONS);
        let image = &gradient[row / rows * self.output.len()..][..self.output.len()];
        let first = row % rows * 2;
        let line = line.of_len(4 * run);
        line.fill(0.0);
        let width = self.output.width * channels;
        let seen = image.chunks_exact(width).skip(first).take(2);
        for (pixels, line) in seen.zip(line.chunks_exact_mut(2 * run)) {
            for (column, pixel) in pixels.chunks_exact(channels).enumerate() {
                line[place(column, run, channels)..][..channels].copy_from_slice(pixel);
            }
        }
        let (above, below) = line.split_at(2 * run);
        let (above, below) = (above.split_at(run), below.split_at(run));
        for (quarter, gradients) in gradients.chunks_exact_mut(4 * size).enumerate() {
            let out = parts(gradients, size, place_in_band * run, run);
            match quarter {
                0 => fan_out(above, below, out, |above, _| above),
                1 => fan_out(above, below, out, |above, below| above + below),
                2 => fan_out(above, below, out, |above, below| above - below),
                _ => fan_out(above, below, out, |_, below| -below),
            }
        }
    }
}

/// Taps of the kernel that make a position of its transform, with their factors.
fn factors(position: usize) -> impl Iterator<Item = (usize, f32)> {
    let (row, column) = (KERNEL[position / 4], KERNEL[position % 4]);
    let factors = (0..9).map(move |tap| (tap, row[tap / 3] * column[tap % 3]));
    factors.filter(|(_, factor)| *factor != 0.0)
}

/// Where a column's pixel lies in a row of two halves.
fn place(column: usize, half: usize, channels: usize) -> usize {
    column % 2 * half + column / 2 * channels
}

/// The same run of each of four positions, `size` numbers apart.
fn parts(numbers: &mut [f32], size: usize, first: usize, run: usize) -> [&mut [f32]; 4] {
    let runs = std::array::from_fn(|position| {
        let start = position * size + first;
        start..start + run
    });
    numbers.get_disjoint_mut(runs).expect("BUG: positions lie apart")
}

/// A row of `Bᵀ d`, of four rows `d`.
fn across(lines: &[f32], row: usize, out: &mut [f32]) {
    let line = |nth: usize| &lines[nth * out.len()..][..out.len()];
    let (a, b) = match row {
        0 => (line(0), line(2)),
        1 => (line(1), line(2)),
        2 => (line(2), line(1)),
        _ => (line(1), line(3)),
    };
    if row == 1 {
        super::pointwise::add_pair(a, b, out);
    } else {
        super::pointwise::subtract_pair(a, b, out);
    }
}

/// `row B` for all tiles of a row: of each the first and the second even column, and the odd ones.
fn along(
    (even, next_even): (&[f32], &[f32]),
    (odd, next_odd): (&[f32], &[f32]),
    a: &mut [f32],
    b: &mut [f32],
    c: &mut [f32],
    d: &mut [f32],
) {
    let run = even.len();
    let (next_even, odd, next_odd) = (&next_even[..run], &odd[..run], &next_odd[..run]);
    let (a, b, c, d) = (&mut a[..run], &mut b[..run], &mut c[..run], &mut d[..run]);
    wide(
        #[inline(always)]
        || {
            for i in 0..run {
                a[i] = even[i] - next_even[i];
                b[i] = odd[i] + next_even[i];
                c[i] = next_even[i] - odd[i];
                d[i] = odd[i] - next_odd[i];
            }
        },
    );
}

/// A row of `A e Aᵀ` for all tiles of a row, from the row of `A e` that `row` makes of the gradients above and below.
#[inline(always)]
#[expect(clippy::inline_always, reason = "only what is inlined is compiled for the wider vectors")]
fn fan_out(
    above: (&[f32], &[f32]),
    below: (&[f32], &[f32]),
    [a, b, c, d]: [&mut [f32]; 4],
    row: impl Fn(f32, f32) -> f32,
) {
    let run = a.len();
    let ((even, odd), (even_below, odd_below)) = (above, below);
    let (even, odd) = (&even[..run], &odd[..run]);
    let (even_below, odd_below) = (&even_below[..run], &odd_below[..run]);
    let (b, c, d) = (&mut b[..run], &mut c[..run], &mut d[..run]);
    wide(
        #[inline(always)]
        || {
            for i in 0..run {
                let (even, odd) = (row(even[i], even_below[i]), row(odd[i], odd_below[i]));
                a[i] = even;
                b[i] = even + odd;
                c[i] = even - odd;
                d[i] = -odd;
            }
        },
    );
}

/// `a + b + c`.
fn add_three(a: &[f32], b: &[f32], c: &[f32], sums: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for (((sum, a), b), c) in sums.iter_mut().zip(a).zip(b).zip(c) {
                *sum = (a + b) + c;
            }
        },
    );
}

/// `a - b - c`.
fn take_two(a: &[f32], b: &[f32], c: &[f32], sums: &mut [f32]) {
    wide(
        #[inline(always)]
        || {
            for (((sum, a), b), c) in sums.iter_mut().zip(a).zip(b).zip(c) {
                *sum = (a - b) - c;
            }
        },
    );
}

/// A row of the output from the four columns of `Aᵀ M`: pixels of a tile side by side.
fn finish(columns: &[f32], run: usize, bias: &[f32], floor: f32, ys: &mut [f32]) {
    let channels = bias.len();
    let (a, rest) = columns.split_at(run);
    let (b, rest) = rest.split_at(run);
    let (c, d) = rest.split_at(run);
    let tiles = a.chunks_exact(channels).zip(b.chunks_exact(channels));
    let tiles = tiles.zip(c.chunks_exact(channels).zip(d.chunks_exact(channels)));
    wide(
        #[inline(always)]
        || {
            for (pixels, ((a, b), (c, d))) in ys.chunks_mut(2 * channels).zip(tiles) {
                let (left, right) = pixels.split_at_mut(channels);
                for ((((y, a), b), c), bias) in left.iter_mut().zip(a).zip(b).zip(c).zip(bias) {
                    *y = above(((a + b) + c) + bias, floor);
                }
                // The last tile of an odd row has no right pixel.
                for ((((y, b), c), d), bias) in right.iter_mut().zip(b).zip(c).zip(d).zip(bias) {
                    *y = above(((b - c) - d) + bias, floor);
                }
            }
        },
    );
}

/// The number, or `floor` where it is below; NaN stays NaN, or a diverged training would not be seen.
#[inline(always)]
#[expect(clippy::inline_always, reason = "only what is inlined is compiled for the wider vectors")]
fn above(number: f32, floor: f32) -> f32 {
    if number < floor { floor } else { number }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::reference::{self, numbers};
    use super::*;

    /// Of a sum of `terms` products whose absolute values add up to `size`: eight times what rounding gives at random.
    #[expect(clippy::cast_precision_loss, reason = "a few thousand terms")]
    fn bound(terms: usize, size: f64) -> f64 {
        8.0 * (terms as f64).sqrt() * 2_f64.powi(-24) * size
    }

    fn absolute(values: &[f64]) -> Vec<f64> {
        values.iter().map(|value| value.abs()).collect()
    }

    fn close(what: &str, found: &[f32], expected: &[f64], sizes: &[f64], terms: usize) {
        assert_eq!(found.len(), expected.len());
        for (place, (found, (expected, size))) in
            found.iter().zip(expected.iter().zip(sizes)).enumerate()
        {
            let apart = (f64::from(*found) - expected).abs();
            assert!(apart <= bound(terms, *size), "{what} {place}: {found} for {expected}");
        }
    }

    /// Each size becomes the sum of those whose numbers are computed together with it and share its rounding:
    /// `share(i)` names them.
    fn together<K: Ord>(sizes: &[f64], share: impl Fn(usize) -> K) -> Vec<f64> {
        let mut sums: BTreeMap<K, f64> = BTreeMap::new();
        for (i, size) in sizes.iter().enumerate() {
            *sums.entry(share(i)).or_default() += size;
        }
        (0..sizes.len()).map(|i| sums[&share(i)]).collect()
    }

    /// Forward and the weights' gradient of a few images against plain loops in f64. Where few products meet, the
    /// bound is that of all that is computed together: its rounding reaches all of it. Maps and channels of trainings
    /// need no such help and are `tight`.
    fn check(
        (height, width): (usize, usize),
        channels: (usize, usize),
        pads: (usize, usize),
        tight: bool,
    ) {
        let images = 3;
        let window = Window {
            pad_rows: (pads.0, pads.1),
            pad_columns: (pads.1, pads.0),
            ..Window::valid(3, 1)
        };
        let input = Shape { channels: channels.0, height, width };
        let slide = reference::slide(input, channels.1, window, 1);
        let winograd = Winograd::of(&slide).unwrap();
        let (xs, weight) = (
            numbers("xs", &[images, height, width, channels.0]),
            numbers("weight", &[3, 3, channels.0, channels.1]),
        );
        let mut scratch = Scratch::default();
        let mut ys = vec![0.0; images * slide.output.len()];
        let kernels = winograd.kernels(weight.single());
        winograd.forward(xs.single(), &kernels, None, false, &mut ys, &mut scratch);
        let expected = reference::conv(&slide, &xs.exact(), &weight.exact(), None);
        let sizes =
            reference::conv(&slide, &absolute(&xs.exact()), &absolute(&weight.exact()), None);
        let tile = |i: usize| {
            let (pixel, channel) = (i / slide.output.channels, i % slide.output.channels);
            let (row, column) = (pixel / slide.output.width, pixel % slide.output.width);
            let (image, row) = (row / slide.output.height, row % slide.output.height);
            (image, row / 2, column / 2, channel)
        };
        let sizes = if tight { sizes } else { together(&sizes, tile) };
        close("output", &ys, &expected, &sizes, 9 * channels.0);

        let output = slide.output;
        let gradient = numbers("g", &[images, output.height, output.width, output.channels]);
        let mut sums = vec![0.0; winograd.sums()];
        let mut dw = vec![0.0; weight.single().len()];
        winograd.add_sums(xs.single(), gradient.single(), &mut sums, &mut scratch);
        winograd.add_gradient(&sums, &mut dw);
        let (expected, sizes) = (
            weights_gradient(&slide, &xs.exact(), &gradient.exact()),
            weights_gradient(&slide, &absolute(&xs.exact()), &absolute(&gradient.exact())),
        );
        let pair = |i: usize| i % (channels.0 * channels.1);
        let sizes = if tight { sizes } else { together(&sizes, pair) };
        close("gradient", &dw, &expected, &sizes, images * output.height * output.width);
    }

    /// Word for word.
    fn weights_gradient(slide: &Slide, xs: &[f64], gradient: &[f64]) -> Vec<f64> {
        let (input, output) = (slide.input, slide.output);
        let mut dw = vec![0.0; 9 * input.channels * output.channels];
        let images = xs.chunks_exact(input.len()).zip(gradient.chunks_exact(output.len()));
        for (image, gradient) in images {
            for (pixel, gradient) in gradient.chunks_exact(output.channels).enumerate() {
                for tap in 0..9 {
                    let row = slide.row(pixel / output.width, tap / 3);
                    let column = slide.column(pixel % output.width, tap % 3);
                    let (Some(y), Some(x)) = (row, column) else { continue };
                    let pixel = &image[(y * input.width + x) * input.channels..];
                    let dw = &mut dw[tap * input.channels * output.channels..];
                    for (x, dw) in
                        pixel.iter().zip(dw.chunks_exact_mut(output.channels)).take(input.channels)
                    {
                        dw.iter_mut().zip(gradient).for_each(|(dw, g)| *dw += x * g);
                    }
                }
            }
        }
        dw
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_shape_equals_plain_loops(
            sides in (3_usize..12, 3_usize..12),
            channels in (1_usize..40, 1_usize..70),
            pads in (0_usize..3, 0_usize..3),
        ) {
            check(sides, channels, pads, false);
        }

        #[test]
        fn shapes_of_trainings_equal_plain_loops_number_by_number(
            sides in (7_usize..16, 7_usize..16),
            channels in (32_usize..70, 32_usize..70),
            pads in (0_usize..2, 0_usize..2),
        ) {
            check(sides, channels, pads, true);
        }
    }

    #[test]
    fn bands_that_end_within_an_image_leave_no_seams() {
        let slide = |height| {
            let input = Shape { channels: 64, height, width: 20 };
            reference::slide(input, 64, Window::same(3, 1, height), 1)
        };
        let winograd = Winograd::of(&slide(22)).unwrap();
        let xs = vec![0.0; 3 * winograd.input.len()];
        let bands: Vec<Range<usize>> = winograd.bands(&xs).collect();
        assert!(bands.len() > 1 && !bands[0].end.is_multiple_of(11), "{bands:?}");
        check((22, 20), (64, 64), (1, 1), true);
    }

    #[test]
    fn bias_is_added_once_and_nothing_below_zero_or_nan_is_lost() {
        let input = Shape { channels: 1, height: 3, width: 3 };
        let slide = reference::slide(input, 2, Window::same(3, 1, 3), 1);
        let winograd = Winograd::of(&slide).unwrap();
        let kernels = winograd.kernels(&[0.0; 18]);
        let mut ys = [7.0; 18];
        let mut scratch = Scratch::default();
        let bias = [0.5, -0.5];
        winograd.forward(&[1.0; 9], &kernels, Some(&bias), true, &mut ys, &mut scratch);
        assert!(ys.chunks(2).all(|pixel| pixel == [0.5, 0.0]), "{ys:?}");
        winograd.forward(&[f32::NAN; 9], &kernels, Some(&bias), true, &mut ys, &mut scratch);
        assert!(ys.iter().all(|y| y.is_nan()));
    }
}
