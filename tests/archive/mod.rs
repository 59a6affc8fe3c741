//! Archives and bundles from strangers: everything hostile is refused, and nothing is written outside.

pub(crate) mod hostile;
pub(crate) mod pack;
mod refused;
