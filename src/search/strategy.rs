//! A strategy as a stage's parameters: `strategy: { kind: q_learning }`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evolution::{self, Evolution};
use super::given::{self, Given, GivenConfig};
use super::local_search::{self, LocalSearch};
use super::{
    Controller, EvolutionConfig, Law, LocalSearchConfig, PpoConfig, QLearning, QLearningConfig,
    Random, ReinforceConfig, SearchError, ppo, q_learning, random, reinforce,
};
use crate::seed::Seed;
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
    /// Policy gradient with a recurrent controller (Zoph & Le 2017) or independent softmaxes (NATS-Bench).
    Reinforce(ReinforceConfig),
    /// Proximal policy optimization of a recurrent controller (NASNet, Zoph et al. 2018).
    Ppo(PpoConfig),
    /// Regularized evolution: the oldest leave (Real et al. 2019).
    Evolution(EvolutionConfig),
    /// The best neighbour, again and again, from random starts (White et al. 2020).
    LocalSearch(LocalSearchConfig),
    /// The networks of a list, by their texts or names; nothing is searched.
    Given(GivenConfig),
}

impl StrategyConfig {
    /// Name and version of the strategy as a component of results.
    #[must_use]
    pub fn component(&self) -> (&'static str, u32) {
        match self {
            Self::Random => ("strategy.random", random::VERSION),
            Self::RandomUniform => ("strategy.random_uniform", random::VERSION),
            Self::QLearning(_) => ("strategy.q_learning", q_learning::VERSION),
            Self::Reinforce(_) => ("strategy.reinforce", reinforce::VERSION),
            Self::Ppo(_) => ("strategy.ppo", ppo::VERSION),
            Self::Evolution(_) => ("strategy.evolution", evolution::VERSION),
            Self::LocalSearch(_) => ("strategy.local_search", local_search::VERSION),
            Self::Given(_) => ("strategy.given", given::VERSION),
        }
    }

    /// What a schema cannot say of the values: the parameter and what is wrong with it.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::QLearning(config) => config.check(),
            Self::Ppo(config) => config.check(),
            Self::Random
            | Self::RandomUniform
            | Self::Reinforce(_)
            | Self::Evolution(_)
            | Self::LocalSearch(_)
            | Self::Given(_) => Vec::new(),
        }
    }

    /// Why a search of fewer trials is not the beginning of one of more; none where it is.
    #[must_use]
    pub fn depends_on_budget(&self) -> Option<&'static str> {
        match self {
            Self::QLearning(config) if config.scale.is_none() => {
                Some("the epsilon schedule is stretched to the budget (`strategy.scale` fixes it)")
            }
            _ => None,
        }
    }

    /// The controller for a search of `trials` trials in `space`; what it begins with comes from `seed`.
    ///
    /// # Errors
    /// When the strategy does not suit the space.
    pub fn open(
        &self,
        space: &dyn Space,
        trials: u64,
        seed: Seed,
    ) -> Result<Box<dyn Controller>, SearchError> {
        Ok(match self {
            Self::Random => Box::new(Random::new(Law::Decisions, space)?),
            Self::RandomUniform => Box::new(Random::new(Law::Networks, space)?),
            Self::QLearning(config) => Box::new(QLearning::new(config, space.process(), trials)),
            Self::Reinforce(config) => config.open(space.process(), seed),
            Self::Ppo(config) => config.open(space.process(), seed),
            Self::Evolution(config) => Box::new(Evolution::new(config)),
            Self::LocalSearch(config) => Box::new(LocalSearch::new(config)),
            Self::Given(config) => Box::new(Given::new(config, space)?),
        })
    }
}
