//! phytotron: declarative experiment pipelines for neural architecture search.
//!
//! The house, floor by floor; a room imports only from lower floors (`tests/house/floors.rs` holds it).
//! `ARCHITECTURE.md` has the reasons.

// F0: words that everybody uses.
pub mod digest;
pub mod seed;
pub mod span;
pub mod wording;

// F1: facts without behaviour.
pub mod artifact;
pub mod diagnostic;
pub mod event;
pub mod manifest;
pub mod net;
pub mod statistics;

// F2: rooms that know one thing each.
pub mod dataset;
pub mod kernel;
pub mod progress;
pub mod record;
pub mod results;
pub mod space;
pub mod spec;
pub mod store;

// F3: science on top of them.
pub mod report;
pub mod search;
pub mod train;

// F4: the stage kinds.
pub mod stage;

// F5: what has to run, and why.
pub mod plan;

// F6: running it.
pub mod run;

// F7: talking to people.
pub mod cli;
