//! Claims: the right to compute a fingerprint, and locks on attempt folders.
//!
//! A claim is one process's word that it computes something; it never waits, so no job can wait for a
//! claim while it holds one. An attempt's lock is inherited by every descendant of its command, so
//! the folder reads as locked for as long as any of them lives, whoever started it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::locks;
use super::{Store, StoreError};
use crate::manifest::Fingerprint;

/// The answer to asking for the right to compute a fingerprint.
#[derive(Debug)]
pub enum Claim {
    /// It is yours until the guard is dropped or the process ends. Look for the record once more: it
    /// may have been written since you last looked.
    Granted(ClaimGuard),
    /// Somebody else computes it: who, for people.
    Held(String),
}

/// Holds a claim.
#[derive(Debug)]
pub struct ClaimGuard {
    path: PathBuf,
    _file: File,
}

impl Drop for ClaimGuard {
    fn drop(&mut self) {
        // While it is still locked: see `locks`. A file that stays is only clutter.
        let _ = fs::remove_file(&self.path);
    }
}

impl Store {
    /// Asks for the right to compute `fingerprint`; never waits. `holder` is what others are told.
    pub fn claim(&self, fingerprint: &Fingerprint, holder: &str) -> Result<Claim, StoreError> {
        let path = self.lock_path(&fingerprint.hex());
        let Some(mut file) = locks::try_exclusive(self, &path)? else {
            return Ok(Claim::Held(holder_of(&path)));
        };
        let written = locks::empty(&file).and_then(|()| file.write_all(holder.as_bytes()));
        written.map_err(|error| self.storing(&path, error))?;
        Ok(Claim::Granted(ClaimGuard { path, _file: file }))
    }

    /// Who computes `fingerprint` at this moment, for people.
    pub fn claimed_by(&self, fingerprint: &Fingerprint) -> Result<Option<String>, StoreError> {
        let path = self.lock_path(&fingerprint.hex());
        let held = locks::is_held(&path).map_err(|error| StoreError::reading(&path, error))?;
        Ok(held.then(|| holder_of(&path)))
    }
}

/// The holder writes its name just after it has the lock, so for a moment there may be none.
fn holder_of(path: &Path) -> String {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}

/// An attempt folder that nobody else may use while this, or a process that inherited it, lives.
#[derive(Debug)]
pub struct LockedFolder {
    file: File,
}

/// Locks the attempt folder at `folder`, which need not exist yet.
///
/// The lock is on a file beside it, `<folder>.lock`: the folder itself belongs to the command, and
/// network file systems lock no folders.
///
/// # Errors
/// `StoreError::Io` of kind `WouldBlock` when it is locked already.
pub fn lock_folder(folder: &Path) -> Result<LockedFolder, StoreError> {
    let path = lock_beside(folder);
    let writing = |error| StoreError::writing(&path, error);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(writing)?;
    file.try_lock().map_err(|error| writing(io::Error::from(error)))?;
    Ok(LockedFolder { file })
}

/// Whether an attempt's folder is locked, so that somebody may still write into it.
pub fn is_locked(folder: &Path) -> Result<bool, StoreError> {
    let path = lock_beside(folder);
    locks::is_held(&path).map_err(|error| StoreError::reading(&path, error))
}

fn lock_beside(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

impl LockedFolder {
    /// Lets `command` and all its descendants hold the lock too; `command` itself holds it as long as it
    /// is not dropped.
    ///
    /// The descriptor is opened to the child alone, after the fork. Opened to it in this process, it
    /// would leak into every other command that starts meanwhile, and their orphans would look like
    /// ours.
    pub fn inherit(&self, command: &mut Command) -> io::Result<()> {
        let file = self.file.try_clone()?;
        let open_to_child = move || {
            rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).map_err(io::Error::from)
        };
        // SAFETY: the hook makes one system call on a descriptor that it owns, and allocates nothing.
        unsafe { command.pre_exec(open_to_child) };
        Ok(())
    }
}

impl AsFd for LockedFolder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
