//! Search spaces: what holds for all of them, and what each one promises.

mod all;
mod chain;
mod layerwise;
mod nasbench201;
mod nasnet;
pub(crate) mod small;
