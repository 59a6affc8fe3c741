//! The slow twins: every operation as its definition says, forward and back, in f32 or f64.
//!
//! Nothing here is clever: a gradient is the transpose of its forward loop. Maps are rows of channels, as
//! everywhere; a function that takes a [`Slide`] uses its shapes and nothing of its arithmetic.

#[cfg(test)]
pub(in crate::kernel) mod check;
mod float;
mod loss;
mod norm;
mod window;

#[cfg(test)]
pub(crate) use check::{check, close, numbers, slide};
pub use float::Float;
pub(crate) use loss::{cross_entropy, cross_entropy_gradient};
pub(crate) use norm::{batch_norm, batch_norm_gradient};
pub(crate) use window::{
    avg_pool, avg_pool_gradient, conv, conv_gradient, depthwise, depthwise_gradient, max_pool,
    max_pool_gradient, pad,
};

/// Rows and columns in order.
fn grid(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}

/// Negative numbers become zero.
pub(crate) fn relu<F: Float>(xs: &[F]) -> Vec<F> {
    xs.iter().map(|&x| if x < F::ZERO { F::ZERO } else { x }).collect()
}

/// Nothing passes where the rectifier gave nothing.
pub(crate) fn relu_gradient<F: Float>(ys: &[F], gradient: &[F]) -> Vec<F> {
    let pairs = ys.iter().zip(gradient);
    pairs.map(|(&y, &g)| if y > F::ZERO { g } else { F::ZERO }).collect()
}

/// Maps of several channel counts, one after another on the channel axis.
pub(crate) fn concat<F: Float>(inputs: &[&[F]], channels: &[usize]) -> Vec<F> {
    let pixels = inputs[0].len() / channels[0];
    let pixel = |at: usize| {
        let parts = inputs.iter().zip(channels);
        parts.flat_map(move |(input, &c)| input[at * c..(at + 1) * c].iter().copied())
    };
    (0..pixels).flat_map(pixel).collect()
}

/// Each input's channels of the gradient of a concatenation.
pub(crate) fn concat_gradient<F: Float>(gradient: &[F], channels: &[usize]) -> Vec<Vec<F>> {
    let all: usize = channels.iter().sum();
    let mut first = 0;
    let part = |&c: &usize| {
        let from = first;
        first += c;
        gradient.chunks_exact(all).flat_map(|pixel| pixel[from..from + c].iter().copied()).collect()
    };
    channels.iter().map(part).collect()
}
