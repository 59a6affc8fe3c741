//! Trees: the sorted list of an artifact's files.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// An artifact's files, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// A file, link or empty folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative path with `/`, never absolute, never with `..`.
    pub path: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EntryKind {
    /// A file.
    File {
        /// Its content.
        digest: Digest,
        /// Its bytes.
        size: u64,
        /// Whether it may be executed.
        #[serde(default)]
        executable: bool,
    },
    /// A relative link that stays inside the tree.
    Link {
        /// Where it points.
        target: String,
    },
    /// An empty folder.
    Folder,
}
