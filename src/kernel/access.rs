//! Access to the numbers inside candle's tensors.

use std::ops::{Deref, Range};

use candle_core::{CpuStorage, Device, Layout, Result, Shape, Storage, Tensor, bail};

#[cfg(feature = "cuda")]
use super::gpu::{Cuda, View};
#[cfg(feature = "cuda")]
use {
    candle_core::{CudaStorage, op::BackpropOp},
    std::borrow::Borrow,
};

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

/// A tensor with the numbers of `tensor` on the CPU.
///
/// # Errors
/// Faults of its device.
pub fn on_cpu(tensor: &Tensor) -> Result<Tensor> {
    tensor.to_device(&Device::Cpu)
}

/// What an operation reads of a storage on a GPU.
#[cfg(feature = "cuda")]
pub(super) fn view<'a>(storage: &'a CudaStorage, layout: &Layout) -> Result<View<'a, CudaStorage>> {
    Ok(View { memory: storage, start: contiguous(layout)?.start })
}

/// A tensor on the GPU of `storage`.
#[cfg(feature = "cuda")]
pub(crate) fn device_tensor(storage: CudaStorage, shape: impl Into<Shape>) -> Tensor {
    Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
}

/// Runs `work` over the numbers of tensors that lie on one GPU.
///
/// # Errors
/// Those of `work`, and when a tensor is not contiguous or lies elsewhere.
#[cfg(feature = "cuda")]
pub(crate) fn on_gpu<const N: usize, R>(
    tensors: [&Tensor; N],
    work: impl FnOnce(&Cuda, [View<'_, CudaStorage>; N]) -> Result<R>,
) -> Result<R> {
    on_device(&tensors, |gpu, views| {
        let views = <[_; N]>::try_from(views).expect("BUG: a view for each tensor");
        work(gpu, views)
    })
}

/// As [`on_gpu`], over any number of tensors but none.
///
/// # Errors
/// As there.
#[cfg(feature = "cuda")]
pub(super) fn on_device<T: Borrow<Tensor>, R>(
    tensors: &[T],
    work: impl FnOnce(&Cuda, &[View<'_, CudaStorage>]) -> Result<R>,
) -> Result<R> {
    let guards: Vec<_> =
        tensors.iter().map(|tensor| tensor.borrow().storage_and_layout()).collect();
    let mut views = Vec::with_capacity(guards.len());
    for (storage, layout) in &guards {
        let Storage::Cuda(storage) = &**storage else { bail!("expected a tensor on a GPU") };
        views.push(view(storage, layout)?);
    }
    let device = tensors[0].borrow().device();
    work(&Cuda::new(device.as_cuda_device()?), &views)
}

fn contiguous(layout: &Layout) -> Result<Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("expected a contiguous tensor, not {layout:?}"),
    }
}
