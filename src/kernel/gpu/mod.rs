//! How operations run on a GPU: which kernels of `kernels/` are launched, over what, in which order.
//!
//! A [`Machine`] is a CUDA device, or in tests a program that runs the same kernels on the host and checks what
//! they touch. So sequences of launches, their grids and their parameters are tested without a GPU; only the
//! calls of the driver in [`device`] are not. Knows nothing of tensors, networks or training.

mod batch_norm;
mod conv;
mod depthwise;
#[cfg(feature = "cuda")]
mod device;
mod drops;
#[cfg(test)]
mod emulator;
mod launch;
mod loss;
mod pointwise;
mod pool;
mod sums;
#[cfg(test)]
mod tests;
mod walk;

use candle_core::{Result, bail};

pub(super) use batch_norm::{gradients as norm_gradients, moments, normalise};
pub(super) use conv::Convolution;
pub(super) use depthwise::{
    forward as depthwise, input_gradient as depthwise_input_gradient,
    weight_gradient as depthwise_weight_gradient,
};
#[cfg(feature = "cuda")]
pub(crate) use device::Cuda;
pub(super) use drops::{drop_path, dropout};
#[cfg(test)]
pub(crate) use emulator::Emulator;
pub(crate) use launch::{Kernel, Launch, Parameters};
pub(super) use loss::{Judged, gradient as loss_gradient, losses};
pub(crate) use pointwise::add;
pub(super) use pointwise::{Sheet, concat, mask, pad, rectify, split};
pub(super) use pool::{avg, avg_gradient, max, max_gradient};
pub(crate) use sums::square_sum_parts;

/// Numbers in a map at most: kernels count places in 32 bits, and a grid is rounded up.
const LEN_MAX: usize = i32::MAX as usize - 4096;

/// Numbers of a piece of memory, from `start` on.
#[derive(Debug)]
pub(crate) struct View<'a, T> {
    pub(crate) memory: &'a T,
    pub(crate) start: usize,
}

impl<'a, T> View<'a, T> {
    /// All of it.
    pub(crate) fn of(memory: &'a T) -> Self {
        Self { memory, start: 0 }
    }
}

impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<'_, T> {}

/// What kernels run on.
pub(crate) trait Machine {
    /// A piece of its memory.
    type Memory;

    /// Memory for `len` numbers of f32 that nobody has written.
    fn floats(&self, len: usize) -> Result<Self::Memory>;

    /// Memory for `len` bytes that nobody has written.
    fn bytes(&self, len: usize) -> Result<Self::Memory>;

    /// Memory that holds `words`.
    fn words(&self, words: &[u32]) -> Result<Self::Memory>;

    /// Memory that holds `numbers`.
    fn numbers(&self, numbers: &[f32]) -> Result<Self::Memory>;

    /// Runs a kernel, which takes what it reads, then what it writes, then the launch's parameters.
    fn launch(
        &self,
        launch: &Launch,
        reads: &[View<'_, Self::Memory>],
        writes: &mut [&mut Self::Memory],
    ) -> Result<()>;

    /// Memory for a map of `len` numbers.
    ///
    /// # Errors
    /// When kernels could not count its places.
    fn map(&self, len: usize) -> Result<Self::Memory> {
        if len > LEN_MAX {
            bail!("a map of {len} numbers is too large for a GPU kernel: make the batch smaller");
        }
        self.floats(len)
    }
}
