//! The exam: the one place that opens a test set, for networks whose training and ranks are settled.

use std::path::Path;

use super::finals::{Model, Trained};
use super::folder;
use super::mistakes::{self, Shown};
use crate::dataset::Testset;
use crate::results::{
    By, Chosen, MODELS_FORMAT, ModelSummary, ModelsSummary, Signature, model_folder,
};
use crate::stage::{Job, Outcome, StageError};
use crate::statistics::wilson;
use crate::train::{Examples, Scores, TrainError, predict};

/// Everything that is written.
pub(super) struct Results {
    models: Vec<Model>,
    summary: ModelsSummary,
    signature: Signature,
    /// Of the chosen network.
    mistakes: Vec<Shown>,
}

/// Opens the test set and lets all trained networks see it once. Takes the finals as they are: ranks
/// and choice were made before and are only copied here. The first `together` of those that could be
/// trained, or all, make the ensemble.
pub(super) fn sit(
    trained: Trained,
    together: Option<usize>,
    job: &Job<'_>,
) -> Result<Results, StageError> {
    let folder = job.input("test").expect("BUG: the port `test` takes exactly one");
    let test = Testset::open(folder).map_err(|error| StageError::caused_by(&error))?;
    let fits = test.card.image == trained.standard.shape()
        && test.card.classes == trained.signature.classes;
    if !fits {
        return Err(StageError::Failed(
            "the test set has other images or classes than the dataset: bind both from one source"
                .to_owned(),
        ));
    }
    if test.images.is_empty() {
        return Err(StageError::Failed("the test set has no images".to_owned()));
    }
    let examples = Examples::all(&test.images);
    let labels: Vec<u16> = examples.labels().collect();
    let scores = trained
        .models
        .iter()
        .map(|model| model.answers(&trained, &examples, job))
        .collect::<Result<Vec<Option<Scores>>, StageError>>()?;
    let models: Vec<ModelSummary> = trained
        .models
        .iter()
        .zip(&scores)
        .enumerate()
        .map(|(place, (model, scores))| ModelSummary {
            search_reward: (trained.by == By::Reward).then_some(model.is.ranked.mean_reward),
            ..model.summary(place + 1, scores.as_ref(), &labels)
        })
        .collect();
    let best = &models[trained.chosen];
    let answers = scores[trained.chosen].as_ref();
    let mistakes = answers.map(|scores| mistakes::most_confident(scores, &test.images));
    let sat = (1..).zip(scores).filter_map(|(rank, scores)| Some((rank, scores?)));
    let (ranks, sat): (Vec<usize>, Vec<Scores>) = sat.take(together.unwrap_or(usize::MAX)).unzip();
    let is_ensemble = sat.len() > 1;
    let summary = ModelsSummary {
        format: MODELS_FORMAT,
        chosen: Chosen {
            genotype: best.genotype.clone(),
            test_accuracy: best.test_accuracy,
            interval: best.interval,
        },
        ensemble: is_ensemble.then(|| ensemble(&sat, &labels)),
        ensemble_ranks: if is_ensemble { ranks } else { Vec::new() },
        models,
        by: trained.by,
        test_images: labels.len() as u64,
        test_images_by_class: by_class(&labels, trained.signature.classes.len()),
        classes: trained.signature.classes.clone(),
    };
    let signature = trained.signature;
    let mistakes = mistakes.unwrap_or_default();
    Ok(Results { models: trained.models, summary, signature, mistakes })
}

impl Model {
    /// Its probabilities for the test images; nothing when it could not be trained.
    fn answers(
        &self,
        trained: &Trained,
        examples: &Examples<'_>,
        job: &Job<'_>,
    ) -> Result<Option<Scores>, StageError> {
        if !self.is_trained() {
            return Ok(None);
        }
        let (child, classes) = (self.fitted.child.as_ref(), trained.signature.classes.len());
        let stop = || job.stop.is_requested();
        predict(child, examples, &trained.standard, classes, &stop).map(Some).map_err(|error| {
            match error {
                TrainError::Interrupted => StageError::Interrupted,
                other => StageError::caused_by(&other),
            }
        })
    }

    fn summary(&self, rank: usize, scores: Option<&Scores>, labels: &[u16]) -> ModelSummary {
        let network = &self.is.network;
        let classes = network.classes();
        let confusion = match scores {
            Some(scores) => scores.confusion(labels.iter().copied()),
            None => vec![vec![0; classes]; classes],
        };
        let right: u64 = (0..classes).map(|class| confusion[class][class]).sum();
        let history = &self.fitted.history;
        ModelSummary {
            rank,
            genotype: self.is.ranked.genotype.clone(),
            search_score: self.is.ranked.mean_score,
            search_reward: None,
            parameters: network.parameters(),
            multiply_adds: network.multiply_adds(),
            epochs: history.len() as u64,
            training_loss: history.last().map_or(0.0, |epoch| epoch.loss),
            test_accuracy: share(right, labels.len() as u64),
            interval: if scores.is_some() {
                wilson(right, labels.len() as u64)
            } else {
                [0.0, 1.0]
            },
            balanced_accuracy: balanced(&confusion),
            confusion,
            failure: scores.is_none().then(|| self.fitted.outcome.to_string()),
        }
    }
}

/// Test result of the mean of all probabilities.
fn ensemble(all: &[Scores], labels: &[u16]) -> Chosen {
    let confusion = Scores::mean(all).confusion(labels.iter().copied());
    let right: u64 = confusion.iter().enumerate().map(|(class, row)| row[class]).sum();
    let images = labels.len() as u64;
    Chosen {
        genotype: format!("{} networks", all.len()),
        test_accuracy: share(right, images),
        interval: wilson(right, images),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of images")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Mean of the recalls of the classes that the test set has.
#[expect(clippy::cast_precision_loss, reason = "few classes")]
fn balanced(confusion: &[Vec<u64>]) -> f64 {
    let recalls: Vec<f64> = confusion
        .iter()
        .enumerate()
        .filter(|(_, row)| row.iter().sum::<u64>() > 0)
        .map(|(class, row)| share(row[class], row.iter().sum()))
        .collect();
    recalls.iter().sum::<f64>() / recalls.len().max(1) as f64
}

fn by_class(labels: &[u16], classes: usize) -> Vec<u64> {
    let mut counts = vec![0; classes];
    for &label in labels {
        counts[usize::from(label)] += 1;
    }
    counts
}

impl Results {
    /// Writes the artifact into the empty folder `root`.
    pub(super) fn write(&self, root: &Path) -> Result<(), StageError> {
        folder::write_summary(root, &self.summary)?;
        for (model, summary) in self.models.iter().zip(&self.summary.models) {
            folder::write_model(root, model, summary, &self.signature)?;
        }
        let Some(rank) = self.summary.chosen_rank() else { return Ok(()) };
        mistakes::write(&root.join(model_folder(rank)), &self.mistakes)
    }

    /// Headline numbers.
    pub(super) fn outcome(&self) -> Outcome {
        let chosen = &self.summary.chosen;
        let mut metrics = vec![
            ("test_accuracy", chosen.test_accuracy),
            ("test_accuracy_low", chosen.interval[0]),
            ("test_accuracy_high", chosen.interval[1]),
        ];
        metrics.extend(
            self.summary.ensemble.as_ref().map(|all| ("ensemble_accuracy", all.test_accuracy)),
        );
        Outcome { metrics: metrics.into_iter().map(|(name, x)| (name.to_owned(), x)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_accuracy_leaves_out_classes_without_images() {
        let confusion = vec![vec![3, 1, 0], vec![0, 0, 0], vec![0, 1, 1]];
        assert!((balanced(&confusion) - 0.625).abs() < 1e-12);
    }

    #[test]
    fn an_ensemble_counts_the_images_its_mean_gets_right() {
        let scores = |probabilities: &[f32]| Scores {
            probabilities: probabilities.to_vec(),
            classes: 2,
            finite: true,
        };
        let all = [scores(&[0.6, 0.4, 0.9, 0.1]), scores(&[0.1, 0.9, 0.8, 0.2])];
        let result = ensemble(&all, &[1, 1]);
        assert!((result.test_accuracy - 0.5).abs() < 1e-12);
        assert_eq!(result.genotype, "2 networks");
    }
}
