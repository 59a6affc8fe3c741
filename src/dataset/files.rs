//! Project files as they were planned: read means hashed.
//!
//! The plan says which files there are and what is in them. A source lists these and never a folder, so
//! a file that appears while the stage runs is not read, and one that changes stops it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::DatasetError;
use super::downloads::Downloads;
use crate::digest::{Digest, Hasher};
use crate::s3::Location;
use crate::wording;

/// No file of a source is larger; the largest sets come in several.
const FILE_MAX: u64 = 16 << 30;

/// The project's files by relative path, with their planned digests.
#[derive(Debug, Clone, Copy)]
pub struct ProjectFiles<'a> {
    root: &'a Path,
    planned: &'a BTreeMap<String, Digest>,
    outside: Outside<'a>,
}

/// What lies outside of the project.
#[derive(Debug, Clone, Copy)]
pub struct Outside<'a> {
    /// A folder for what must be put aside meanwhile.
    pub scratch: &'a Path,
    /// The folder of archives that were fetched before.
    pub downloads: &'a Path,
    /// Where the source's `s3://…` is; none when it has no such address.
    pub bucket: Option<&'a Location>,
}

impl<'a> ProjectFiles<'a> {
    /// The files `planned` below the folder `root`.
    #[must_use]
    pub fn new(
        root: &'a Path,
        planned: &'a BTreeMap<String, Digest>,
        outside: Outside<'a>,
    ) -> Self {
        Self { root, planned, outside }
    }

    /// Everything in the file at `path`.
    ///
    /// # Errors
    /// [`DatasetError::Changed`] when its content is not what was planned.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, DatasetError> {
        let path = normal(path);
        let Some(planned) = self.planned.get(&path) else {
            return Err(DatasetError::NoFile { path });
        };
        let bytes = match read_bounded(&self.root.join(&path)) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let limit = wording::bytes(FILE_MAX);
                return Err(DatasetError::TooLarge { what: format!("the file `{path}`"), limit });
            }
            // It was there when the stage was planned.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DatasetError::Changed { path });
            }
            Err(error) => return Err(DatasetError::read(path)(error)),
        };
        if Digest::of(&bytes) == *planned { Ok(bytes) } else { Err(DatasetError::Changed { path }) }
    }

    /// Hands the open file at `path` to `reader`, for what is too large for memory or read in many places.
    ///
    /// # Errors
    /// [`DatasetError::Changed`] when its content is not what was planned, or was changed while it was read.
    pub(crate) fn read_through<T>(
        &self,
        path: &str,
        reader: impl FnOnce(&mut File) -> Result<T, DatasetError>,
    ) -> Result<T, DatasetError> {
        let path = normal(path);
        let Some(planned) = self.planned.get(&path) else {
            return Err(DatasetError::NoFile { path });
        };
        let changed = || DatasetError::Changed { path: path.clone() };
        let mut file = File::open(self.root.join(&path)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => changed(),
            _ => DatasetError::read(&path)(error),
        })?;
        let before = written(&file).map_err(DatasetError::read(&path))?;
        if digest_of(&mut file).map_err(DatasetError::read(&path))? != *planned {
            return Err(changed());
        }
        let read = reader(&mut file);
        let after = written(&file).map_err(DatasetError::read(&path))?;
        if before == after { read } else { Err(changed()) }
    }

    /// A file without a name: gone when it is closed, however the stage ends.
    pub(crate) fn nameless(&self) -> Result<File, DatasetError> {
        let scratch = self.outside.scratch;
        tempfile::tempfile_in(scratch).map_err(DatasetError::write(scratch))
    }

    /// Archives that were fetched before.
    pub(crate) fn downloads(&self) -> Downloads<'a> {
        Downloads(self.outside.downloads)
    }

    /// The bucket that the source names.
    pub(crate) fn bucket(&self) -> Result<&'a Location, DatasetError> {
        self.outside.bucket.ok_or_else(|| DatasetError::NoObject { url: String::new() })
    }

    /// Paths of the planned files below `folder`, relative to it, in order.
    pub(crate) fn below(&self, folder: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let prefix = match normal(folder) {
            root if root.is_empty() => root,
            folder => format!("{folder}/"),
        };
        self.planned.keys().filter_map(move |path| path.strip_prefix(prefix.as_str()))
    }

    /// Names of the folders in `folder` as they are on disk: the plan lists files only, and an empty
    /// class is a mistake that people should hear of. They never decide what is made.
    pub(crate) fn folders_in(&self, folder: &str) -> Result<Vec<String>, DatasetError> {
        let path = self.root.join(normal(folder));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(DatasetError::read(&path))? {
            let entry = entry.map_err(DatasetError::read(&path))?;
            if entry.path().is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

/// A file's bytes, or nothing when it is larger than any file may be.
fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > FILE_MAX {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // A file that grows meanwhile is read no further: its digest differs then in any case.
    file.take(FILE_MAX).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Size and times of the last write: what a write to an open file changes.
fn written(file: &File) -> io::Result<[i64; 5]> {
    let metadata = file.metadata()?;
    let size = metadata.len().cast_signed();
    Ok([size, metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()])
}

/// Digest of the whole file, which stands at its beginning after.
fn digest_of(file: &mut File) -> io::Result<Digest> {
    let mut hasher = Hasher::new();
    io::copy(file, &mut hasher)?;
    file.rewind()?;
    Ok(hasher.digest())
}

/// A path as the plan writes it: `./data//leaves/` is `data/leaves`. An absolute path stays one.
pub(crate) fn normal(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(folder: &Path) -> Outside<'_> {
        Outside { scratch: folder, downloads: folder, bucket: None }
    }

    #[test]
    fn what_differs_from_the_plan_is_not_handed_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "leaf").unwrap();
        let planned = BTreeMap::from([
            ("a".to_owned(), Digest::of(b"leaf")),
            ("gone".to_owned(), Digest::of(b"leaf")),
        ]);
        let files = ProjectFiles::new(dir.path(), &planned, outside(dir.path()));
        assert_eq!(files.read("./a").unwrap(), b"leaf");
        assert!(matches!(files.read("gone"), Err(DatasetError::Changed { .. })));
        assert!(matches!(files.read("b"), Err(DatasetError::NoFile { .. })));
        std::fs::write(dir.path().join("a"), "loaf").unwrap();
        assert!(matches!(files.read("a"), Err(DatasetError::Changed { .. })));
    }

    #[test]
    fn listing_follows_the_plan() {
        let planned: BTreeMap<String, Digest> = ["x/a/1", "x/b", "xy/c"]
            .into_iter()
            .map(|path| (path.to_owned(), Digest::of(b"")))
            .collect();
        let files =
            ProjectFiles::new(Path::new("/nowhere"), &planned, outside(Path::new("/nowhere")));
        assert_eq!(files.below("x/").collect::<Vec<_>>(), ["a/1", "b"]);
        assert_eq!(files.below(".").count(), 3);
    }
}
