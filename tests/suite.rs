//! The one integration test binary: a folder per room.

#[cfg(test)]
mod dataset;
mod house;
mod report;
mod search;
mod space;
mod train;
