//! What can be wrong with a genotype's text or with a space.

use crate::net::Shape;

/// A text that is no genotype of the space.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {reason}")]
pub struct ParseError {
    /// Where, in characters from 1.
    pub column: usize,
    /// Why, and what would be right.
    pub reason: String,
}

/// Why a space cannot be opened for some images.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// Chains know one side.
    #[error(
        "images are {} x {} pixels and `chain` needs square ones: resize them in the dataset stage",
        .image.height,
        .image.width
    )]
    NotSquare {
        /// Shape of the images.
        image: Shape,
    },
    /// There is nothing to see or to tell apart.
    #[error("a network needs images of {min} to {max} pixels a side and at least two classes")]
    NoTask {
        /// Smallest side.
        min: usize,
        /// Largest side.
        max: usize,
    },
    /// The tables are too rich to be walked.
    #[error("the space has more than {max} transitions: use fewer filters, kernels or layers")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// Changes that are none of this space.
    #[error("`space` does not fit the space `{space}`: {reason}")]
    Changes {
        /// Name of the space.
        space: &'static str,
        /// What is wrong.
        reason: String,
    },
}
