//! The house itself: floors, files, README, shipped pipelines.

mod floors;
mod golden;
mod heads;
mod presets;
mod sharing;
mod shipped;
