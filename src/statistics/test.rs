//! Tests of paired differences, and what several tests at once are worth.

use super::ranks;

/// Largest number of differences for which [`wilcoxon_signed_rank`] counts all sign patterns.
pub const WILCOXON_MAX: usize = 25;

/// Fewest pairs that are tested at all: five of one sign have a two-sided p of 0.0625, so with fewer
/// than six no result can be significant at 5 %, and a p-value would only mislead.
pub const PAIRS_MIN: usize = 6;

/// A paired comparison of two methods over repeats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// Mean of the differences, first minus second.
    pub difference: f64,
    /// Two-sided p of the exact Wilcoxon signed-rank test; nothing under [`PAIRS_MIN`] pairs, or when
    /// all differences are zero.
    pub p: Option<f64>,
}

/// Compares two methods whose `i`-th repeats shared their seed. Nothing without pairs.
///
/// # Panics
/// When the sides differ in length.
#[must_use]
pub fn compare_pairs(first: &[f64], second: &[f64]) -> Option<Paired> {
    assert_eq!(first.len(), second.len(), "BUG: a paired comparison needs pairs");
    let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| a - b).collect();
    let difference = super::mean(&differences)?;
    let enough = differences.len() >= PAIRS_MIN;
    Some(Paired { difference, p: enough.then(|| wilcoxon_signed_rank(&differences)).flatten() })
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

/// Holm's adjusted p-values (Holm 1979), in the order given: what is left of each when all are looked at.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a handful of comparisons")]
pub fn holm(ps: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ps.len()).collect();
    order.sort_by(|&a, &b| ps[a].total_cmp(&ps[b]));
    let mut adjusted = vec![0.0; ps.len()];
    let mut largest = 0.0_f64;
    for (place, &i) in order.iter().enumerate() {
        largest = largest.max(ps[i] * (ps.len() - place) as f64).min(1.0);
        adjusted[i] = largest;
    }
    adjusted
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

    #[test]
    fn five_seeds_cannot_reach_five_percent_and_six_can() {
        assert_eq!(wilcoxon_signed_rank(&[0.1, 0.2, 0.3, 0.4, 0.5]), Some(0.0625));
        assert_eq!(wilcoxon_signed_rank(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), Some(0.031_25));
        assert_eq!(wilcoxon_signed_rank(&[0.0, 0.0]), None);
        assert_eq!(wilcoxon_signed_rank(&[1.0, -1.0]), Some(1.0));
    }

    #[test]
    fn the_count_of_patterns_equals_their_enumeration() {
        // Every sign pattern of ranks with a tie, the slow obvious way.
        let differences = [0.4, -0.1, 0.3, 0.3, -0.7, 0.9, 0.2];
        let sizes: Vec<f64> = differences.iter().map(|d: &f64| d.abs()).collect();
        let ranks = ranks(&sizes);
        let sum = |positive: &dyn Fn(usize) -> bool| -> f64 {
            (0..ranks.len()).filter(|&i| positive(i)).map(|i| ranks[i]).sum()
        };
        let total: f64 = ranks.iter().sum();
        let seen = sum(&|i| differences[i] > 0.0);
        let extreme = seen.min(total - seen);
        let tail = (0..1_u32 << ranks.len())
            .filter(|pattern| sum(&|i| pattern >> i & 1 == 1) <= extreme)
            .count();
        let all = f64::from(1_u32 << ranks.len());
        let p = 2.0 * f64::from(u32::try_from(tail).unwrap()) / all;
        assert!((wilcoxon_signed_rank(&differences).unwrap() - p).abs() < 1e-12);
    }

    #[test]
    fn holm_multiplies_by_what_is_left_and_never_falls() {
        let adjusted = holm(&[0.04, 0.01, 0.03]);
        let expected = [0.06, 0.03, 0.06];
        assert!(adjusted.iter().zip(expected).all(|(a, e)| (a - e).abs() < 1e-12), "{adjusted:?}");
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn too_few_pairs_get_a_difference_and_no_p() {
        let few = compare_pairs(&[1.0; 5], &[0.0; 5]).unwrap();
        assert_eq!(few, Paired { difference: 1.0, p: None });
        assert_eq!(compare_pairs(&[1.0; 6], &[0.0; 6]).unwrap().p, Some(0.031_25));
        assert_eq!(compare_pairs(&[], &[]), None);
    }
}
