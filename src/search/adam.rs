//! Adam (Kingma & Ba 2015) over a policy's weights, upwards: gradients point to more reward.
//!
//! f32, in an order that shape alone fixes; nothing but the four operations and the square root.

use serde::{Deserialize, Serialize};

use super::SearchError;
use super::bits::{from_hex, to_hex};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Steeper slopes have no square in f32.
const STEEPEST: f32 = 1e18;

/// The optimizer's memory.
#[derive(Debug, Clone)]
pub(super) struct Adam {
    lr: f64,
    clip: Option<f64>,
    steps: u64,
    means: Vec<f32>,
    squares: Vec<f32>,
}

/// [`Adam`] as it is saved: numbers as hexadecimal bits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedAdam {
    steps: u64,
    means: String,
    squares: String,
}

impl Adam {
    /// For `weights` weights with learning rate `lr`; gradients longer than `clip` are shortened to it.
    pub(super) fn new(weights: usize, lr: f64, clip: Option<f64>) -> Self {
        Self { lr, clip, steps: 0, means: vec![0.0; weights], squares: vec![0.0; weights] }
    }

    /// Moves `weights` along `gradient`, which is shortened in place where it must be. A gradient that f32
    /// cannot hold, as it is at the lowest temperatures, is passed over: nothing moves.
    #[expect(clippy::cast_possible_truncation, reason = "f32 is what weights are made of")]
    pub(super) fn ascend(&mut self, weights: &mut [f32], gradient: &mut [f32]) {
        // Also false for NaN.
        if !gradient.iter().all(|slope| slope.abs() <= STEEPEST) {
            return;
        }
        self.steps += 1;
        if let Some(clip) = self.clip {
            let norm = norm(gradient);
            if norm > clip {
                let factor = (clip / norm) as f32;
                for slope in gradient.iter_mut() {
                    *slope *= factor;
                }
            }
        }
        let correction =
            |beta: f32| 1.0 - libm::pow(f64::from(beta), f64::from(self.steps.min(100_000) as u32));
        let rate = (self.lr * libm::sqrt(correction(BETA_2)) / correction(BETA_1)) as f32;
        let epsilon = (f64::from(EPSILON) * libm::sqrt(correction(BETA_2))) as f32;
        let memory = self.means.iter_mut().zip(&mut self.squares);
        for ((weight, slope), (mean, square)) in weights.iter_mut().zip(gradient).zip(memory) {
            *mean += (1.0 - BETA_1) * (*slope - *mean);
            *square += (1.0 - BETA_2) * (*slope * *slope - *square);
            *weight += rate * *mean / (square.sqrt() + epsilon);
        }
    }

    pub(super) fn save(&self) -> SavedAdam {
        SavedAdam { steps: self.steps, means: to_hex(&self.means), squares: to_hex(&self.squares) }
    }

    /// # Errors
    /// When `saved` is of another policy.
    pub(super) fn restore(&mut self, saved: &SavedAdam) -> Result<(), SearchError> {
        self.means = from_hex(&saved.means, self.means.len())?;
        self.squares = from_hex(&saved.squares, self.squares.len())?;
        self.steps = saved.steps;
        Ok(())
    }
}

/// Length of a gradient. Sixteen sums side by side, so that the compiler may use vectors.
fn norm(gradient: &[f32]) -> f64 {
    let mut sums = [0.0_f32; 16];
    let (blocks, rest) = gradient.as_chunks::<16>();
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, slope)| *sum += slope * slope);
    }
    sums.iter_mut().zip(rest).for_each(|(sum, slope)| *sum += slope * slope);
    libm::sqrt(sums.iter().map(|sum| f64::from(*sum)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_the_learning_rate_whatever_the_gradient() {
        let mut weights = [1.0, 1.0, 1.0];
        let mut adam = Adam::new(3, 0.1, None);
        adam.ascend(&mut weights, &mut [5.0, -0.01, 0.0]);
        let expected = [1.1, 0.9, 1.0];
        let close = weights.iter().zip(expected).all(|(w, e): (&f32, f32)| (w - e).abs() < 1e-5);
        assert!(close, "{weights:?}");
    }

    #[test]
    fn a_long_gradient_is_shortened_and_keeps_its_direction() {
        let mut gradient = [3.0, -4.0];
        Adam::new(2, 0.1, Some(1.0)).ascend(&mut [0.0, 0.0], &mut gradient);
        assert!((gradient[0] - 0.6).abs() < 1e-6 && (gradient[1] + 0.8).abs() < 1e-6);
    }

    #[test]
    fn a_gradient_beyond_all_numbers_moves_nothing() {
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1e19] {
            for clip in [None, Some(1.0)] {
                let (mut weights, mut adam) = ([1.0, 1.0], Adam::new(2, 0.1, clip));
                adam.ascend(&mut weights, &mut [1.0, broken]);
                assert_eq!(weights.map(f32::to_bits), [1.0_f32, 1.0].map(f32::to_bits));
                adam.ascend(&mut weights, &mut [1.0, -1.0]);
                assert!((weights[0] - 1.1).abs() < 1e-5, "the next step is the first: {weights:?}");
            }
        }
    }

    #[test]
    fn the_steepest_slopes_keep_everything_finite() {
        let (mut weights, mut adam) = ([0.0, 0.0], Adam::new(2, 1.0, None));
        for step in 0..1_000 {
            let slope = [STEEPEST, 1e-30, 0.0][step % 3];
            adam.ascend(&mut weights, &mut [slope, -slope]);
            let mut all = weights.iter().chain(&adam.means).chain(&adam.squares);
            assert!(all.all(|number| number.is_finite()), "{adam:?}");
        }
    }

    #[test]
    fn a_thousand_steps_climb_a_hill() {
        let (mut weights, mut adam) = ([0.0_f32], Adam::new(1, 0.01, None));
        for _ in 0..1_000 {
            let slope = 2.0 * (0.7 - weights[0]);
            adam.ascend(&mut weights, &mut [slope]);
        }
        assert!((weights[0] - 0.7).abs() < 1e-3, "{weights:?}");
    }
}
