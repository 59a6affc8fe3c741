//! Sums over the pixels of maps, in an order that the shape fixes.

use candle_core::Result;

use super::{Kernel, Launch, Machine, Parameters, View};

/// Pixels that a block sums, at least.
const PART_PIXELS: usize = 512;
/// Parts of a sum, at most.
const PARTS_MAX: usize = 256;
/// Numbers that a block of `squares` sums.
const SQUARES: usize = 256 * 16;

/// How the pixels of a sum are cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    /// Pixels in a part.
    pub(super) len: usize,
    /// Parts.
    pub(super) count: usize,
}

impl Parts {
    /// Of `pixels` pixels in at most `most` parts of at least `least`.
    pub(super) fn of(pixels: usize, least: usize, most: usize) -> Self {
        let len = pixels.div_ceil(most.max(1)).max(least);
        Self { len, count: pixels.div_ceil(len).max(1) }
    }

    /// Of the pixels of a map that is summed by channel.
    pub(super) fn of_columns(pixels: usize) -> Self {
        Self::of(pixels, PART_PIXELS, PARTS_MAX)
    }
}

/// A map that is summed by channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) pixels: usize,
    pub(super) channels: usize,
}

impl Columns {
    fn parts(self) -> Parts {
        Parts::of_columns(self.pixels)
    }

    /// The `Columns` of a kernel.
    fn parameters(self) -> Parameters {
        Parameters::ints(&[self.pixels, self.channels, self.parts().len])
    }

    /// `sums` sums of each channel by `kernel`, which may take a flag, over `divisor`.
    pub(super) fn sums<M: Machine>(
        self,
        machine: &M,
        kernel: Kernel,
        sums: usize,
        flag: Option<bool>,
        reads: &[View<'_, M::Memory>],
        divisor: usize,
    ) -> Result<M::Memory> {
        let (parts, len) = (self.parts(), sums * self.channels);
        let parameters = self.parameters();
        let parameters = flag.map_or(parameters, |flag| parameters.flag(flag));
        let mut partial = machine.map(parts.count * len)?;
        let launch = Launch::columns(kernel, self.channels, [parts.count, 1], parameters);
        machine.launch(&launch, reads, &mut [&mut partial])?;
        fold(machine, View::of(&partial), len, parts.count, divisor)
    }
}

/// Sums of each channel of `xs` over `divisor`.
pub(super) fn column_sums<M: Machine>(
    machine: &M,
    xs: View<'_, M::Memory>,
    columns: Columns,
    divisor: usize,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("sums", "column_sums");
    columns.sums(machine, KERNEL, 1, None, &[xs], divisor)
}

/// Adds `count` parts of `len` sums each, in their order, and divides.
pub(super) fn fold<M: Machine>(
    machine: &M,
    parts: View<'_, M::Memory>,
    len: usize,
    count: usize,
    divisor: usize,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("sums", "fold");
    let mut sums = machine.map(len)?;
    let parameters = Parameters::ints(&[len, count, divisor]);
    machine.launch(&Launch::over(KERNEL, len, parameters), &[parts], &mut [&mut sums])?;
    Ok(sums)
}

/// Sums of squares of parts of `xs`, to be added by the host.
pub(crate) fn square_sum_parts<M: Machine>(
    machine: &M,
    xs: View<'_, M::Memory>,
    len: usize,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("sums", "squares");
    let blocks = len.div_ceil(SQUARES).max(1);
    let mut parts = machine.map(blocks)?;
    let launch = Launch::blocks(KERNEL, [blocks, 1, 1], Parameters::ints(&[len]));
    machine.launch(&launch, &[xs], &mut [&mut parts])?;
    Ok(parts)
}
