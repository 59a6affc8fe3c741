//! Search strategies: what proposes genotypes and learns from their scores.
//!
//! A [`Controller`] speaks only of a space's decision process and its neighbourhoods. A [`Search`] stands
//! around it: it never proposes a network twice, draws again what is too large, and can be saved and
//! restored. Evaluation is a door ([`Evaluate`]) that `stage` puts something behind; only the evaluator that
//! costs nothing ([`MockEvaluator`]) lives here. Knows nothing of training, files or stages.

mod adam;
mod baseline;
mod bits;
mod categorical;
mod controller;
mod driver;
mod error;
mod evaluate;
mod evolution;
mod fidelity;
mod given;
mod local_search;
mod mock;
mod policy;
mod policy_gradient;
mod ppo;
mod q_learning;
mod random;
mod recurrent;
mod reinforce;
mod reward;
mod strategy;

pub use baseline::{Baseline, BaselineKind};
pub use categorical::Categorical;
pub use controller::{Controller, Finished, Progress, Remarks, Table};
pub use driver::{Counts, Knowledge, Proposal, SavedSearch, Search};
pub use error::SearchError;
pub use evaluate::{Candidate, Evaluate, EvaluateError, Evaluation};
pub use evolution::EvolutionConfig;
pub use fidelity::{Bracket, FidelityConfig, Formula, Rung, promoted};
pub use given::GivenConfig;
pub use local_search::LocalSearchConfig;
pub use mock::{MOCK_VERSION, MockConfig, MockEvaluator};
pub use ppo::{Clipping, PpoConfig};
pub use q_learning::{Level, QLearning, QLearningConfig, Schedule};
pub use random::{Law, Random};
pub use reinforce::{LstmConfig, PolicyConfig, ReinforceConfig};
pub use reward::{CostConfig, Measure, RewardConfig};
pub use strategy::StrategyConfig;
