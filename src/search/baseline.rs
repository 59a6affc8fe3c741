//! Moving-average baseline: the reward a controller has come to expect.
//!
//! Sees rewards in the order they come; knows nothing of genotypes, networks or optimizers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the moving average begins, and whether it judges a reward before or after it has seen it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BaselineKind {
    /// The first reward sets it; it judges a reward **before** it has seen it, so it does not depend on
    /// the action that is judged (Zoph & Le 2017, sec. 3.2: a moving average of previous rewards).
    #[default]
    FirstInit,
    /// Starts at 0 and is divided by the weight it has seen; judges a reward **after** it has seen it
    /// (NATS-Bench, `reinforce.py`).
    BiasCorrected,
    /// Starts at 0 and is drawn there at first; judges a reward **after** it has seen it (ENAS,
    /// `micro_controller.py`).
    ZeroInit,
}

/// Exponential moving average of rewards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    kind: BaselineKind,
    decay: f64,
    sum: f64,
    /// Share of `sum` that rewards have filled: 0 before the first.
    weight: f64,
}

impl Baseline {
    /// Keeps the share `decay` of its past at each reward; `decay` lies in `0.0..1.0`.
    #[must_use]
    pub fn new(kind: BaselineKind, decay: f64) -> Self {
        assert!((0.0..1.0).contains(&decay), "BUG: decay {decay} passed the schema");
        Self { kind, decay, sum: 0.0, weight: 0.0 }
    }

    /// What is expected now; nothing before the first reward.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        match self.kind {
            _ if self.weight <= 0.0 => None,
            BaselineKind::FirstInit | BaselineKind::ZeroInit => Some(self.sum),
            BaselineKind::BiasCorrected => Some(self.sum / self.weight),
        }
    }

    /// Returns how much better than expected `reward` is, and learns from it.
    pub fn advantage(&mut self, reward: f64) -> f64 {
        let before = self.value().unwrap_or(reward);
        let past = match self.kind {
            BaselineKind::FirstInit => before,
            BaselineKind::BiasCorrected | BaselineKind::ZeroInit => self.sum,
        };
        self.sum = self.decay * past + (1.0 - self.decay) * reward;
        self.weight = self.decay * self.weight + (1.0 - self.decay);
        match self.kind {
            BaselineKind::FirstInit => reward - before,
            BaselineKind::BiasCorrected => reward - self.sum / self.weight,
            BaselineKind::ZeroInit => reward - self.sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advantages<const N: usize>(kind: BaselineKind, decay: f64, rewards: [f64; N]) -> [f64; N] {
        let mut baseline = Baseline::new(kind, decay);
        rewards.map(|reward| baseline.advantage(reward))
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "halves and quarters are exact")]
    fn the_first_reward_sets_it_and_the_current_one_is_not_in_it() {
        let found = advantages(BaselineKind::FirstInit, 0.5, [0.75, 0.25, 0.5]);
        assert_eq!(found, [0.0, -0.5, 0.0]);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "halves and quarters are exact")]
    fn started_at_zero_it_is_low_at_first() {
        assert_eq!(advantages(BaselineKind::ZeroInit, 0.5, [1.0, 1.0]), [0.5, 0.25]);
    }

    #[test]
    fn corrected_it_is_the_weighted_mean_of_what_it_saw() {
        let found = advantages(BaselineKind::BiasCorrected, 0.5, [1.0, 0.0]);
        let expected = [0.0, 0.0 - 0.25 / 0.75];
        assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-15), "{found:?}");
    }

    #[test]
    fn a_constant_reward_is_no_better_than_expected() {
        for kind in [BaselineKind::FirstInit, BaselineKind::BiasCorrected] {
            let found = advantages(kind, 0.95, [0.7; 50]);
            assert!(found.iter().all(|advantage| advantage.abs() < 1e-15), "{found:?}");
        }
    }
}
