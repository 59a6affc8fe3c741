//! Stamps: what `stat` says of a file, so that an unchanged one need not be read again.
//!
//! A stamp is evidence only once its times lie a while back: a file written twice within one tick of
//! the file system's clock keeps its stamp. Until then the content's digest decides.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// How far back a file's times must lie: the coarsest clock of a file system in use has two seconds.
const SETTLES_AFTER: Duration = Duration::from_secs(2);

/// Size, times and identity of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp(u64, i64, i64, u64, u64);

impl Stamp {
    /// The stamp of what `metadata` describes.
    pub(super) fn of(metadata: &Metadata) -> Self {
        let nanos =
            |secs: i64, nanos: i64| secs.saturating_mul(1_000_000_000).saturating_add(nanos);
        Self(
            metadata.size(),
            nanos(metadata.mtime(), metadata.mtime_nsec()),
            nanos(metadata.ctime(), metadata.ctime_nsec()),
            metadata.ino(),
            metadata.dev(),
        )
    }

    /// The same without the time of the last change of links or rights. A published file may share
    /// its inode with a blob, and every other link that comes or goes touches that time.
    pub(super) fn without_links(self) -> Self {
        Self(self.0, self.1, 0, self.3, self.4)
    }

    /// Whether its times lie far enough back to trust it, at a look taken at `now`.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let latest = u128::try_from(self.1.max(self.2)).unwrap_or_default();
        latest + SETTLES_AFTER.as_nanos() <= now
    }
}
