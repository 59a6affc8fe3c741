//! Stamps: what the file system says of a file without reading it.
//!
//! A program may set a file's mtime back, but not its ctime, so both are kept.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

/// Identity, size and times of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Device of the file system.
    pub(super) device: u64,
    /// Inode.
    pub(super) inode: u64,
    /// Bytes.
    pub(super) size: u64,
    /// Last change of content, nanoseconds since 1970.
    pub(super) mtime_ns: i64,
    /// Last change of anything, nanoseconds since 1970.
    pub(super) ctime_ns: i64,
}

impl Stamp {
    /// The stamp that `metadata` shows.
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The later of both times.
    pub(super) fn changed_ns(&self) -> i64 {
        self.mtime_ns.max(self.ctime_ns)
    }

    /// Whether the content may differ from that of `other`. Its ctime alone says nothing: making or
    /// removing a hard link changes it.
    pub(super) fn is_other_content(&self, other: &Self) -> bool {
        Self { ctime_ns: 0, ..*self } != Self { ctime_ns: 0, ..*other }
    }
}

/// An i64 of nanoseconds reaches the year 2262; later times stay there.
fn nanoseconds(secs: i64, nanos: i64) -> i64 {
    secs.saturating_mul(1_000_000_000).saturating_add(nanos)
}
