//! How weights begin: uniform, scaled by the layer's size, from a stream found by the layer's path.

use super::recipe::Init;
use crate::seed::Seed;

/// `len` weights of a layer with `inputs` and `outputs` connections a unit.
///
/// Uniform and not normal: the variance is what the papers ask for, and no logarithm or cosine enters.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small weights")]
pub(super) fn weights(
    init: Init,
    seed: &Seed,
    path: &str,
    (inputs, outputs): (usize, usize),
    len: usize,
) -> Vec<f32> {
    let limit = match init {
        // Variance 2 / inputs (He et al. 2015).
        Init::He => libm::sqrt(6.0 / inputs as f64),
        // Variance 2 / (inputs + outputs) (Glorot and Bengio 2010).
        Init::Xavier => libm::sqrt(6.0 / (inputs + outputs) as f64),
    };
    let mut stream = seed.child("init").stream(path, 0);
    (0..len).map(|_| stream.range(-limit, limit) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variances_are_the_papers() {
        let variance = |init| {
            let ws = weights(init, &Seed::root(1), "conv", (50, 150), 20_000);
            ws.iter().map(|w| f64::from(w * w)).sum::<f64>() / 20_000.0
        };
        // The standard error of the variance of 20,000 uniform numbers is under 1 %.
        assert!((variance(Init::He) - 2.0 / 50.0).abs() < 0.0012);
        assert!((variance(Init::Xavier) - 2.0 / 200.0).abs() < 0.0003);
    }

    #[test]
    fn layers_are_found_by_path() {
        let of = |path: &str| weights(Init::He, &Seed::root(1), path, (4, 4), 4);
        assert_eq!(of("conv0"), of("conv0"));
        assert_ne!(of("conv0"), of("conv1"));
    }
}
