//! Launches of kernels that walk windows over maps of equal channels, a thread for each number.

use candle_core::Result;

use super::super::slide::Slide;
use super::{Kernel, Launch, Machine, View};

/// A number of the output for each that a thread finds.
pub(super) fn forward<M: Machine>(
    machine: &M,
    kernel: Kernel,
    slide: &Slide,
    images: usize,
    reads: &[View<'_, M::Memory>],
) -> Result<M::Memory> {
    over(machine, kernel, slide, images, images * slide.output.len(), reads)
}

/// A number of the input's gradient for each that a thread finds.
pub(super) fn back<M: Machine>(
    machine: &M,
    kernel: Kernel,
    slide: &Slide,
    images: usize,
    reads: &[View<'_, M::Memory>],
) -> Result<M::Memory> {
    over(machine, kernel, slide, images, images * slide.input.len(), reads)
}

fn over<M: Machine>(
    machine: &M,
    kernel: Kernel,
    slide: &Slide,
    images: usize,
    len: usize,
    reads: &[View<'_, M::Memory>],
) -> Result<M::Memory> {
    let mut found = machine.map(len)?;
    let launch = Launch::over(kernel, len, slide.parameters(images));
    machine.launch(&launch, reads, &mut [&mut found])?;
    Ok(found)
}
