//! The house itself: floors, files, README, shipped pipelines.

mod floors;
mod golden;
mod sharing;
mod shipped;
