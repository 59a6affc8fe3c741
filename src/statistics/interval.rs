//! Intervals: how far a share or a mean may be from what was seen.

use super::{mean, quantile, spearman};

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

/// Percentile bootstrap interval, 95 %, of Spearman's rank correlation of independent pairs.
///
/// [`RESAMPLES`] resamples of pairs with replacement, as in [`bootstrap_mean`]; those in which one side is
/// constant have no correlation and are left out. Nothing for fewer than four pairs, or where the pairs
/// themselves have no correlation.
#[must_use]
pub fn bootstrap_spearman(
    before: &[f64],
    now: &[f64],
    mut index: impl FnMut(usize) -> usize,
) -> Option<[f64; 2]> {
    if before.len() < 4 || spearman(before, now).is_none() {
        return None;
    }
    let (mut xs, mut ys) = (vec![0.0; before.len()], vec![0.0; before.len()]);
    let mut found: Vec<f64> = (0..RESAMPLES.min(RANKED_MAX / before.len()).max(RESAMPLES / 10))
        .filter_map(|_| {
            for (x, y) in xs.iter_mut().zip(&mut ys) {
                let place = index(before.len());
                (*x, *y) = (before[place], now[place]);
            }
            spearman(&xs, &ys)
        })
        .collect();
    found.sort_by(f64::total_cmp);
    Some([quantile(&found, 0.025)?, quantile(&found, 0.975)?])
}

/// Numbers that are ranked for one interval before resamples become fewer, down to a tenth: each is sorted.
const RANKED_MAX: usize = 2_000_000;

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
    fn an_interval_of_a_correlation_is_inside_its_bounds_and_around_it() {
        let before: Vec<f64> = (0..30).map(f64::from).collect();
        let now: Vec<f64> = (0..30).map(|i| f64::from(i + i * 11 % 17)).collect();
        let rho = spearman(&before, &now).unwrap();
        let mut state = 1_u64;
        let interval = bootstrap_spearman(&before, &now, |bound| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % bound
        });
        let [low, high] = interval.unwrap();
        assert!(0.5 < low && low < rho && rho < high && high <= 1.0, "{low} {rho} {high}");
        assert_eq!(bootstrap_spearman(&[1.0; 9], &[2.0; 9], |_| 0), None);
        assert_eq!(bootstrap_spearman(&before[..3], &now[..3], |_| 0), None);
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
