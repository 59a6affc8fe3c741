//! Rankings: trials with one canonical text are one network, ranked by mean score or reward.
//!
//! Only scores of one protocol are ever averaged ([`TrialsCard::is_comparable_to`]): a made-up score and a
//! trained one, or two trainings of different length, do not measure the same thing.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::findings::{Findings, Search};
use super::meaning::Meaning;
use crate::results::{self, By, Trial};
use crate::statistics;

/// All networks that were scored by one protocol.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranking {
    /// The evaluator's entry in the cards.
    pub(super) evaluator: Value,
    /// The space's entry in the cards.
    pub(super) space: Value,
    /// The budgets of several fidelities in the cards; null without.
    pub(super) fidelity: Value,
    /// What the scores are.
    pub(super) meaning: Meaning,
    /// What ranks.
    pub(super) by: By,
    /// Best first; ties by canonical text.
    pub(super) networks: Vec<Ranked>,
    /// Trials behind them, failed ones included.
    pub(super) trials: usize,
    /// Trials that failed; they count with their score, chance, as in every choice by rank.
    pub(super) failures: usize,
}

/// A network in a ranking.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranked {
    pub(super) genotype: String,
    /// Mean over its trials.
    pub(super) score: f64,
    /// Mean over its trials.
    pub(super) reward: f64,
    pub(super) trials: usize,
    /// Epochs behind the score.
    pub(super) epochs: u64,
    pub(super) parameters: u64,
    pub(super) multiply_adds: u64,
    /// Raw values that its evaluator measured, by name: means over the trials that have them.
    pub(super) measures: BTreeMap<String, f64>,
}

/// One ranking for each protocol; real scores before made-up ones, else in the order
/// of the inputs.
pub(super) fn rankings(findings: &Findings) -> Vec<Ranking> {
    let mut groups: Vec<Vec<&Search>> = Vec::new();
    for search in &findings.searches {
        let alike = |group: &&mut Vec<&Search>| group[0].card.is_comparable_to(&search.card);
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(search),
            None => groups.push(vec![search]),
        }
    }
    let mut rankings: Vec<Ranking> = groups.iter().map(|group| rank(group)).collect();
    rankings.sort_by_key(|ranking| ranking.meaning.is_untrained());
    rankings
}

fn rank(group: &[&Search]) -> Ranking {
    let card = &group[0].card;
    let trials: Vec<&[Trial]> = group.iter().map(|search| search.trials.as_slice()).collect();
    let all = || trials.iter().copied().flatten();
    let mut sizes: HashMap<&str, (u64, u64)> = HashMap::new();
    for trial in all() {
        sizes.entry(&trial.genotype).or_insert((trial.parameters, trial.multiply_adds));
    }
    let mut measured: HashMap<&str, BTreeMap<&String, Vec<f64>>> = HashMap::new();
    for trial in all().filter(|trial| !trial.measures.is_empty()) {
        let known = measured.entry(&trial.genotype).or_default();
        for (name, value) in &trial.measures {
            known.entry(name).or_default().push(*value);
        }
    }
    let means = |genotype: &str| -> BTreeMap<String, f64> {
        let known = measured.get(genotype).into_iter().flatten();
        known.filter_map(|(&name, all)| Some((name.clone(), statistics::mean(all)?))).collect()
    };
    let ranked = |one: results::Ranked| {
        let (parameters, multiply_adds) = sizes[one.genotype.as_str()];
        Ranked {
            measures: means(&one.genotype),
            genotype: one.genotype,
            score: one.mean_score,
            reward: one.mean_reward,
            trials: one.trials,
            epochs: one.epochs,
            parameters,
            multiply_adds,
        }
    };
    Ranking {
        evaluator: card.evaluator.clone(),
        space: card.space.clone(),
        fidelity: card.fidelity.clone(),
        meaning: Meaning::of(card),
        by: card.by(),
        networks: results::ranking(&trials, card.by()).into_iter().map(ranked).collect(),
        trials: all().count(),
        failures: all().filter(|trial| trial.failure.is_some()).count(),
    }
}

/// Best score so far after each trial; a failed trial betters nothing.
pub(super) fn incumbents(trials: &[Trial]) -> Vec<Option<f64>> {
    incumbents_after(trials, 0)
}

/// The same among the trials with at least so many `epochs` behind their score.
pub(super) fn incumbents_after(trials: &[Trial], epochs: u64) -> Vec<Option<f64>> {
    let counts = |trial: &Trial| trial.failure.is_none() && trial.epochs_scored() >= epochs;
    let score = |trial: &Trial| counts(trial).then_some(trial.score);
    let scores: Vec<f64> =
        trials.iter().map(|trial| score(trial).unwrap_or(f64::NEG_INFINITY)).collect();
    let best = statistics::incumbents(&scores).into_iter();
    best.map(|best| Some(best).filter(|best| best.is_finite())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Coordinates;
    use crate::net::Shape;
    use crate::results::TrialsCard;
    use serde_json::json;

    fn trial(genotype: &str, score: f64, failure: Option<&str>) -> Trial {
        Trial {
            trial: 0,
            genotype: genotype.to_owned(),
            score,
            failure: failure.map(str::to_owned),
            reward: score,
            parameters: 1,
            multiply_adds: 1,
            epochs: 0,
            steps: 0,
            epsilon: None,
            policy: None,
            rung: None,
            curve: Vec::new(),
            measures: std::collections::BTreeMap::new(),
        }
    }

    fn search(evaluator: &str, trials: Vec<Trial>) -> Search {
        let card = TrialsCard {
            format: results::TRIALS_FORMAT,
            space: json!("chain"),
            strategy: json!("random"),
            evaluator: json!(evaluator),
            reward: Value::Null,
            fidelity: Value::Null,
            batch: None,
            budget: Value::Null,
            seed: None,
            choice: Value::Null,
            image: Shape { channels: 1, height: 28, width: 28 },
            classes: 10,
            mock: evaluator == "mock",
        };
        let coordinates = Coordinates::default();
        let charged = vec![0; trials.len()];
        Search { label: String::new(), coordinates, card, trials, charged, agreement: None }
    }

    #[test]
    fn one_canonical_text_is_one_network_with_its_mean() {
        let trials = vec![trial("a", 0.5, None), trial("b", 0.6, None), trial("a", 0.9, None)];
        let findings = Findings { searches: vec![search("train", trials)], ..Findings::default() };
        let networks = &rankings(&findings)[0].networks;
        let shown: Vec<_> =
            networks.iter().map(|n| (n.genotype.as_str(), n.score, n.trials)).collect();
        assert_eq!(shown, [("a", 0.7, 2), ("b", 0.6, 1)]);
    }

    #[test]
    fn scores_of_different_evaluators_never_meet() {
        let searches = vec![
            search("mock", vec![trial("a", 0.99, None)]),
            search("train", vec![trial("a", 0.5, None), trial("b", 0.1, Some("diverged"))]),
        ];
        let rankings = rankings(&Findings { searches, ..Findings::default() });
        let shown: Vec<_> =
            rankings.iter().map(|r| (r.meaning, r.networks.len(), r.failures)).collect();
        assert_eq!(shown, [(Meaning::Accuracy, 2, 1), (Meaning::Mock, 1, 0)]);
    }

    #[test]
    fn a_short_training_is_no_incumbent_among_long_ones() {
        let after = |epochs, score| Trial { epochs, ..trial("a", score, None) };
        let trials = [after(9, 0.2), after(1, 0.9), after(9, 0.4)];
        assert_eq!(incumbents_after(&trials, 9), [Some(0.2), Some(0.2), Some(0.4)]);
    }

    #[test]
    fn a_failed_trial_is_no_incumbent() {
        let trials = [trial("a", 0.9, Some("x")), trial("b", 0.2, None), trial("c", 0.1, None)];
        assert_eq!(incumbents(&trials), [None, Some(0.2), Some(0.2)]);
    }

    #[test]
    fn scores_of_different_fidelities_never_meet_either() {
        let mut halved = search("train", vec![trial("a", 0.2, None)]);
        halved.card.fidelity = json!({ "hyperband": { "epochs_max": 9 } });
        let searches = vec![search("train", vec![trial("a", 0.8, None)]), halved];
        let rankings = rankings(&Findings { searches, ..Findings::default() });
        let scores: Vec<f64> = rankings.iter().map(|ranking| ranking.networks[0].score).collect();
        assert_eq!(scores, [0.8, 0.2]);
    }

    #[test]
    fn a_reward_with_a_cost_ranks() {
        let large = Trial { reward: 0.3, ..trial("large", 0.9, None) };
        let mut search = search("train", vec![large, trial("small", 0.8, None)]);
        search.card.reward = json!({ "cost": { "measure": "parameters", "target": 1 } });
        let rankings = rankings(&Findings { searches: vec![search], ..Findings::default() });
        assert_eq!(
            (rankings[0].by, rankings[0].networks[0].genotype.as_str()),
            (By::Reward, "small")
        );
    }
}
