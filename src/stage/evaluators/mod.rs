//! Evaluators as a stage's parameters: `evaluator: { kind: mock }`.
//!
//! A new evaluator is one line here and one file. Knows nothing of strategies.

pub mod proxy;
mod table;
mod train;

pub use proxy::{Measure, ProxyConfig};
pub use table::TableConfig;
pub use train::{Retries, Score, TrainConfig};

use table::Table;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Arity, Component, Job, StageError};
use crate::dataset::Dataset;
use crate::search::{
    Candidate, Evaluate, EvaluateError, Evaluation, MOCK_VERSION, MockConfig, MockEvaluator,
};
use crate::seed::Seed;
use crate::space::{Features, Genotype, Space};
use crate::statistics::Bar;
use crate::train::Device;

/// The parameters of one evaluator; what [`EvaluatorConfig`] asks of them.
trait Parameters {
    /// The versions that its scores depend on.
    fn components(&self) -> Vec<Component>;

    /// Project files that it reads, relative to the project's root.
    fn files(&self) -> Vec<String> {
        Vec::new()
    }

    /// The engine whose bits its scores depend on.
    fn numerics(&self) -> Option<&'static str> {
        None
    }

    /// Epochs that it trains a network for, where more of them make its scores better.
    fn epochs(&self) -> Option<u64> {
        None
    }

    /// How many datasets it needs, when the shape of the images is known without.
    fn data(&self) -> Arity;

    /// The evaluator of networks of `space` for a job.
    ///
    /// # Errors
    /// When it needs data and there is none, or the data does not allow it.
    fn scorer<'a>(
        &'a self,
        job: &'a Job<'a>,
        data: Option<Dataset>,
        space: &dyn Space,
    ) -> Result<Scorer<'a>, StageError>;
}

/// Makes the enum of all evaluators, and the way from each to its parameters.
macro_rules! evaluators {
    ($($(#[$doc:meta])* $variant:ident($config:ty);)*) => {
        /// What scores genotypes.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[schemars(tag = "kind")]
        pub enum EvaluatorConfig {
            $($(#[$doc])* $variant($config),)*
        }

        impl EvaluatorConfig {
            fn parameters(&self) -> &dyn Parameters {
                match self {
                    $(Self::$variant(config) => config,)*
                }
            }
        }
    };
}

evaluators! {
    /// A made-up accuracy by formula, in microseconds: for trying out studies and comparing strategies.
    Mock(MockConfig);
    /// The validation accuracy after a short real training.
    Train(TrainConfig);
    /// A number of a file of the project, looked up by the architecture's canonical text.
    Table(TableConfig);
    /// A zero-cost proxy: a measure of the network at initialisation on one batch, without training.
    Proxy(ProxyConfig);
}

/// A genotype to be scored, with what is known of it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Number of the trial, from 0.
    pub trial: u64,
    /// The genotype.
    pub genotype: Genotype,
    /// Size and shape of its network.
    pub features: Features,
    /// Its canonical text.
    pub text: String,
    /// The trial's seed.
    pub seed: Seed,
    /// Epochs to train for, in place of the evaluator's own.
    pub epochs: Option<u64>,
    /// Accuracy that its training must have reached by each epoch to go on.
    pub bar: Bar,
}

/// An evaluator at work.
pub enum Scorer<'a> {
    /// Scores features: no network is built, so that a trial takes microseconds.
    Mock(MockEvaluator),
    /// Looks texts up: no network is built.
    Table(Table),
    /// Scores child networks.
    Networks(Box<dyn Evaluate + 'a>),
}

impl EvaluatorConfig {
    /// The versions that its scores depend on.
    #[must_use]
    pub fn components(&self) -> Vec<Component> {
        self.parameters().components()
    }

    /// Project files that it reads, relative to the project's root.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.parameters().files()
    }

    /// The engine whose bits its scores depend on.
    #[must_use]
    pub fn numerics(&self) -> Option<&'static str> {
        self.parameters().numerics()
    }

    /// What its networks are trained on.
    #[must_use]
    pub fn device(&self) -> Device {
        match self {
            Self::Train(config) => config.device,
            Self::Mock(_) | Self::Table(_) | Self::Proxy(_) => Device::Cpu,
        }
    }

    /// The mock, for forecasts.
    pub(super) fn rehearsal() -> Self {
        Self::Mock(MockConfig::default())
    }

    /// Epochs that it really trains a network for; 1 where it trains none.
    pub(super) fn epochs(&self) -> u64 {
        self.parameters().epochs().filter(|_| !self.is_mock()).unwrap_or(1)
    }

    /// Whether its scores are made up.
    #[must_use]
    pub fn is_mock(&self) -> bool {
        matches!(self, Self::Mock(_))
    }

    /// Whether more epochs make its scores better, so that a search may ration them.
    #[must_use]
    pub fn has_epochs(&self) -> bool {
        self.parameters().epochs().is_some()
    }

    /// How many datasets it needs, when the shape of the images is known without.
    #[must_use]
    pub fn data(&self) -> Arity {
        self.parameters().data()
    }

    /// The evaluator of networks of `space` for a job.
    ///
    /// # Errors
    /// When it needs data and there is none, or the data does not allow it.
    pub fn open<'a>(
        &'a self,
        job: &'a Job<'a>,
        data: Option<Dataset>,
        space: &dyn Space,
    ) -> Result<Scorer<'a>, StageError> {
        self.parameters().scorer(job, data, space)
    }
}

impl Parameters for MockConfig {
    fn components(&self) -> Vec<Component> {
        vec![Component { name: "evaluator.mock", version: MOCK_VERSION }]
    }

    fn epochs(&self) -> Option<u64> {
        Some(self.epochs.into())
    }

    fn data(&self) -> Arity {
        Arity::Optional
    }

    fn scorer<'a>(
        &'a self,
        _: &'a Job<'a>,
        _: Option<Dataset>,
        space: &dyn Space,
    ) -> Result<Scorer<'a>, StageError> {
        Ok(Scorer::Mock(MockEvaluator::new(self, space.classes())))
    }
}

impl Scorer<'_> {
    /// Scores a batch; the answer has its order and length, and every score lies in `0.0..=1.0`.
    ///
    /// # Errors
    /// As [`Evaluate::evaluate`].
    pub fn score(
        &mut self,
        space: &dyn Space,
        batch: &[Subject],
    ) -> Result<Vec<Evaluation>, EvaluateError> {
        let evaluations = match self {
            Self::Mock(mock) => {
                let evaluate = |s: &Subject| {
                    if let Some(epochs) = s.epochs {
                        mock.set_epochs(u32::try_from(epochs).unwrap_or(u32::MAX));
                    }
                    mock.evaluate_above(&s.bar, &s.features, s.seed, &s.text)
                };
                batch.iter().map(evaluate).collect()
            }
            Self::Table(table) => {
                batch.iter().map(|s| table.evaluate(&s.text)).collect::<Result<_, _>>()?
            }
            Self::Networks(evaluator) => {
                let candidates: Vec<Candidate> = batch.iter().map(|s| s.candidate(space)).collect();
                evaluator.evaluate(&candidates)?
            }
        };
        assert_eq!(evaluations.len(), batch.len(), "BUG: an evaluation for each candidate");
        for Evaluation { score, .. } in &evaluations {
            assert!((0.0..=1.0).contains(score), "BUG: the score {score} left the evaluator");
        }
        Ok(evaluations)
    }
}

impl Subject {
    /// A genotype to be scored for the evaluator's own epochs, under no bar.
    pub(super) fn new(
        space: &dyn Space,
        trial: u64,
        genotype: Genotype,
        text: String,
        seed: Seed,
    ) -> Self {
        let features = space.features(&genotype);
        Self { trial, genotype, features, text, seed, epochs: None, bar: Bar::default() }
    }

    fn candidate(&self, space: &dyn Space) -> Candidate {
        Candidate {
            trial: self.trial,
            genotype: self.text.clone(),
            network: space.network(&self.genotype),
            seed: self.seed,
            epochs: self.epochs,
            bar: self.bar.clone(),
        }
    }
}
