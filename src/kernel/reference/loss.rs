//! Mean cross-entropy of a batch with label smoothing.

use super::Float;

/// Softmax of one row.
fn softmax<F: Float>(row: &[F]) -> Vec<f64> {
    let largest = row.iter().map(|x| x.exact()).fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|x| libm::exp(x.exact() - largest)).collect();
    let total: f64 = powers.iter().sum();
    powers.iter().map(|power| power / total).collect()
}

/// Target share of each class where `label` is right.
#[expect(clippy::cast_precision_loss, reason = "few classes")]
fn target(class: usize, label: u16, smoothing: f64, classes: usize) -> f64 {
    smoothing / classes as f64 + if class == usize::from(label) { 1.0 - smoothing } else { 0.0 }
}

/// The loss.
#[expect(clippy::cast_precision_loss, reason = "a batch has few images")]
pub(crate) fn cross_entropy<F: Float>(logits: &[F], labels: &[u16], smoothing: f64) -> f64 {
    let classes = logits.len() / labels.len();
    let rows = logits.chunks_exact(classes).zip(labels);
    let losses = rows.map(|(row, &label)| {
        let terms = softmax(row).into_iter().enumerate();
        terms.map(|(c, p)| -target(c, label, smoothing, classes) * libm::log(p)).sum::<f64>()
    });
    losses.sum::<f64>() / labels.len() as f64
}

/// Gradient of the logits.
#[expect(clippy::cast_precision_loss, reason = "a batch has few images")]
pub(crate) fn cross_entropy_gradient<F: Float>(
    logits: &[F],
    labels: &[u16],
    smoothing: f64,
) -> Vec<F> {
    let classes = logits.len() / labels.len();
    let rows = logits.chunks_exact(classes).zip(labels);
    let gradient = rows.flat_map(|(row, &label)| {
        let terms = softmax(row).into_iter().enumerate();
        let wrong = move |(c, p)| p - target(c, label, smoothing, classes);
        terms.map(wrong).map(|wrong| F::of(wrong / labels.len() as f64)).collect::<Vec<F>>()
    });
    gradient.collect()
}
