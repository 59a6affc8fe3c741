//! Statistics of few numbers: rank correlation, intervals, tests.
//!
//! Everything is computed with `libm` in one fixed order, so a report has the same digits everywhere.
//! Knows nothing of trials or networks.

/// 97.5 % quantile of the standard normal distribution, for two-sided 95 % intervals.
const Z95: f64 = 1.959_963_984_540_054;

/// Largest number of differences for which [`wilcoxon_signed_rank`] counts all sign patterns.
pub const WILCOXON_MAX: usize = 25;

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

/// Two-sided p of the paired Wilcoxon signed-rank test, exact over all sign patterns.
///
/// Zero differences are dropped (Wilcoxon's own rule); equal sizes share their average rank. Nothing
/// when no difference is left or more than [`WILCOXON_MAX`].
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "at most 2^25 patterns")]
pub fn wilcoxon_signed_rank(differences: &[f64]) -> Option<f64> {
    let left: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if left.is_empty() || left.len() > WILCOXON_MAX {
        return None;
    }
    let sizes: Vec<f64> = left.iter().map(|d| d.abs()).collect();
    // Average ranks are multiples of one half, so doubled ranks are whole.
    let doubled: Vec<usize> = ranks(&sizes).iter().map(|rank| whole(2.0 * rank)).collect();
    let total: usize = doubled.iter().sum();
    let positive: usize =
        doubled.iter().zip(&left).filter(|(_, d)| **d > 0.0).map(|(rank, _)| rank).sum();
    let extreme = positive.min(total - positive);

    // patterns[s]: sign patterns whose positive ranks add up to s.
    let mut patterns = vec![0_u64; total + 1];
    patterns[0] = 1;
    for &rank in &doubled {
        for sum in (rank..=total).rev() {
            patterns[sum] += patterns[sum - rank];
        }
    }
    let tail: u64 = patterns[..=extreme].iter().sum();
    let all = (1_u64 << left.len()) as f64;
    Some((2.0 * tail as f64 / all).min(1.0))
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

/// A small whole number that was kept as a float.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "doubled ranks are whole and at most 50"
)]
fn whole(x: f64) -> usize {
    x as usize
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

    #[test]
    fn five_seeds_cannot_reach_five_percent_and_six_can() {
        assert_eq!(wilcoxon_signed_rank(&[0.1, 0.2, 0.3, 0.4, 0.5]), Some(0.0625));
        assert_eq!(wilcoxon_signed_rank(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), Some(0.031_25));
        assert_eq!(wilcoxon_signed_rank(&[0.0, 0.0]), None);
        assert_eq!(wilcoxon_signed_rank(&[1.0, -1.0]), Some(1.0));
    }
}
