//! The one integration test binary: a folder per room.

mod house;
mod plan;
mod search;
mod space;
