//! Evaluators as a stage's parameters: `evaluator: { kind: mock }`.
//!
//! A new evaluator is one variant here and one file. Knows nothing of strategies.

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

/// What scores genotypes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "kind")]
pub enum EvaluatorConfig {
    /// A made-up accuracy by formula, in microseconds: for trying out studies and comparing strategies.
    Mock(MockConfig),
    /// The validation accuracy after a short real training.
    Train(TrainConfig),
    /// A number of a file of the project, looked up by the architecture's canonical text.
    Table(TableConfig),
    /// A zero-cost proxy: a measure of the network at initialisation on one batch, without training.
    Proxy(ProxyConfig),
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
        match self {
            Self::Mock(_) => vec![Component { name: "evaluator.mock", version: MOCK_VERSION }],
            Self::Train(config) => config.components(),
            Self::Table(_) => vec![Component { name: "evaluator.table", version: table::VERSION }],
            Self::Proxy(config) => config.components(),
        }
    }

    /// Project files that it reads, relative to the project's root.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        match self {
            Self::Table(config) => vec![config.file.clone()],
            Self::Mock(_) | Self::Train(_) | Self::Proxy(_) => Vec::new(),
        }
    }

    /// The engine whose bits its scores depend on.
    #[must_use]
    pub fn numerics(&self) -> Option<&'static str> {
        match self {
            Self::Mock(_) | Self::Table(_) => None,
            Self::Train(config) => Some(config.numerics()),
            Self::Proxy(config) => config.numerics(),
        }
    }

    /// The mock, for forecasts.
    pub(super) fn rehearsal() -> Self {
        Self::Mock(MockConfig::default())
    }

    /// Epochs that it trains a network for; 1 where it knows none.
    pub(super) fn epochs(&self) -> u64 {
        match self {
            Self::Train(config) => config.epochs,
            Self::Mock(_) | Self::Table(_) | Self::Proxy(_) => 1,
        }
    }

    /// Whether its scores are made up.
    #[must_use]
    pub fn is_mock(&self) -> bool {
        matches!(self, Self::Mock(_))
    }

    /// Whether more epochs make its scores better, so that a search may ration them.
    #[must_use]
    pub fn has_epochs(&self) -> bool {
        matches!(self, Self::Mock(_) | Self::Train(_))
    }

    /// How many datasets it needs, when the shape of the images is known without.
    #[must_use]
    pub fn data(&self) -> Arity {
        match self {
            Self::Mock(_) | Self::Table(_) => Arity::Optional,
            Self::Proxy(config) if !config.measure.needs_images() => Arity::Optional,
            Self::Train(_) | Self::Proxy(_) => Arity::One,
        }
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
        match (self, data) {
            (Self::Mock(config), _) => {
                Ok(Scorer::Mock(MockEvaluator::new(config, space.classes())))
            }
            (Self::Train(config), Some(data)) => Ok(Scorer::Networks(config.open(job, data)?)),
            (Self::Table(config), _) => Ok(Scorer::Table(Table::read(config, job, space)?)),
            (Self::Proxy(config), data) => Ok(Scorer::Networks(config.open(job, data)?)),
            (Self::Train(_), None) => Err(StageError::Failed(
                "the evaluator `train` needs a dataset on `data`".to_owned(),
            )),
        }
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
