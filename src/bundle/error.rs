//! What can go wrong with bundles.

use std::io;
use std::path::{Path, PathBuf};

use crate::archive::ArchiveError;
use crate::plan::PlanError;
use crate::store::{ReceiveError, StoreError};

/// Why there is no bundle, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A stage has no result to be packed.
    #[error(
        "stage `{stage}` has no result: run the pipeline first, or pack without results by `--outputs none`"
    )]
    NoResult {
        /// The stage.
        stage: String,
    },
    /// A file is not what the plan saw.
    #[error("`{path}` changed while it was packed: pack again")]
    Changed {
        /// The file, relative to the project.
        path: String,
    },
    /// A file that no bundle holds.
    #[error("`{path}` cannot be in a bundle: it {reason}")]
    Unfit {
        /// The file, relative to the project.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// What was packed shrinks as only bombs do, and would be refused.
    #[error("the content shrinks too much to be told from a bomb: pack it unshrunk, as `NAME.tar`")]
    TooDense,
    /// The archive is refused.
    #[error("`{bundle}` cannot be used")]
    Archive {
        /// The file.
        bundle: PathBuf,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// The content is refused.
    #[error("`{bundle}` is refused: {reason}")]
    Refused {
        /// The file.
        bundle: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is something already where the study should go.
    #[error("`{folder}` is there and not empty: name another folder")]
    Occupied {
        /// The folder.
        folder: PathBuf,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No plan could be made of what is to be packed.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A file operation failed.
    #[error("{action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl BundleError {
    /// The failure of `action` at `path`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Why unpacking stopped, before it is known which bundle is meant.
#[derive(Debug)]
pub(super) enum Stop {
    Archive(ArchiveError),
    Refused(String),
    Store(StoreError),
    Io(&'static str, PathBuf, io::Error),
}

impl Stop {
    /// The error for people.
    pub(super) fn at(self, bundle: &Path) -> BundleError {
        let bundle = bundle.to_owned();
        match self {
            Self::Archive(source) => BundleError::Archive { bundle, source },
            Self::Refused(reason) => BundleError::Refused { bundle, reason },
            Self::Store(source) => BundleError::Store(source),
            Self::Io(action, path, source) => BundleError::Io { action, path, source },
        }
    }
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

impl From<ReceiveError> for Stop {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Store(error) => Self::Store(error),
            ReceiveError::Source(error) => Self::Archive(ArchiveError::reading(error)),
            refused @ ReceiveError::Refused { .. } => Self::Refused(refused.to_string()),
        }
    }
}
