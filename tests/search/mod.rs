//! Search: the published numbers, and what must hold of every strategy.

mod every;
mod growing;
mod invariants;
mod policies;
mod published;
mod stages;
mod table;
mod toy;
mod vectors;
