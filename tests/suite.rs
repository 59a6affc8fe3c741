//! The one integration test binary: a folder per room.

mod house;
mod run;
mod search;
mod space;
mod support;
