//! Locks: kernel file locks, which die with the last process that holds them.
//!
//! So a killed run needs no ritual. A lock file may be unlinked only by who holds it; whoever then
//! locked the unlinked file finds out by comparing inodes and tries again.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Store, StoreError};

impl Store {
    pub(super) fn lock_path(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(name)
    }
}

/// Waits for the lock `name` alone.
pub(super) fn wait_exclusive(store: &Store, name: &str) -> Result<File, StoreError> {
    wait(store, name, File::lock)
}

/// Waits for the lock `name` together with others.
pub(super) fn wait_shared(store: &Store, name: &str) -> Result<File, StoreError> {
    wait(store, name, File::lock_shared)
}

fn wait(store: &Store, name: &str, lock: fn(&File) -> io::Result<()>) -> Result<File, StoreError> {
    let path = store.lock_path(name);
    let file = open(store, &path)?;
    loop {
        match lock(&file) {
            Ok(()) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(store.storing(&path, error)),
        }
    }
}

/// Takes the lock at `path` alone; none when somebody has it.
pub(super) fn try_exclusive(store: &Store, path: &Path) -> Result<Option<File>, StoreError> {
    loop {
        let file = open(store, path)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => return Ok(Some(file)),
            // Its holder unlinked it between our two steps: what we hold has no name any more.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(store.storing(path, error)),
        }
    }
}

/// Whether somebody holds the lock at `path` alone. Asks by a shared lock, so two who ask at once do
/// not see each other.
pub(super) fn is_held(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Takes out what a dead holder left. Only when there is something: ext4 takes truncating a file, even
/// an empty one, for the start of a rewrite, and then waits for the disk when it is closed.
pub(super) fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.len() > 0 { file.set_len(0) } else { Ok(()) }
}

fn is_at(file: &File, path: &Path) -> bool {
    let here = file.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    let there = fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((here, there), (Ok(here), Ok(there)) if here == there)
}

/// Opens a lock file, making it when it is missing.
fn open(store: &Store, path: &Path) -> Result<File, StoreError> {
    let mode = if store.options().group_writable { 0o664 } else { 0o644 };
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(mode);
    loop {
        match options.open(path) {
            Ok(file) => return Ok(file),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(store.storing(path, error));
            }
            Err(_) => {}
        }
        match options.clone().create_new(true).open(path) {
            Ok(file) => {
                // The umask may have taken the group's bit.
                let opened = file.set_permissions(Permissions::from_mode(mode));
                return opened.map(|()| file).map_err(|error| store.storing(path, error));
            }
            // Somebody else made it just now.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = path.parent().unwrap_or(path);
                store.make_folder(folder).map_err(|error| store.storing(folder, error))?;
            }
            Err(error) => return Err(store.storing(path, error)),
        }
    }
}
