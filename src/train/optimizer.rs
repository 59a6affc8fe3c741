//! Optimizers over flat slices of weights, the same for every engine on the CPU.

#[cfg(any(test, feature = "cuda"))]
mod device;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::engine::Moment;
use crate::kernel::pointwise::wide;
#[cfg(feature = "cuda")]
pub(super) use device::Update;

/// The rule that updates weights. Weight decay is added to the gradient, but by `adamw` to the step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(tag = "kind")]
pub enum Optimizer {
    /// Adam (Kingma and Ba 2015) with epsilon 1e-8.
    Adam {
        /// Decay of the mean gradient.
        #[serde(default = "beta1")]
        #[schemars(range(min = 0.0, max = 0.9999))]
        beta1: f64,
        /// Decay of the mean squared gradient.
        #[serde(default = "beta2")]
        #[schemars(range(min = 0.0, max = 0.999_999))]
        beta2: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    Adamw {
        /// Decay of the mean gradient.
        #[serde(default = "beta1")]
        #[schemars(range(min = 0.0, max = 0.9999))]
        beta1: f64,
        /// Decay of the mean squared gradient.
        #[serde(default = "beta2")]
        #[schemars(range(min = 0.0, max = 0.999_999))]
        beta2: f64,
    },
    /// Stochastic gradient descent with momentum.
    Sgd {
        /// Share of the velocity kept.
        #[serde(default = "momentum")]
        #[schemars(range(min = 0.0, max = 0.9999))]
        momentum: f64,
        /// Looks ahead along the velocity.
        #[serde(default = "yes")]
        nesterov: bool,
    },
    /// Gradients divided by the root of their mean square (Tieleman and Hinton 2012, lecture 6.5).
    Rmsprop {
        /// Share of the mean square kept.
        #[serde(default = "decay")]
        #[schemars(range(min = 0.0, max = 0.9999))]
        decay: f64,
        /// Share of the velocity kept.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.9999))]
        momentum: f64,
        /// Added to the root; the Inception papers have 1.
        #[serde(default = "epsilon")]
        #[schemars(range(min = 0.000_000_000_1, max = 10.0))]
        epsilon: f64,
    },
}

fn decay() -> f64 {
    0.9
}

fn epsilon() -> f64 {
    1e-8
}

fn beta1() -> f64 {
    0.9
}

fn beta2() -> f64 {
    0.999
}

fn momentum() -> f64 {
    0.9
}

fn yes() -> bool {
    true
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adam { beta1: beta1(), beta2: beta2() }
    }
}

/// Keeps Adam's division finite.
const EPSILON: f32 = 1e-8;

/// One weight tensor as an optimizer sees it.
#[derive(Debug)]
pub(super) struct Weights<'a> {
    /// The weights.
    pub(super) values: &'a mut [f32],
    /// Their gradient.
    pub(super) gradient: &'a [f32],
    /// What the gradient is multiplied with first; 1 where it is not clipped.
    pub(super) factor: f32,
    /// Average of the gradient (Adam), or velocity (SGD, `RMSProp`).
    pub(super) first: &'a mut [f32],
    /// Average of the squared gradient (Adam, `RMSProp`); empty for SGD.
    pub(super) second: &'a mut [f32],
    /// Weight decay, 0 for what does not decay.
    pub(super) decay: f64,
}

impl Optimizer {
    /// Whether it averages squared gradients too.
    pub(super) fn has_second(&self) -> bool {
        !matches!(self, Self::Sgd { .. })
    }

    /// Updates one weight tensor, or a part of one; whether all its numbers are finite then.
    pub(super) fn update(&self, weights: Weights<'_>, moment: Moment) -> bool {
        let Weights { values, gradient, factor, first, second, decay } = weights;
        wide(
            #[inline(always)]
            || {
                let values = &mut *values;
                self.update_here(
                    Weights { values, gradient, factor, first, second, decay },
                    moment,
                );
            },
        );
        // While they are in the cache. A rectifier turns NaN into 0, so the loss may not tell.
        wide(
            #[inline(always)]
            || values.iter().fold(true, |sound, weight| sound & weight.is_finite()),
        )
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "only what is inlined is compiled for wider vectors")]
    #[expect(clippy::cast_possible_truncation, reason = "rates as f32")]
    fn update_here(&self, weights: Weights<'_>, moment: Moment) {
        match *self {
            Self::Sgd { momentum, nesterov } => {
                sgd(weights, moment.lr as f32, momentum as f32, nesterov);
            }
            Self::Adam { beta1, beta2 } => adam(weights, moment, (beta1, beta2), false),
            Self::Adamw { beta1, beta2 } => adam(weights, moment, (beta1, beta2), true),
            Self::Rmsprop { decay, momentum, epsilon } => {
                rmsprop(weights, moment.lr as f32, Share::kept(decay), [momentum, epsilon]);
            }
        }
    }
}

/// What a moving average keeps of its past and takes in of what is new. Each is rounded once: `1 - 0.999`
/// of numbers that were rounded before is off by 1e-5, and the more the closer to 1 the decay is.
#[derive(Clone, Copy)]
struct Share {
    kept: f32,
    taken: f32,
}

impl Share {
    #[expect(clippy::cast_possible_truncation, reason = "rates as f32")]
    fn kept(decay: f64) -> Self {
        Self { kept: decay as f32, taken: (1.0 - decay) as f32 }
    }
}

/// Sutskever et al. 2013 in the form that Keras uses: `v ← μv + g`, `w ← w - lr (g + μv)` ahead,
/// `w ← w - lr v` plain.
#[expect(clippy::cast_possible_truncation, reason = "rates as f32")]
#[inline(always)]
#[expect(clippy::inline_always, reason = "see `Optimizer::update`")]
fn sgd(weights: Weights<'_>, lr: f32, momentum: f32, nesterov: bool) {
    let decay = weights.decay as f32;
    let pairs = weights.values.iter_mut().zip(weights.gradient);
    for ((w, g), velocity) in pairs.zip(weights.first) {
        let gradient = g * weights.factor + decay * *w;
        *velocity = momentum * *velocity + gradient;
        let step = if nesterov { gradient + momentum * *velocity } else { *velocity };
        *w -= lr * step;
    }
}

/// `s ← ρs + (1 - ρ)g²`, `v ← μv + g / (√s + ε)`, `w ← w - lr v`, as `torch.optim` has it.
#[expect(clippy::cast_possible_truncation, reason = "rates as f32")]
#[inline(always)]
#[expect(clippy::inline_always, reason = "see `Optimizer::update`")]
fn rmsprop(weights: Weights<'_>, lr: f32, rho: Share, [momentum, epsilon]: [f64; 2]) {
    let (momentum, epsilon) = (momentum as f32, epsilon as f32);
    let decay = weights.decay as f32;
    let pairs = weights.values.iter_mut().zip(weights.gradient);
    for ((w, g), (velocity, square)) in pairs.zip(weights.first.iter_mut().zip(weights.second)) {
        let gradient = g * weights.factor + decay * *w;
        *square = rho.kept * *square + rho.taken * gradient * gradient;
        *velocity = momentum * *velocity + gradient / (square.sqrt() + epsilon);
        *w -= lr * *velocity;
    }
}

/// Factor that brings gradients of the 2-norm `norm` down to `longest`; 1 for shorter ones.
pub(super) fn clip(norm: f64, longest: f64) -> f64 {
    if norm > longest { longest / norm } else { 1.0 }
}

/// Kingma and Ba 2015, algorithm 1, with the bias corrections in the step size as its section 2 shows;
/// `decoupled` decays as Loshchilov and Hutter 2019, algorithm 2.
#[inline(always)]
#[expect(clippy::inline_always, reason = "see `Optimizer::update`")]
fn adam(weights: Weights<'_>, moment: Moment, betas: (f64, f64), decoupled: bool) {
    let Rates { mean, square, size, root, added, kept } =
        Rates::of(moment, betas, weights.decay, decoupled);
    let pairs = weights.values.iter_mut().zip(weights.gradient);
    for ((w, g), (first, second)) in pairs.zip(weights.first.iter_mut().zip(weights.second)) {
        let gradient = g * weights.factor + added * *w;
        *first = mean.kept * *first + mean.taken * gradient;
        *second = square.kept * *second + square.taken * gradient * gradient;
        *w = kept * *w - size * *first / (second.sqrt() * root + EPSILON);
    }
}

/// What a step of Adam multiplies with.
#[derive(Clone, Copy)]
struct Rates {
    mean: Share,
    square: Share,
    /// Of the step.
    size: f32,
    /// One over the bias correction of the root.
    root: f32,
    /// Decay that is added to the gradient.
    added: f32,
    /// What decoupled decay leaves of a weight.
    kept: f32,
}

impl Rates {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "rates as f32"
    )]
    fn of(moment: Moment, (beta1, beta2): (f64, f64), decay: f64, decoupled: bool) -> Self {
        let t = (moment.step + 1) as f64;
        let correction1 = 1.0 - libm::pow(beta1, t);
        let correction2 = libm::sqrt(1.0 - libm::pow(beta2, t));
        Self {
            mean: Share::kept(beta1),
            square: Share::kept(beta2),
            size: (moment.lr / correction1) as f32,
            root: (1.0 / correction2) as f32,
            added: if decoupled { 0.0 } else { decay as f32 },
            kept: if decoupled { (1.0 - moment.lr * decay) as f32 } else { 1.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps with gradients 0.5 and -0.25 from weight 1, decay 0.1, lr 0.1.
    fn two_steps(optimizer: Optimizer) -> f32 {
        let (mut w, mut first, mut second) = ([1.0_f32], [0.0_f32], [0.0_f32]);
        for (step, gradient) in [(0, [0.5_f32]), (1, [-0.25])] {
            let weights = Weights {
                values: &mut w,
                gradient: &gradient,
                factor: 1.0,
                first: &mut first,
                second: if optimizer.has_second() { &mut second } else { &mut [] },
                decay: 0.1,
            };
            optimizer.update(weights, Moment { step, lr: 0.1 });
        }
        w[0]
    }

    fn near(found: f32, expected: f64) {
        assert!((f64::from(found) - expected).abs() < 1e-6, "{found} instead of {expected}");
    }

    /// With nothing but the first gradient, Adam's step is the learning rate and `RMSProp`'s is known.
    #[test]
    fn averages_over_very_many_steps_take_in_their_exact_share() {
        let step = |optimizer: Optimizer| {
            let (mut w, mut first, mut second) = ([0.0_f32], [0.0_f32], [0.0_f32]);
            let weights = Weights {
                values: &mut w,
                gradient: &[0.5],
                factor: 1.0,
                first: &mut first,
                second: &mut second,
                decay: 0.0,
            };
            optimizer.update(weights, Moment { step: 0, lr: 0.1 });
            w[0]
        };
        near(step(Optimizer::Adam { beta1: 0.9999, beta2: 0.999_999 }), -0.1);
        near(step(Optimizer::Adamw { beta1: 0.9999, beta2: 0.999_999 }), -0.1);
        // The root of 0.0001 of the square is a hundredth of the gradient.
        near(
            0.01 * step(Optimizer::Rmsprop { decay: 0.9999, momentum: 0.0, epsilon: 1e-10 }),
            -0.1,
        );
    }

    #[test]
    fn a_weight_that_is_no_number_any_more_is_seen() {
        let sound = |lr: f64, gradient: f32| {
            let (mut values, mut first) = ([1.0_f32; 40], [0.0_f32; 40]);
            let mut gradients = [0.0; 40];
            gradients[33] = gradient;
            let weights = Weights {
                values: &mut values,
                gradient: &gradients,
                factor: 1.0,
                first: &mut first,
                second: &mut [],
                decay: 0.0,
            };
            Optimizer::Sgd { momentum: 0.9, nesterov: true }.update(weights, Moment { step: 0, lr })
        };
        assert!(sound(1.0, 1e30));
        assert!(!sound(1e10, 1e30) && !sound(1.0, f32::NAN));
    }

    #[test]
    fn sgd_follows_its_formula() {
        // v1 = 0.6, w1 = 1 - 0.06 = 0.94; g2 = -0.25 + 0.094 = -0.156; v2 = 0.54 - 0.156 = 0.384.
        near(two_steps(Optimizer::Sgd { momentum: 0.9, nesterov: false }), 0.94 - 0.0384);
        // w1 = 1 - 0.1 (0.6 + 0.54) = 0.886; g2 = -0.1614; v2 = 0.3786; step = -0.1614 + 0.34074.
        near(two_steps(Optimizer::Sgd { momentum: 0.9, nesterov: true }), 0.886 - 0.017_934);
    }

    #[test]
    fn rmsprop_follows_its_formula() {
        let (mut w, mut v, mut s) = (1.0_f64, 0.0, 0.0);
        for g in [0.5, -0.25] {
            let gradient = g + 0.1 * w;
            s = 0.9 * s + 0.1 * gradient * gradient;
            v = 0.8 * v + gradient / (f64::sqrt(s) + 0.01);
            w -= 0.1 * v;
        }
        near(two_steps(Optimizer::Rmsprop { decay: 0.9, momentum: 0.8, epsilon: 0.01 }), w);
    }

    #[test]
    fn adam_follows_its_formula_with_coupled_and_decoupled_decay() {
        let exact = |decoupled: bool| {
            let (mut w, mut m, mut v) = (1.0_f64, 0.0, 0.0);
            for (t, g) in [(1, 0.5), (2, -0.25)] {
                let gradient = if decoupled { g } else { g + 0.1 * w };
                m = 0.9 * m + 0.1 * gradient;
                v = 0.999 * v + 0.001 * gradient * gradient;
                let (m, v) = (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.999_f64.powi(t)));
                w = if decoupled { w - 0.1 * 0.1 * w } else { w } - 0.1 * m / (v.sqrt() + 1e-8);
            }
            w
        };
        near(two_steps(Optimizer::Adam { beta1: 0.9, beta2: 0.999 }), exact(false));
        near(two_steps(Optimizer::Adamw { beta1: 0.9, beta2: 0.999 }), exact(true));
    }
}
