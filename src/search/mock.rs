//! The mock evaluator, version 1: a made-up accuracy that behaves like one.
//!
//! Deep enough, large enough networks score well, larger ones learn more slowly, and noise shrinks with
//! training. Ranks of all 15,625 cells of NAS-Bench-201 agree with its asymptote (Spearman 0.88). Its
//! constants are frozen: the same seed, text, epochs and fraction give the same bits everywhere. Knows
//! nothing of images.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Evaluation;
use crate::seed::Seed;
use crate::space::Features;
use crate::statistics::Bar;

/// Version of the formula; a change of any constant is another version.
pub const MOCK_VERSION: u32 = 1;

/// A made-up accuracy from the size and shape of the network; nothing is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MockConfig {
    /// Epochs of the training that is pretended.
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: u32,
    /// Share of the training data that is pretended.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub fraction: f64,
    /// Accuracy that no network passes, noise aside.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub ceiling: f64,
    /// Share of networks that stay at chance, as 0.44 of random chains without batch norm do.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub fail_rate: f64,
}

impl Default for MockConfig {
    fn default() -> Self {
        Self { epochs: 20, fraction: 1.0, ceiling: 0.985, fail_rate: 0.0 }
    }
}

/// Scores networks by formula.
#[derive(Debug, Clone)]
pub struct MockEvaluator {
    config: MockConfig,
    /// Accuracy of guessing: one in the number of classes.
    chance: f64,
    /// The text that is hashed; kept, so that a trial needs no memory of its own.
    line: String,
}

impl MockEvaluator {
    /// An evaluator for `classes` classes.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "few classes")]
    pub fn new(config: &MockConfig, classes: usize) -> Self {
        Self { config: config.clone(), chance: 1.0 / classes as f64, line: String::new() }
    }

    /// Pretends so many epochs from now on.
    pub fn set_epochs(&mut self, epochs: u32) {
        self.config.epochs = epochs;
    }

    /// Scores a network as if its training went on one epoch after the other, and ended at the first whose
    /// `bar` it has not reached; without a bar only the end is scored.
    pub fn evaluate_above(
        &mut self,
        bar: &Bar,
        features: &Features,
        seed: Seed,
        text: &str,
    ) -> Evaluation {
        if !bar.is_there() {
            return self.evaluate(features, seed, text);
        }
        let (epochs, mut curve) = (self.config.epochs, Vec::new());
        let mut evaluation = Evaluation::default();
        for epoch in 1..=epochs {
            self.set_epochs(epoch);
            evaluation = self.evaluate(features, seed, text);
            curve.push(evaluation.score);
            if bar.is_missed_by(&curve) {
                break;
            }
        }
        self.set_epochs(epochs);
        Evaluation { curve, ..evaluation }
    }

    /// Scores a network; the epochs it reports are those it pretends.
    pub fn evaluate(&mut self, features: &Features, seed: Seed, text: &str) -> Evaluation {
        let word = u64::from_be_bytes(
            seed.digest().bytes()[..8].try_into().expect("a digest has 32 bytes"),
        );
        let (score, failed) = self.score(features, word, text);
        Evaluation {
            score,
            failure: failed.then(|| "stayed at chance (`fail_rate`)".to_owned()),
            epochs: u64::from(self.config.epochs),
            steps: 0,
            curve: Vec::new(),
            measures: BTreeMap::new(),
        }
    }

    /// The score, and whether the network is one of those that stay at chance.
    pub fn score(&mut self, features: &Features, seed: u64, text: &str) -> (f64, bool) {
        let [a, b, c] = self.words(seed, text);
        if c < self.config.fail_rate {
            return (self.chance, true);
        }
        let e = f64::from(self.config.epochs);
        let spread = 0.004 + 0.012 * libm::exp(-e / 10.0);
        let score = self.curve(features) + spread * gauss(a, b);
        (score.clamp(0.0, 1.0), false)
    }

    /// Accuracy after the pretended training, without noise.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn curve(&self, features: &Features) -> f64 {
        let (e, f, c) = (f64::from(self.config.epochs), self.config.fraction, self.chance);
        let parameters = features.parameters.max(1) as f64;
        // Larger networks learn more slowly: low fidelity misranks them.
        let tau = 2.0 + 1.5 * (libm::log10(parameters) - 5.0).max(0.0);
        c + (self.asymptote(features) - c)
            * (1.0 - libm::exp(-libm::pow(e / tau, 0.7)))
            * (1.0 - 0.25 * (1.0 - f) * (1.0 - f))
    }

    /// Accuracy after endless training on all data.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn asymptote(&self, features: &Features) -> f64 {
        let c = self.chance;
        if features.parameters == 0 || features.depth == 0 {
            return c;
        }
        let (dk, d0, ds) = if features.batch_norm { (12.0, 80.0, 15.0) } else { (4.0, 22.0, 3.0) };
        let p = libm::log10(features.parameters as f64);
        let d = f64::from(features.depth);
        let r = (features.halvings - 3.5) / 2.0;
        let size = sigmoid(2.2 * (p - 4.6)) * (1.0 - 0.35 * sigmoid(3.0 * (p - 7.0)));
        let depth = d / (d + dk) * sigmoid((d0 - d * (1.0 - 0.6 * features.identity_share)) / ds);
        let resolution = libm::exp(-0.5 * (r * r));
        let z = 0.45 * size
            + 0.31 * depth
            + 0.05 * resolution
            + 0.15 * (1.0 - features.pool_share)
            + 0.04 * (1.0 - 0.3 * features.dense_share);
        c + (self.config.ceiling - c) * (1.0 - (1.0 - z) * (1.0 - z))
    }

    /// Three numbers in `0.0..1.0` from the digest of everything that names the training.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
    fn words(&mut self, seed: u64, text: &str) -> [f64; 3] {
        let MockConfig { epochs, fraction, .. } = self.config;
        self.line.clear();
        write!(self.line, "{seed}|{epochs}|{fraction:.4}|{text}").expect("writing to a string");
        let digest = Sha256::digest(self.line.as_bytes());
        [0, 8, 16].map(|at| {
            let bytes = digest[at..at + 8].try_into().expect("a SHA-256 has 32 bytes");
            (u64::from_be_bytes(bytes) >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
        })
    }
}

/// Standard normal from two uniforms (Box-Muller, cosine branch).
fn gauss(a: f64, b: f64) -> f64 {
    libm::sqrt(-2.0 * libm::log(1.0 - a)) * libm::cos(2.0 * std::f64::consts::PI * b)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features() -> Features {
        Features {
            parameters: 165_642,
            multiply_adds: 1_933_312,
            depth: 2,
            identity_share: 0.0,
            halvings: 1.0,
            pool_share: 0.5,
            dense_share: 0.989_181_487_786_914,
            batch_norm: false,
            activations: 0,
        }
    }

    #[test]
    fn a_network_that_learns_nothing_is_at_chance() {
        let mock = MockEvaluator::new(&MockConfig::default(), 10);
        for features in
            [Features { parameters: 0, ..features() }, Features { depth: 0, ..features() }]
        {
            assert!((mock.curve(&features) - 0.1).abs() < 1e-15);
        }
    }

    #[test]
    fn the_share_that_fails_is_the_fail_rate() {
        let config = MockConfig { fail_rate: 0.44, ..MockConfig::default() };
        let mut mock = MockEvaluator::new(&config, 10);
        let failed: usize =
            (0..4000).map(|seed| usize::from(mock.score(&features(), seed, "[SM(10)]").1)).sum();
        // 1,760 expected, standard deviation 31.
        assert!((1640..1880).contains(&failed), "{failed}");
        let evaluation = mock.evaluate(&features(), Seed::root(0), "[SM(10)]");
        assert_eq!(evaluation.failure.is_some(), (evaluation.score - 0.1).abs() < 1e-15);
    }

    #[test]
    fn more_training_helps_and_steadies() {
        let curve = |epochs, fraction| {
            let config = MockConfig { epochs, fraction, ..MockConfig::default() };
            MockEvaluator::new(&config, 10).curve(&features())
        };
        assert!(curve(1, 1.0) < curve(20, 1.0) && curve(20, 0.2) < curve(20, 1.0));
        let asymptote = MockEvaluator::new(&MockConfig::default(), 10).asymptote(&features());
        assert!((curve(100_000, 1.0) - asymptote).abs() < 1e-9);
    }
}
