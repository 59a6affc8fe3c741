//! The curves of a run's searches and trainings, for `show`.

use std::fmt::Write as _;

use crate::artifact::ArtifactType;
use crate::cli::chart::chart;
use crate::digest::Digest;
use crate::results::{self, Epoch, ModelsSummary, Trial};
use crate::run::PastRunDetails;
use crate::store::Store;
use crate::wording;

/// Curves that are drawn; a study of a hundred searches is not looked at in a terminal.
const DRAWN: usize = 6;

/// Draws what the stages of a run made, as far as the store still has it.
pub(super) fn curves(details: &PastRunDetails, store: &Store) -> String {
    let mut text = String::new();
    let mut drawn = 0;
    for stage in &details.stages {
        let Some(fingerprint) = stage.fingerprint else { continue };
        let Ok(Some(record)) = store.record(&fingerprint) else { continue };
        for output in record.outputs.values() {
            let curve = match output.kind {
                ArtifactType::Trials => search(store, &output.tree),
                ArtifactType::Models => training(store, &output.tree),
                _ => None,
            };
            let Some((title, curve)) = curve else { continue };
            drawn += 1;
            if drawn <= DRAWN {
                _ = write!(text, "\n{}: {title}\n{curve}", stage.stage);
            }
        }
    }
    if drawn > DRAWN {
        _ = writeln!(text, "\n{}", wording::count(drawn - DRAWN, "more curve"));
    }
    text
}

/// Mean score of the latest trials, over a search.
fn search(store: &Store, tree: &Digest) -> Option<(String, String)> {
    let bytes = store.read(tree, results::TRIALS_FILE).ok()?;
    let trials = results::trials_in(&String::from_utf8_lossy(&bytes)).ok()?;
    let scores: Vec<f64> = results::finished(&trials).map(|trial: &Trial| trial.score).collect();
    let best = scores.iter().copied().fold(0.0, f64::max);
    let window = (scores.len() / 20).max(1);
    let over = match window {
        1 => "score of each trial".to_owned(),
        _ => format!("mean score of the latest {window} trials"),
    };
    let title = format!("{over}, {}, best {best:.4}", wording::count(scores.len(), "trial"));
    Some((title, chart(&moving_mean(&scores, window))?))
}

/// Means of the latest `window` numbers, at each of them that has as many.
#[expect(clippy::cast_precision_loss, reason = "a window of trials")]
fn moving_mean(numbers: &[f64], window: usize) -> Vec<f64> {
    numbers.windows(window).map(|part| part.iter().sum::<f64>() / window as f64).collect()
}

/// Accuracy over the epochs of the chosen network.
fn training(store: &Store, tree: &Digest) -> Option<(String, String)> {
    let summary = store.read(tree, results::SUMMARY_FILE).ok()?;
    let summary: ModelsSummary = serde_json::from_slice(&summary).ok()?;
    let folder = results::model_folder(summary.chosen_rank()?);
    let lines = store.read(tree, &format!("{folder}/{}", results::HISTORY_FILE)).ok()?;
    let lines = String::from_utf8_lossy(&lines);
    let epochs: Vec<Epoch> =
        lines.lines().map(serde_json::from_str).collect::<Result<_, _>>().ok()?;
    let validation: Vec<f64> = epochs.iter().filter_map(|epoch| epoch.validation).collect();
    let (what, curve) = if validation.len() == epochs.len() {
        ("validation accuracy", validation)
    } else {
        ("training accuracy", epochs.iter().map(|epoch| epoch.accuracy).collect())
    };
    let title = format!(
        "{what} of network {}, {}, test accuracy {:.4}",
        summary.chosen_rank()?,
        wording::count(epochs.len(), "epoch"),
        summary.chosen.test_accuracy
    );
    Some((title, chart(&curve)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_as_many_numbers_each() {
        assert_eq!(moving_mean(&[1.0, 3.0, 5.0, 3.0], 2), [2.0, 4.0, 4.0]);
        assert_eq!(moving_mean(&[1.0], 1), [1.0]);
    }
}
