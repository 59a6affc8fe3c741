//! The best genotypes of several searches, as `evaluate` and `retrain` choose them.

use std::collections::BTreeMap;

use super::{Trial, finished};

/// A genotype with all that its trials say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Canonical text.
    pub genotype: String,
    /// Mean score of its trials; a failed trial counts with its score, chance.
    pub mean_score: f64,
    /// How many trials proposed it.
    pub trials: usize,
}

/// The `k` best genotypes of all `searches`: one entry for each canonical text, highest mean score
/// first, equal means in the order of their text.
///
/// Means are summed in the order given, so callers pass searches sorted by coordinates.
#[must_use]
pub fn top(searches: &[Vec<Trial>], k: usize) -> Vec<Ranked> {
    let mut ranked = ranking(searches);
    ranked.truncate(k);
    ranked
}

/// All genotypes, best first; see [`top`].
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^53")]
pub fn ranking<T: AsRef<[Trial]>>(searches: &[T]) -> Vec<Ranked> {
    let mut sums: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    // Lower rungs were scored after fewer epochs: only a network's last one counts.
    for trial in searches.iter().flat_map(|trials| finished(trials.as_ref())) {
        let (sum, count) = sums.entry(&trial.genotype).or_default();
        *sum += trial.score;
        *count += 1;
    }
    let mut ranked: Vec<Ranked> = sums
        .into_iter()
        .map(|(genotype, (sum, trials))| Ranked {
            genotype: genotype.to_owned(),
            mean_score: sum / trials as f64,
            trials,
        })
        .collect();
    // The sort is stable and the map gave texts in order, so ties stay in the order of their text.
    ranked.sort_by(|a, b| b.mean_score.total_cmp(&a.mean_score));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(genotype: &str, score: f64) -> Trial {
        Trial {
            trial: 0,
            genotype: genotype.to_owned(),
            score,
            failure: None,
            reward: score,
            parameters: 0,
            multiply_adds: 0,
            epochs: 0,
            steps: 0,
            epsilon: None,
            rung: None,
            curve: Vec::new(),
            measures: BTreeMap::new(),
        }
    }

    #[test]
    fn equal_texts_are_one_entry_ranked_by_their_mean() {
        let searches = [
            vec![trial("a", 0.9), trial("b", 0.8)],
            vec![trial("a", 0.5), trial("c", 0.8), trial("d", 0.1)],
        ];
        let names: Vec<String> = top(&searches, 3).into_iter().map(|r| r.genotype).collect();
        assert_eq!(names, ["b", "c", "a"]);
        assert_eq!(top(&searches, 9)[2].trials, 2);
        assert!((top(&searches, 9)[2].mean_score - 0.7).abs() < 1e-12);
    }

    #[test]
    fn asking_for_more_than_there_is_gives_all() {
        assert_eq!(top(&[vec![trial("a", 0.9)]], 10).len(), 1);
        assert!(top(&[], 10).is_empty());
    }
}
