//! A window sliding over maps: which numbers it sees, as rows of a matrix, and the way back.

use std::ops::Range;

use candle_core::Shape as Dims;

use crate::net::{Shape, Window};

/// A window on maps of one shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slide {
    pub(super) input: Shape,
    pub(super) output: Shape,
    pub(super) window: Window,
    pub(super) dilation: usize,
}

impl Slide {
    /// From maps of `input` to maps of `output`.
    pub(crate) fn new(input: Shape, output: Shape, window: Window, dilation: usize) -> Self {
        Self { input, output, window, dilation }
    }

    /// Numbers that the window sees at one place.
    pub(super) fn patch(&self) -> usize {
        self.window.kernel.0 * self.window.kernel.1 * self.input.channels
    }

    /// Products of numbers that a direct convolution adds up for an image.
    pub(super) fn products(&self) -> usize {
        self.output.height * self.output.width * self.patch() * self.output.channels
    }

    /// Whether a patch is simply a pixel, so that the map already is the matrix of its patches.
    pub(super) fn is_pixelwise(&self) -> bool {
        self.window == Window::valid(1, 1)
    }

    /// Input row under tap `tap` of the kernel at output row `row`, unless that is padding.
    pub(super) fn row(&self, row: usize, tap: usize) -> Option<usize> {
        let padded = row * self.window.stride.0 + tap * self.dilation;
        padded.checked_sub(self.window.pad_rows.0).filter(|&y| y < self.input.height)
    }

    /// Input column under tap `tap` of the kernel at output column `column`, unless that is padding.
    pub(super) fn column(&self, column: usize, tap: usize) -> Option<usize> {
        let padded = column * self.window.stride.1 + tap * self.dilation;
        padded.checked_sub(self.window.pad_columns.0).filter(|&x| x < self.input.width)
    }

    /// Dimensions of `images` output maps.
    pub(super) fn output_dims(&self, images: usize) -> Dims {
        let Shape { channels, height, width } = self.output;
        Dims::from((images, height, width, channels))
    }

    /// Writes the patches of the output rows `rows`, counted through all of `images`, one after another.
    pub(super) fn gather(&self, images: &[f32], rows: Range<usize>, patches: &mut [f32]) {
        let line = self.output.width * self.patch();
        for (row, line) in rows.zip(patches.chunks_exact_mut(line)) {
            let image = &images[row / self.output.height * self.input.len()..][..self.input.len()];
            let row = row % self.output.height;
            for (column, patch) in line.chunks_exact_mut(self.patch()).enumerate() {
                self.gather_patch(image, row, column, patch);
            }
        }
    }

    fn gather_patch(&self, image: &[f32], row: usize, column: usize, patch: &mut [f32]) {
        let run = self.window.kernel.1 * self.input.channels;
        let (taps, x) = self.taps(column);
        for (tap, target) in patch.chunks_exact_mut(run).enumerate() {
            match self.row(row, tap) {
                None => target.fill(0.0),
                // Without dilation a kernel row's taps are neighbours in memory.
                Some(y) if self.dilation == 1 => {
                    let source = &image[(y * self.input.width + x) * self.input.channels..];
                    self.gather_run(source, &taps, target);
                }
                Some(y) => self.gather_taps(image, y, column, target),
            }
        }
    }

    fn gather_run(&self, source: &[f32], taps: &Range<usize>, target: &mut [f32]) {
        let inside = taps.start * self.input.channels..taps.end * self.input.channels;
        if inside.len() == target.len() {
            return copy(source, target);
        }
        target[..inside.start].fill(0.0);
        target[inside.end..].fill(0.0);
        copy(source, &mut target[inside]);
    }

    fn gather_taps(&self, image: &[f32], y: usize, column: usize, target: &mut [f32]) {
        for (tap, target) in target.chunks_exact_mut(self.input.channels).enumerate() {
            match self.column(column, tap) {
                None => target.fill(0.0),
                Some(x) => copy(&image[(y * self.input.width + x) * target.len()..], target),
            }
        }
    }

    /// The taps of a kernel row that lie on the map, and the column of the first.
    fn taps(&self, column: usize) -> (Range<usize>, usize) {
        let (left, kernel) = (column * self.window.stride.1, self.window.kernel.1);
        let pad = self.window.pad_columns.0;
        let start = pad.saturating_sub(left).min(kernel);
        let end = (self.input.width + pad).saturating_sub(left).min(kernel).max(start);
        let x = if start == end { 0 } else { left + start - pad };
        (start..end, x)
    }

    /// Adds the patches of the output rows `rows` back to the pixels they were gathered from.
    pub(super) fn scatter(&self, patches: &[f32], rows: Range<usize>, images: &mut [f32]) {
        let line = self.output.width * self.patch();
        for (row, line) in rows.zip(patches.chunks_exact(line)) {
            let image =
                &mut images[row / self.output.height * self.input.len()..][..self.input.len()];
            let row = row % self.output.height;
            for (column, patch) in line.chunks_exact(self.patch()).enumerate() {
                self.scatter_patch(patch, row, column, image);
            }
        }
    }

    fn scatter_patch(&self, patch: &[f32], row: usize, column: usize, image: &mut [f32]) {
        let channels = self.input.channels;
        for (tap, source) in patch.chunks_exact(self.window.kernel.1 * channels).enumerate() {
            let Some(y) = self.row(row, tap) else { continue };
            if self.dilation == 1 {
                let (taps, x) = self.taps(column);
                let target = (y * self.input.width + x) * channels;
                add(&mut image[target..], &source[taps.start * channels..taps.end * channels]);
            } else {
                for (tap, source) in source.chunks_exact(channels).enumerate() {
                    if let Some(x) = self.column(column, tap) {
                        add(&mut image[(y * self.input.width + x) * channels..], source);
                    }
                }
            }
        }
    }
}

/// Fills `target` from the beginning of `source`.
///
/// The kernel rows of grey and colour images are too short for a call to the system's copy, which
/// would take most of a first layer's time.
#[inline]
fn copy(source: &[f32], target: &mut [f32]) {
    match target.len() {
        3 => copy_few::<3>(source, target),
        5 => copy_few::<5>(source, target),
        7 => copy_few::<7>(source, target),
        9 => copy_few::<9>(source, target),
        15 => copy_few::<15>(source, target),
        len => target.copy_from_slice(&source[..len]),
    }
}

#[inline]
fn copy_few<const N: usize>(source: &[f32], target: &mut [f32]) {
    if let (Some(source), Some(target)) = (source.first_chunk::<N>(), target.first_chunk_mut::<N>())
    {
        *target = *source;
    }
}

/// Adds `numbers` to the beginning of `sums`.
fn add(sums: &mut [f32], numbers: &[f32]) {
    for (sum, number) in sums.iter_mut().zip(numbers) {
        *sum += number;
    }
}
