//! Roots: the projects that use this store, so that `gc` knows whose lock files to read.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::objects::{list, read_object};
use super::{Store, StoreError, sealed};
use crate::digest::Digest;

/// A lock file that keeps results alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The pipeline's name, or the entry's file name when it is torn.
    pub name: String,
    /// Absolute path of its lock file; none when the entry is torn, so that nobody can say what it
    /// keeps alive. Such a root is a reason not to remove anything.
    pub lock_file: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RootFile {
    name: String,
    lock_file: PathBuf,
}

impl Store {
    /// Remembers that `lock_file` names results that are wanted. Costs one read when it is known.
    pub fn register_root(&self, name: &str, lock_file: &Path) -> Result<(), StoreError> {
        let absolute = std::path::absolute(lock_file)
            .map_err(|error| StoreError::reading(lock_file, error))?;
        let key = Digest::of(absolute.as_os_str().as_encoded_bytes()).short();
        let path = self.root.join("roots").join(format!("{key}.json"));
        let root = RootFile { name: name.to_owned(), lock_file: absolute };
        let known = read_object(&path)?.and_then(|object| sealed::unseal(&object.bytes));
        if known.as_ref() == Some(&root) {
            return Ok(());
        }
        self.write_object(&path, &sealed::seal(&root))
    }

    /// Every registered lock file, whether it can be reached or not.
    pub fn roots(&self) -> Result<Vec<Root>, StoreError> {
        let mut roots = Vec::new();
        for path in list(&self.root.join("roots"))? {
            let Some(object) = read_object(&path)? else { continue };
            roots.push(match sealed::unseal::<RootFile>(&object.bytes) {
                Some(root) => Root { name: root.name, lock_file: Some(root.lock_file) },
                None => Root { name: file_name(&path), lock_file: None },
            });
        }
        Ok(roots)
    }

    /// Forgets a lock file that is gone for good.
    pub fn remove_root(&self, lock_file: &Path) -> Result<(), StoreError> {
        for path in list(&self.root.join("roots"))? {
            let object = read_object(&path)?;
            let root: Option<RootFile> = object.and_then(|object| sealed::unseal(&object.bytes));
            if root.is_some_and(|root| root.lock_file == lock_file) {
                fs::remove_file(&path).map_err(|error| self.storing(&path, error))?;
            }
        }
        Ok(())
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
