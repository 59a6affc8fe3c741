//! Passes over maps number by number, and moves of channels and rows.

use candle_core::Result;

use super::{Kernel, Launch, Machine, Parameters, View};
use crate::net::Shape;

const MODULE: &str = "pointwise";

/// Negative numbers become zero.
pub(crate) fn rectify<M: Machine>(
    machine: &M,
    xs: View<'_, M::Memory>,
    len: usize,
) -> Result<M::Memory> {
    over(machine, Kernel::new(MODULE, "rectify"), &[xs], len)
}

/// The gradient where the map `seen` behind a rectifier is above zero.
pub(crate) fn mask<M: Machine>(
    machine: &M,
    seen: View<'_, M::Memory>,
    gradient: View<'_, M::Memory>,
    len: usize,
) -> Result<M::Memory> {
    over(machine, Kernel::new(MODULE, "mask"), &[seen, gradient], len)
}

/// The sum of two maps.
pub(crate) fn add<M: Machine>(
    machine: &M,
    a: View<'_, M::Memory>,
    b: View<'_, M::Memory>,
    len: usize,
) -> Result<M::Memory> {
    over(machine, Kernel::new(MODULE, "add"), &[a, b], len)
}

fn over<M: Machine>(
    machine: &M,
    kernel: Kernel,
    reads: &[View<'_, M::Memory>],
    len: usize,
) -> Result<M::Memory> {
    let mut ys = machine.map(len)?;
    let launch = Launch::over(kernel, len, Parameters::ints(&[len]));
    machine.launch(&launch, reads, &mut [&mut ys])?;
    Ok(ys)
}

/// Maps of several channel counts, one after another on the channel axis.
pub(crate) fn concat<M: Machine>(
    machine: &M,
    inputs: &[View<'_, M::Memory>],
    channels: &[usize],
    pixels: usize,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new(MODULE, "put_channels");
    let all: usize = channels.iter().sum();
    let mut ys = machine.map(pixels * all)?;
    let mut first = 0;
    for (&input, &width) in inputs.iter().zip(channels) {
        let parameters = Parameters::ints(&[pixels, width, all, first]);
        let launch = Launch::over(KERNEL, pixels * width, parameters);
        machine.launch(&launch, &[input], &mut [&mut ys])?;
        first += width;
    }
    Ok(ys)
}

/// Each input's channels of the gradient of a concatenation.
pub(crate) fn split<M: Machine>(
    machine: &M,
    gradient: View<'_, M::Memory>,
    channels: &[usize],
    pixels: usize,
) -> Result<Vec<M::Memory>> {
    const KERNEL: Kernel = Kernel::new(MODULE, "take_channels");
    let all: usize = channels.iter().sum();
    let mut first = 0;
    let mut parts = Vec::with_capacity(channels.len());
    for &width in channels {
        let mut part = machine.map(pixels * width)?;
        let parameters = Parameters::ints(&[pixels, width, all, first]);
        let launch = Launch::over(KERNEL, pixels * width, parameters);
        machine.launch(&launch, &[gradient], &mut [&mut part])?;
        parts.push(part);
        first += width;
    }
    Ok(parts)
}

/// Where a map lies on a sheet of zeros.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sheet {
    pub(crate) input: Shape,
    pub(crate) output: Shape,
    /// Rows that it moves down.
    pub(crate) down: isize,
    /// Columns that it moves right.
    pub(crate) right: isize,
}

/// Maps on their sheets.
pub(crate) fn pad<M: Machine>(
    machine: &M,
    sheet: Sheet,
    images: usize,
    xs: View<'_, M::Memory>,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new(MODULE, "pad");
    let Sheet { input, output, down, right } = sheet;
    let len = images * output.len();
    let mut ys = machine.map(len)?;
    let sizes = [images, input.channels, input.height, input.width, output.height, output.width];
    let parameters = Parameters::ints(&sizes).signed(down).signed(right);
    machine.launch(&Launch::over(KERNEL, len, parameters), &[xs], &mut [&mut ys])?;
    Ok(ys)
}
