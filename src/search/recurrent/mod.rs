//! A long short-term memory of our own, for controllers: a few hundred sequences of a few dozen steps.
//!
//! - Buffers are time-major and packed: the rows of a step are the sequences that are still running, so a
//!   step of the whole batch is one matrix product and a weight's gradient is one product over all steps.
//! - Every number is defined by f32 additions, multiplications, divisions and fused multiply-adds in an
//!   order that shape alone fixes, and a row's numbers do not depend on the rows beside it. So bits are
//!   the same on every machine, and a batch of one sees what a batch of twenty saw.
//!
//! Why not candle's: an operation there allocates and starts threads for matrices of a few kilobytes; a
//! search with it spends its time in bookkeeping. Why not the kernels' `gemm`: it uses fused
//! multiply-adds only where the machine has them, so its bits are the machine's. Knows nothing of
//! spaces, policies or rewards.

mod activation;
mod attention;
mod lstm;
mod machine;
mod product;
mod sequence;

pub(super) use attention::{Attention, Projections};
pub(super) use lstm::{Lstm, Memory, Shape, Trace};
pub(super) use product::{Matrix, Products};
pub(super) use sequence::Packing;
