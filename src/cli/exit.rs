//! Exit codes, and the errors that lead to them.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A stage failed.
    StageFailed = 1,
    /// The arguments make no sense.
    Usage = 2,
    /// The pipeline has mistakes.
    InvalidPipeline = 3,
    /// The store or a remote cannot be used.
    Store = 4,
    /// `verify`, `fsck` or `run --locked` found a difference.
    CheckFailed = 5,
    /// Interrupted by a person.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
