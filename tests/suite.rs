//! The one integration test binary: a folder per room.

#[cfg(test)]
mod dataset;
mod house;
mod run;
mod search;
mod space;
mod support;
mod plan;
mod report;
mod search;
mod space;
mod spec;
mod store;
mod train;
