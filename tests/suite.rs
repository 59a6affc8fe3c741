//! The one integration test binary: a folder per room.

mod dataset;
mod house;
mod report;
mod search;
mod space;
mod spec;
mod train;
