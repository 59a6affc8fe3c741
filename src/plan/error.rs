//! What can keep a valid pipeline from having a plan.

use std::path::PathBuf;

use crate::manifest::Fingerprint;
use crate::remote::RemoteError;
use crate::store::StoreError;

/// Why no plan could be made of a valid pipeline.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The remote could not be read.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A project file that a stage reads cannot be read.
    #[error("stage `{stage}` reads `{path}`: {reason}")]
    Input {
        /// The stage.
        stage: String,
        /// The path or pattern.
        path: String,
        /// Why: missing, outside the project, not readable.
        reason: String,
    },
    /// A program whose digest belongs into a manifest is not on `PATH`.
    #[error(
        "stage `{stage}` uses the tool `{tool}`, which is not on `PATH`: install it, or take it off `tools`"
    )]
    Tool {
        /// The stage.
        stage: String,
        /// The program.
        tool: String,
    },
    /// A frozen stage has no locked result.
    #[error(
        "stage `{stage}` is frozen, but the lock file has no result of it: run it once without `frozen`"
    )]
    NeverLocked {
        /// The stage.
        stage: String,
    },
    /// A frozen stage's locked result is not in the store.
    #[error(
        "stage `{stage}` is frozen, but the store has no result {fingerprint}: pull it, or remove `frozen`"
    )]
    FrozenMissing {
        /// The stage.
        stage: String,
        /// What the lock file names.
        fingerprint: Fingerprint,
    },
    /// A known result lacks an output that another stage reads: it is from another version.
    #[error(
        "the result of `{stage}` has no output `{output}`: it is from another version; run it again with `--force`"
    )]
    NoOutput {
        /// The stage that wrote it.
        stage: String,
        /// The output.
        output: String,
    },
    /// A pattern of `--only`, `--from` or `--until` fits no stage.
    #[error("no stage fits `{pattern}`{suggestion}")]
    NothingSelected {
        /// The pattern.
        pattern: String,
        /// `: did you mean …?`, or the stages there are.
        suggestion: String,
    },
    /// A pattern of `--only`, `--from` or `--until` cannot be read.
    #[error("cannot read the selection `{pattern}`: {reason}")]
    BadSelection {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The lock file cannot be used.
    #[error("lock file `{path}`: {reason}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}
