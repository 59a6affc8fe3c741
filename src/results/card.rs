//! `card.json` of a `trials` artifact: how its trials came about.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{By, ResultsError};
use crate::net::Shape;

/// Version of the format of a `trials` artifact's files.
///
/// 2: reward, fidelity, batch, budget, seed and choice in the card. Cards of 1 are read without them.
pub const TRIALS_FORMAT: u32 = 2;

/// Name of the card's file.
pub const CARD_FILE: &str = "card.json";

/// What all trials of an artifact share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialsCard {
    /// Version of the format.
    pub format: u32,
    /// Search space by name and its bound parameters.
    pub space: Value,
    /// Strategy by name and its bound parameters; [`SEVERAL`] where searches by different ones were
    /// scored again.
    pub strategy: Value,
    /// Evaluator by name and its bound parameters.
    pub evaluator: Value,
    /// How rewards follow from evaluations; null where trials of different rewards were scored again.
    #[serde(default)]
    pub reward: Value,
    /// Budgets of several fidelities; null where all networks got the same.
    #[serde(default)]
    pub fidelity: Value,
    /// Networks proposed before any of their scores was known, in a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
    /// When the search had to end, in a search.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub budget: Value,
    /// The stage's own `seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Which genotypes were scored again and how often, where they were.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub choice: Value,
    /// Shape of the images.
    pub image: Shape,
    /// Number of classes.
    pub classes: usize,
    /// Whether scores are made up (`mock`).
    pub mock: bool,
}

/// The strategy of trials that several strategies proposed.
pub const SEVERAL: &str = "several";

impl TrialsCard {
    /// What its networks are ranked by where nobody says otherwise: the reward when size has a part in it,
    /// else the score, which stays comparable between searches.
    #[must_use]
    pub fn by(&self) -> By {
        match self.reward.get("cost") {
            None | Some(Value::Null) => By::Score,
            Some(_) => By::Reward,
        }
    }

    /// Whether the numbers of both are of one protocol, so that they may be compared and averaged: one
    /// evaluator, space, fidelity and reward.
    #[must_use]
    pub fn is_comparable_to(&self, other: &Self) -> bool {
        let protocol = |card: &Self| {
            let Self { evaluator, space, fidelity, reward, mock, .. } = card.clone();
            (evaluator, space, fidelity, reward, mock)
        };
        protocol(self) == protocol(other)
    }

    /// Reads the card at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, ResultsError> {
        let text = fs::read_to_string(path).map_err(|source| ResultsError::Io {
            action: "cannot read",
            path: path.to_owned(),
            source,
        })?;
        let card: Self = serde_json::from_str(&text).map_err(|e| ResultsError::Malformed {
            path: path.to_owned(),
            line: e.line(),
            reason: e.to_string(),
        })?;
        if (1..=TRIALS_FORMAT).contains(&card.format) {
            Ok(card)
        } else {
            Err(ResultsError::Format {
                path: path.to_owned(),
                found: card.format,
                known: TRIALS_FORMAT,
            })
        }
    }
}

/// The word that a card's entry is known by: its `kind`, itself when it is text, else its first key.
#[must_use]
pub fn word(entry: &Value) -> &str {
    match entry {
        Value::String(text) => text,
        Value::Object(map) => match map.get("kind").or_else(|| map.get("name")) {
            Some(Value::String(text)) => text,
            _ => map.keys().next().map_or("unnamed", String::as_str),
        },
        _ => "unnamed",
    }
}

/// Writes `card` into `folder`.
pub fn write_card(folder: &Path, card: &TrialsCard) -> Result<(), ResultsError> {
    let path = folder.join(CARD_FILE);
    let mut text = serde_json::to_string_pretty(card).expect("a card has text keys only");
    text.push('\n');
    fs::write(&path, text).map_err(|source| ResultsError::Io {
        action: "cannot write",
        path,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OLD: &str = r#"{
        "format": 1, "space": {"chain": {}}, "strategy": "random", "evaluator": {"mock": {}},
        "image": {"channels": 3, "height": 32, "width": 32}, "classes": 10, "mock": true
    }"#;

    fn read(text: &str) -> Result<TrialsCard, ResultsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CARD_FILE);
        fs::write(&path, text).unwrap();
        TrialsCard::read(&path)
    }

    #[test]
    fn a_card_entry_is_known_by_its_kind() {
        assert_eq!(word(&json!({ "filters": [16], "kind": "chain" })), "chain");
        assert_eq!(word(&json!("random")), "random");
        assert_eq!(word(&json!({ "q_learning": {} })), "q_learning");
    }

    #[test]
    fn a_card_of_format_1_is_read_without_what_it_did_not_say() {
        let card = read(OLD).unwrap();
        assert_eq!((card.batch, card.seed), (None, None));
        assert!(
            [&card.reward, &card.fidelity, &card.budget, &card.choice].map(Value::is_null)
                == [true; 4]
        );
        assert_eq!(card.by(), By::Score);
    }

    #[test]
    fn a_card_of_a_later_format_is_refused() {
        let error = read(&OLD.replace("\"format\": 1", "\"format\": 3")).unwrap_err().to_string();
        assert!(error.contains("has format 3, this version reads 2"), "{error}");
    }

    #[test]
    fn only_a_reward_with_a_cost_ranks() {
        let by = |reward: Value| TrialsCard { reward, ..read(OLD).unwrap() }.by();
        assert_eq!(by(json!({ "power": 3.0, "cost": null })), By::Score);
        assert_eq!(by(json!({ "cost": { "measure": "parameters", "target": 9 } })), By::Reward);
    }

    #[test]
    fn a_protocol_is_evaluator_space_fidelity_and_reward() {
        let card = || read(OLD).unwrap();
        let other_strategy =
            TrialsCard { strategy: json!("ppo"), seed: Some(4), batch: Some(8), ..card() };
        assert!(card().is_comparable_to(&other_strategy));
        for other in [
            TrialsCard { fidelity: json!({ "hyperband": { "epochs_max": 9 } }), ..card() },
            TrialsCard { reward: json!({ "power": 3.0 }), ..card() },
            TrialsCard { evaluator: json!({ "mock": { "epochs": 5 } }), ..card() },
            TrialsCard { space: json!({ "chain": { "layers_max": 3 } }), ..card() },
        ] {
            assert!(!card().is_comparable_to(&other), "{other:?}");
        }
    }
}
