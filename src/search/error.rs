//! Why a search cannot begin or go on.

/// What is wrong with a strategy on a space, or with what was saved of a search.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Uniform draws need the number of networks.
    #[error("the space has more networks than 128 bits can count: use the strategy `random`")]
    Uncountable,
    /// A given network cannot be evaluated.
    #[error("the given network `{text}`: {reason}")]
    NotGiven {
        /// As it was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A list of networks in a space that is not whole from the start.
    #[error("the space grows during a search, so its networks cannot be given: leave `growth` out")]
    GivenGrows,
    /// What was saved does not fit the space or the strategy.
    #[error("the saved search does not fit: {0}")]
    Unfit(String),
}
