//! The measures as formulas on gradients, weights and codes.

use std::collections::BTreeMap;

use super::matrix::{Square, eigenvalues, log_abs_determinant};
use crate::kernel::Float;
use crate::net::{Network, NodeId};
use crate::train::reference::{Norms, Reference};
use crate::train::{Codes, Values};

/// Added to eigenvalues by [`jacob_cov`].
const K: f64 = 1e-5;

/// Weights of convolutions and dense layers, which alone are summed; biases and batch norms are not.
pub(super) fn layers<T>(tensors: &BTreeMap<String, T>) -> impl Iterator<Item = (&String, &T)> {
    tensors.iter().filter(|(name, _)| name.ends_with(".weight"))
}

/// Sum over layers of the 2-norm of the gradient.
#[must_use]
pub fn grad_norm<'a, F: Float>(gradients: impl IntoIterator<Item = &'a [F]>) -> f64 {
    let norm = |gradient: &[F]| libm::sqrt(gradient.iter().map(|g| g.exact() * g.exact()).sum());
    gradients.into_iter().map(norm).sum()
}

/// Sum of |weight · gradient| over layers of both.
#[must_use]
pub fn snip<'a, F: Float>(layers: impl IntoIterator<Item = (&'a [F], &'a [F])>) -> f64 {
    let product = |(w, g): (&F, &F)| (w.exact() * g.exact()).abs();
    let layer = |(weight, gradient): (&'a [F], &'a [F])| {
        weight.iter().zip(gradient).map(product).sum::<f64>()
    };
    layers.into_iter().map(layer).sum()
}

/// What flows through a network whose weights are all positive.
#[derive(Debug, Clone, PartialEq)]
pub struct Synflow {
    /// Sum of the outputs: R.
    pub output: f64,
    /// Sum of |w · dR/dw| of each layer, in the order of their names; R where nothing is lost or biased.
    pub layers: Vec<f64>,
}

impl Synflow {
    /// The measure: the sum over all layers.
    #[must_use]
    pub fn score(&self) -> f64 {
        self.layers.iter().sum()
    }
}

/// The flow where all weights are their absolute values, batch norm is removed and R is the sum of the outputs for
/// one image of ones; in 64 bits, since products over layers leave the range of 32.
#[must_use]
pub fn synflow(network: &Network, weights: &BTreeMap<String, Values>) -> Synflow {
    let positive: BTreeMap<String, Vec<f64>> = weights
        .iter()
        .map(|(name, values)| {
            (name.clone(), values.values.iter().map(|&x| f64::from(x).abs()).collect())
        })
        .collect();
    let reference = Reference::new(network, positive.clone(), Norms::Removed).without_auxiliary();
    let maps = reference.forward(&vec![1.0; network.image().len()]);
    let logits = NodeId(maps.len() - 1);
    let ones = vec![1.0; maps[logits.0].len()];
    let output = maps[logits.0].iter().sum();
    let gradients = reference.backward(&maps, vec![(logits, ones)]).weights;
    let layer = |(name, gradient): (&String, &Vec<f64>)| snip([(&*positive[name], &**gradient)]);
    Synflow { output, layers: layers(&gradients).map(layer).collect() }
}

/// In how many rectifiers each two images agree.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "rectifiers of a network")]
pub fn code_kernel(codes: &Codes) -> Vec<Vec<f64>> {
    let agree = |a: &[u64], b: &[u64]| {
        let differ: u64 = a.iter().zip(b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum();
        codes.len as f64 - differ as f64
    };
    codes.words.iter().map(|a| codes.words.iter().map(|b| agree(a, b)).collect()).collect()
}

/// log |det K| of [`code_kernel`]; minus infinity when two images share all codes.
#[must_use]
pub fn naswot(codes: &Codes) -> f64 {
    // Said exactly here: rounding leaves a singular kernel a tiny determinant.
    let shared = |i: usize| codes.words[..i].contains(&codes.words[i]);
    if (0..codes.words.len()).any(shared) {
        return f64::NEG_INFINITY;
    }
    log_abs_determinant(Square::of(&code_kernel(codes)))
}

/// Minus the sum of log(v + k) + 1/(v + k) over the eigenvalues v of the correlation matrix of `images` rows
/// of gradients; NaN when a row is constant.
#[must_use]
pub fn jacob_cov(gradients: &[f32], images: usize) -> f64 {
    let rows: Vec<Vec<f64>> =
        gradients.chunks_exact(gradients.len() / images.max(1)).map(standardised).collect();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
    let correlations: Vec<Vec<f64>> =
        rows.iter().map(|a| rows.iter().map(|b| product(a, b)).collect()).collect();
    if correlations.iter().flatten().any(|correlation: &f64| correlation.is_nan()) {
        return f64::NAN;
    }
    let terms = eigenvalues(Square::of(&correlations)).into_iter().map(|v| v + K);
    -terms.map(|v| libm::log(v) + 1.0 / v).sum::<f64>()
}

/// A row with mean 0 and length 1.
#[expect(clippy::cast_precision_loss, reason = "pixels of an image")]
fn standardised(row: &[f32]) -> Vec<f64> {
    let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / row.len() as f64;
    let centred: Vec<f64> = row.iter().map(|&x| f64::from(x) - mean).collect();
    let length = libm::sqrt(centred.iter().map(|x| x * x).sum());
    centred.into_iter().map(|x| x / length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn independent_rows_score_best_and_a_constant_row_is_no_number() {
        // Four orthogonal rows of mean 0: all eigenvalues are 1.
        let orthogonal = [1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0];
        let mut rows = Vec::new();
        for row in 0..4 {
            rows.extend((0..8).map(|i| orthogonal[(i + 8 - 2 * row) % 8]));
        }
        let best = -4.0 * (libm::log(1.0 + K) + 1.0 / (1.0 + K));
        assert!((jacob_cov(&rows, 4) - best).abs() < 1e-9);
        let mut alike = rows.clone();
        alike.copy_within(0..8, 8);
        assert!(jacob_cov(&alike, 4) < best - 1e4);
        rows[..8].fill(3.0);
        assert!(jacob_cov(&rows, 4).is_nan());
    }

    #[test]
    fn images_that_share_all_codes_have_no_determinant() {
        let codes = Codes { len: 3, words: vec![vec![0b101], vec![0b010], vec![0b101]] };
        assert!(naswot(&codes).is_infinite() && naswot(&codes) < 0.0);
    }
}
