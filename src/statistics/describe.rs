//! Means, spreads, quantiles and curves of numbers in their order.

/// Arithmetic mean; nothing of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The `share` quantile of sorted values, interpolated linearly (Hyndman and Fan's type 7).
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a slice in memory"
)]
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64))
}

/// Mean of the last `window` values at each place (fewer at the start).
#[must_use]
pub fn moving_average(values: &[f64], window: usize) -> Vec<f64> {
    let window = window.max(1);
    // Each mean is summed afresh: a running sum would drift, and its digits depend on history.
    (1..=values.len()).filter_map(|end| mean(&values[end.saturating_sub(window)..end])).collect()
}

/// Standard deviation of a sample (divided by one less than the count); nothing for fewer than two.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn deviation(values: &[f64]) -> Option<f64> {
    let center = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - center) * (value - center)).sum();
    Some(libm::sqrt(squares / (values.len() - 1) as f64))
}

/// The best value so far at each place: a search's incumbent curve over its trials.
#[must_use]
pub fn incumbents(values: &[f64]) -> Vec<f64> {
    let best = values.iter().scan(f64::NEG_INFINITY, |best, &value| {
        *best = best.max(value);
        Some(*best)
    });
    best.collect()
}

/// Expected best of `n` draws, from `values` as the sample (Dodge et al. 2019).
///
/// Sum over the ascending values `v_i` of `v_i [(i/N)^n - ((i-1)/N)^n]`. Nothing without values.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^53")]
pub fn expected_best(values: &[f64], n: u32) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let total = sorted.len() as f64;
    let below = |i: usize| libm::pow(i as f64 / total, f64::from(n));
    let terms = sorted.iter().enumerate().map(|(i, v)| v * (below(i + 1) - below(i)));
    (!sorted.is_empty()).then(|| terms.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&sorted, 0.5), Some(2.5));
        assert_eq!(quantile(&sorted, 0.25), Some(1.75));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_moving_average_looks_back_only() {
        assert_eq!(moving_average(&[1.0, 3.0, 5.0, 7.0], 2), [1.0, 2.0, 4.0, 6.0]);
    }

    #[test]
    fn incumbents_never_fall() {
        assert_eq!(incumbents(&[0.2, 0.5, 0.1, 0.6]), [0.2, 0.5, 0.5, 0.6]);
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        assert!(
            (deviation(&[1.0, 2.0, 3.0, 4.0]).unwrap() - 1.290_994_448_735_805_6).abs() < 1e-12
        );
        assert_eq!(deviation(&[1.0]), None);
    }

    #[test]
    fn the_expected_best_of_one_is_the_mean_and_of_many_the_largest() {
        let values = [0.3, 0.1, 0.2];
        assert!((expected_best(&values, 1).unwrap() - 0.2).abs() < 1e-12);
        assert!((expected_best(&values, 1000).unwrap() - 0.3).abs() < 1e-12);
        assert_eq!(expected_best(&[], 3), None);
    }
}
