//! The best genotypes of several searches, as `evaluate` and `retrain` choose them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ResultsError, Trial, TrialsCard, finished};

/// What genotypes are ranked by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The mean score: how good a network is, whatever it costs.
    #[default]
    Score,
    /// The mean reward: what the strategy was after, penalty for size included.
    Reward,
}

impl By {
    /// What the networks of searches with these cards are ranked by: what is `wanted`, else what their
    /// rewards say ([`TrialsCard::by`]).
    ///
    /// # Errors
    /// When rewards are to rank and are not of one kind.
    pub fn of<'a>(
        wanted: Option<Self>,
        cards: impl IntoIterator<Item = &'a TrialsCard>,
    ) -> Result<Self, ResultsError> {
        let cards: Vec<&TrialsCard> = cards.into_iter().collect();
        let is_one_kind = cards.windows(2).all(|pair| pair[0].reward == pair[1].reward);
        let by_reward = cards.iter().any(|card| card.by() == Self::Reward);
        match wanted {
            Some(Self::Score) => Ok(Self::Score),
            None if !by_reward => Ok(Self::Score),
            None | Some(Self::Reward) if is_one_kind => Ok(Self::Reward),
            None | Some(Self::Reward) => Err(ResultsError::MixedRewards),
        }
    }
}

/// A genotype with all that its trials say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// Canonical text.
    pub genotype: String,
    /// Mean score of its trials; a failed trial counts with its score, chance.
    pub mean_score: f64,
    /// Mean reward of its trials.
    pub mean_reward: f64,
    /// How many trials these are means of.
    pub trials: usize,
    /// Epochs behind the scores, the most of them.
    pub epochs: u64,
}

impl Ranked {
    /// What it is ranked by.
    #[must_use]
    pub fn value(&self, by: By) -> f64 {
        match by {
            By::Score => self.mean_score,
            By::Reward => self.mean_reward,
        }
    }
}

/// The `k` best genotypes of all `searches`: one entry for each canonical text, highest mean first, equal
/// means in the order of their text.
///
/// Means are summed in the order given, so callers pass searches sorted by coordinates.
#[must_use]
pub fn top(searches: &[Vec<Trial>], by: By, k: usize) -> Vec<Ranked> {
    let mut ranked = ranking(searches, by);
    ranked.truncate(k);
    ranked
}

/// All genotypes, best first; see [`top`].
#[must_use]
pub fn ranking<T: AsRef<[Trial]>>(searches: &[T], by: By) -> Vec<Ranked> {
    let mut known: BTreeMap<&str, Known> = BTreeMap::new();
    for trial in searches.iter().flat_map(|trials| finished(trials.as_ref())) {
        known.entry(&trial.genotype).or_default().add(trial);
    }
    let ranked = known.into_iter().map(|(genotype, known)| known.ranked(genotype));
    let mut ranked: Vec<Ranked> = ranked.collect();
    // The sort is stable and the map gave texts in order, so ties stay in the order of their text.
    ranked.sort_by(|a, b| b.value(by).total_cmp(&a.value(by)));
    ranked
}

/// What is known of one genotype: sums over the trials of its longest training.
#[derive(Default)]
struct Known {
    fidelity: u64,
    score: f64,
    reward: f64,
    trials: usize,
    epochs: u64,
}

impl Known {
    /// Lower rungs were scored after fewer epochs: a longer training of the same network replaces them, also
    /// one in another search. What has no rung was trained in full.
    fn add(&mut self, trial: &Trial) {
        let fidelity = trial.rung.map_or(u64::MAX, |_| trial.epochs_scored());
        if fidelity > self.fidelity {
            *self = Self { fidelity, ..Self::default() };
        }
        if fidelity == self.fidelity {
            self.score += trial.score;
            self.reward += trial.reward;
            self.trials += 1;
            self.epochs = self.epochs.max(trial.epochs_scored());
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^53")]
    fn ranked(self, genotype: &str) -> Ranked {
        Ranked {
            genotype: genotype.to_owned(),
            mean_score: self.score / self.trials as f64,
            mean_reward: self.reward / self.trials as f64,
            trials: self.trials,
            epochs: self.epochs,
        }
    }
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
            policy: None,
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
        let names: Vec<String> =
            top(&searches, By::Score, 3).into_iter().map(|r| r.genotype).collect();
        assert_eq!(names, ["b", "c", "a"]);
        assert_eq!(top(&searches, By::Score, 9)[2].trials, 2);
        assert!((top(&searches, By::Score, 9)[2].mean_score - 0.7).abs() < 1e-12);
    }

    #[test]
    fn asking_for_more_than_there_is_gives_all() {
        assert_eq!(top(&[vec![trial("a", 0.9)]], By::Score, 10).len(), 1);
        assert!(top(&[], By::Score, 10).is_empty());
    }

    #[test]
    fn a_penalty_for_size_ranks_only_by_reward() {
        let large = Trial { reward: 0.4, ..trial("large", 0.9) };
        let searches = [vec![large, trial("small", 0.8)]];
        let names = |by| -> Vec<String> {
            top(&searches, by, 2).into_iter().map(|ranked| ranked.genotype).collect()
        };
        assert_eq!(names(By::Score), ["large", "small"]);
        assert_eq!(names(By::Reward), ["small", "large"]);
    }

    #[test]
    fn scores_after_unequal_epochs_are_never_averaged() {
        let rung = |rung: u64, epochs: u64, score: f64| Trial {
            rung: Some(rung),
            epochs,
            ..trial("a", score)
        };
        // In the one search it stayed at 1 epoch, in the other it came to 9.
        let searches = [vec![rung(0, 1, 0.2)], vec![rung(0, 1, 0.3), rung(1, 9, 0.8)]];
        for order in [[0, 1], [1, 0]] {
            let ranked = ranking(&order.map(|i: usize| &searches[i][..]), By::Score);
            assert!((ranked[0].mean_score - 0.8).abs() < 1e-12, "{ranked:?}");
            assert_eq!((ranked[0].trials, ranked[0].epochs), (1, 9));
        }
    }
}
