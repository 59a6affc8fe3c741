//! Pooling, forward and back.

use candle_core::Result;

use super::super::slide::Slide;
use super::{Kernel, Launch, Machine, View, walk};

/// What a maximum pooling gives.
pub(crate) struct Pool<M> {
    /// The maxima.
    pub(crate) output: M,
    /// The tap of the kernel that each came from, a byte.
    pub(crate) winners: M,
}

/// Maxima of `xs` and where they come from.
pub(crate) fn max<M: Machine>(
    machine: &M,
    slide: &Slide,
    images: usize,
    xs: View<'_, M::Memory>,
) -> Result<Pool<M::Memory>> {
    const KERNEL: Kernel = Kernel::new("pool", "max_pool_forward");
    let len = images * slide.output.len();
    let (mut output, mut winners) = (machine.map(len)?, machine.bytes(len)?);
    let launch = Launch::over(KERNEL, len, slide.parameters(images));
    machine.launch(&launch, &[xs], &mut [&mut output, &mut winners])?;
    Ok(Pool { output, winners })
}

/// The gradient of the input of a maximum pooling.
pub(crate) fn max_gradient<M: Machine>(
    machine: &M,
    slide: &Slide,
    images: usize,
    gradient: View<'_, M::Memory>,
    winners: View<'_, M::Memory>,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("pool", "max_pool_gradient");
    walk::back(machine, KERNEL, slide, images, &[gradient, winners])
}

/// Means of `xs`.
pub(crate) fn avg<M: Machine>(
    machine: &M,
    slide: &Slide,
    images: usize,
    xs: View<'_, M::Memory>,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("pool", "avg_pool_forward");
    walk::forward(machine, KERNEL, slide, images, &[xs])
}

/// The gradient of the input of an average pooling.
pub(crate) fn avg_gradient<M: Machine>(
    machine: &M,
    slide: &Slide,
    images: usize,
    gradient: View<'_, M::Memory>,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("pool", "avg_pool_gradient");
    walk::back(machine, KERNEL, slide, images, &[gradient])
}
