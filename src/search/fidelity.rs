//! Budgets of several fidelities: many networks for few epochs, the best of them for more.
//!
//! Only the arithmetic: which networks, for how many epochs. Who trains them is not known here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statistics::{Bar, Medians};

/// How many networks are trained for how long, before the best of them go on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(tag = "kind")]
pub enum FidelityConfig {
    /// One bracket over and over: after each rung the best go on, for `eta` times the epochs (Jamieson
    /// and Talwalkar 2016).
    SuccessiveHalving {
        /// Networks that a bracket begins with.
        #[schemars(range(min = 2, max = 1_000_000))]
        networks: u64,
        /// Epochs of the first rung.
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 100_000))]
        epochs_min: u64,
        /// Epochs of the last rung at most.
        #[schemars(range(min = 1, max = 100_000))]
        epochs_max: u64,
        /// One of so many goes on.
        #[serde(default = "three")]
        #[schemars(range(min = 2, max = 100))]
        eta: u64,
    },
    /// Brackets that begin with many networks for few epochs, then fewer for more, over and over (Li et al.
    /// 2018).
    Hyperband {
        /// Epochs of every bracket's last rung.
        #[schemars(range(min = 1, max = 100_000))]
        epochs_max: u64,
        /// One of so many goes on.
        #[serde(default = "three")]
        #[schemars(range(min = 2, max = 100))]
        eta: u64,
        /// How many networks a bracket begins with.
        #[serde(default)]
        formula: Formula,
    },
    /// A training whose best accuracy so far is below the median of the finished ones, each by its mean up to
    /// the same epoch, ends there (Golovin et al. 2017).
    MedianStopping {
        /// Epochs that every network is trained for.
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 100_000))]
        epochs_min: u64,
        /// Networks that are trained to their end before any is stopped.
        #[serde(default = "five")]
        #[schemars(range(min = 1, max = 1_000_000))]
        networks_min: u64,
    },
}

fn one() -> u64 {
    1
}

fn three() -> u64 {
    3
}

fn five() -> u64 {
    5
}

/// Hyperband's number of networks in bracket `s` of `s_max + 1`: both formulas are in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Formula {
    /// `floor((s_max + 1) / (s + 1)) eta^s`: the printed table of Li et al. 2018, and `HpBandSter`.
    #[default]
    Table,
    /// `ceil((s_max + 1) eta^s / (s + 1))`: algorithm 1 of Li et al. 2018, and NNI.
    Ceil,
}

/// A rung of a bracket: so many networks, each trained for so many epochs from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// Networks.
    pub networks: u64,
    /// Epochs of each.
    pub epochs: u64,
}

/// The rungs of a bracket, from many networks to few.
pub type Bracket = Vec<Rung>;

impl FidelityConfig {
    /// The brackets, which are worked through in this order and then again; none where networks are not
    /// trained in rungs.
    #[must_use]
    pub fn brackets(&self) -> Vec<Bracket> {
        match *self {
            Self::SuccessiveHalving { networks, epochs_min, epochs_max, eta } => {
                vec![halving(networks, epochs_min, epochs_max, eta)]
            }
            Self::Hyperband { epochs_max, eta, formula } => hyperband(epochs_max, eta, formula),
            Self::MedianStopping { .. } => Vec::new(),
        }
    }

    /// What the next networks must reach by each epoch, after those in `medians`; none without such a rule,
    /// and a low one while there are too few of them.
    #[must_use]
    pub fn bar(&self, medians: &Medians) -> Bar {
        match *self {
            Self::MedianStopping { epochs_min, networks_min }
                if medians.curves() as u64 >= networks_min =>
            {
                medians.bar(epochs_min)
            }
            Self::MedianStopping { .. } => Bar::low(),
            Self::SuccessiveHalving { .. } | Self::Hyperband { .. } => Bar::default(),
        }
    }

    /// What a schema cannot say of the values: the parameter and what is wrong with it.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, String)> {
        match *self {
            Self::SuccessiveHalving { epochs_min, epochs_max, .. } if epochs_min > epochs_max => {
                let text = format!("the first rung's {epochs_min} epochs are above {epochs_max}");
                vec![("epochs_min", text)]
            }
            _ => Vec::new(),
        }
    }
}

/// `networks` at `epochs_min`, then a share of one in `eta` at `eta` times the epochs, while there is a
/// network left and the epochs stay within `epochs_max`.
fn halving(networks: u64, epochs_min: u64, epochs_max: u64, eta: u64) -> Bracket {
    let mut rung = Rung { networks, epochs: epochs_min };
    let mut bracket = vec![rung];
    loop {
        rung = Rung { networks: rung.networks / eta, epochs: rung.epochs.saturating_mul(eta) };
        if rung.networks == 0 || rung.epochs > epochs_max {
            return bracket;
        }
        bracket.push(rung);
    }
}

/// Hyperband's brackets, `s_max` first. With `R = epochs_max`, bracket `s` trains its rung `i` for
/// `R eta^(i - s)` epochs, rounded down and at least one.
fn hyperband(epochs_max: u64, eta: u64, formula: Formula) -> Vec<Bracket> {
    // Whole arithmetic: a logarithm in floating point would lose a bracket at 243 = 3^5.
    let s_max = epochs_max.ilog(eta);
    let bracket = |s: u32| -> Bracket {
        let (all, share, power) = (u64::from(s_max) + 1, u64::from(s) + 1, eta.pow(s));
        let networks = match formula {
            Formula::Table => all / share * power,
            Formula::Ceil => (all * power).div_ceil(share),
        };
        let rung = |i: u32| Rung {
            networks: networks / eta.pow(i),
            epochs: (epochs_max / eta.pow(s - i)).max(1),
        };
        (0..=s).map(rung).filter(|rung| rung.networks > 0).collect()
    };
    (0..=s_max).rev().map(bracket).collect()
}

/// The places of the `count` best scores, best first; of equal scores the earlier one.
///
/// # Panics
/// When a score is not a number.
#[must_use]
pub fn promoted(scores: &[f64], count: usize) -> Vec<usize> {
    assert!(scores.iter().all(|score| !score.is_nan()), "BUG: a score that is no number");
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    order.truncate(count);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(brackets: &[Bracket]) -> u64 {
        brackets.iter().flatten().map(|rung| rung.networks * rung.epochs).sum()
    }

    #[test]
    fn both_formulas_cost_what_their_tables_say() {
        let of = |formula| FidelityConfig::Hyperband { epochs_max: 81, eta: 3, formula }.brackets();
        assert_eq!((total(&of(Formula::Table)), total(&of(Formula::Ceil))), (1701, 1902));
        let starts: Vec<u64> = of(Formula::Ceil).iter().map(|b| b[0].networks).collect();
        assert_eq!(starts, [81, 34, 15, 8, 5]);
    }

    #[test]
    fn a_power_of_eta_has_all_its_brackets() {
        for (epochs_max, eta, brackets) in [(243, 3, 6), (1000, 10, 4), (1, 3, 1), (80, 3, 4)] {
            let config = FidelityConfig::Hyperband { epochs_max, eta, formula: Formula::Table };
            assert_eq!(config.brackets().len(), brackets, "R = {epochs_max}, eta = {eta}");
        }
    }

    #[test]
    fn halving_stops_at_the_last_network_or_the_most_epochs() {
        let rungs = |networks, epochs_max| -> Vec<(u64, u64)> {
            let bracket = halving(networks, 1, epochs_max, 3);
            bracket.iter().map(|rung| (rung.networks, rung.epochs)).collect()
        };
        assert_eq!(rungs(9, 100), [(9, 1), (3, 3), (1, 9)]);
        assert_eq!(rungs(9, 8), [(9, 1), (3, 3)]);
        assert_eq!(rungs(2, 100), [(2, 1)]);
    }

    #[test]
    fn of_equal_scores_the_earlier_is_promoted() {
        assert_eq!(promoted(&[0.5, 0.9, 0.5, 0.1], 2), [1, 0]);
        assert_eq!(promoted(&[0.5], 3), [0]);
    }
}
