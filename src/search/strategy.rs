//! A strategy as a stage's parameters: `strategy: { kind: q_learning }`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Controller, EvolutionConfig, GivenConfig, Law, LocalSearchConfig, PpoConfig, QLearningConfig,
    ReinforceConfig, SearchError,
};
use crate::seed::Seed;
use crate::space::Space;

/// The parameters of one strategy; what [`StrategyConfig`] asks of them.
pub(super) trait Parameters {
    /// Name and version of the strategy as a component of results: `strategy.` and its `kind`.
    fn component(&self) -> (&'static str, u32);

    /// What a schema cannot say of the values: the parameter and what is wrong with it.
    fn mistakes(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Why a search of fewer trials is not the beginning of one of more; none where it is.
    fn depends_on_budget(&self) -> Option<&'static str> {
        None
    }

    /// The controller for a search of `trials` trials in `space`; what it begins with comes from `seed`.
    ///
    /// # Errors
    /// When the strategy does not suit the space.
    fn controller(
        &self,
        space: &dyn Space,
        trials: u64,
        seed: Seed,
    ) -> Result<Box<dyn Controller>, SearchError>;
}

/// Makes the enum of all strategies, and the way from each to its parameters.
macro_rules! strategies {
    ($(
        $(#[$doc:meta])*
        $variant:ident $(($name:ident: $config:ty))? => $parameters:expr;
    )*) => {
        /// What proposes genotypes.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[schemars(tag = "kind")]
        pub enum StrategyConfig {
            $($(#[$doc])* $variant $(($config))?,)*
        }

        impl StrategyConfig {
            fn parameters(&self) -> &dyn Parameters {
                match self {
                    $(Self::$variant $(($name))? => $parameters,)*
                }
            }
        }
    };
}

strategies! {
    /// A uniform choice at every decision; the baseline.
    Random => &Law::Decisions;
    /// A uniform choice among all networks of the space.
    RandomUniform => &Law::Networks;
    /// Tabular Q-learning with epsilon-greedy walks and replay (Baker et al. 2017).
    QLearning(config: QLearningConfig) => config;
    /// Policy gradient with a recurrent controller (Zoph & Le 2017) or independent softmaxes (NATS-Bench).
    Reinforce(config: ReinforceConfig) => config;
    /// Proximal policy optimization of a recurrent controller (NASNet, Zoph et al. 2018).
    Ppo(config: PpoConfig) => config;
    /// Regularized evolution: the oldest leave (Real et al. 2019).
    Evolution(config: EvolutionConfig) => config;
    /// The best neighbour, again and again, from random starts (White et al. 2020).
    LocalSearch(config: LocalSearchConfig) => config;
    /// The networks of a list, by their texts or names; nothing is searched.
    Given(config: GivenConfig) => config;
}

impl StrategyConfig {
    /// Name and version of the strategy as a component of results.
    #[must_use]
    pub fn component(&self) -> (&'static str, u32) {
        self.parameters().component()
    }

    /// What a schema cannot say of the values: the parameter and what is wrong with it.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, String)> {
        self.parameters().mistakes()
    }

    /// Why a search of fewer trials is not the beginning of one of more; none where it is.
    #[must_use]
    pub fn depends_on_budget(&self) -> Option<&'static str> {
        self.parameters().depends_on_budget()
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
        self.parameters().controller(space, trials, seed)
    }
}
