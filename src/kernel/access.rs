//! Access to the numbers inside candle's tensors.

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Device, Layout, Result, Shape, Storage, Tensor, bail};

/// A tensor's numbers behind its lock; `G` is the guard, whose type belongs to candle's lock.
struct Floats<G> {
    storage: G,
    range: Range<usize>,
}

impl<G: Deref<Target = Storage>> Deref for Floats<G> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.range.clone()],
            _ => panic!("BUG: `floats` lets only f32 on the CPU through"),
        }
    }
}

/// The numbers of `tensor`, for as long as the result lives.
///
/// # Errors
/// When it is not contiguous, not f32 or not on the CPU.
pub fn floats(tensor: &Tensor) -> Result<impl Deref<Target = [f32]>> {
    let (storage, layout) = tensor.storage_and_layout();
    let range = contiguous(layout)?;
    if !matches!(&*storage, Storage::Cpu(CpuStorage::F32(_))) {
        bail!("expected f32 numbers on the CPU, not {:?}", tensor.dtype());
    }
    Ok(Floats { storage, range })
}

/// A tensor on the CPU that holds `values`.
///
/// # Errors
/// When `shape` does not have as many numbers.
pub fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)
}

/// The numbers of an operation's input.
pub(super) fn input<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    Ok(&storage.as_slice::<f32>()?[contiguous(layout)?])
}

fn contiguous(layout: &Layout) -> Result<Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("expected a contiguous tensor, not {layout:?}"),
    }
}
