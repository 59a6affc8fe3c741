//! What can be wrong with result files.

use std::path::PathBuf;

/// A file of an artifact could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The disk said no.
    #[error("{action} `{path}`")]
    Io {
        /// What was tried: `cannot read`, `cannot write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The content is not what the format says.
    #[error("`{path}` line {line}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// Several searches whose rewards do not measure the same.
    #[error("the searches have different rewards, which rank nothing together: set `by: score`")]
    MixedRewards,
    /// Written by another version.
    #[error("`{path}` has format {found}, this version reads {known}: compute it again")]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format this version reads.
        known: u32,
    },
}
