//! Batch normalisation with the batch's own statistics.

use super::super::EPSILON;
use super::Float;

/// Mean and one over the deviation of each channel; the variance is the biased one.
#[expect(clippy::cast_precision_loss, reason = "pixels of a batch")]
fn statistics<F: Float>(xs: &[F], channels: usize) -> Vec<(F, F)> {
    let pixels = F::of((xs.len() / channels) as f64);
    let of = |c: usize| xs.iter().skip(c).step_by(channels).copied();
    let one = |c: usize| {
        let mean = of(c).sum::<F>() / pixels;
        let variance = of(c).map(|x| (x - mean) * (x - mean)).sum::<F>() / pixels;
        (mean, F::of(1.0) / (variance + F::of(EPSILON)).root())
    };
    (0..channels).map(one).collect()
}

/// `scale · (x - mean) / sqrt(variance + ε) + shift`.
pub(crate) fn batch_norm<F: Float>(xs: &[F], scale: &[F], shift: &[F]) -> Vec<F> {
    let statistics = statistics(xs, scale.len());
    let normal = |(i, &x): (usize, &F)| {
        let c = i % scale.len();
        let (mean, inverse) = statistics[c];
        scale[c] * (x - mean) * inverse + shift[c]
    };
    xs.iter().enumerate().map(normal).collect()
}

/// Gradients of map, scale and shift: `dx = scale/σ · (g - mean(g) - x̂ · mean(g·x̂))`.
#[expect(clippy::cast_precision_loss, reason = "pixels of a batch")]
pub(crate) fn batch_norm_gradient<F: Float>(
    xs: &[F],
    scale: &[F],
    gradient: &[F],
) -> (Vec<F>, Vec<F>, Vec<F>) {
    let channels = scale.len();
    let statistics = statistics(xs, channels);
    let pixels = F::of((xs.len() / channels) as f64);
    let normal = |i: usize| {
        let (mean, inverse) = statistics[i % channels];
        (xs[i] - mean) * inverse
    };
    let (mut dscale, mut dshift) = (vec![F::ZERO; channels], vec![F::ZERO; channels]);
    for (i, &g) in gradient.iter().enumerate() {
        dscale[i % channels] += g * normal(i);
        dshift[i % channels] += g;
    }
    let dx = |(i, &g): (usize, &F)| {
        let c = i % channels;
        let rest = g - dshift[c] / pixels - normal(i) * dscale[c] / pixels;
        scale[c] * statistics[c].1 * rest
    };
    (gradient.iter().enumerate().map(dx).collect(), dscale, dshift)
}
