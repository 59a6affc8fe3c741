//! What can go wrong in a store.

use std::io;
use std::path::PathBuf;

use crate::digest::Digest;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("{action} `{path}`")]
    Io {
        /// What was tried: `cannot read`, `cannot write`.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No room is left.
    #[error("no space left for the store at `{root}`: free some, or run `phytotron gc`")]
    Full {
        /// The store.
        root: PathBuf,
    },
    /// The store cannot be written.
    #[error("the store at `{root}` is read-only: make it writable, or name another with `--store`")]
    ReadOnly {
        /// The store.
        root: PathBuf,
    },
    /// Content is missing or is not what its name says; a bad file is in quarantine now.
    #[error("artifact {tree} is damaged: {detail}")]
    Damaged {
        /// The tree that was wanted.
        tree: Digest,
        /// Which blob, and what is wrong with it.
        detail: String,
    },
    /// A file to be taken in cannot be kept.
    #[error("cannot keep `{path}`: {reason}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// A socket, a link that leaves the artifact, a name that is not UTF-8.
        reason: &'static str,
    },
}
