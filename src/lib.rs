//! phytotron: declarative experiment pipelines for neural architecture search.
//!
//! The house, floor by floor; a room imports only from lower floors (`tests/house/floors.rs` holds it).
//! `ARCHITECTURE.md` has the reasons.

// F0: words that everybody uses.
pub mod digest;
pub mod parallel;
pub mod span;
pub mod wording;

// F1: facts without behaviour, and what they are made of.
pub mod archive;
pub mod artifact;
pub mod diagnostic;
pub mod manifest;
pub mod net;
pub mod seed;
pub mod statistics;
pub mod web;

// F2: what is said and what is kept.
pub mod event;
pub mod record;
pub mod results;
pub mod s3;

// F3: rooms that know one thing each.
pub mod dataset;
pub mod kernel;
pub mod progress;
pub mod space;
pub mod spec;
pub mod store;

// F4: the science on top of them, and stores behind the store.
pub mod export;
pub mod remote;
pub mod report;
pub mod search;
pub mod train;

// F5: the stage kinds.
pub mod stage;

// F6: what has to run, and why.
pub mod plan;

// F7: running it, and handing it over.
pub mod bundle;
pub mod run;

// F8: showing it in a browser.
#[cfg(feature = "serve")]
pub mod serve;

// F9: talking to people.
pub mod cli;
