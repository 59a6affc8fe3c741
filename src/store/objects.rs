//! Objects: how any file of the store comes to its final name, and how it is read.
//!
//! Written to `tmp/`, renamed when whole; a failed or killed write leaves nothing under a final name.
//! There is no fsync of each object: 4,000 of them cost a disk seconds, and buy nothing here. What a
//! power cut tears is found by its digest or checksum when it is used, and is a miss. One `syncfs` at
//! a run's end ([`Store::sync`]) makes all of it durable at once; `StoreOptions::strict` is for people
//! who would rather pay than compute again.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::hashing::digest_of_file;
use super::stamp::Stamp;
use super::{Store, StoreError};
use crate::digest::Digest;

/// Objects are for everybody to read and for nobody to write; they are replaced, never changed.
pub(super) const OBJECT_MODE: u32 = 0o444;

/// Up to this size an object that is there already is looked at instead of being replaced.
pub(super) const SMALL_BYTES_MAX: u64 = 1 << 20;

/// What was read of an object, and the stamp of the file it came from.
pub(super) struct Object {
    pub(super) bytes: Vec<u8>,
    pub(super) stamp: Stamp,
}

impl Store {
    /// `<room>/ab/<name>`: the first two digits keep folders small.
    pub(super) fn object_path(&self, room: &str, digest: &Digest, suffix: &str) -> PathBuf {
        let hex = digest.hex();
        let mut path = self.root.join(room);
        path.push(&hex[..2]);
        path.push(hex + suffix);
        path
    }

    /// An empty file in `tmp/` that vanishes when it is dropped.
    pub(super) fn stage(&self) -> Result<NamedTempFile, StoreError> {
        let tmp = self.root.join("tmp");
        let staged = NamedTempFile::new_in(&tmp).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                self.make_folder(&tmp)?;
                NamedTempFile::new_in(&tmp)
            }
            _ => Err(error),
        });
        staged.map_err(|error| self.storing(&tmp, error))
    }

    /// Gives a staged file its final name; an earlier file of that name is replaced.
    pub(super) fn commit(&self, staged: NamedTempFile, target: &Path) -> Result<(), StoreError> {
        self.finish(staged.as_file(), OBJECT_MODE).map_err(|error| self.storing(target, error))?;
        let path = staged.into_temp_path();
        self.move_in(&path, target)?;
        // It has left: there is nothing to remove any more.
        let _ = path.keep();
        Ok(())
    }

    /// Gives a staged file its final name unless that is taken; says whether it was free.
    pub(super) fn commit_new(
        &self,
        staged: NamedTempFile,
        target: &Path,
    ) -> Result<bool, StoreError> {
        self.finish(staged.as_file(), OBJECT_MODE).map_err(|error| self.storing(target, error))?;
        let persisted = staged.persist_noclobber(target).or_else(|failed| {
            if failed.error.kind() != io::ErrorKind::NotFound {
                return Err(failed.error);
            }
            self.make_parent(target)?;
            failed.file.persist_noclobber(target).map_err(|failed| failed.error)
        });
        match persisted {
            Ok(_) => self.flush_folder(target).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(self.storing(target, error)),
        }
    }

    /// Writes `bytes` as the object at `target`, replacing an earlier one.
    pub(super) fn write_object(&self, target: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut staged = self.stage()?;
        staged.write_all(bytes).map_err(|error| self.storing(target, error))?;
        self.commit(staged, target)
    }

    /// Whether the small object at `target` is here and whole already; it is made young for `gc` then.
    ///
    /// Writing it once more would do too, and does for what is large. But ext4 takes a rename onto an
    /// old file for a save that must not be lost, and waits for the disk: a thousand stages with the
    /// same small output would wait a thousand times.
    pub(super) fn has_small(&self, target: &Path, digest: &Digest, size: u64) -> bool {
        size <= SMALL_BYTES_MAX
            && !self.options.strict
            && matches!(digest_of_file(target), Ok(Some((found, _))) if found == *digest)
            // Changes the ctime alone: the file may be linked to where a person looks at its date.
            && fs::set_permissions(target, Permissions::from_mode(OBJECT_MODE)).is_ok()
    }

    /// Renames a file on the store's file system to its final name, making the folder when it is missing.
    pub(super) fn move_in(&self, from: &Path, target: &Path) -> Result<(), StoreError> {
        self.try_move_in(from, target).map_err(|error| self.storing(target, error))?;
        self.flush_folder(target)
    }

    /// [`Store::move_in`] with the bare error, for callers that have another way.
    pub(super) fn try_move_in(&self, from: &Path, target: &Path) -> io::Result<()> {
        match fs::rename(from, target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_parent(target)?;
                fs::rename(from, target)
            }
            other => other,
        }
    }

    /// Makes a written file readable for everybody, whatever the umask says, and durable if asked.
    pub(super) fn finish(&self, file: &File, mode: u32) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(mode))?;
        if self.options.strict { file.sync_all() } else { Ok(()) }
    }

    /// Makes the new name in `path`'s folder durable, if asked.
    pub(super) fn flush_folder(&self, path: &Path) -> Result<(), StoreError> {
        if !self.options.strict {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(path);
        let flushed = File::open(folder).and_then(|folder| folder.sync_all());
        flushed.map_err(|error| self.storing(path, error))
    }

    fn make_parent(&self, path: &Path) -> io::Result<()> {
        path.parent().map_or(Ok(()), |parent| self.make_folder(parent))
    }

    /// Makes a folder of the store and those above it. With `group_writable` it belongs to the group:
    /// the setgid bit hands the group on to everything made below.
    pub(super) fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let mode = if self.options.group_writable { 0o2775 } else { 0o755 };
        match fs::DirBuilder::new().mode(mode).create(folder) {
            // The umask has taken bits away; the folder is ours, so they can be put back.
            Ok(()) => fs::set_permissions(folder, Permissions::from_mode(mode)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_parent(folder)?;
                self.make_folder(folder)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A failure while writing `path` in the store.
    pub(super) fn storing(&self, path: &Path, error: io::Error) -> StoreError {
        StoreError::storing(&self.root, path, error)
    }
}

/// Reads a whole object; none when there is no such file.
pub(super) fn read_object(path: &Path) -> Result<Option<Object>, StoreError> {
    let reading = |error| StoreError::reading(path, error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reading(error)),
    };
    let stamp = Stamp::of(&file.metadata().map_err(reading)?);
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or(0) + 1);
    file.read_to_end(&mut bytes).map_err(reading)?;
    Ok(Some(Object { bytes, stamp }))
}

/// Every file in the folders of `folder` (`ab/<digest>`), sorted; none when it is missing.
pub(super) fn files_by_prefix(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut files = Vec::new();
    for prefix in list(folder)? {
        files.extend(list(&prefix)?);
    }
    Ok(files)
}

/// What lies in `folder`, sorted; nothing when it is missing or no folder.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => return Ok(Vec::new()),
            _ => return Err(StoreError::reading(folder, error)),
        },
    };
    let paths: io::Result<Vec<PathBuf>> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|error| StoreError::reading(folder, error))?;
    paths.sort_unstable();
    Ok(paths)
}

/// Replaces the file at `path`, anywhere, in one step: readers see the old bytes or the new ones.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let writing = |error| StoreError::writing(path, error);
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut staged = tempfile::Builder::new()
        .prefix(".phytotron-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(writing)?;
    staged.write_all(bytes).map_err(writing)?;
    staged.persist(path).map_err(|failed| writing(failed.error))?;
    Ok(())
}
