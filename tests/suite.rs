//! The one integration test binary: a folder per room.

mod house;
mod search;
mod space;
mod train;
