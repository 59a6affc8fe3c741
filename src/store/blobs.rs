//! Blobs: content under the name of its digest, once, read-only.
//!
//! A blob is never trusted because it exists: whoever uses one hashes it while copying it, or has it
//! hashed before linking it. Taking in what is here already heals a blob that has gone bad, and makes
//! it young for `gc`.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::hashing::{digest_of_file, hash_through};
use super::objects::{OBJECT_MODE, SMALL_BYTES_MAX, read_object};
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
    /// It had other content, and is in quarantine now.
    Quarantined,
    /// It has other content, and could not be moved away.
    Stuck,
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
        let moved = if taking == Taking::Move && is_ours && self.is_device(before.device) {
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

    /// Whether the blobs lie on this device: nothing can be renamed from another.
    fn is_device(&self, device: u64) -> bool {
        let blobs = || fs::metadata(self.root.join("blobs")).ok().map(|blobs| blobs.dev());
        *self.blobs_device.get_or_init(blobs) == Some(device)
    }

    /// Hashes the file and renames it; none when the kernel will not.
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
        if self.has_small(&target, &digest, size) {
            return Ok(Some((digest, size)));
        }
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

    /// Copies the file into the store and hashes what is written.
    fn copy_blob(
        &self,
        path: &Path,
        source: &mut File,
        before: &Stamp,
    ) -> Result<(Digest, u64), StoreError> {
        let reading = |error| StoreError::reading(path, error);
        if before.size <= SMALL_BYTES_MAX {
            let mut bytes = Vec::new();
            let keep = |piece: &[u8]| {
                bytes.extend_from_slice(piece);
                Ok(())
            };
            let (digest, size) = hash_through(source, before.size, keep).map_err(reading)?;
            same_content(path, source, before, size)?;
            self.keep_blob(&digest, &bytes)?;
            return Ok((digest, size));
        }
        let staged = self.stage()?;
        let (digest, size) = self.copy_large(path, source, before, &staged)?;
        same_content(path, source, before, size)?;
        self.commit(staged, &self.blob_path(&digest))?;
        Ok((digest, size))
    }

    fn copy_large(
        &self,
        path: &Path,
        source: &mut File,
        before: &Stamp,
        staged: &NamedTempFile,
    ) -> Result<(Digest, u64), StoreError> {
        let reading = |error| StoreError::reading(path, error);
        let mut copy = staged.as_file();
        if is_cloned(copy, source, before.size) {
            return hash_through(&mut copy, before.size, |_| Ok(())).map_err(reading);
        }
        // One error comes back, from reading or from writing; only the latter is the store's.
        let mut is_written = true;
        let sink = |piece: &[u8]| copy.write_all(piece).inspect_err(|_| is_written = false);
        hash_through(source, before.size, sink).map_err(|error| {
            if is_written { reading(error) } else { self.storing(staged.path(), error) }
        })
    }

    fn keep_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.blob_path(digest);
        if self.has_small(&path, digest, bytes.len() as u64) {
            return Ok(());
        }
        self.write_object(&path, bytes)
    }

    /// Keeps `bytes` as a blob.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let _publishing = self.publishing()?;
        let digest = Digest::of(bytes);
        self.keep_blob(&digest, bytes)?;
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
        Ok(Err(self.put_away(&path, &object.stamp)))
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
            Ok(Some((_, stamp))) => Ok(Err(self.put_away(&path, &stamp))),
            // Blobs are not written to. One that changes while it is read is bad.
            Ok(None) => match fs::symlink_metadata(&path) {
                Ok(metadata) => Ok(Err(self.put_away(&path, &Stamp::of(&metadata)))),
                Err(_) => Ok(Err(BlobFault::Missing)),
            },
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
            Ok(_) => Ok(Err(self.put_away(&path, &Stamp::of(&metadata)))),
            Err(error) => Err(writing(error)),
        };
        // Nothing half done and nothing wrong stays under a name that somebody may read.
        let _ = fs::remove_file(target);
        failed
    }

    fn put_away(&self, path: &Path, stamp: &Stamp) -> BlobFault {
        if self.quarantine(path, stamp) { BlobFault::Quarantined } else { BlobFault::Stuck }
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
            BlobFault::Quarantined => {
                format!("blob {blob} has other content than its name says and is in quarantine now")
            }
            BlobFault::Stuck => {
                format!("blob {blob} has other content than its name says and cannot be moved away")
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

/// Fails when the file is not what it was before it was copied. Its ctime does not matter: whoever
/// links it meanwhile does not change it.
fn same_content(path: &Path, source: &File, before: &Stamp, size: u64) -> Result<(), StoreError> {
    let now = source.metadata().map_err(|error| StoreError::reading(path, error))?;
    let is_other = Stamp::of(&now).is_other_content(before) || size != before.size;
    if is_other { Err(changed(path)) } else { Ok(()) }
}

fn changed(path: &Path) -> StoreError {
    let reason = "it changed while it was taken in: something still writes to it";
    StoreError::Unfit { path: path.to_owned(), reason }
}

fn is_out_of_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
