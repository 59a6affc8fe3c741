//! Batch normalisation: statistics, forward and back.

use candle_core::Result;

use super::sums::{Columns, column_sums};
use super::{Kernel, Launch, Machine, Parameters, View};

/// Gradients of map, scale and shift.
pub(crate) struct NormGradients<M> {
    pub(crate) input: M,
    pub(crate) scale: M,
    pub(crate) shift: M,
}

/// Mean and biased variance of each channel of `xs`.
pub(crate) fn moments<M: Machine>(
    machine: &M,
    xs: View<'_, M::Memory>,
    pixels: usize,
    channels: usize,
) -> Result<[M::Memory; 2]> {
    const DISTANCES: Kernel = Kernel::new("batch_norm", "squared_distances");
    let columns = Columns { pixels, channels };
    let mean = column_sums(machine, xs, columns, pixels)?;
    let reads = [xs, View::of(&mean)];
    let variance = columns.sums(machine, DISTANCES, 1, None, &reads, pixels)?;
    Ok([mean, variance])
}

/// What normalises: factor, offset and one over the deviation of each channel.
fn normal<M: Machine>(
    machine: &M,
    [mean, variance]: [View<'_, M::Memory>; 2],
    [scale, shift]: [View<'_, M::Memory>; 2],
    channels: usize,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("batch_norm", "norm_coefficients");
    let mut normal = machine.map(3 * channels)?;
    let launch = Launch::over(KERNEL, channels, Parameters::ints(&[channels]));
    machine.launch(&launch, &[mean, variance, scale, shift], &mut [&mut normal])?;
    Ok(normal)
}

/// `xs` normalised with `moments`, mean and variance, and rectified when `relu`.
pub(crate) fn normalise<M: Machine>(
    machine: &M,
    xs: View<'_, M::Memory>,
    moments: [View<'_, M::Memory>; 2],
    affine: [View<'_, M::Memory>; 2],
    [pixels, channels]: [usize; 2],
    relu: bool,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("batch_norm", "norm_forward");
    let normal = normal(machine, moments, affine, channels)?;
    let len = pixels * channels;
    let mut ys = machine.map(len)?;
    let launch = Launch::over(KERNEL, len, Parameters::ints(&[len, channels]).flag(relu));
    machine.launch(&launch, &[xs, View::of(&normal)], &mut [&mut ys])?;
    Ok(ys)
}

/// Gradients where `moments` are those of `xs` itself.
pub(crate) fn gradients<M: Machine>(
    machine: &M,
    [xs, gradient]: [View<'_, M::Memory>; 2],
    moments: [View<'_, M::Memory>; 2],
    affine: [View<'_, M::Memory>; 2],
    [pixels, channels]: [usize; 2],
    relu: bool,
) -> Result<NormGradients<M::Memory>> {
    const SUMS: Kernel = Kernel::new("batch_norm", "norm_sums");
    const TURN: Kernel = Kernel::new("batch_norm", "norm_turn");
    const KERNEL: Kernel = Kernel::new("batch_norm", "norm_gradient");
    let normal = normal(machine, moments, affine, channels)?;
    let ([mean, _], [factor, _], normal) = (moments, affine, View::of(&normal));
    let reads = [xs, gradient, normal, mean];
    let sums = Columns { pixels, channels }.sums(machine, SUMS, 2, Some(relu), &reads, 1)?;

    let (mut scale, mut shift) = (machine.map(channels)?, machine.map(channels)?);
    let mut back = machine.map(3 * channels)?;
    let launch = Launch::over(TURN, channels, Parameters::ints(&[channels, pixels]));
    let reads = [View::of(&sums), normal, mean, factor];
    machine.launch(&launch, &reads, &mut [&mut scale, &mut shift, &mut back])?;

    let len = pixels * channels;
    let mut input = machine.map(len)?;
    let launch = Launch::over(KERNEL, len, Parameters::ints(&[len, channels]).flag(relu));
    let reads = [xs, gradient, normal, View::of(&back)];
    machine.launch(&launch, &reads, &mut [&mut input])?;
    Ok(NormGradients { input, scale, shift })
}
