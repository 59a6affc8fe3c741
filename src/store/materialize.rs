//! Materializing: trees become folders for commands and people, every blob verified.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::blobs::{BlobFault, CLONE_BYTES_MIN, is_cloned};
use super::hashing::digest_of_file;
use super::stamp::Stamp;
use super::tree::{Entry, EntryKind, Tree, ancestors};
use super::{Store, StoreError};
use crate::digest::Digest;

/// Root writes through a read-only mode, so for root a file up to this size is a copy.
const ROOT_COPY_BYTES_MAX: u64 = 64 << 20;

/// How blobs become files for people and commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkMode {
    /// Reflink, else hard link, else copy; copies when running as root (up to 64 MB) and executables.
    /// The files are read-only, however they came about.
    #[default]
    Auto,
    /// Always copy, to files that their owner may change.
    Copy,
}

/// The files of an artifact that were put somewhere, and how they looked then.
#[derive(Debug)]
pub struct Placed {
    destination: PathBuf,
    files: Vec<PlacedFile>,
}

#[derive(Debug)]
struct PlacedFile {
    path: String,
    digest: Digest,
    stamp: Stamp,
}

impl Store {
    /// Puts the files of `tree` into `destination` (made when missing), verifying every blob. Nothing
    /// that lies there is overwritten.
    ///
    /// # Errors
    /// `StoreError::Damaged` when a blob is missing or has other content; it is then in quarantine.
    pub fn materialize(
        &self,
        tree: &Digest,
        destination: &Path,
        mode: LinkMode,
    ) -> Result<(), StoreError> {
        let entries = self.whole_tree(tree)?;
        self.place_all(tree, &entries, destination, mode)
    }

    /// [`Store::materialize`] that remembers how the files looked, to find out later whether a
    /// command changed its input.
    pub fn place(
        &self,
        tree: &Digest,
        destination: &Path,
        mode: LinkMode,
    ) -> Result<Placed, StoreError> {
        let entries = self.whole_tree(tree)?;
        self.place_all(tree, &entries, destination, mode)?;
        let files: Result<Vec<PlacedFile>, StoreError> =
            entries.entries.iter().filter_map(|entry| seen(destination, entry)).collect();
        Ok(Placed { destination: destination.to_owned(), files: files? })
    }

    fn place_all(
        &self,
        tree: &Digest,
        entries: &Tree,
        destination: &Path,
        mode: LinkMode,
    ) -> Result<(), StoreError> {
        make_folders(entries, destination)?;
        let placer = Placer::new(self, tree, mode);
        let (links, files): (Vec<&Entry>, Vec<&Entry>) =
            entries.entries.iter().partition(|entry| matches!(entry.kind, EntryKind::Link { .. }));
        files
            .into_par_iter()
            .with_min_len(8)
            .try_for_each(|entry| placer.place(&entry.kind, &destination.join(&entry.path)))?;
        // Links come last, so that no file can be written through one.
        links
            .into_iter()
            .try_for_each(|entry| placer.place(&entry.kind, &destination.join(&entry.path)))
    }
}

impl Placed {
    /// Paths of the files that have other content now, or none. Reads only files whose times say
    /// that it may be so.
    ///
    /// A hard link that was written through has changed the blob too: [`Store::verify`] of the tree
    /// then puts that blob into quarantine.
    #[must_use]
    pub fn changed(&self) -> Vec<String> {
        let changed = |file: &&PlacedFile| is_changed(&self.destination.join(&file.path), file);
        self.files.iter().filter(changed).map(|file| file.path.clone()).collect()
    }
}

fn is_changed(path: &Path, file: &PlacedFile) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return true };
    let now = Stamp::of(&metadata);
    if now == file.stamp {
        return false;
    }
    if now.size != file.stamp.size || !metadata.is_file() {
        return true;
    }
    !matches!(digest_of_file(path), Ok(Some((digest, _))) if digest == file.digest)
}

fn seen(destination: &Path, entry: &Entry) -> Option<Result<PlacedFile, StoreError>> {
    let EntryKind::File { digest, .. } = entry.kind else { return None };
    let path = destination.join(&entry.path);
    let stamp = fs::symlink_metadata(&path).map(|metadata| Stamp::of(&metadata));
    let file = stamp.map(|stamp| PlacedFile { path: entry.path.clone(), digest, stamp });
    Some(file.map_err(|error| StoreError::reading(&path, error)))
}

/// Makes the destination and every folder that entries lie in.
fn make_folders(tree: &Tree, destination: &Path) -> Result<(), StoreError> {
    let folders: BTreeSet<&str> =
        tree.entries.iter().flat_map(|entry| ancestors(&entry.path)).collect();
    fs::create_dir_all(destination).map_err(|error| StoreError::writing(destination, error))?;
    for folder in folders {
        let path = destination.join(folder);
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            made => made.map_err(|error| StoreError::writing(&path, error))?,
        }
    }
    Ok(())
}

/// Puts single entries of one tree in place.
pub(super) struct Placer<'a> {
    store: &'a Store,
    tree: &'a Digest,
    mode: LinkMode,
    is_root: bool,
    /// Asking once is enough: a file system can share blocks or cannot.
    may_clone: AtomicBool,
}

impl<'a> Placer<'a> {
    pub(super) fn new(store: &'a Store, tree: &'a Digest, mode: LinkMode) -> Self {
        let is_root = nix::unistd::geteuid().is_root();
        Self { store, tree, mode, is_root, may_clone: AtomicBool::new(mode == LinkMode::Auto) }
    }

    /// Makes `target`, which must not exist, in a folder that does.
    pub(super) fn place(&self, kind: &EntryKind, target: &Path) -> Result<(), StoreError> {
        let writing = |error| StoreError::writing(target, error);
        match kind {
            EntryKind::Folder => match fs::create_dir(target) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && target.is_dir() => {
                    Ok(())
                }
                made => made.map_err(writing),
            },
            EntryKind::Link { target: to } => symlink(to, target).map_err(writing),
            EntryKind::File { digest, size, executable } => {
                let placed = self.place_file(digest, *size, *executable, target)?;
                placed.map_err(|fault| self.store.damaged(self.tree, digest, fault))
            }
        }
    }

    fn place_file(
        &self,
        digest: &Digest,
        size: u64,
        executable: bool,
        target: &Path,
    ) -> Result<Result<(), BlobFault>, StoreError> {
        let mode = self.permissions(executable);
        if size >= CLONE_BYTES_MIN && self.may_clone.load(Ordering::Relaxed) {
            if let Err(fault) = self.store.verify_blob(digest, size, true)? {
                return Ok(Err(fault));
            }
            if self.clone(digest, size, target, mode)? {
                return Ok(Ok(()));
            }
            self.may_clone.store(false, Ordering::Relaxed);
        }
        if self.may_link(size, executable) {
            if let Err(fault) = self.store.verify_blob(digest, size, true)? {
                return Ok(Err(fault));
            }
            // Another file system, too many links to one file, or a file of somebody else that the
            // kernel lets nobody link: a copy does it.
            if fs::hard_link(self.store.blob_path(digest), target).is_ok() {
                return Ok(Ok(()));
            }
        }
        self.store.copy_out(digest, target, mode)
    }

    /// A hard link has the blob's mode, so executables are never linked; an empty file gains nothing.
    fn may_link(&self, size: u64, executable: bool) -> bool {
        self.mode == LinkMode::Auto
            && !executable
            && size > 0
            && (!self.is_root || size > ROOT_COPY_BYTES_MAX)
    }

    fn permissions(&self, executable: bool) -> u32 {
        match (self.mode, executable) {
            (LinkMode::Auto, false) => 0o444,
            (LinkMode::Auto, true) => 0o555,
            (LinkMode::Copy, false) => 0o644,
            (LinkMode::Copy, true) => 0o755,
        }
    }

    /// Whether `target` now shares the blob's blocks; if not, there is no `target`.
    fn clone(
        &self,
        digest: &Digest,
        size: u64,
        target: &Path,
        mode: u32,
    ) -> Result<bool, StoreError> {
        let path = self.store.blob_path(digest);
        let blob = File::open(&path).map_err(|error| StoreError::reading(&path, error))?;
        let writing = |error| StoreError::writing(target, error);
        let copy = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(target)
            .map_err(writing)?;
        if is_cloned(&copy, &blob, size) {
            copy.set_permissions(Permissions::from_mode(mode)).map_err(writing)?;
            return Ok(true);
        }
        fs::remove_file(target).map_err(writing)?;
        Ok(false)
    }
}
