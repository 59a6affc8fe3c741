//! How far two evaluators agree on the genotypes that both scored: `agreement.json` in a `trials`
//! artifact of genotypes scored again.

use serde::{Deserialize, Serialize};

use super::Ranked;
use crate::statistics;

/// Name of the file.
pub const AGREEMENT_FILE: &str = "agreement.json";

/// How the scores before and now agree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Version of the format.
    pub format: u32,
    /// Genotypes scored twice.
    pub n: usize,
    /// Rank correlation; nothing when one side is constant or there are fewer than two.
    pub spearman: Option<f64>,
    /// Kendall's tau-b, likewise.
    pub kendall_tau_b: Option<f64>,
    /// The scores, in the order that the genotypes were ranked in.
    pub pairs: Vec<Pair>,
}

/// A genotype's two scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Canonical text.
    pub genotype: String,
    /// Mean score of its earlier trials.
    pub before: f64,
    /// Score now.
    pub now: f64,
}

impl Agreement {
    /// Compares the mean scores of `chosen` with those of `now`, in the same order.
    #[must_use]
    pub fn of(chosen: &[Ranked], now: &[f64]) -> Self {
        let before: Vec<f64> = chosen.iter().map(|ranked| ranked.mean_score).collect();
        let pair = |(ranked, &now): (&Ranked, &f64)| Pair {
            genotype: ranked.genotype.clone(),
            before: ranked.mean_score,
            now,
        };
        Self {
            format: 1,
            n: chosen.len(),
            spearman: statistics::spearman(&before, now),
            kendall_tau_b: statistics::kendall_tau_b(&before, now),
            pairs: chosen.iter().zip(now).map(pair).collect(),
        }
    }
}
