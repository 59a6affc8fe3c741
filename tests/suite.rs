//! The one integration test binary: a folder per room.

mod spec;
