//! The one integration test binary: a folder per room.

mod dataset;
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
