//! Zeros around maps; negative numbers cut rows and columns off.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape as Dims, Tensor};
use rayon::prelude::*;

#[cfg(feature = "cuda")]
use super::access::{device_tensor, on_gpu, view};
use super::access::{floats, input, tensor};
#[cfg(feature = "cuda")]
use super::gpu::{self, Cuda, Sheet};
use crate::net::Shape;

/// Puts each map of `[n, h, w, c]` on a larger or smaller sheet of zeros.
///
/// Its gradient is itself with all numbers negated: what was cut gets zeros, what was added is cut.
#[derive(Debug, Clone, Copy)]
pub struct Pad {
    input: Shape,
    output: Shape,
    /// Rows that the map moves down; negative ones are cut off above.
    down: isize,
    /// Columns that it moves right; negative ones are cut off left.
    right: isize,
}

impl Pad {
    /// From maps of `input` to maps of `output`, with `above` rows and `left` columns before the map.
    #[must_use]
    pub fn new(input: Shape, output: Shape, above: isize, left: isize) -> Self {
        Self { input, output, down: above, right: left }
    }

    /// The way back: from maps of `output` to maps of `input`.
    pub(crate) fn reversed(self) -> Self {
        Self::new(self.output, self.input, -self.down, -self.right)
    }

    fn forward(&self, image: &[f32], ys: &mut [f32]) {
        let channels = self.input.channels;
        let columns = inside(self.output.width, self.right, self.input.width);
        let from = columns.start.saturating_add_signed(-self.right);
        for row in inside(self.output.height, self.down, self.input.height) {
            let source =
                (row.saturating_add_signed(-self.down) * self.input.width + from) * channels;
            let target = (row * self.output.width + columns.start) * channels;
            let run = columns.len() * channels;
            ys[target..target + run].copy_from_slice(&image[source..source + run]);
        }
    }

    /// Overwrites `ys` with the padded images.
    pub(crate) fn forward_to(&self, xs: &[f32], ys: &mut [f32]) {
        ys.fill(0.0);
        let images = ys.chunks_exact_mut(self.output.len()).zip(xs.chunks_exact(self.input.len()));
        images.for_each(|(ys, image)| self.forward(image, ys));
    }

    #[cfg(feature = "cuda")]
    fn sheet(&self) -> Sheet {
        Sheet { input: self.input, output: self.output, down: self.down, right: self.right }
    }

    fn apply(&self, xs: &[f32]) -> Vec<f32> {
        let images = xs.len() / self.input.len();
        let mut ys = vec![0.0; images * self.output.len()];
        ys.par_chunks_mut(self.output.len())
            .zip(xs.par_chunks(self.input.len()))
            .for_each(|(ys, image)| self.forward(image, ys));
        ys
    }
}

/// Places of `0..output` that hold something of `input` places moved by `shift`.
fn inside(output: usize, shift: isize, input: usize) -> std::ops::Range<usize> {
    let start = 0_usize.saturating_add_signed(shift).min(output);
    let end = input.saturating_add_signed(shift).min(output);
    start..end.max(start)
}

impl CustomOp1 for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Dims)> {
        let xs = input(xs, layout)?;
        let Shape { channels, height, width } = self.output;
        let dims = Dims::from((xs.len() / self.input.len(), height, width, channels));
        Ok((CpuStorage::F32(self.apply(xs)), dims))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, xs: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Dims)> {
        let images = layout.dims()[0];
        let gpu = Cuda::new(&xs.device);
        let ys = gpu::pad(&gpu, self.sheet(), images, view(xs, layout)?)?;
        let Shape { channels, height, width } = self.output;
        Ok((ys, Dims::from((images, height, width, channels))))
    }

    fn bwd(&self, xs: &Tensor, _ys: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = gradient.contiguous()?;
        #[cfg(feature = "cuda")]
        if xs.device().is_cuda() {
            let (sheet, images) = (self.reversed().sheet(), xs.dim(0)?);
            let dx = on_gpu([&gradient], |gpu, [g]| gpu::pad(gpu, sheet, images, g))?;
            return Ok(Some(device_tensor(dx, xs.shape())));
        }
        let dx = self.reversed().apply(&floats(&gradient)?);
        Ok(Some(tensor(dx, xs.shape())?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, check, numbers};
    use super::*;

    fn grown(side: usize, (before, after): (isize, isize)) -> usize {
        side.checked_add_signed(before + after).unwrap()
    }

    #[test]
    fn padding_and_cutting_equal_their_twin() {
        let input = Shape { channels: 3, height: 4, width: 5 };
        for (rows, columns) in [
            ((1, 2), (0, 3)),
            ((-1, 1), (1, -1)),
            ((-1, -2), (-2, -1)),
            ((0, 0), (2, 0)),
            // Everything of the map is cut off above and left.
            ((-4, 6), (-5, 7)),
        ] {
            let (height, width) = (grown(4, rows), grown(5, columns));
            let pad = Pad::new(input, Shape { height, width, ..input }, rows.0, columns.0);
            check(
                &[numbers("xs", &[2, 4, 5, 3])],
                |xs| xs[0].apply_op1(pad),
                |xs| reference::pad(input, pad.output, (rows.0, columns.0), &xs[0]),
            );
        }
    }
}
