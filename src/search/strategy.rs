//! A strategy as a stage's parameters: `strategy: { kind: q_learning }`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Controller, Law, QLearning, QLearningConfig, Random, SearchError, q_learning, random};
use crate::space::Space;

/// What proposes genotypes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "kind")]
pub enum StrategyConfig {
    /// A uniform choice at every decision; the baseline.
    Random,
    /// A uniform choice among all networks of the space.
    RandomUniform,
    /// Tabular Q-learning with epsilon-greedy walks and replay (Baker et al. 2017).
    QLearning(QLearningConfig),
}

impl StrategyConfig {
    /// Name and version of the strategy as a component of results.
    #[must_use]
    pub fn component(&self) -> (&'static str, u32) {
        match self {
            Self::Random => ("strategy.random", random::VERSION),
            Self::RandomUniform => ("strategy.random_uniform", random::VERSION),
            Self::QLearning(_) => ("strategy.q_learning", q_learning::VERSION),
        }
    }

    /// What a schema cannot say of the values: the parameter and what is wrong with it.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Random | Self::RandomUniform => Vec::new(),
            Self::QLearning(config) => config.check(),
        }
    }

    /// The controller for a search of `trials` trials in `space`.
    ///
    /// # Errors
    /// When the strategy does not suit the space.
    pub fn open(&self, space: &dyn Space, trials: u64) -> Result<Box<dyn Controller>, SearchError> {
        Ok(match self {
            Self::Random => Box::new(Random::new(Law::Decisions, space)?),
            Self::RandomUniform => Box::new(Random::new(Law::Networks, space)?),
            Self::QLearning(config) => Box::new(QLearning::new(config, space.process(), trials)),
        })
    }
}
