//! Search on the chain space: the published numbers, and what must hold of every search.

mod invariants;
mod stages;
mod vectors;
