//! The `proxy` evaluator: zero-cost proxies, measures of a network at initialisation.
//!
//! A trial keeps the measure as it is in `measures`. Its score is the measure pressed into 0 to 1 by
//! `(1 + v / (h + |v|)) / 2` with a half-way number `h` for each measure: strictly monotone, so that every
//! rank and rank correlation is the measure's own, and bounded, so that every strategy can learn from it.
//! NaN and minus infinity rank last: score 0, with the reason as the trial's failure.

mod matrix;
mod measures;

pub use measures::{Synflow, code_kernel, grad_norm, jacob_cov, naswot, snip, synflow};

use measures::layers;

use std::collections::BTreeMap;

use rayon::ThreadPool;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Parameters, Scorer};
use crate::dataset::Dataset;
use crate::search::{Candidate, Evaluate, EvaluateError, Evaluation};
use crate::space::Space;
use crate::stage::{Arity, Component, Job, StageError};
use crate::train::{
    Batch, Child, Cpu, Engine, Examples, Init, Outline, Preprocessing, Recipe, Standard, TrainError,
};

/// Version of the measures and of how they become scores.
const VERSION: u32 = 1;

/// The engine that initialises networks and finds gradients.
const ENGINE: Cpu = Cpu;

/// A measure of the network at initialisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    /// What is measured.
    pub measure: Measure,
    /// Training images in the one batch that is looked at.
    #[serde(default = "batch")]
    #[schemars(range(min = 2, max = 4096))]
    pub batch: usize,
    /// How weights begin.
    #[serde(default = "he")]
    pub init: Init,
    /// How the bytes of images become numbers.
    #[serde(default = "standard")]
    pub preprocessing: Preprocessing,
}

fn batch() -> usize {
    64
}

fn he() -> Init {
    Init::He
}

fn standard() -> Preprocessing {
    Preprocessing::Standard
}

/// What a proxy measures; definitions as in `NASLib`, `NAS-Bench-Suite-Zero` (Krishnakumar et al. 2022).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Trainable parameters: the baseline that a proxy must beat.
    Params,
    /// Multiply-adds for one image: the other baseline.
    Macs,
    /// Logarithm of the sum of |w · dR/dw| in 64 bits, where all weights are their absolute values, batch
    /// norm is removed and R is the sum of the outputs for an image of ones (Tanaka et al. 2020). Needs no
    /// data.
    Synflow,
    /// Logarithm of the determinant of the kernel that counts in how many rectifiers two images agree
    /// (Mellor et al. 2021).
    Naswot,
    /// Minus the sum of log(v + k) + 1/(v + k) over the eigenvalues v of the correlations between the
    /// images' input gradients, k = 1e-5 (Mellor et al. 2020).
    JacobCov,
    /// Sum over layers of the 2-norm of the loss's gradient (Abdelfattah et al. 2021).
    GradNorm,
    /// Sum of |w · dL/dw| (Lee et al. 2019).
    Snip,
}

impl Measure {
    /// Its word in YAML and in a trial's `measures`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Macs => "macs",
            Self::Synflow => "synflow",
            Self::Naswot => "naswot",
            Self::JacobCov => "jacob_cov",
            Self::GradNorm => "grad_norm",
            Self::Snip => "snip",
        }
    }

    /// Whether it looks at images.
    #[must_use]
    pub fn needs_images(self) -> bool {
        !matches!(self, Self::Params | Self::Macs | Self::Synflow)
    }

    /// Whether the network is initialised and run.
    fn needs_weights(self) -> bool {
        !matches!(self, Self::Params | Self::Macs)
    }

    /// The measure whose score is 0.75: in the middle of what networks of usual size have.
    fn half_way(self) -> f64 {
        match self {
            Self::Params => 1e6,
            Self::Macs => 1e8,
            Self::Synflow | Self::JacobCov | Self::Snip => 100.0,
            Self::Naswot => 1000.0,
            Self::GradNorm => 10.0,
        }
    }

    /// The score of a measured value: rising with it from 0 to 1, 0.5 at 0.
    #[must_use]
    pub fn score(self, value: f64) -> f64 {
        0.5 * (1.0 + value / (self.half_way() + value.abs()))
    }
}

impl ProxyConfig {
    /// The versions that its scores depend on.
    #[must_use]
    pub fn components(&self) -> Vec<Component> {
        let (engine, version) = ENGINE.component();
        let own = Component { name: "evaluator.proxy", version: VERSION };
        let engine = Component { name: engine, version };
        if self.measure.needs_weights() { vec![own, engine] } else { vec![own] }
    }

    /// The engine whose bits its scores depend on.
    #[must_use]
    pub fn numerics(&self) -> Option<&'static str> {
        self.measure.needs_weights().then(|| ENGINE.numerics())
    }

    /// An evaluator with the job's threads.
    ///
    /// # Errors
    /// When the measure needs images and there are none.
    pub fn open<'a>(
        &'a self,
        job: &'a Job<'a>,
        data: Option<Dataset>,
    ) -> Result<Box<dyn Evaluate + 'a>, StageError> {
        let batch = match data {
            _ if !self.measure.needs_images() => Batch { images: Vec::new(), labels: Vec::new() },
            Some(data) => self.batch_of(&data)?,
            None => {
                let word = self.measure.word();
                let text = format!("the measure `{word}` needs a dataset on `data`");
                return Err(StageError::Failed(text));
            }
        };
        Ok(Box::new(ProxyEvaluator { config: self, job, batch, pool: job.threads()? }))
    }

    /// The first training images; every prefix of them has the classes in proportion.
    fn batch_of(&self, data: &Dataset) -> Result<Batch, StageError> {
        let standard = Standard::of(&data.card, self.preprocessing);
        let standard = standard.map_err(|error| StageError::caused_by(&error))?;
        let examples = Examples::first(&data.training, self.batch);
        if examples.len() < 2 {
            let text = "a proxy compares images and the dataset has fewer than two to train on";
            return Err(StageError::Failed(text.to_owned()));
        }
        let indices: Vec<usize> = (0..examples.len()).collect();
        Ok(standard.plain(&examples, &indices))
    }
}

impl Parameters for ProxyConfig {
    fn components(&self) -> Vec<Component> {
        self.components()
    }

    fn numerics(&self) -> Option<&'static str> {
        self.numerics()
    }

    fn data(&self) -> Arity {
        if self.measure.needs_images() { Arity::One } else { Arity::Optional }
    }

    fn scorer<'a>(
        &'a self,
        job: &'a Job<'a>,
        data: Option<Dataset>,
        _: &dyn Space,
    ) -> Result<Scorer<'a>, StageError> {
        Ok(Scorer::Networks(self.open(job, data)?))
    }
}

/// Measures candidates side by side.
struct ProxyEvaluator<'a> {
    config: &'a ProxyConfig,
    job: &'a Job<'a>,
    batch: Batch,
    pool: ThreadPool,
}

impl Evaluate for ProxyEvaluator<'_> {
    fn evaluate(&mut self, batch: &[Candidate]) -> Result<Vec<Evaluation>, EvaluateError> {
        let this = &*self;
        let score = |candidate: &Candidate| {
            if this.job.stop.is_requested() {
                return Err(EvaluateError::Interrupted);
            }
            let value = this.measure(candidate);
            value
                .map(|value| this.config.evaluation(value))
                .map_err(|error| EvaluateError::Broken(StageError::caused_by(&error).to_string()))
        };
        self.pool.install(|| batch.par_iter().map(score).collect())
    }
}

impl ProxyEvaluator<'_> {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn measure(&self, candidate: &Candidate) -> Result<f64, TrainError> {
        let network = &candidate.network;
        let child = || self.child(candidate);
        Ok(match self.config.measure {
            Measure::Params => network.parameters() as f64,
            Measure::Macs => network.multiply_adds() as f64,
            Measure::Synflow => libm::log(synflow(network, &child()?.state()?.weights).score()),
            Measure::Naswot => naswot(&child()?.codes(&self.batch.images)?),
            Measure::JacobCov => {
                let gradients = child()?.image_gradients(&self.batch.images)?;
                jacob_cov(&gradients, self.batch.labels.len())
            }
            Measure::GradNorm => {
                let gradients = child()?.gradients(&self.batch)?;
                grad_norm(layers(&gradients).map(|(_, gradient)| &*gradient.values))
            }
            Measure::Snip => {
                let child = child()?;
                let (weights, gradients) = (child.state()?.weights, child.gradients(&self.batch)?);
                let pairs = layers(&gradients).map(|(name, gradient)| (&weights[name], gradient));
                snip(pairs.map(|(weight, gradient)| (&*weight.values, &*gradient.values)))
            }
        })
    }

    /// The network with the weights that a training of the same trial begins with.
    fn child(&self, candidate: &Candidate) -> Result<Box<dyn Child>, TrainError> {
        let recipe = Recipe { init: self.config.init, ..Recipe::default() };
        ENGINE.plan(&Outline {
            network: &candidate.network,
            recipe: &recipe,
            class_weights: Vec::new(),
            steps: 1,
            seed: candidate.seed.child("training").nth(1),
        })
    }
}

impl ProxyConfig {
    fn evaluation(&self, value: f64) -> Evaluation {
        let word = self.measure.word();
        if !value.is_finite() {
            let failure = Some(format!("{word} is {value}: it ranks last"));
            return Evaluation { score: 0.0, failure, ..Evaluation::default() };
        }
        let measures = BTreeMap::from([(word.to_owned(), value)]);
        Evaluation { score: self.measure.score(value), measures, ..Evaluation::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_rise_with_the_measure_and_stay_between_0_and_1() {
        let values = [f64::MIN, -1e4, -3.0, 0.0, 3.0, 3.000_001, 1e4, 1e12, f64::MAX];
        for measure in [Measure::Params, Measure::JacobCov, Measure::Naswot] {
            let scores = values.map(|value| measure.score(value));
            assert!(scores.is_sorted() && scores[0] >= 0.0 && scores[8] <= 1.0, "{scores:?}");
            assert!(scores[4] < scores[5] && (scores[3] - 0.5).abs() < 1e-15);
            assert!((measure.score(measure.half_way()) - 0.75).abs() < 1e-15);
        }
    }

    #[test]
    fn what_is_not_finite_ranks_last_and_says_why() {
        let config = ProxyConfig {
            measure: Measure::Naswot,
            batch: 2,
            init: Init::He,
            preprocessing: Preprocessing::Standard,
        };
        for value in [f64::NAN, f64::NEG_INFINITY] {
            let evaluation = config.evaluation(value);
            assert!(evaluation.score == 0.0 && evaluation.measures.is_empty());
            assert!(evaluation.failure.unwrap().ends_with("it ranks last"));
        }
        assert_eq!(config.evaluation(700.0).measures["naswot"].to_bits(), 700.0_f64.to_bits());
    }
}
