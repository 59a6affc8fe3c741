//! Project files that stages read: from declared paths, folders and globs to digests.

use std::path::{Path, PathBuf};

/// Everything that planning read from the project, as it was when it was read.
#[derive(Debug, Default)]
pub struct Reads {
    _root: PathBuf,
}

impl Reads {
    /// Nothing read yet below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { _root: root.to_owned() }
    }
}
