//! Kernels: the layers' arithmetic on the CPU, as candle operations with gradients of their own.
//!
//! Every map is `[image, row, column, channel]`, every convolution weight `[row, column, in, out]`, so a
//! kernel row is one contiguous run. Each file holds one operation: its fast forward pass, its
//! gradient, and in its tests the slow obvious twin, of `reference`, that both are held against. Sums run
//! in an order that is fixed by shape alone (`ARCHITECTURE.md`, "Chance comes by name"): work is cut into
//! chunks before anybody asks how many threads there are. What is vectorised by hand ([`product`]) has the same
//! bits with vectors of any width.
//!
//! Why not candle's own operations: its convolution is about ten times slower than these, its max pool
//! has a wrong gradient, its random numbers cannot be seeded on the CPU, and its element-wise operations
//! spin in threads of their own. Knows nothing of networks,
//! parameters or training.

mod access;
mod aligned;
mod avg_pool;
mod batch_norm;
mod chacha;
mod chunks;
mod concat;
mod conv;
mod cross_entropy;
mod depthwise;
mod drop_path;
mod dropout;
#[cfg(any(test, feature = "cuda"))]
pub(crate) mod gpu;
mod max_pool;
mod memory;
mod pad;
pub(crate) mod pointwise;
mod product;
mod relu;
mod slide;
mod sum;
mod winograd;

pub(crate) mod reference;

#[cfg(feature = "cuda")]
pub(crate) use access::{device_tensor, on_gpu};
pub use access::{floats, on_cpu, tensor};
pub(crate) use aligned::Memory;
pub use avg_pool::AvgPool;
pub use batch_norm::{BatchNorm, EPSILON, Moments, Statistics};
pub(crate) use batch_norm::{Normaliser, Spread};
pub(crate) use chunks::{UNIT, parts};
pub use concat::{concat, split};
pub use conv::Conv;
#[cfg(test)]
pub(crate) use conv::rounded_to_bf16;
pub(crate) use conv::{DenseGradient, MultiplyAdds, Scratch, WayBack, Weights};
pub use cross_entropy::CrossEntropy;
pub use depthwise::Depthwise;
pub use drop_path::DropPath;
pub use dropout::Dropout;
pub use max_pool::MaxPool;
pub use memory::keep_freed_memory;
pub use pad::Pad;
pub use reference::Float;
pub use relu::Relu;
pub(crate) use slide::Slide;
pub use sum::sum;
