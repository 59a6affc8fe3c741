//! Convolution of each channel by itself: forward, and both gradients.

use candle_core::Result;

use super::super::slide::Slide;
use super::sums::{Parts, fold};
use super::{Kernel, Launch, Machine, View, walk};

/// Output pixels in a part of a weight gradient, at least, and parts at most.
const PART_PIXELS: usize = 1024;
const PARTS_MAX: usize = 64;

/// The output for `xs`.
pub(crate) fn forward<M: Machine>(
    machine: &M,
    slide: &Slide,
    images: usize,
    xs: View<'_, M::Memory>,
    weight: View<'_, M::Memory>,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("depthwise", "depthwise_forward");
    walk::forward(machine, KERNEL, slide, images, &[xs, weight])
}

/// The gradient of the input.
pub(crate) fn input_gradient<M: Machine>(
    machine: &M,
    slide: &Slide,
    images: usize,
    gradient: View<'_, M::Memory>,
    weight: View<'_, M::Memory>,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("depthwise", "depthwise_input_gradient");
    walk::back(machine, KERNEL, slide, images, &[gradient, weight])
}

/// The gradient of the weights.
pub(crate) fn weight_gradient<M: Machine>(
    machine: &M,
    slide: &Slide,
    images: usize,
    xs: View<'_, M::Memory>,
    gradient: View<'_, M::Memory>,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("depthwise", "depthwise_weight_gradient");
    let channels = slide.input.channels;
    let taps = slide.window.kernel.0 * slide.window.kernel.1;
    let pixels = images * slide.output.height * slide.output.width;
    let parts = Parts::of(pixels, PART_PIXELS, PARTS_MAX);
    let mut partial = machine.map(parts.count * taps * channels)?;
    let parameters = slide.parameters(images).int(parts.len);
    let launch = Launch::columns(KERNEL, channels, [taps, parts.count], parameters);
    machine.launch(&launch, &[xs, gradient], &mut [&mut partial])?;
    fold(machine, View::of(&partial), taps * channels, parts.count, 1)
}
