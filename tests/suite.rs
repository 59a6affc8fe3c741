//! The one integration test binary: a folder per room.

mod dataset;
mod house;
mod plan;
mod run;
mod search;
mod space;
mod support;
mod progress;
mod report;
mod search;
mod space;
#[cfg(test)]
mod train;
mod store;
mod spec;
mod spec;
mod store;
mod train;
