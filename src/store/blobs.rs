//! Blobs: content under the name of its digest, once, read-only.
//!
//! A blob is never trusted because it exists: whoever uses one hashes it while copying it, or has it
//! hashed before linking it. A new blob replaces an old one of the same name, which costs a rename,
//! heals one that has gone bad, and makes it young for `gc`.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::hashing::{digest_of_file, hash_through};
use super::objects::{OBJECT_MODE, read_object};
use super::stamp::Stamp;
use super::{Store, StoreError};
use crate::digest::Digest;

/// Below this, cloning blocks gains nothing over copying them.
pub(super) const CLONE_BYTES_MIN: u64 = 64 << 10;

/// From here on the stat cache may answer for a blob that is linked; hashing less is cheaper than
/// remembering it.
const REMEMBERED_BYTES_MIN: u64 = 1 << 20;

/// What happens to a file that is taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taking {
    /// It may become the blob itself.
    Move,
    /// It stays as it is.
    Copy,
}

/// A blob that was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) executable: bool,
}

/// What is wrong with a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlobFault {
    Missing,
    OtherContent,
}

impl Store {
    /// Where the blob lies. Its content is not verified: read it by [`Store::read`] or
    /// [`Store::materialize`], or hash what you read.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.object_path("blobs", digest, "")
    }

    /// Takes a regular file in.
    pub(super) fn take_blob(&self, path: &Path, taking: Taking) -> Result<Taken, StoreError> {
        let reading = |error| StoreError::reading(path, error);
        // A file that has become a link since it was listed would lead elsewhere.
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let mut source =
            OpenOptions::new().read(true).custom_flags(no_follow).open(path).map_err(reading)?;
        let metadata = source.metadata().map_err(reading)?;
        if !metadata.is_file() {
            return Err(StoreError::Unfit { path: path.to_owned(), reason: "it is not a file" });
        }
        let before = Stamp::of(&metadata);
        let executable = metadata.mode() & 0o111 != 0;
        // Who else has a name for the file, or owns it, could change it under its new name.
        let is_ours = metadata.nlink() == 1 && metadata.uid() == nix::unistd::geteuid().as_raw();
        let moved = if taking == Taking::Move && is_ours {
            self.move_blob(path, &mut source, &before)?
        } else {
            None
        };
        let (digest, size) = match moved {
            Some(taken) => taken,
            None => self.copy_blob(path, &mut source, &before)?,
        };
        Ok(Taken { digest, size, executable })
    }

    /// Hashes the file and renames it; none when it lies on another file system.
    fn move_blob(
        &self,
        path: &Path,
        source: &mut File,
        before: &Stamp,
    ) -> Result<Option<(Digest, u64)>, StoreError> {
        let reading = |error| StoreError::reading(path, error);
        let (digest, size) = hash_through(source, before.size, |_| Ok(())).map_err(reading)?;
        unchanged(path, source, before, size)?;
        let target = self.blob_path(&digest);
        let moved = self.finish(source, OBJECT_MODE).and_then(|()| self.try_move_in(path, &target));
        match moved {
            Ok(()) => self.flush_folder(&target).map(|()| Some((digest, size))),
            Err(error) if is_out_of_room(&error) => Err(self.storing(&target, error)),
            Err(_) => {
                source.rewind().map_err(reading)?;
                Ok(None)
            }
        }
    }

    /// Copies the file into the store and hashes what was written.
    fn copy_blob(
        &self,
        path: &Path,
        source: &mut File,
        before: &Stamp,
    ) -> Result<(Digest, u64), StoreError> {
        let staged = self.stage()?;
        let mut copy = staged.as_file();
        let reading = |error| StoreError::reading(path, error);
        let (digest, size) = if is_cloned(copy, source, before.size) {
            hash_through(&mut copy, before.size, |_| Ok(())).map_err(reading)?
        } else {
            let mut failed = None;
            let sink = |bytes: &[u8]| {
                copy.write_all(bytes).map_err(|error| {
                    let code = io::Error::from(error.kind());
                    failed = Some(error);
                    code
                })
            };
            match hash_through(source, before.size, sink) {
                Ok(taken) => taken,
                Err(error) => {
                    let written = failed.map(|error| self.storing(staged.path(), error));
                    return Err(written.unwrap_or_else(|| reading(error)));
                }
            }
        };
        let now = source.metadata().map_err(reading)?;
        let is_other = Stamp::of(&now).is_other_content(before) || size != before.size;
        if is_other {
            return Err(changed(path));
        }
        self.commit(staged, &self.blob_path(&digest))?;
        Ok((digest, size))
    }

    /// Keeps `bytes` as a blob.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let _publishing = self.publishing()?;
        let digest = Digest::of(bytes);
        self.write_object(&self.blob_path(&digest), bytes)?;
        Ok(digest)
    }

    /// The blob's whole content, verified; one that proves bad goes to quarantine.
    pub(super) fn read_blob(
        &self,
        digest: &Digest,
    ) -> Result<Result<Vec<u8>, BlobFault>, StoreError> {
        let path = self.blob_path(digest);
        let Some(object) = read_object(&path)? else { return Ok(Err(BlobFault::Missing)) };
        if Digest::of(&object.bytes) == *digest {
            return Ok(Ok(object.bytes));
        }
        self.quarantine(&path, &object.stamp);
        Ok(Err(BlobFault::OtherContent))
    }

    /// Whether a blob is here and whole; one that is not goes to quarantine. `remembered` allows the
    /// stat cache to answer for content that it saw under the same times.
    pub(super) fn verify_blob(
        &self,
        digest: &Digest,
        size: u64,
        remembered: bool,
    ) -> Result<Result<(), BlobFault>, StoreError> {
        let path = self.blob_path(digest);
        if remembered
            && size >= REMEMBERED_BYTES_MIN
            && self.digest_file(&path).ok() == Some(*digest)
        {
            return Ok(Ok(()));
        }
        match digest_of_file(&path) {
            Ok(Some((found, _))) if found == *digest => Ok(Ok(())),
            Ok(Some((_, stamp))) => {
                self.quarantine(&path, &stamp);
                Ok(Err(BlobFault::OtherContent))
            }
            // Blobs are not written to. One that changes while it is read is bad.
            Ok(None) => {
                if let Ok(metadata) = fs::symlink_metadata(&path) {
                    self.quarantine(&path, &Stamp::of(&metadata));
                }
                Ok(Err(BlobFault::OtherContent))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Err(BlobFault::Missing)),
            Err(error) => Err(StoreError::reading(&path, error)),
        }
    }

    /// Copies a blob to the new file `target`, verifying what is copied.
    pub(super) fn copy_out(
        &self,
        digest: &Digest,
        target: &Path,
        mode: u32,
    ) -> Result<Result<(), BlobFault>, StoreError> {
        let path = self.blob_path(digest);
        let mut blob = match File::open(&path) {
            Ok(blob) => blob,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Err(BlobFault::Missing));
            }
            Err(error) => return Err(StoreError::reading(&path, error)),
        };
        let metadata = blob.metadata().map_err(|error| StoreError::reading(&path, error))?;
        let writing = |error| StoreError::writing(target, error);
        let mut copy = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(target)
            .map_err(writing)?;
        let written = hash_through(&mut blob, metadata.len(), |bytes| copy.write_all(bytes))
            .and_then(|(found, _)| {
                copy.set_permissions(Permissions::from_mode(mode))?;
                Ok(found)
            });
        let failed = match written {
            Ok(found) if found == *digest => return Ok(Ok(())),
            Ok(_) => {
                self.quarantine(&path, &Stamp::of(&metadata));
                Ok(Err(BlobFault::OtherContent))
            }
            Err(error) => Err(writing(error)),
        };
        // Nothing half done and nothing wrong stays under a name that somebody may read.
        let _ = fs::remove_file(target);
        failed
    }

    /// The error for a blob of `tree` that is not what it should be.
    pub(super) fn damaged(&self, tree: &Digest, blob: &Digest, fault: BlobFault) -> StoreError {
        let blob = blob.short();
        let detail = match fault {
            BlobFault::Missing => {
                // It left the store without telling, so nothing that a snapshot saw is certain.
                let _ = self.bump_generation();
                format!("blob {blob} is missing")
            }
            BlobFault::OtherContent => {
                format!(
                    "blob {blob} has other content than its name says; it was put into quarantine"
                )
            }
        };
        StoreError::Damaged { tree: *tree, detail }
    }
}

/// Makes `copy` share the blocks of `source`, where the file system can (Btrfs, XFS).
pub(super) fn is_cloned(copy: &File, source: &File, size: u64) -> bool {
    size >= CLONE_BYTES_MIN && rustix::fs::ioctl_ficlone(copy, source).is_ok()
}

fn unchanged(path: &Path, source: &File, before: &Stamp, size: u64) -> Result<(), StoreError> {
    let now = source.metadata().map_err(|error| StoreError::reading(path, error))?;
    if Stamp::of(&now) == *before && size == before.size { Ok(()) } else { Err(changed(path)) }
}

fn changed(path: &Path) -> StoreError {
    let reason = "it changed while it was taken in: something still writes to it";
    StoreError::Unfit { path: path.to_owned(), reason }
}

fn is_out_of_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
