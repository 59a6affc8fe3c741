//! The few statistics that a report computes itself: means, quantiles and rank correlation.
//!
//! Sums run in the order of their slice and nothing but IEEE basic operations and `sqrt` is used, so
//! the digits are the same everywhere.

/// Arithmetic mean; nothing of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The `share` quantile of sorted values, interpolated linearly (Hyndman and Fan's type 7).
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a slice in memory"
)]
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64))
}

/// Mean of the last `window` values at each place (fewer at the start).
pub(super) fn moving_average(values: &[f64], window: usize) -> Vec<f64> {
    let window = window.max(1);
    // Each mean is summed afresh: a running sum would drift, and its digits depend on history.
    (1..=values.len()).filter_map(|end| mean(&values[end.saturating_sub(window)..end])).collect()
}

/// Spearman's rank correlation with average ranks for ties; nothing when a side is constant.
pub(super) fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let (xs, ys): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    pearson(&ranks(&xs), &ranks(&ys))
}

/// Ranks from 1; equal values share the mean of their ranks.
#[expect(clippy::cast_precision_loss, reason = "ranks stay far below 2^53")]
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let ties = order[start..]
            .iter()
            .take_while(|&&i| values[i].total_cmp(&values[order[start]]).is_eq())
            .count();
        let ties = ties.max(1);
        let shared = f64::midpoint((start + 1) as f64, (start + ties) as f64);
        order[start..start + ties].iter().for_each(|&i| ranks[i] = shared);
        start += ties;
    }
    ranks
}

fn pearson(xs: &[f64], ys: &[f64]) -> Option<f64> {
    let (mean_x, mean_y) = (mean(xs)?, mean(ys)?);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in xs.iter().zip(ys) {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xy += dx * dy;
        xx += dx * dx;
        yy += dy * dy;
    }
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }

    #[test]
    fn rank_correlation_sees_order_only() {
        let rising = [(1.0, 10.0), (2.0, 11.0), (3.0, 400.0)];
        assert_eq!(spearman(&rising), Some(1.0));
        assert_eq!(spearman(&rising.map(|(x, y)| (x, -y))), Some(-1.0));
        assert_eq!(spearman(&rising.map(|(x, _)| (x, 5.0))), None);
        // SciPy: spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) = 0.820782681668
        let tied = [(1.0, 5.0), (2.0, 6.0), (3.0, 7.0), (4.0, 8.0), (5.0, 7.0)];
        assert!((spearman(&tied).unwrap() - 0.820_782_681_668).abs() < 1e-12);
    }

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
}
