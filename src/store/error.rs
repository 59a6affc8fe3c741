//! What can go wrong in a store.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("{action} `{path}`")]
    Io {
        /// What was tried: `cannot read`, `cannot write`.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No room is left.
    #[error("no space left at `{root}`: free some, or run `phytotron gc`")]
    Full {
        /// The store, or the folder that its files were put into.
        root: PathBuf,
    },
    /// The store cannot be written.
    #[error("the store at `{root}` is read-only: make it writable, or name another with `--store`")]
    ReadOnly {
        /// The store.
        root: PathBuf,
    },
    /// Content is missing or is not what its name says; a bad file is in quarantine now.
    #[error("artifact {tree} is damaged: {detail}")]
    Damaged {
        /// The tree that was wanted.
        tree: Digest,
        /// Which blob, and what is wrong with it.
        detail: String,
    },
    /// A file to be taken in cannot be kept.
    #[error("cannot keep `{path}`: {reason}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// A socket, a link that leaves the artifact, a name that is not UTF-8.
        reason: &'static str,
    },
    /// An intact object in a format of a later version: neither read nor overwritten.
    #[error(
        "`{path}` was written by a newer phytotron (format {format}): update, or name another store with `--store`"
    )]
    Newer {
        /// The object.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

impl StoreError {
    /// A failure while reading or looking at `path`.
    pub(super) fn reading(path: &Path, source: io::Error) -> Self {
        Self::Io { action: "cannot read", path: path.to_owned(), source }
    }

    /// A failure while writing `path`, which lies outside the store.
    pub(super) fn writing(path: &Path, source: io::Error) -> Self {
        if is_full(&source) {
            let root = path.parent().unwrap_or(path).to_owned();
            return Self::Full { root };
        }
        Self::Io { action: "cannot write", path: path.to_owned(), source }
    }

    /// A failure while writing `path`, which lies in the store at `root`.
    pub(super) fn storing(root: &Path, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        match source.kind() {
            _ if is_full(&source) => Self::Full { root: root.to_owned() },
            ReadOnlyFilesystem | PermissionDenied => Self::ReadOnly { root: root.to_owned() },
            _ => Self::Io { action: "cannot write", path: path.to_owned(), source },
        }
    }
}

/// A quota that is used up is as full as a disk.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_become_what_a_person_can_act_on() {
        let (root, path) = (Path::new("s"), Path::new("s/blobs/ab"));
        let storing = |code| StoreError::storing(root, path, io::Error::from_raw_os_error(code));
        assert!(matches!(storing(nix::libc::ENOSPC), StoreError::Full { .. }));
        assert!(matches!(storing(nix::libc::EDQUOT), StoreError::Full { .. }));
        assert!(matches!(storing(nix::libc::EROFS), StoreError::ReadOnly { .. }));
        assert!(matches!(storing(nix::libc::EACCES), StoreError::ReadOnly { .. }));
        assert!(matches!(storing(nix::libc::EIO), StoreError::Io { .. }));
    }
}
