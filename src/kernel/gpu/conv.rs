//! Convolution: forward, and both gradients.

use candle_core::Result;

use super::super::slide::Slide;
use super::pointwise::mask;
use super::sums::{Columns, Parts, column_sums, fold};
use super::{Kernel, Launch, Machine, Parameters, View};

/// Rows and columns of the tile that a block computes.
const TILE: usize = 64;
/// Output pixels in a part of a weight gradient, at least.
const PART_PIXELS: usize = 256;
/// Blocks that a weight gradient should have, so that all of a device works.
const BLOCKS: usize = 512;

/// A convolution of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Convolution {
    pub(crate) slide: Slide,
    pub(crate) images: usize,
    /// Whether negative results become zero.
    pub(crate) relu: bool,
    /// Whether operands of products are rounded to bfloat16, for tensor cores.
    pub(crate) bf16: bool,
}

/// Gradients of a convolution.
pub(crate) struct ConvGradients<M> {
    pub(crate) input: Option<M>,
    pub(crate) weight: M,
    pub(crate) bias: M,
}

impl Convolution {
    /// The kernel `name` of its precision.
    fn kernel(&self, name: &'static str) -> Kernel {
        Kernel::new(if self.bf16 { "conv_bf16" } else { "conv" }, name)
    }

    fn input_pixels(&self) -> usize {
        self.images * self.slide.input.height * self.slide.input.width
    }

    fn output_pixels(&self) -> usize {
        self.images * self.slide.output.height * self.slide.output.width
    }

    /// The output for `xs`.
    pub(crate) fn forward<M: Machine>(
        &self,
        machine: &M,
        xs: View<'_, M::Memory>,
        weight: View<'_, M::Memory>,
        bias: Option<View<'_, M::Memory>>,
    ) -> Result<M::Memory> {
        let filters = self.slide.output.channels;
        let mut ys = machine.map(self.images * self.slide.output.len())?;
        let parameters = self.slide.parameters(self.images).flag(bias.is_some()).flag(self.relu);
        let grid = [self.output_pixels().div_ceil(TILE), filters.div_ceil(TILE), 1];
        // Something must stand where the bias is expected.
        let reads = [xs, weight, bias.unwrap_or(weight)];
        let launch = Launch::blocks(self.kernel("conv_forward"), grid, parameters);
        machine.launch(&launch, &reads, &mut [&mut ys])?;
        Ok(ys)
    }

    /// Gradients of weights and bias, and of the input where it is wanted. `ys` is what
    /// [`Convolution::forward`] gave.
    pub(crate) fn gradients<M: Machine>(
        &self,
        machine: &M,
        [xs, weight, ys, gradient]: [View<'_, M::Memory>; 4],
        input: bool,
    ) -> Result<ConvGradients<M::Memory>> {
        let masked = if self.relu {
            Some(mask(machine, ys, gradient, self.images * self.slide.output.len())?)
        } else {
            None
        };
        let gradient = masked.as_ref().map_or(gradient, View::of);
        let (pixels, channels) = (self.output_pixels(), self.slide.output.channels);
        let input = input.then(|| self.input_gradient(machine, gradient, weight));
        Ok(ConvGradients {
            input: input.transpose()?,
            weight: self.weight_gradient(machine, xs, gradient)?,
            bias: column_sums(machine, gradient, Columns { pixels, channels }, 1)?,
        })
    }

    fn input_gradient<M: Machine>(
        &self,
        machine: &M,
        gradient: View<'_, M::Memory>,
        weight: View<'_, M::Memory>,
    ) -> Result<M::Memory> {
        let channels = self.slide.input.channels;
        let mut dx = machine.map(self.images * self.slide.input.len())?;
        let grid = [self.input_pixels().div_ceil(TILE), channels.div_ceil(TILE), 1];
        let kernel = self.kernel("conv_input_gradient");
        let launch = Launch::blocks(kernel, grid, self.slide.parameters(self.images));
        machine.launch(&launch, &[gradient, weight], &mut [&mut dx])?;
        Ok(dx)
    }

    fn weight_gradient<M: Machine>(
        &self,
        machine: &M,
        xs: View<'_, M::Memory>,
        gradient: View<'_, M::Memory>,
    ) -> Result<M::Memory> {
        let (rows, filters) = (self.slide.patch(), self.slide.output.channels);
        let tiles = [rows.div_ceil(TILE), filters.div_ceil(TILE)];
        let most = (BLOCKS / (tiles[0] * tiles[1])).max(1);
        let parts = Parts::of(self.output_pixels(), PART_PIXELS, most);
        let mut partial = machine.map(parts.count * rows * filters)?;
        let parameters = self.slide.parameters(self.images).int(parts.len);
        let kernel = self.kernel("conv_weight_gradient");
        let launch = Launch::blocks(kernel, [tiles[0], tiles[1], parts.count], parameters);
        machine.launch(&launch, &[xs, gradient], &mut [&mut partial])?;
        if parts.count == 1 {
            return Ok(partial);
        }
        fold(machine, View::of(&partial), rows * filters, parts.count, 1)
    }
}

impl Slide {
    /// The `Window` of a kernel.
    pub(super) fn parameters(&self, images: usize) -> Parameters {
        let Self { input, output, window, dilation } = *self;
        let sizes = [images, input.channels, input.height, input.width];
        Parameters::ints(&sizes)
            .int(output.channels)
            .int(output.height)
            .int(output.width)
            .int(window.kernel.0)
            .int(window.kernel.1)
            .int(window.stride.0)
            .int(window.stride.1)
            .int(window.pad_rows.0)
            .int(window.pad_columns.0)
            .int(dilation)
    }
}
