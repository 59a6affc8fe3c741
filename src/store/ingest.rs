//! Taking folders in: every file becomes a blob, the list of them a tree.
//!
//! All is looked at before anything is moved, so an artifact that cannot be kept stays as it was.

use std::fs::{self, FileType};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::blobs::Taking;
use super::tree::{Entry, EntryKind, Tree};
use super::{Store, StoreError};
use crate::digest::Digest;

/// An artifact that was taken into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ingested {
    /// Its tree.
    pub tree: Digest,
    /// Files in it.
    pub files: u64,
    /// Bytes in it.
    pub bytes: u64,
}

/// Something that was found below a folder, and the path it shall have in the tree.
struct Found {
    path: String,
    source: PathBuf,
    kind: FoundKind,
}

enum FoundKind {
    File,
    Link(String),
    EmptyFolder,
}

impl Store {
    /// Takes the content of `folder` in as one tree. Files are moved when they lie on the store's
    /// file system and belong to us, so `folder` is empty or gone afterwards.
    pub fn ingest(&self, folder: &Path) -> Result<Ingested, StoreError> {
        let ingested = self.take(scan_folder(folder)?, Taking::Move)?;
        // Links, folders and copied files are left; what cannot be removed is in nobody's way.
        let _ = fs::remove_dir_all(folder);
        Ok(ingested)
    }

    /// Takes the content of `folder` in as one tree and leaves it as it is.
    pub fn ingest_copy(&self, folder: &Path) -> Result<Ingested, StoreError> {
        self.take(scan_folder(folder)?, Taking::Copy)
    }

    /// Takes files and folders from anywhere in as one tree, each under the relative path given with
    /// it, and moves them as [`Store::ingest`] does. Links must stay inside that tree.
    pub fn ingest_items(&self, items: &[(String, PathBuf)]) -> Result<Ingested, StoreError> {
        let mut found = Vec::new();
        for (path, source) in items {
            let metadata = fs::symlink_metadata(source);
            let kind = metadata.map_err(|error| StoreError::reading(source, error))?.file_type();
            scan(source, kind, path.trim_end_matches('/').to_owned(), &mut found)?;
        }
        let ingested = self.take(found, Taking::Move)?;
        for (_, source) in items {
            let _ = fs::remove_dir_all(source).or_else(|_| fs::remove_file(source));
        }
        Ok(ingested)
    }

    fn take(&self, found: Vec<Found>, taking: Taking) -> Result<Ingested, StoreError> {
        check_shape(&found)?;
        // Held while the blobs have no tree yet: `gc` and `fsck` wait.
        let _publishing = self.publishing()?;
        let entries: Result<Vec<Entry>, StoreError> =
            found.into_par_iter().map(|found| self.take_entry(found, taking)).collect();
        let tree = Tree::new(entries?).map_err(|fault| unfit(&fault.path, fault.reason))?;
        Ok(Ingested { tree: self.put_tree(&tree)?, files: tree.files(), bytes: tree.bytes() })
    }

    fn take_entry(&self, found: Found, taking: Taking) -> Result<Entry, StoreError> {
        let kind = match found.kind {
            FoundKind::File => {
                let taken = self.take_blob(&found.source, taking)?;
                let (digest, size, executable) = (taken.digest, taken.size, taken.executable);
                EntryKind::File { digest, size, executable }
            }
            FoundKind::Link(target) => EntryKind::Link { target },
            FoundKind::EmptyFolder => EntryKind::Folder,
        };
        Ok(Entry { path: found.path, kind })
    }
}

/// Whether the paths and links make a tree, asked before a single file is moved.
fn check_shape(found: &[Found]) -> Result<(), StoreError> {
    let no_content = Digest::of(b"");
    let entries = found.iter().map(|found| {
        let kind = match &found.kind {
            FoundKind::File => EntryKind::File { digest: no_content, size: 0, executable: false },
            FoundKind::Link(target) => EntryKind::Link { target: target.clone() },
            FoundKind::EmptyFolder => EntryKind::Folder,
        };
        Entry { path: found.path.clone(), kind }
    });
    match Tree::new(entries.collect()) {
        Ok(_) => Ok(()),
        Err(fault) => {
            let source = found.iter().find(|found| found.path == fault.path);
            let path = source.map_or_else(|| PathBuf::from(&fault.path), |it| it.source.clone());
            Err(StoreError::Unfit { path, reason: fault.reason })
        }
    }
}

fn scan_folder(folder: &Path) -> Result<Vec<Found>, StoreError> {
    let mut found = Vec::new();
    scan_children(folder, "", &mut found)?;
    Ok(found)
}

/// Adds `source` and what lies below it under `path`.
fn scan(
    source: &Path,
    kind: FileType,
    path: String,
    found: &mut Vec<Found>,
) -> Result<(), StoreError> {
    let reading = |error| StoreError::reading(source, error);
    let kind = if kind.is_file() {
        FoundKind::File
    } else if kind.is_symlink() {
        let target = fs::read_link(source).map_err(reading)?.into_os_string().into_string();
        FoundKind::Link(target.map_err(|_| unfit(source, "its target is not UTF-8"))?)
    } else if kind.is_dir() {
        if scan_children(source, &path, found)? {
            return Ok(());
        }
        FoundKind::EmptyFolder
    } else {
        return Err(unfit(source, special(kind)));
    };
    found.push(Found { path, source: source.to_owned(), kind });
    Ok(())
}

/// Adds what lies in `folder` under `prefix`; says whether anything does.
fn scan_children(folder: &Path, prefix: &str, found: &mut Vec<Found>) -> Result<bool, StoreError> {
    let reading = |error| StoreError::reading(folder, error);
    let mut has_any = false;
    for child in fs::read_dir(folder).map_err(reading)? {
        let child = child.map_err(reading)?;
        let source = child.path();
        let name = child.file_name().into_string();
        let name = name.map_err(|_| unfit(&source, "its name is not UTF-8"))?;
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        // The folder's listing knows the kind; asking for each file costs as much as opening it.
        scan(&source, child.file_type().map_err(reading)?, path, found)?;
        has_any = true;
    }
    Ok(has_any)
}

fn special(kind: FileType) -> &'static str {
    if kind.is_socket() {
        "it is a socket"
    } else if kind.is_fifo() {
        "it is a named pipe"
    } else {
        "it is a device"
    }
}

fn unfit(path: impl AsRef<Path>, reason: &'static str) -> StoreError {
    StoreError::Unfit { path: path.as_ref().to_owned(), reason }
}
