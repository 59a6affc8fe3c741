//! Pins: what a live run may still need, so that `gc` leaves it alone.
//!
//! A pin is a locked file that lists digests of any sort. It holds as long as the run's process lives;
//! a file that nobody locks any more means nothing.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::locks;
use super::objects::list;
use super::{Store, StoreError};
use crate::digest::Digest;

const PREFIX: &str = "pin-";

/// Keeps what it names from `gc`, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Pin {
    path: PathBuf,
    file: File,
}

impl Store {
    /// A pin for the run `run`, a name without `/` that no other live run has.
    ///
    /// # Errors
    /// `StoreError::Io` of kind `WouldBlock` when a live run has that name.
    pub fn pin(&self, run: &str) -> Result<Pin, StoreError> {
        let path = self.lock_path(&format!("{PREFIX}{run}"));
        let Some(file) = locks::try_exclusive(self, &path)? else {
            return Err(StoreError::writing(&path, std::io::ErrorKind::WouldBlock.into()));
        };
        locks::empty(&file).map_err(|error| self.storing(&path, error))?;
        Ok(Pin { path, file })
    }
}

impl Pin {
    /// Adds fingerprints, trees or trial keys. A pinned fingerprint keeps its record and outputs too.
    pub fn add(&self, digests: impl IntoIterator<Item = Digest>) -> Result<(), StoreError> {
        let lines: String = digests.into_iter().map(|digest| digest.hex() + "\n").collect();
        let written = (&self.file).write_all(lines.as_bytes());
        written.map_err(|error| StoreError::writing(&self.path, error))
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// What live processes hold: the fingerprints that are being computed and everything pinned.
pub(super) fn live(store: &Store) -> Result<HashSet<Digest>, StoreError> {
    let mut live = HashSet::new();
    for path in list(&store.root().join("locks"))? {
        let name = name_of(&path);
        let reading = |error| StoreError::reading(&path, error);
        if let Ok(fingerprint) = name.parse() {
            if locks::is_held(&path).map_err(reading)? {
                live.insert(fingerprint);
            }
        } else if name.starts_with(PREFIX) && locks::is_held(&path).map_err(reading)? {
            let text = fs::read_to_string(&path).map_err(reading)?;
            live.extend(text.lines().filter_map(|line| line.parse::<Digest>().ok()));
        }
    }
    Ok(live)
}

/// Claims and pins of processes that are gone. The files are only clutter.
pub(super) fn remove_stale(store: &Store) -> Result<(), StoreError> {
    for path in list(&store.root().join("locks"))? {
        let name = name_of(&path);
        let is_ours = name.starts_with(PREFIX) || name.parse::<Digest>().is_ok();
        if is_ours && let Some(_lock) = locks::try_exclusive(store, &path)? {
            store.remove(&path)?;
        }
    }
    Ok(())
}

fn name_of(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}
