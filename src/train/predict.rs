//! Predictions of a trained child, and what they say against the labels.

use super::TrainError;
use super::batch::{Examples, Standard};
use super::engine::Child;
use crate::kernel::CrossEntropy;

/// Images evaluated at a time.
pub(super) const EVALUATION_BATCH: usize = 128;

/// Class probabilities of images, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Rows of `classes` probabilities.
    pub probabilities: Vec<f32>,
    /// Number of classes.
    pub classes: usize,
    /// Whether every logit was finite; if not, the network has diverged.
    pub finite: bool,
}

/// Evaluates `child` on all of `examples`.
///
/// # Errors
/// Faults of the engine, or [`TrainError::Interrupted`] when `stop` says so.
pub fn predict(
    child: &dyn Child,
    examples: &Examples<'_>,
    standard: &Standard,
    classes: usize,
    stop: &dyn Fn() -> bool,
) -> Result<Scores, TrainError> {
    let mut probabilities = Vec::with_capacity(examples.len() * classes);
    let mut finite = true;
    let indices: Vec<usize> = (0..examples.len()).collect();
    for indices in indices.chunks(EVALUATION_BATCH) {
        if stop() {
            return Err(TrainError::Interrupted);
        }
        let logits = child.evaluate(&standard.plain(examples, indices).images)?;
        finite &= logits.iter().all(|x| x.is_finite());
        probabilities.extend(CrossEntropy::softmax(&logits, classes));
    }
    Ok(Scores { probabilities, classes, finite })
}

impl Scores {
    /// The likeliest class of each image; the first of equals.
    pub fn predictions(&self) -> impl Iterator<Item = usize> {
        self.probabilities.chunks_exact(self.classes).map(best)
    }

    /// Share of images whose likeliest class is their label; 0 of none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of images")]
    pub fn accuracy(&self, labels: impl Iterator<Item = u16>) -> f64 {
        let right = self.predictions().zip(labels).filter(|&(p, l)| p == usize::from(l)).count();
        right as f64 / (self.probabilities.len() / self.classes).max(1) as f64
    }

    /// How often images of each class (rows) were taken for each class (columns).
    #[must_use]
    pub fn confusion(&self, labels: impl Iterator<Item = u16>) -> Vec<Vec<u64>> {
        let mut counts = vec![vec![0; self.classes]; self.classes];
        for (prediction, label) in self.predictions().zip(labels) {
            counts[usize::from(label)][prediction] += 1;
        }
        counts
    }

    /// The mean of several networks' probabilities for the same images.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a mean")]
    pub fn mean(all: &[Self]) -> Self {
        let first = &all[0];
        let mean = |i: usize| {
            let sum: f64 = all.iter().map(|scores| f64::from(scores.probabilities[i])).sum();
            (sum / all.len() as f64) as f32
        };
        Self {
            probabilities: (0..first.probabilities.len()).map(mean).collect(),
            classes: first.classes,
            finite: all.iter().all(|scores| scores.finite),
        }
    }
}

/// Rows whose first largest number stands at their label.
pub(super) fn count_correct(logits: &[f32], labels: &[u16]) -> usize {
    let classes = logits.len() / labels.len().max(1);
    let rows = logits.chunks_exact(classes.max(1)).zip(labels);
    rows.filter(|(row, label)| best(row) == usize::from(**label)).count()
}

/// Place of the first largest number.
pub(super) fn best(row: &[f32]) -> usize {
    let mut best = 0;
    for (place, number) in row.iter().enumerate() {
        if *number > row[best] {
            best = place;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(probabilities: &[f32]) -> Scores {
        Scores { probabilities: probabilities.to_vec(), classes: 2, finite: true }
    }

    #[test]
    fn accuracy_confusion_and_ties() {
        let scores = scores(&[0.9, 0.1, 0.2, 0.8, 0.5, 0.5]);
        let labels = [0, 0, 1];
        assert_eq!(scores.predictions().collect::<Vec<_>>(), [0, 1, 0]);
        assert!((scores.accuracy(labels.into_iter()) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(scores.confusion(labels.into_iter()), [[1, 1], [1, 0]]);
    }

    #[test]
    fn an_ensemble_can_be_right_where_one_is_wrong() {
        let mean = Scores::mean(&[scores(&[0.6, 0.4]), scores(&[0.1, 0.9])]);
        assert_eq!(mean.predictions().collect::<Vec<_>>(), [1]);
    }
}
