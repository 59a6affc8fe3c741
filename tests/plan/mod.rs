//! The plan room: from a pipeline file to what would run, and why.

#![expect(clippy::unwrap_used, reason = "what prepares a test may fail it")]

mod bad;
mod drawings;
mod kinds;
mod order;
mod resolution;
mod selection;
mod snapshot;
mod space;
mod table;
