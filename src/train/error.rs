//! What can go wrong while a child is trained, besides that it does not learn.

use std::io;
use std::path::PathBuf;

/// Why a training has no result. A child that diverges is a result: [`super::Outcome::Diverged`].
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The stop flag was seen; the checkpoint is written.
    #[error("interrupted")]
    Interrupted,
    /// The tensor library refused.
    #[error("the tensor library failed")]
    Tensor(#[from] candle_core::Error),
    /// A GPU was asked for, and there is none to be had.
    #[error(
        "`device: cuda` cannot be used here: {reason}; run the stage where there is an NVIDIA driver and a GPU, \
         with a program that scripts/check-cuda.sh built, or say `device: cpu`"
    )]
    NoGpu {
        /// What is missing.
        reason: String,
    },
    /// Mixed precision was asked of the processor.
    #[error("`precision: bf16` is computed on GPUs only: say `device: cuda`, or leave it out")]
    Precision,
    /// Weights do not belong to the network.
    #[error("the weights do not fit the network: {detail}")]
    State {
        /// Which tensor, and what was expected.
        detail: String,
    },
    /// A checkpoint could not be written.
    #[error("cannot write the checkpoint `{path}`: free some space or make the folder writable")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The training would not fit into memory.
    #[error("training needs about {needed} of memory and {available} are free: {advice}")]
    Memory {
        /// What it takes.
        needed: String,
        /// What there is.
        available: String,
        /// A part of a batch that fits.
        advice: String,
    },
    /// There is nothing to train on.
    #[error("{0}")]
    Data(String),
}
