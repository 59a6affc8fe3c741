//! A choice among a state's actions: softmax, drawing, and the gradients a policy needs.
//!
//! Everything in f64 through `libm`: choices reach artifacts, so their bits must be the same everywhere.

use crate::seed::Stream;

/// Probabilities of the actions of one state; keeps its memory from state to state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Categorical {
    probabilities: Vec<f64>,
    log_probabilities: Vec<f64>,
}

impl Categorical {
    /// The softmax of `logits`.
    #[must_use]
    pub fn new(logits: impl IntoIterator<Item = f64>) -> Self {
        let mut choice = Self::default();
        choice.set(logits);
        choice
    }

    /// Becomes the softmax of `logits`.
    pub fn set(&mut self, logits: impl IntoIterator<Item = f64>) {
        self.log_probabilities.clear();
        self.log_probabilities.extend(logits);
        let largest = self.log_probabilities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        self.probabilities.clear();
        let powers = self.log_probabilities.iter().map(|logit| libm::exp(logit - largest));
        self.probabilities.extend(powers);
        let sum: f64 = self.probabilities.iter().sum();
        let log_sum = largest + libm::log(sum);
        self.probabilities.iter_mut().for_each(|probability| *probability /= sum);
        self.log_probabilities.iter_mut().for_each(|logit| *logit -= log_sum);
    }

    /// The probability of each action.
    #[must_use]
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// The logarithm of an action's probability.
    #[must_use]
    pub fn log_probability(&self, slot: usize) -> f64 {
        self.log_probabilities[slot]
    }

    /// Draws an action.
    pub fn draw(&self, stream: &mut Stream) -> usize {
        let mut left = stream.unit();
        for (slot, probability) in self.probabilities.iter().enumerate() {
            if left < *probability {
                return slot;
            }
            left -= probability;
        }
        // Rounding left a crumb: it belongs to the likeliest, which certainly may be chosen.
        self.likeliest()
    }

    /// The first of the most probable actions.
    #[must_use]
    pub fn likeliest(&self) -> usize {
        let mut best = 0;
        for (slot, probability) in self.probabilities.iter().enumerate() {
            if *probability > self.probabilities[best] {
                best = slot;
            }
        }
        best
    }

    /// In nats.
    #[must_use]
    pub fn entropy(&self) -> f64 {
        let terms = self.probabilities.iter().zip(&self.log_probabilities);
        -terms.map(|(p, log)| if *p > 0.0 { p * log } else { 0.0 }).sum::<f64>()
    }

    /// The gradient of `score · log p(slot) + entropy_weight · entropy` with respect to the logits, slot by
    /// slot: `score (1[slot] - p) - entropy_weight p (log p + entropy)`.
    pub fn slopes(
        &self,
        slot: usize,
        score: f64,
        entropy_weight: f64,
    ) -> impl Iterator<Item = f64> + '_ {
        let entropy = if entropy_weight > 0.0 { self.entropy() } else { 0.0 };
        let actions = self.probabilities.iter().zip(&self.log_probabilities).enumerate();
        actions.map(move |(action, (&p, &log))| {
            let taken = if action == slot { 1.0 } else { 0.0 };
            let spread = if p > 0.0 { p * (log + entropy) } else { 0.0 };
            score * (taken - p) - entropy_weight * spread
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    const LOGITS: [f64; 4] = [0.3, -1.0, 2.0, 0.0];

    #[test]
    fn slopes_equal_central_differences() {
        let objective = |logits: [f64; 4]| {
            let choice = Categorical::new(logits);
            0.7 * choice.log_probability(2) + 0.2 * choice.entropy()
        };
        let found: Vec<f64> = Categorical::new(LOGITS).slopes(2, 0.7, 0.2).collect();
        for place in 0..4 {
            let moved = |step: f64| {
                let mut logits = LOGITS;
                logits[place] += step;
                objective(logits)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((found[place] - expected).abs() < 1e-9, "{place}");
        }
    }

    /// A baseline may take anything that does not depend on the action off the reward.
    #[test]
    fn the_expected_gradient_of_a_constant_reward_is_zero() {
        let choice = Categorical::new(LOGITS);
        let mut expected = [0.0; 4];
        for slot in 0..4 {
            for (sum, slope) in expected.iter_mut().zip(choice.slopes(slot, 0.9, 0.0)) {
                *sum += choice.probabilities()[slot] * slope;
            }
        }
        assert!(expected.iter().all(|slope| slope.abs() < 1e-15), "{expected:?}");
    }

    #[test]
    fn actions_come_up_as_often_as_they_should() {
        let choice = Categorical::new(LOGITS);
        let mut stream = Seed::root(4).stream("draws", 0);
        let mut counts = [0.0; 4];
        for _ in 0..20_000 {
            counts[choice.draw(&mut stream)] += 1.0 / 20_000.0;
        }
        for (found, expected) in counts.iter().zip(choice.probabilities()) {
            // Four standard deviations of a share.
            let deviation = libm::sqrt(expected * (1.0 - expected) / 20_000.0);
            assert!((found - expected).abs() < 4.0 * deviation, "{found} {expected}");
        }
    }

    #[test]
    fn huge_logits_leave_no_nan() {
        let choice = Categorical::new([1e6, -1e6, f64::from(f32::MAX)]);
        assert_eq!(choice.likeliest(), 2);
        assert!(choice.entropy().abs() < 1e-12);
        assert!(choice.slopes(1, -1.0, 0.1).all(f64::is_finite));
    }
}
