//! Edits: what one step away from a genotype means.

/// Tries of a random edit before it is given up.
pub(super) const TRIES: usize = 100;
