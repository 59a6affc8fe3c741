//! Ranks and rank correlation.

/// Spearman's rank correlation: Pearson's of the ranks, ties with their average rank.
///
/// Nothing when there are fewer than two pairs or one side is constant.
///
/// # Panics
/// When the sides differ in length.
#[must_use]
pub fn spearman(xs: &[f64], ys: &[f64]) -> Option<f64> {
    assert_eq!(xs.len(), ys.len(), "BUG: a correlation needs pairs");
    pearson(&ranks(xs), &ranks(ys))
}

/// Kendall's tau-b: agreement of all pairs, corrected for ties (Kendall 1945).
///
/// Nothing when there are fewer than two pairs or one side is constant. Quadratic in the length,
/// which the thousands of trials of a search allow.
///
/// # Panics
/// When the sides differ in length.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of pairs are far below 2^53")]
pub fn kendall_tau_b(xs: &[f64], ys: &[f64]) -> Option<f64> {
    assert_eq!(xs.len(), ys.len(), "BUG: a correlation needs pairs");
    let (mut balance, mut untied_x, mut untied_y) = (0_i64, 0_i64, 0_i64);
    for i in 0..xs.len() {
        for j in 0..i {
            let dx = xs[i].total_cmp(&xs[j]) as i64;
            let dy = ys[i].total_cmp(&ys[j]) as i64;
            balance += dx * dy;
            untied_x += dx * dx;
            untied_y += dy * dy;
        }
    }
    let pairs = libm::sqrt(untied_x as f64) * libm::sqrt(untied_y as f64);
    (pairs > 0.0).then(|| balance as f64 / pairs)
}

/// Rank of each number from 1; equal numbers share the average of their ranks.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^53")]
pub fn ranks(xs: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..xs.len()).collect();
    order.sort_by(|&a, &b| xs[a].total_cmp(&xs[b]));
    let mut ranks = vec![0.0; xs.len()];
    let mut below = 0;
    for tie in order.chunk_by(|&a, &b| xs[a].total_cmp(&xs[b]).is_eq()) {
        // Ranks below + 1 to below + tie.len(), on average.
        let shared = below as f64 + f64::midpoint(1.0, tie.len() as f64);
        for &i in tie {
            ranks[i] = shared;
        }
        below += tie.len();
    }
    ranks
}

/// Pearson's correlation; nothing for fewer than two pairs or a constant side.
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^53")]
fn pearson(xs: &[f64], ys: &[f64]) -> Option<f64> {
    let n = xs.len() as f64;
    let (mean_x, mean_y) = (xs.iter().sum::<f64>() / n, ys.iter().sum::<f64>() / n);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in xs.iter().zip(ys) {
        xy += (x - mean_x) * (y - mean_y);
        xx += (x - mean_x) * (x - mean_x);
        yy += (y - mean_y) * (y - mean_y);
    }
    let spread = libm::sqrt(xx) * libm::sqrt(yy);
    (spread > 0.0).then(|| xy / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn ties_share_their_average_rank() {
        assert_eq!(ranks(&[0.5, 0.1, 0.5, 0.9]), [2.5, 1.0, 2.5, 4.0]);
    }

    #[test]
    fn correlation_with_ties_follows_the_definitions() {
        let (xs, ys) = ([1.0, 2.0, 2.0, 3.0], [1.0, 3.0, 2.0, 4.0]);
        assert!(close(spearman(&xs, &ys).unwrap(), 4.5 / (4.5_f64 * 5.0).sqrt()));
        assert!(close(kendall_tau_b(&xs, &ys).unwrap(), 5.0 / (5.0_f64 * 6.0).sqrt()));
    }

    #[test]
    fn a_constant_side_has_no_correlation() {
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(kendall_tau_b(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[], &[]), None);
        assert_eq!(kendall_tau_b(&[1.0], &[1.0]), None);
    }
}
