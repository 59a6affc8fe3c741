//! Intervals: how far a share or a mean may be from what was seen.

use super::{mean, quantile};

/// 97.5 % quantile of the standard normal distribution, for two-sided 95 % intervals.
const Z95: f64 = 1.959_963_984_540_054;

/// Resamples of a bootstrap.
pub const RESAMPLES: usize = 10_000;

/// Wilson score interval, 95 %, of a share of `n` independent tries.
///
/// Stays inside `0.0..=1.0` and is of use at 0 and `n` successes, where the normal interval is empty.
/// Without tries it is `[0.0, 1.0]`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of images are far below 2^53")]
pub fn wilson(successes: u64, n: u64) -> [f64; 2] {
    if n == 0 {
        return [0.0, 1.0];
    }
    let (share, n) = (successes as f64 / n as f64, n as f64);
    let z2 = Z95 * Z95;
    let center = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z95 / (1.0 + z2 / n) * libm::sqrt(share * (1.0 - share) / n + z2 / (4.0 * n * n));
    [(center - half).max(0.0), (center + half).min(1.0)]
}

/// Percentile bootstrap interval, 95 %, of the mean of independent values: repeats of a study, never the
/// images of one test set (Efron 1979).
///
/// [`RESAMPLES`] resamples with replacement; `index` draws uniformly below its argument, from a stream with
/// a name, so that equal values have an equal interval everywhere. Nothing for fewer than two values,
/// which say nothing of spread.
#[must_use]
pub fn bootstrap_mean(values: &[f64], mut index: impl FnMut(usize) -> usize) -> Option<[f64; 2]> {
    if values.len() < 2 {
        return None;
    }
    let mut resample = vec![0.0; values.len()];
    let mut means: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            for slot in &mut resample {
                *slot = values[index(values.len())];
            }
            mean(&resample)
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Some([quantile(&means, 0.025)?, quantile(&means, 0.975)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn wilson_agrees_with_the_published_example() {
        let [low, high] = wilson(591, 600);
        assert!((low - 0.972).abs() < 5e-4 && (high - 0.992).abs() < 5e-4, "{low} {high}");
    }

    #[test]
    fn wilson_says_something_at_the_ends() {
        assert_eq!(wilson(0, 0).map(f64::to_bits), [0.0, 1.0].map(f64::to_bits));
        let [low, high] = wilson(0, 10);
        assert!(low.abs() < 1e-12 && close(high, Z95 * Z95 / (10.0 + Z95 * Z95)));
        let [low, high] = wilson(10, 10);
        assert!(close(low, 10.0 / (10.0 + Z95 * Z95)) && high <= 1.0);
    }

    #[test]
    fn a_bootstrap_is_near_the_normal_interval_and_the_same_every_time() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 40)).collect();
        let interval = |values: &[f64]| {
            // A linear congruential generator (Knuth): what draws is not this room's business.
            let mut state = 1_u64;
            bootstrap_mean(values, |bound| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                usize::try_from(state >> 33).unwrap() % bound
            })
        };
        let [low, high] = interval(&values).unwrap();
        // Mean 19.5; 1.96 standard errors of 40 values with standard deviation 11.54 are 3.58.
        assert!((low - 15.92).abs() < 0.3 && (high - 23.08).abs() < 0.3, "{low} {high}");
        assert_eq!([low, high].map(f64::to_bits), interval(&values).unwrap().map(f64::to_bits));
        assert_eq!(interval(&[1.0]), None);
    }
}
