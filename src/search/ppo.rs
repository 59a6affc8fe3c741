//! Proximal policy optimization (Schulman et al. 2017, arXiv:1707.06347) with the controller of NASNet
//! (Zoph et al. 2018, arXiv:1707.07012, appendix A.2).
//!
//! Each decision has the ratio `r` of its probability now to that when it was drawn, and the batch is
//! passed over several times along `min(r A, clip(r, 1 - e, 1 + e) A)`, Eq. 7. NASNet's paper gives neither
//! the clip range nor the number of passes: 0.2 and 4 are those of PPO's own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy_gradient::{Ingredients, PolicyGradient, Rule};
use super::reinforce::Published;
use super::strategy::Parameters;
use super::{Baseline, BaselineKind, Controller, LstmConfig, SearchError};
use crate::seed::Seed;
use crate::space::{Process, Space};

/// Version of the algorithm: raised when the same seed and rewards give other networks, or other notes on
/// them. 2: trials say how the policy stood.
const VERSION: u32 = 2;

/// Proximal policy optimization with a recurrent controller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PpoConfig {
    /// The network that makes the decisions.
    pub controller: LstmConfig,
    /// Adam's learning rate.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub lr: f64,
    /// Networks drawn from one policy.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch: usize,
    /// Networks of a batch that a step is made for.
    #[schemars(range(min = 1, max = 10_000))]
    pub minibatch: usize,
    /// Passes over a batch.
    #[schemars(range(min = 1, max = 100))]
    pub epochs: u32,
    /// How far the ratio may leave 1 before nothing more is to be gained.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub clip: f64,
    /// Pressure to stay undecided: weight of the entropy of every decision.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub entropy_weight: f64,
    /// How the moving average of rewards begins and when it judges.
    pub baseline: BaselineKind,
    /// Share of its past that the baseline keeps at each reward.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub baseline_decay: f64,
    /// Longest gradient; longer ones are shortened to it. Without it they are taken as they are.
    #[schemars(range(max = 1_000_000.0), extend("exclusiveMinimum" = 0.0))]
    pub gradient_clip: Option<f64>,
}

/// Appendix A.2 of NASNet's paper.
const NASNET: Published = Published { layers: 1, hidden: 100, init_range: 0.1 };

/// The clipped objective of a decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clipping {
    /// How far the ratio may leave 1.
    pub range: f64,
}

impl Clipping {
    /// `min(r A, clip(r) A)` for ratio `r` and advantage `A`.
    #[must_use]
    pub fn value(&self, ratio: f64, advantage: f64) -> f64 {
        let clipped = ratio.clamp(1.0 - self.range, 1.0 + self.range);
        (ratio * advantage).min(clipped * advantage)
    }

    /// How fast that grows with the logarithm of the decision's probability: `r A`, or 0 where it is
    /// clipped. Where `A` is negative a large `r` is not clipped, as the paper has it, so that a decision that
    /// became likelier by mistake is taken back; `r` is at most 1 by the probability it was drawn with.
    #[must_use]
    pub fn slope(&self, ratio: f64, advantage: f64) -> f64 {
        let is_clipped =
            if advantage >= 0.0 { ratio > 1.0 + self.range } else { ratio < 1.0 - self.range };
        if is_clipped { 0.0 } else { ratio * advantage }
    }
}

impl Default for PpoConfig {
    /// The published values (appendix A.2); clip range and passes are PPO's.
    fn default() -> Self {
        Self {
            controller: LstmConfig::default(),
            lr: 0.00035,
            batch: 20,
            minibatch: 20,
            epochs: 4,
            clip: 0.2,
            entropy_weight: 1e-5,
            baseline: BaselineKind::FirstInit,
            baseline_decay: 0.95,
            gradient_clip: None,
        }
    }
}

impl PpoConfig {
    /// What a schema cannot say: the parameter and what is wrong with it.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, String)> {
        if self.minibatch <= self.batch {
            return Vec::new();
        }
        let (minibatch, batch) = (self.minibatch, self.batch);
        vec![("minibatch", format!("{minibatch} networks are more than the {batch} of a batch"))]
    }

    /// A controller that has seen nothing; its weights come from `seed`.
    pub(super) fn open(&self, process: &Process, seed: Seed) -> Box<dyn Controller> {
        let rule = Rule::Ppo {
            clipping: Clipping { range: self.clip },
            epochs: self.epochs,
            minibatch: self.minibatch,
        };
        Box::new(PolicyGradient::new(Ingredients {
            policy: self.controller.open(NASNET, process, seed),
            rule,
            batch: self.batch,
            lr: self.lr,
            gradient_clip: self.gradient_clip,
            entropy_weight: self.entropy_weight,
            baseline: Baseline::new(self.baseline, self.baseline_decay),
        }))
    }
}

impl Parameters for PpoConfig {
    fn component(&self) -> (&'static str, u32) {
        ("strategy.ppo", VERSION)
    }

    fn mistakes(&self) -> Vec<(&'static str, String)> {
        self.check()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_value() {
        let clipping = Clipping { range: 0.2 };
        for advantage in [0.5, -0.5] {
            for log_ratio in [-0.5, -0.1, 0.0, 0.1, 0.5] {
                let value = |log: f64| clipping.value(libm::exp(log), advantage);
                let expected = (value(log_ratio + 1e-6) - value(log_ratio - 1e-6)) / 2e-6;
                let found = clipping.slope(libm::exp(log_ratio), advantage);
                assert!((found - expected).abs() < 1e-8, "{advantage} {log_ratio}");
            }
        }
    }
}
