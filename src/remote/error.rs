//! What can go wrong with a remote.

use std::io;
use std::path::{Path, PathBuf};

use super::Object;
use crate::s3::S3Error;
use crate::store::StoreError;

/// Why a remote could not do it.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The bucket failed.
    #[error(transparent)]
    S3(S3Error),
    /// A file of a remote folder failed.
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
    /// The local store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was to be sent could not be read, or what came could not be kept.
    #[error("cannot move {object} between the store and {place}")]
    Local {
        /// The object's name.
        object: String,
        /// The remote.
        place: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The remote's content is not what its name says, however often it is read.
    #[error("`{object}` at {place} is damaged")]
    Damaged {
        /// The object's name.
        object: String,
        /// The remote.
        place: String,
    },
    /// It has gone since it was listed.
    #[error("`{object}` at {place} is gone: somebody has removed it meanwhile")]
    Gone {
        /// The object's name.
        object: String,
        /// The remote.
        place: String,
    },
    /// A later version wrote it.
    #[error("`{object}` at {place} was written by a newer phytotron (format {format}): update")]
    Newer {
        /// The object's name.
        object: String,
        /// The remote.
        place: String,
        /// Its format.
        format: u32,
    },
    /// The local content that was to be sent is damaged.
    #[error(
        "`{object}` in the store is damaged or gone and was not sent: `phytotron fsck` tells more"
    )]
    Unsendable {
        /// The object's name.
        object: String,
    },
    /// No such remote is set up.
    #[error("there is no remote `{name}`: {help}")]
    Unknown {
        /// The name as given.
        name: String,
        /// What there is.
        help: String,
    },
    /// An address that is no bucket's.
    #[error("`{url}` is no address in S3: write `s3://bucket/prefix`")]
    BadAddress {
        /// The address as given.
        url: String,
    },
    /// This program was built without S3.
    #[error("{place}: this phytotron was built without the feature `s3`")]
    WithoutS3 {
        /// `s3://bucket/prefix`.
        place: String,
    },
}

impl RemoteError {
    /// Wraps the error of a file operation in a remote folder.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// The error that a source or sink of the caller's gave.
    pub(super) fn local(object: &Object, place: String, source: io::Error) -> Self {
        Self::Local { object: object.to_string(), place, source }
    }

    /// Whether one object is to blame, so that the others may still come.
    #[must_use]
    pub fn concerns_one(&self) -> bool {
        match self {
            Self::Damaged { .. }
            | Self::Gone { .. }
            | Self::Newer { .. }
            | Self::Unsendable { .. } => true,
            Self::S3(error) => !error.concerns_all(),
            _ => false,
        }
    }
}
