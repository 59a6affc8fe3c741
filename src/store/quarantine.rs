//! Quarantine and generation: what happens when something in the store proves bad or leaves it.
//!
//! A bad file is moved away rather than deleted, so that a person can look at it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::locks;
use super::objects::read_object;
use super::stamp::Stamp;
use super::{Store, StoreError};
use crate::digest::Digest;

/// Tells apart what one process puts into quarantine.
static QUARANTINED: AtomicU64 = AtomicU64::new(0);

impl Store {
    /// Moves a bad object away, if it still is the file that had `stamp`: another process may have put
    /// a good one in its place. Says whether it is gone; a store that cannot be written keeps it.
    pub(super) fn quarantine(&self, path: &Path, stamp: &Stamp) -> bool {
        let is_same = |now: Stamp| (now.device, now.inode) == (stamp.device, stamp.inode);
        if !fs::symlink_metadata(path).is_ok_and(|metadata| is_same(Stamp::of(&metadata))) {
            return true;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let serial = QUARANTINED.fetch_add(1, Ordering::Relaxed);
        let now = micros_since_1970();
        let place = format!("quarantine/{name}.{now}-{}-{serial}", std::process::id());
        let moved = self.try_move_in(path, &self.root.join(place)).is_ok();
        tracing::warn!(path = %path.display(), moved, "damaged object");
        // A generation that cannot be counted up belongs to a store that cannot change.
        let _ = self.bump_generation();
        moved
    }

    /// A number that grows whenever something leaves the store or is replaced (`gc`, quarantine, a
    /// forced record): what a snapshot saw is only good for the same number.
    pub fn generation(&self) -> Result<u64, StoreError> {
        let path = self.generation_path();
        if let Some(generation) = read_object(&path)?.and_then(|file| parse(&file.bytes)) {
            return Ok(generation);
        }
        // The file is lost, and with it whatever was counted: start at a number never seen before.
        match self.bump_generation() {
            Err(StoreError::ReadOnly { .. }) => Ok(0),
            other => other,
        }
    }

    /// Counts the generation up. By the clock, not by one: after the file is lost no number that a
    /// snapshot may hold can come back.
    pub(super) fn bump_generation(&self) -> Result<u64, StoreError> {
        let _lock = locks::wait_exclusive(self, "generation")?;
        let path = self.generation_path();
        let before = read_object(&path)?.and_then(|file| parse(&file.bytes)).unwrap_or(0);
        let next = micros_since_1970().max(before + 1);
        let line = format!("{next}");
        let check = Digest::of(line.as_bytes()).short();
        self.write_object(&path, format!("{line} {check}\n").as_bytes())?;
        Ok(next)
    }

    /// A dot keeps it apart from the snapshot of a pipeline that is called so.
    fn generation_path(&self) -> std::path::PathBuf {
        self.root.join("state/.generation")
    }

    /// Removes a file that `gc` has judged; one that is already gone is as good.
    pub(super) fn remove(&self, path: &Path) -> Result<(), StoreError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.storing(path, error)),
            _ => Ok(()),
        }
    }
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let (number, check) = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.split_once(' ')?;
    (Digest::of(number.as_bytes()).short() == check).then(|| number.parse().ok())?
}

/// The clock, for names and the generation only.
pub(super) fn micros_since_1970() -> u64 {
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}
