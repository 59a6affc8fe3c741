//! What can keep a report from being written.

use std::io;
use std::path::PathBuf;

use crate::results::ResultsError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file operation failed.
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
    /// An artifact's own reader refuses it.
    #[error("input {input} cannot be used")]
    Results {
        /// Which input, as the report would label it.
        input: String,
        /// What is wrong.
        #[source]
        source: ResultsError,
    },
    /// A file of an artifact is not what its type promises.
    #[error("`{file}` of input {input} cannot be used: {reason}")]
    Malformed {
        /// The file, relative to its artifact.
        file: String,
        /// Which input, as the report would label it.
        input: String,
        /// What is wrong, with the line where one is known.
        reason: String,
    },
}
