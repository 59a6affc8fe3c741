//! What a controller learns from: the reward that is made of a trial's accuracy and the network's size.
//!
//! A trial's score stays its accuracy; only the controller sees the reward. A failed child is worth its score
//! and never more than chance, whatever its curve says, and no reward is ever NaN.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Evaluation;
use crate::space::Features;

/// How the reward follows from a trial; by default it is the score.
///
/// Zoph & Le (2017, sec. 4.1) take `{ power: 3 }`: the cube of the score, which is the best accuracy of the last
/// five epochs there (`evaluator: { kind: train, score: max_last_5 }`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RewardConfig {
    /// Power that the score is raised to: above 1 differences among good networks weigh more.
    #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
    pub power: f64,
    /// What large networks lose.
    pub cost: Option<CostConfig>,
}

/// Largest factor that a small network gains: so all that is learned from rewards stays finite, in the 32
/// bits of a policy's weights, too.
const FACTOR_MAX: f64 = 1e9;

/// A factor `(cost / target)^exponent` on the reward (`MnasNet`, Tan et al. 2019, arXiv:1807.11626, Eq. 2).
///
/// By default both exponents are -0.07, the paper's soft penalty. Its hard constraint is
/// `{ exponent_below: 0, exponent_above: -1 }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CostConfig {
    /// What counts as cost.
    pub measure: Measure,
    /// The cost that changes nothing.
    #[schemars(range(min = 1))]
    pub target: u64,
    /// Exponent up to the target; below 0, networks smaller than the target are rewarded for it.
    #[serde(default = "soft")]
    #[schemars(range(min = -100.0, max = 0.0))]
    pub exponent_below: f64,
    /// Exponent beyond the target.
    #[serde(default = "soft")]
    #[schemars(range(min = -100.0, max = 0.0))]
    pub exponent_above: f64,
}

/// The size of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Trainable parameters.
    Parameters,
    /// Multiply-adds for one image.
    MultiplyAdds,
}

fn soft() -> f64 {
    -0.07
}

impl Default for RewardConfig {
    fn default() -> Self {
        Self { power: 1.0, cost: None }
    }
}

impl RewardConfig {
    /// The reward of a network with these features, evaluated in a task of `classes` classes.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "class counts are small")]
    pub fn of(&self, evaluation: &Evaluation, features: &Features, classes: usize) -> f64 {
        let chance = 1.0 / classes as f64;
        let score = if evaluation.score.is_finite() { evaluation.score } else { chance };
        // Not chance itself: a measure that is no accuracy has valid scores below it, and a failed one ranks last.
        let worth = if evaluation.failure.is_some() { score.min(chance) } else { score };
        libm::pow(worth, self.power) * self.cost.as_ref().map_or(1.0, |cost| cost.factor(features))
    }
}

impl CostConfig {
    #[expect(clippy::cast_precision_loss, reason = "costs are far below 2^53")]
    fn factor(&self, features: &Features) -> f64 {
        let cost = match self.measure {
            Measure::Parameters => features.parameters,
            Measure::MultiplyAdds => features.multiply_adds,
        };
        let ratio = cost.max(1) as f64 / self.target.max(1) as f64;
        let exponent = if ratio <= 1.0 { self.exponent_below } else { self.exponent_above };
        libm::pow(ratio, exponent).min(FACTOR_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn evaluation(score: f64, curve: &[f64]) -> Evaluation {
        Evaluation {
            score,
            failure: None,
            epochs: 0,
            steps: 0,
            curve: curve.to_vec(),
            measures: BTreeMap::new(),
        }
    }

    fn features(parameters: u64) -> Features {
        Features {
            parameters,
            multiply_adds: 10 * parameters,
            depth: 1,
            identity_share: 0.0,
            halvings: 0.0,
            pool_share: 0.0,
            dense_share: 0.0,
            batch_norm: false,
            activations: 0,
        }
    }

    fn reward(config: &RewardConfig, evaluation: &Evaluation) -> f64 {
        config.of(evaluation, &features(1_000), 10)
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "nothing is computed")]
    fn by_default_the_reward_is_the_score() {
        assert_eq!(reward(&RewardConfig::default(), &evaluation(0.625, &[0.9])), 0.625);
    }

    #[test]
    fn a_penalty_is_one_at_the_target_and_larger_networks_lose() {
        let cost = |target, exponent_below, exponent_above| {
            let measure = Measure::MultiplyAdds;
            let cost = CostConfig { measure, target, exponent_below, exponent_above };
            let config = RewardConfig { cost: Some(cost), ..RewardConfig::default() };
            reward(&config, &evaluation(0.5, &[]))
        };
        assert!((cost(10_000, -0.07, -0.07) - 0.5).abs() < 1e-15);
        // Twice the target costs 4.7 percent: the trade-off the paper chose.
        assert!((cost(5_000, -0.07, -0.07) - 0.5 * 0.952_637_998).abs() < 1e-9);
        assert!((cost(20_000, 0.0, -1.0) - 0.5).abs() < 1e-15, "within a constraint");
        assert!((cost(5_000, 0.0, -1.0) - 0.25).abs() < 1e-15, "beyond it");
    }

    #[test]
    fn a_failed_or_broken_child_is_worth_chance() {
        let config = RewardConfig { power: 2.0, cost: None };
        let failed = Evaluation { failure: Some("diverged".to_owned()), ..evaluation(0.9, &[0.9]) };
        for broken in [failed, evaluation(f64::NAN, &[])] {
            assert!((reward(&config, &broken) - 0.01).abs() < 1e-15, "{broken:?}");
        }
    }

    /// A proxy that is no number scores 0, and valid ones far below chance.
    #[test]
    fn what_ranks_last_is_worth_least() {
        let config = RewardConfig::default();
        let failed = Evaluation { failure: Some("NaN".to_owned()), ..evaluation(0.0, &[]) };
        let valid = reward(&config, &evaluation(3e-5, &[]));
        assert!(reward(&config, &failed) < valid, "a valid measure of {valid} is worth more");
    }
}
