//! Why a search cannot begin or go on.

/// What is wrong with a strategy on a space, or with what was saved of a search.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// Uniform draws need the number of networks.
    #[error("the space has more networks than 128 bits can count: use the strategy `random`")]
    Uncountable,
    /// What was saved does not fit the space or the strategy.
    #[error("the saved search does not fit: {0}")]
    Unfit(String),
}
