//! An archive of classes: a tar or zip with one folder of PNG or JPEG images for each class.
//!
//! Nothing is unpacked under a name: files go one after another into one nameless file, where any thread can read
//! any of them. What archives may hold is `archive`'s; what comes from the network is `web`'s and `s3`'s, and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write as _};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::packed::{Packed, Place};
use super::{Broken, Group, Opened, classes};
use crate::archive::{self, ArchiveError, Entry, EntryKind, Limits};
use crate::dataset::files::normal;
use crate::dataset::{DatasetError, ProjectFiles, bucket};
use crate::web::{self, Sha256};

/// What an archive of images may hold: more images than fit one disk's patience, none larger than a camera's.
const LIMITS: Limits = Limits {
    entries: 500_000,
    file_bytes: 512 << 20,
    bytes: 64 << 30,
    ratio: 100,
    free_bytes: 64 << 20,
};
/// Bytes of an archive from the network.
const DOWNLOAD_BYTES_MAX: u64 = 64 << 30;

/// An archive of classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// A file of the project: tar, tar.gz, tar.zst or zip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Where to get it from instead, `https://…`, `http://…` or `s3://bucket/key`; needs `sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// SHA-256 of the archive, 64 hexadecimal digits. Leave it out once to be told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: Option<String>,
    /// Folder inside the archive that the class folders lie in; the archive's own root when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// What to do about images that cannot be read.
    #[serde(default)]
    pub broken: Broken,
    /// Which images are near-duplicates that must share a split; each stands alone when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
}

impl Archive {
    pub(super) fn files(&self) -> Vec<String> {
        let group = self.group.as_ref().and_then(Group::files);
        self.path.iter().map(|path| normal(path)).chain(group).collect()
    }

    pub(super) fn open<'a>(&'a self, files: ProjectFiles<'a>) -> Result<Opened<'a>, DatasetError> {
        let unpacked = match (&self.path, &self.url) {
            (Some(path), _) => files.read_through(path, |file| {
                self.check(path, || web::sha256(file))?;
                Unpacked::read(file, &self.prefix(), files)
            })?,
            (None, Some(url)) => {
                Unpacked::read(&mut self.download(url, files)?, &self.prefix(), files)?
            }
            (None, None) => return Err(DatasetError::NoFile { path: String::new() }),
        };
        self.listed(unpacked, files)
    }

    /// The address or path that people know it by.
    fn name(&self) -> &str {
        self.path.as_deref().or(self.url.as_deref()).unwrap_or_default()
    }

    /// `root/`, or nothing.
    fn prefix(&self) -> String {
        match self.root.as_deref().map(normal) {
            Some(root) if !root.is_empty() => format!("{root}/"),
            _ => String::new(),
        }
    }

    /// The archive at `url`, whole and with the digest that it must have; fetched when it is not kept.
    fn download(&self, url: &str, files: ProjectFiles<'_>) -> Result<File, DatasetError> {
        if let Some(wanted) = &self.sha256
            && let Some(kept) = files.downloads().kept(wanted)?
        {
            return Ok(kept);
        }
        let (file, found) = files.downloads().keep(|file| fetch(url, files, file))?;
        if self.sha256.is_none() {
            return Err(DatasetError::NoDigest { url: url.to_owned(), sha256: found.to_string() });
        }
        self.check(url, || Ok(found))?;
        Ok(file)
    }

    /// The archive has the digest that was given, if one was.
    fn check(
        &self,
        name: &str,
        found: impl FnOnce() -> io::Result<Sha256>,
    ) -> Result<(), DatasetError> {
        let Some(wanted) = &self.sha256 else { return Ok(()) };
        let found = found().map_err(DatasetError::read(name))?.to_string();
        if found == *wanted {
            return Ok(());
        }
        Err(DatasetError::OtherDigest { name: name.to_owned(), wanted: wanted.clone(), found })
    }

    fn listed<'a>(
        &'a self,
        unpacked: Unpacked,
        files: ProjectFiles<'a>,
    ) -> Result<Opened<'a>, DatasetError> {
        let paths: Vec<&str> = unpacked.places.keys().map(String::as_str).collect();
        if paths.is_empty() {
            let (archive, root) = (self.name().to_owned(), self.root.clone().unwrap_or_default());
            let folders = unpacked.outer.into_iter().collect::<Vec<_>>().join(", ");
            return Err(DatasetError::NothingInArchive { archive, root, folders });
        }
        let names =
            classes::image_names(paths.iter().copied()).map_err(|error| self.deeper(error))?;
        let groups = match &self.group {
            Some(group) => group.of(files, &names)?,
            None => BTreeMap::new(),
        };
        let folders = unpacked.folders.iter().map(String::as_str);
        let listing = classes::listing(&names, folders, &groups, "archive of classes")?;
        let places = names.iter().map(|name| unpacked.places[*name]).collect();
        Ok(Opened { listing, pictures: Box::new(Packed { file: unpacked.file, places }) })
    }

    /// `error`, in an archive's words: nobody moves images about in one.
    fn deeper(&self, error: DatasetError) -> DatasetError {
        match error {
            DatasetError::NestedClass { class, folder } => {
                let root = format!("{}{class}", self.prefix());
                DatasetError::DeeperClass {
                    archive: self.name().to_owned(),
                    folder: format!("{root}/{folder}"),
                    root,
                }
            }
            other => other,
        }
    }
}

/// Fetches what lies at `url`, from the web or a bucket.
fn fetch(url: &str, files: ProjectFiles<'_>, file: &mut File) -> Result<Sha256, DatasetError> {
    if url.starts_with("s3://") {
        return bucket::download(files.bucket()?, file, DOWNLOAD_BYTES_MAX);
    }
    let fetched = web::download(url, file, DOWNLOAD_BYTES_MAX);
    fetched.map_err(|source| DatasetError::Web { url: url.to_owned(), source })
}

/// The files of an archive in one nameless file.
struct Unpacked {
    file: File,
    /// By the path below the root.
    places: BTreeMap<String, Place>,
    /// Folders just below the root.
    folders: BTreeSet<String>,
    /// Folders just inside the archive, for whoever names a wrong root.
    outer: BTreeSet<String>,
}

impl Unpacked {
    fn read(
        source: &mut File,
        prefix: &str,
        files: ProjectFiles<'_>,
    ) -> Result<Self, DatasetError> {
        let (file, places) = (files.nameless()?, BTreeMap::new());
        let mut unpacked = Self { file, places, folders: BTreeSet::new(), outer: BTreeSet::new() };
        let mut offset = 0;
        archive::read(source, &LIMITS, &mut |entry: &Entry, content: &mut dyn Read| {
            let folder =
                entry.path.split_once('/').map_or(entry.path.as_str(), |(folder, _)| folder);
            unpacked.outer.insert(folder.to_owned());
            let Some(path) = entry.path.strip_prefix(prefix) else { return Ok(()) };
            match entry.kind {
                EntryKind::Folder => {
                    let first = path.split('/').next().unwrap_or_default();
                    unpacked.folders.insert(first.to_owned());
                }
                EntryKind::File { .. } => {
                    let size = unpacked.keep(content)?;
                    unpacked.places.insert(path.to_owned(), Place { offset, size });
                    offset += size;
                }
            }
            Ok::<(), DatasetError>(())
        })?;
        Ok(unpacked)
    }

    fn keep(&mut self, content: &mut dyn Read) -> Result<u64, DatasetError> {
        let mut buffer = vec![0; 128 << 10];
        let mut size = 0;
        loop {
            let read = content.read(&mut buffer).map_err(ArchiveError::reading)?;
            if read == 0 {
                return Ok(size);
            }
            self.file.write_all(&buffer[..read]).map_err(DatasetError::write("unpacked images"))?;
            size += read as u64;
        }
    }
}
