//! A remote in a folder that several people reach: on a server's disk, a network drive, a stick.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::{Held, Object, Remote, RemoteError, Room, Sink, Stored};

const CHUNK_BYTES: usize = 1 << 20;

/// Objects are for everybody to read and for nobody to write.
const OBJECT_MODE: u32 = 0o444;

/// A folder with a store's layout; another project's store is one, too.
#[derive(Debug)]
pub struct Dir {
    root: PathBuf,
}

impl Dir {
    /// The remote at `root`; made when something is written.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn path(&self, object: &Object) -> PathBuf {
        self.root.join(object.to_string())
    }

    fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn stage(&self) -> Result<NamedTempFile, RemoteError> {
        let tmp = self.tmp();
        let make = || {
            fs::create_dir_all(&tmp)?;
            tempfile::Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(&tmp)
        };
        make().map_err(RemoteError::io("cannot write into", &tmp))
    }
}

impl Remote for Dir {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn width(&self) -> usize {
        4
    }

    fn list(&self, each: &mut dyn FnMut(Object, Held)) -> Result<(), RemoteError> {
        for room in Room::ALL {
            for prefix in names(&self.root.join(room.folder()))? {
                for path in names(&prefix)? {
                    let name = path.strip_prefix(&self.root).unwrap_or(&path);
                    let Some(object) = name.to_str().and_then(Object::parse) else { continue };
                    // One that is removed at this moment is not there.
                    let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
                    let written_at = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    each(object, Held { size: metadata.len(), written_at });
                }
            }
        }
        Ok(())
    }

    fn read(
        &self,
        object: &Object,
        from: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Option<u64>, RemoteError> {
        let path = self.path(object);
        let reading = RemoteError::io("cannot read", &path);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(reading(error)),
        };
        if let Err(error) = file.seek(SeekFrom::Start(from)) {
            return Err(reading(error));
        }
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut total = from;
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(Some(total)),
                Ok(read) => {
                    total += read as u64;
                    sink(&buffer[..read])
                        .map_err(|error| RemoteError::local(object, self.place(), error))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(reading(error)),
            }
        }
    }

    fn write(
        &self,
        object: &Object,
        size: u64,
        source: &mut dyn Read,
        replace: bool,
    ) -> Result<Stored, RemoteError> {
        let path = self.path(object);
        let mut staged = self.stage()?;
        copy(source, &mut staged, size).map_err(|failed| match failed {
            Failed::Source(error) => RemoteError::local(object, self.place(), error),
            Failed::Target(error) => RemoteError::io("cannot write", &path)(error),
        })?;
        let place = || {
            staged.as_file().set_permissions(Permissions::from_mode(OBJECT_MODE))?;
            fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
            if replace {
                staged.persist(&path).map(drop).map_err(|failed| failed.error)
            } else {
                staged.persist_noclobber(&path).map(drop).map_err(|failed| failed.error)
            }
        };
        match place() {
            Ok(()) => Ok(Stored::Written),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Stored::Taken),
            Err(error) => Err(RemoteError::io("cannot write", &path)(error)),
        }
    }

    fn remove(&self, objects: &[Object]) -> Result<(), RemoteError> {
        for object in objects {
            let path = self.path(object);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(RemoteError::io("cannot remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn sweep_leavings(&self, grace: Duration, dry_run: bool) -> Result<u64, RemoteError> {
        let mut swept = 0;
        for path in names(&self.tmp())? {
            let age = fs::symlink_metadata(&path)
                .and_then(|metadata| metadata.modified())
                .map(|modified| modified.elapsed().unwrap_or_default());
            if age.is_ok_and(|age| age >= grace) {
                swept += 1;
                if !dry_run {
                    fs::remove_file(&path).map_err(RemoteError::io("cannot remove", &path))?;
                }
            }
        }
        Ok(swept)
    }
}

enum Failed {
    Source(io::Error),
    Target(io::Error),
}

/// Copies all of `source`, which must be `size` bytes.
fn copy(source: &mut dyn Read, target: &mut NamedTempFile, size: u64) -> Result<(), Failed> {
    let buffer_bytes = usize::try_from(size).unwrap_or(CHUNK_BYTES).clamp(1, CHUNK_BYTES);
    let mut buffer = vec![0; buffer_bytes];
    let mut total = 0;
    loop {
        match source.read(&mut buffer) {
            Ok(0) if total == size => return Ok(()),
            Ok(0) => return Err(Failed::Source(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => {
                total += read as u64;
                target.write_all(&buffer[..read]).map_err(Failed::Target)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failed::Source(error)),
        }
    }
}

/// What lies in `folder`; nothing when it is missing or no folder.
fn names(folder: &Path) -> Result<Vec<PathBuf>, RemoteError> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(RemoteError::io("cannot list", folder)(error)),
    };
    let paths: io::Result<Vec<PathBuf>> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect();
    paths.map_err(RemoteError::io("cannot list", folder))
}
