//! The one integration test binary: a folder per room.

mod dataset;
mod house;
mod plan;
mod progress;
mod report;
mod run;
mod search;
mod report;
mod run;
mod search;
mod space;
mod space;
mod spec;
mod spec;
mod store;
mod store;
mod support;
#[cfg(test)]
mod train;
mod support;
mod spec;
mod store;
mod train;
