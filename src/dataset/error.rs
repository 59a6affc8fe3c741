//! What can go wrong with datasets: their artifacts, their sources, their splits.

use std::io;
use std::path::PathBuf;

/// Why a dataset could not be read, made or written.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// Reading or writing failed.
    #[error("{action} `{path}`")]
    Io {
        /// What was tried: `cannot read`, `cannot write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of a dataset artifact does not keep to the format.
    #[error("`{file}` {reason}")]
    Artifact {
        /// The file, relative to the artifact.
        file: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
}

impl DatasetError {
    /// Says that `file` of an artifact breaks the format.
    pub(crate) fn artifact(file: &'static str, reason: impl Into<String>) -> Self {
        Self::Artifact { file, reason: reason.into() }
    }

    /// A reader's failure at `path`.
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { action: "cannot read", path: path.into(), source }
    }

    /// A writer's failure at `path`.
    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { action: "cannot write", path: path.into(), source }
    }
}
