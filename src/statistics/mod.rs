//! Statistics of few numbers: description, rank correlation, intervals, tests, fronts.
//!
//! Everything is computed with `libm` in one fixed order, so a report has the same digits everywhere.
//! Knows nothing of trials or networks.

mod describe;
mod front;
mod interval;
mod medians;
mod rank;
mod test;

pub use describe::{deviation, expected_best, incumbents, mean, moving_average, quantile};
pub use front::{crowding, dominates, fronts, hypervolume, pareto_front};
pub use interval::{RESAMPLES, bootstrap_mean, bootstrap_spearman, wilson};
pub use medians::{Bar, Medians};
pub use rank::{kendall_tau_b, ranks, spearman};
pub use test::{PAIRS_MIN, Paired, WILCOXON_MAX, compare_pairs, holm, wilcoxon_signed_rank};
