//! The one integration test binary: a folder per room.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archive;
mod bundle;
mod cli;
mod dataset;
mod fuzz;
mod house;
mod plan;
mod progress;
mod report;
mod run;
mod search;
mod space;
mod spec;
mod store;
mod support;
mod train;
