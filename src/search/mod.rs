//! Search strategies: what proposes genotypes and learns from their scores.
//!
//! A [`Controller`] speaks only of a space's decision process. A [`Search`] stands around it: it never
//! proposes a network twice, draws again what is too large, and can be saved and restored. Evaluation is
//! a door ([`Evaluate`]) that `stage` puts something behind; only the evaluator that costs nothing
//! ([`MockEvaluator`]) lives here. Knows nothing of training, files or stages.

mod controller;
mod driver;
mod error;
mod evaluate;
mod fidelity;
mod mock;
mod q_learning;
mod random;
mod strategy;

pub use controller::{Controller, Finished, Table};
pub use driver::{Counts, Proposal, SavedSearch, Search};
pub use error::SearchError;
pub use evaluate::{Candidate, Evaluate, EvaluateError, Evaluation};
pub use fidelity::{Bracket, FidelityConfig, Formula, Rung, promoted, should_stop};
pub use mock::{MOCK_VERSION, MockConfig, MockEvaluator};
pub use q_learning::{Level, QLearning, QLearningConfig, Schedule};
pub use random::{Law, Random};
pub use strategy::StrategyConfig;
