//! Archives and bundles from strangers: everything hostile is refused, and nothing is written outside.

mod hostile;
pub(crate) mod pack;
mod refused;
