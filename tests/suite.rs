//! The one integration test binary: a folder per room.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archive;
mod bundle;
mod cli;
mod dataset;
mod export;
mod fuzz;
mod house;
mod kernels;
mod plan;
mod progress;
mod remote;
mod report;
mod run;
mod search;
mod serve;
mod space;
mod spec;
mod store;
mod support;
mod train;
