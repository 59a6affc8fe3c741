//! The one integration test binary: a folder per room.

#[cfg(test)]
mod dataset;
mod house;
mod search;
mod space;
mod report;
mod train;
