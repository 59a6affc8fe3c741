//! REINFORCE (Williams 1992) with the controllers of Zoph & Le (2017, arXiv:1611.01578) and of
//! NATS-Bench (arXiv:2009.00437).
//!
//! `(1/m) sum_k sum_t grad log P(a_t | a_<t) (R_k - b)`: each decision of a network becomes likelier by how
//! much better than the baseline `b` the network was (sec. 3.2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::{Policy, Recurrent, Sizes, Softmax, Squash, Start};
use super::policy_gradient::{Ingredients, PolicyGradient, Rule};
use super::strategy::Parameters;
use super::{Baseline, BaselineKind, Controller, SearchError};
use crate::seed::Seed;
use crate::space::{Process, Space};

/// Version of the algorithm: raised when the same seed and rewards give other networks, or other notes on
/// them. 2: trials say how the policy stood.
const VERSION: u32 = 2;

/// Policy gradient with a moving-average baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReinforceConfig {
    /// What makes the decisions.
    pub controller: PolicyConfig,
    /// Adam's learning rate. Without it 0.0006 for `lstm` (Zoph & Le), 0.01 for `softmax` (NATS-Bench).
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub lr: Option<f64>,
    /// Networks that are learned from at once. Without it 8 for `lstm` (Zoph & Le), 1 for `softmax`
    /// (NATS-Bench).
    #[schemars(range(min = 1, max = 10_000))]
    pub batch: Option<usize>,
    /// How the moving average of rewards begins and when it judges. Without it `first_init` for `lstm`,
    /// `bias_corrected` for `softmax`.
    pub baseline: Option<BaselineKind>,
    /// Share of its past that the baseline keeps at each reward. Without it 0.95 for `lstm`, 0.9 for
    /// `softmax`.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub baseline_decay: Option<f64>,
    /// Pressure to stay undecided: weight of the entropy of every decision.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub entropy_weight: f64,
    /// Longest gradient; longer ones are shortened to it. Without it they are taken as they are.
    #[schemars(range(max = 1_000_000.0), extend("exclusiveMinimum" = 0.0))]
    pub gradient_clip: Option<f64>,
}

/// What makes the decisions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "kind")]
pub enum PolicyConfig {
    /// A recurrent network: each decision depends on those before (Zoph & Le 2017).
    Lstm(LstmConfig),
    /// An independent softmax for each state (NATS-Bench).
    Softmax,
}

/// A recurrent controller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LstmConfig {
    /// Layers. Without it 2 in `reinforce` (Zoph & Le 2017), 1 in `ppo` (NASNet).
    #[schemars(range(min = 1, max = 2))]
    pub layers: Option<usize>,
    /// Units of each layer. Without it 35 in `reinforce`, 100 in `ppo`.
    #[schemars(range(min = 1, max = 1024))]
    pub hidden: Option<usize>,
    /// Numbers that the decision before is embedded in. Without it as many as there are units.
    #[schemars(range(min = 1, max = 1024))]
    pub embedding: Option<usize>,
    /// Weights begin uniform between minus this and this. Without it 0.08 in `reinforce`, 0.1 in `ppo`.
    #[schemars(range(max = 10.0), extend("exclusiveMinimum" = 0.0))]
    pub init_range: Option<f64>,
    /// What logits are divided by (Bello et al. 2017); above 1 it stays undecided longer.
    #[schemars(range(max = 1_000.0), extend("exclusiveMinimum" = 0.0))]
    pub temperature: f64,
    /// Largest logit: logits become `tanh_constant * tanh(logit)`. Without it they are not bounded.
    #[schemars(range(max = 1_000.0), extend("exclusiveMinimum" = 0.0))]
    pub tanh_constant: Option<f64>,
}

impl Default for LstmConfig {
    fn default() -> Self {
        Self {
            layers: None,
            hidden: None,
            embedding: None,
            init_range: None,
            temperature: 1.0,
            tanh_constant: None,
        }
    }
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self::Lstm(LstmConfig::default())
    }
}

impl Default for ReinforceConfig {
    fn default() -> Self {
        Self {
            controller: PolicyConfig::default(),
            lr: None,
            batch: None,
            baseline: None,
            baseline_decay: None,
            entropy_weight: 0.0,
            gradient_clip: None,
        }
    }
}

/// A published controller: what a config takes where it says nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Published {
    pub(super) layers: usize,
    pub(super) hidden: usize,
    pub(super) init_range: f64,
}

/// Zoph & Le (2017), sec. 4.1.
const ZOPH_LE: Published = Published { layers: 2, hidden: 35, init_range: 0.08 };

impl LstmConfig {
    /// A network with fresh weights for `process`.
    pub(super) fn open(
        &self,
        published: Published,
        process: &Process,
        seed: Seed,
    ) -> Box<dyn Policy> {
        let hidden = self.hidden.unwrap_or(published.hidden);
        let sizes = Sizes {
            layers: self.layers.unwrap_or(published.layers),
            hidden,
            embedding: self.embedding.unwrap_or(hidden),
        };
        let squash = Squash { temperature: self.temperature, bound: self.tanh_constant };
        let range = self.init_range.unwrap_or(published.init_range);
        let mut start = Start { range, stream: &mut seed.stream("controller", 0) };
        Box::new(Recurrent::new(process, sizes, squash, &mut start))
    }
}

impl Parameters for ReinforceConfig {
    fn component(&self) -> (&'static str, u32) {
        ("strategy.reinforce", VERSION)
    }

    fn controller(
        &self,
        space: &dyn Space,
        _: u64,
        seed: Seed,
    ) -> Result<Box<dyn Controller>, SearchError> {
        Ok(self.open(space.process(), seed))
    }
}

impl ReinforceConfig {
    /// A controller that has seen nothing; its weights come from `seed`.
    pub(super) fn open(&self, process: &Process, seed: Seed) -> Box<dyn Controller> {
        let (policy, lr, batch, baseline, decay): (Box<dyn Policy>, _, _, _, _) =
            match &self.controller {
                PolicyConfig::Lstm(config) => {
                    (config.open(ZOPH_LE, process, seed), 0.0006, 8, BaselineKind::FirstInit, 0.95)
                }
                PolicyConfig::Softmax => {
                    let policy = Softmax::new(process, &mut seed.stream("controller", 0));
                    (Box::new(policy), 0.01, 1, BaselineKind::BiasCorrected, 0.9)
                }
            };
        let kind = self.baseline.unwrap_or(baseline);
        Box::new(PolicyGradient::new(Ingredients {
            policy,
            rule: Rule::Reinforce,
            batch: self.batch.unwrap_or(batch),
            lr: self.lr.unwrap_or(lr),
            gradient_clip: self.gradient_clip,
            entropy_weight: self.entropy_weight,
            baseline: Baseline::new(kind, self.baseline_decay.unwrap_or(decay)),
        }))
    }
}
