//! Dropout and drop path, whose gradients are themselves.

use candle_core::Result;

use super::{Kernel, Launch, Machine, Parameters, View};

/// Numbers that one block of an image's stream decides about.
const BLOCK: usize = 16;

/// Drops numbers of images of `size` numbers whose draw is below `threshold`, and scales the others. `keys` has
/// eight words an image.
pub(crate) fn dropout<M: Machine>(
    machine: &M,
    xs: View<'_, M::Memory>,
    keys: &[u32],
    size: usize,
    threshold: u32,
    scale: f32,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("dropout", "dropout");
    let parameters = Parameters::ints(&[size]).word(threshold).real(scale);
    drop(machine, KERNEL, xs, keys, (size, size.div_ceil(BLOCK)), parameters)
}

/// Drops whole images whose first draw is not below `keep`, and scales the others.
#[expect(clippy::cast_possible_truncation, reason = "the halves of a double's bits")]
pub(crate) fn drop_path<M: Machine>(
    machine: &M,
    xs: View<'_, M::Memory>,
    keys: &[u32],
    size: usize,
    keep: f64,
) -> Result<M::Memory> {
    const KERNEL: Kernel = Kernel::new("dropout", "drop_path");
    let bits = keep.to_bits();
    let parameters = Parameters::ints(&[size]).word(bits as u32).word((bits >> 32) as u32);
    let parameters = parameters.real((1.0 / keep) as f32);
    drop(machine, KERNEL, xs, keys, (size, size), parameters)
}

fn drop<M: Machine>(
    machine: &M,
    kernel: Kernel,
    xs: View<'_, M::Memory>,
    keys: &[u32],
    (size, threads): (usize, usize),
    parameters: Parameters,
) -> Result<M::Memory> {
    let images = keys.len() / 8;
    let keys = machine.words(keys)?;
    let mut ys = machine.map(images * size)?;
    let launch = Launch::by_image(kernel, threads, images, parameters);
    machine.launch(&launch, &[xs, View::of(&keys)], &mut [&mut ys])?;
    Ok(ys)
}
