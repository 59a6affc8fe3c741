//! `trials` artifacts: one trial a line in `trials.jsonl`, beside the card.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{CARD_FILE, ResultsError, TrialsCard};

/// Name of the file with a trial a line.
pub const TRIALS_FILE: &str = "trials.jsonl";

/// One trial: a genotype, evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Position in the search, from 0.
    pub trial: u64,
    /// Canonical text.
    pub genotype: String,
    /// What it is worth, 0 to 1: a validation accuracy, or what its evaluator makes of a measure in
    /// `measures`.
    pub score: f64,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What the controller learned from.
    pub reward: f64,
    /// Trainable parameters of the child network.
    pub parameters: u64,
    /// Multiply-adds of the child network for one image.
    pub multiply_adds: u64,
    /// Epochs trained.
    pub epochs: u64,
    /// Optimizer steps.
    pub steps: u64,
    /// Rung of its bracket, from 0, in a search at several fidelities. A network has a line for each rung
    /// that it reached, one after another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<u64>,
    /// Exploration rate when it was proposed (Q-learning).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// What the policy that drew it thought of it (REINFORCE, PPO).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyNote>,
    /// Validation accuracy after each epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<f64>,
    /// Raw values that its evaluator measured, by name; those that are not finite are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, f64>,
}

/// How a policy stood when it drew a network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PolicyNote {
    /// Logarithm of the network's probability, in nats. Its mean over draws is minus the policy's entropy.
    pub log_probability: f64,
    /// The reward that was expected, the moving average; nothing before the first reward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
}

impl Trial {
    /// Epochs behind its score: those of the last try, where a child was tried again with another learning
    /// rate; `epochs` has all that were charged.
    #[must_use]
    pub fn epochs_scored(&self) -> u64 {
        if self.curve.is_empty() { self.epochs } else { self.curve.len() as u64 }
    }
}

/// The lines of each network: one, or one for each rung that it reached.
pub fn by_network(trials: &[Trial]) -> impl Iterator<Item = &[Trial]> {
    trials.chunk_by(|line, next| next.rung.is_some() && next.trial == line.trial)
}

/// The last line of each network: what is known of it in the end.
pub fn finished(trials: &[Trial]) -> impl Iterator<Item = &Trial> {
    by_network(trials).filter_map(<[Trial]>::last)
}

/// A whole `trials` artifact in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Trials {
    /// What they share.
    pub card: TrialsCard,
    /// In the order of the search.
    pub trials: Vec<Trial>,
}

impl Trials {
    /// Reads the artifact in `folder`.
    ///
    /// # Errors
    /// When a file is missing, of another format, or a line is not a trial with a finite score.
    pub fn read(folder: &Path) -> Result<Self, ResultsError> {
        let card = TrialsCard::read(&folder.join(CARD_FILE))?;
        let path = folder.join(TRIALS_FILE);
        let text = read_text(&path)?;
        let trials = trials_in(&text).map_err(|(line, reason)| ResultsError::Malformed {
            path,
            line,
            reason,
        })?;
        Ok(Self { card, trials })
    }
}

/// The trials of a [`TRIALS_FILE`]'s text, a line each.
///
/// # Errors
/// The first line (from 1) that is no trial with a score between 0 and 1, and why.
pub fn trials_in(text: &str) -> Result<Vec<Trial>, (usize, String)> {
    let trial = |line| {
        let trial: Trial = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if (0.0..=1.0).contains(&trial.score) {
            Ok(trial)
        } else {
            Err(format!("score {} is not between 0 and 1", trial.score))
        }
    };
    (1..).zip(text.lines()).map(|(number, line)| trial(line).map_err(|why| (number, why))).collect()
}

impl Trial {
    /// The trial as a line of [`TRIALS_FILE`], newline included.
    ///
    /// # Panics
    /// Never: a trial always serializes.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line =
            serde_json::to_string(self).expect("a trial has nothing but text and numbers");
        line.push('\n');
        line
    }
}

fn read_text(path: &Path) -> Result<String, ResultsError> {
    fs::read_to_string(path).map_err(|source| ResultsError::Io {
        action: "cannot read",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Shape;
    use crate::results::{TRIALS_FORMAT, write_card};

    fn card() -> TrialsCard {
        TrialsCard {
            format: TRIALS_FORMAT,
            space: serde_json::json!({"kind": "chain"}),
            strategy: serde_json::json!({"kind": "random"}),
            evaluator: serde_json::json!({"kind": "mock"}),
            reward: serde_json::json!({"power": 1.0}),
            fidelity: serde_json::Value::Null,
            batch: Some(1),
            budget: serde_json::json!({"trials": 2}),
            seed: Some(0),
            choice: serde_json::Value::Null,
            image: Shape { channels: 3, height: 32, width: 32 },
            classes: 10,
            mock: true,
        }
    }

    fn write(card: &TrialsCard, lines: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        write_card(folder.path(), card).unwrap();
        fs::write(folder.path().join(TRIALS_FILE), lines).unwrap();
        folder
    }

    fn trial(score: f64) -> Trial {
        Trial {
            trial: 0,
            genotype: "[SM(10)]".to_owned(),
            score,
            failure: None,
            reward: score,
            parameters: 30_730,
            multiply_adds: 30_720,
            epochs: 1,
            steps: 0,
            epsilon: Some(0.1),
            policy: Some(PolicyNote { log_probability: -8.5, baseline: Some(0.25) }),
            rung: None,
            curve: vec![],
            measures: BTreeMap::from([("synflow".to_owned(), 41.25)]),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = write(&card(), &trial(0.25).line().repeat(2));
        let read = Trials::read(folder.path()).unwrap();
        assert_eq!(read, Trials { card: card(), trials: vec![trial(0.25); 2] });
    }

    #[test]
    fn a_line_that_is_no_trial_is_named() {
        let good = trial(0.25).line();
        for bad in ["{", "{}", &trial(1.5).line()] {
            let folder = write(&card(), &format!("{good}{bad}"));
            let error = Trials::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains("trials.jsonl` line 2: "), "{error}");
        }
    }
}
