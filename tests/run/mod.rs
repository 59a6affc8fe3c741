//! The run room through the real binary: kills, orphans, sharing, signals, full and read-only disks.

mod bits;
mod cuda;
mod disks;
mod kills;
mod sharing;
mod signals;
