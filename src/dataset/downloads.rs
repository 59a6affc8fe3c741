//! Downloads: archives of the network, kept under their SHA-256, so that each is fetched once.
//!
//! What is kept is not trusted because it is there: it is hashed when it is used, and fetched again when it is
//! damaged. Does not know where archives come from.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::DatasetError;
use crate::web::{Sha256, sha256};

/// Kept files are for everybody to read and for nobody to write.
const KEPT_MODE: u32 = 0o444;

/// A folder of kept archives; made when the first one comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Downloads<'a>(pub(super) &'a Path);

impl Downloads<'_> {
    /// The archive with this SHA-256, at its beginning, when it is here and whole.
    pub(crate) fn kept(self, digest: &str) -> Result<Option<File>, DatasetError> {
        let Some(path) = self.path(digest) else { return Ok(None) };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DatasetError::read(path)(error)),
        };
        let found = sha256(&mut file).map_err(DatasetError::read(&path))?;
        if found.to_string() == digest {
            return Ok(Some(file));
        }
        fs::remove_file(&path).map_err(DatasetError::write(path))?;
        Ok(None)
    }

    /// Keeps what `fetch` writes into a file, under the digest that it returns.
    pub(crate) fn keep(
        self,
        fetch: impl FnOnce(&mut File) -> Result<Sha256, DatasetError>,
    ) -> Result<(File, Sha256), DatasetError> {
        let writing = |error| DatasetError::write(self.0)(error);
        fs::create_dir_all(self.0).map_err(writing)?;
        let mut staged = tempfile::NamedTempFile::new_in(self.0).map_err(writing)?;
        let digest = fetch(staged.as_file_mut())?;
        staged.as_file().set_permissions(Permissions::from_mode(KEPT_MODE)).map_err(writing)?;
        let path = self.0.join(digest.to_string());
        let file = staged.persist(path).map_err(|failed| writing(failed.error))?;
        Ok((file, digest))
    }

    /// Where an archive lies; nowhere when `digest` is none, for it comes from a file that people write.
    fn path(self, digest: &str) -> Option<PathBuf> {
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then(|| self.0.join(digest))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn what_is_kept_is_there_until_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let downloads = Downloads(folder.path());
        let fetch = |file: &mut File| {
            file.write_all(b"leaves").unwrap();
            Ok(sha256(file).unwrap())
        };
        let (_, digest) = downloads.keep(fetch).unwrap();
        let digest = digest.to_string();
        let mut bytes = Vec::new();
        downloads.kept(&digest).unwrap().unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"leaves");
        fs::remove_file(folder.path().join(&digest)).unwrap();
        fs::write(folder.path().join(&digest), "loaves").unwrap();
        assert!(downloads.kept(&digest).unwrap().is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(downloads.kept("../leaves").unwrap().is_none());
    }

    #[test]
    fn what_was_not_fetched_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let failed = Downloads(folder.path()).keep(|_| Err(DatasetError::Interrupted));
        assert!(failed.is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
