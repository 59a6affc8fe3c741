//! The `retrain` kind: the best networks of a search, trained in full and examined once.
//!
//! The order is the point. The finals are ranked by what the search knew, trained on training and, unless
//! they are to be watched, validation images, and one of them is chosen; only then
//! [`exam::sit`] opens the test set, for all of them at once. Nothing that it says can change a rank.

mod exam;
mod finals;
mod folder;
mod forecast;
mod mistakes;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mistakes::{of_changes, of_precision, place};
use super::{
    Arity, Component, Config, Forecast, Job, Outcome, Output, Port, Ports, Stage, StageError,
};
use crate::artifact::ArtifactType;
use crate::diagnostic::Diagnostic;
use crate::manifest::Manifest;
use crate::results::By;
use crate::space::{self, SpaceChanges};
use crate::spec::Node;
use crate::train::{Device, RECIPE_VERSION, Recipe, engine_for};

/// Version of the kind: how finals are chosen, trained, examined and written. 4: the chosen network's most
/// confident mistakes, and operations in diagrams.
const VERSION: u32 = 4;

/// Trains the best networks of one or several searches in full and tests them once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetrainConfig {
    /// Networks that are trained: the best by `by`, each text once.
    #[schemars(range(min = 1, max = 1000))]
    pub top: usize,
    /// What the best are best by: the mean `score`, or the mean `reward`, which has the search's penalty
    /// for size in it. Missing: `reward` where the search's reward has a `cost`, else `score`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Passes over the images, fixed beforehand unless `recipe.patience` ends a training early.
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: u64,
    /// Values put over those of the space that was searched, `{ cells: 6, filters: 32 }`: the found cells
    /// in a larger network.
    #[serde(skip_serializing_if = "SpaceChanges::is_empty")]
    pub space: SpaceChanges,
    /// What they are trained on. CUDA: compiled and emulated, not yet run.
    #[serde(skip_serializing_if = "Device::is_cpu")]
    pub device: Device,
    /// How they are trained.
    pub recipe: Recipe,
    /// What the validation images are for.
    pub validation: Validation,
    /// Networks whose class probabilities are averaged for the ensemble's test accuracy: the best by
    /// search score. Missing: all of them. MetaQNN has 5 of 10.
    #[schemars(range(min = 2, max = 1000))]
    pub ensemble: Option<usize>,
    /// Mixed into the pipeline's seed: another number gives another, independent training.
    pub seed: u64,
}

/// What the validation images are for when the finals are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Validation {
    /// They are trained on, too: the most data, and nothing left to stop by.
    Train,
    /// They are kept apart: the history has their accuracy, and the recipe's `patience` and
    /// `weights: best` go by it.
    Watch,
}

impl Default for RetrainConfig {
    fn default() -> Self {
        Self {
            top: 10,
            by: None,
            epochs: 40,
            space: SpaceChanges::default(),
            device: Device::default(),
            recipe: Recipe::default(),
            validation: Validation::Train,
            ensemble: None,
            seed: 0,
        }
    }
}

impl Config for RetrainConfig {
    const KIND: &'static str = "retrain";
    const SUMMARY: &'static str = "train the best networks of a search in full, and test them once";
    const EXAMPLE: &'static str = "\
finals:
  use: retrain
  inputs: { trials: score, data: leaves, test: leaves } # one or more trials, a dataset, its test images
  with: { top: 10, epochs: 100 }
# makes finals.models
";

    fn check(&self, with: &Node) -> Vec<Diagnostic> {
        let mut mistakes = of_changes(with, "space");
        mistakes.extend(self.of_ensemble(with));
        mistakes.extend(self.of_validation(with));
        mistakes.extend(of_precision(&self.recipe, self.device, with));
        mistakes
    }
}

impl RetrainConfig {
    /// More networks in the ensemble than are trained.
    fn of_ensemble(&self, with: &Node) -> Option<Diagnostic> {
        let ensemble = self.ensemble.filter(|ensemble| *ensemble > self.top)?;
        let text =
            format!("an ensemble of {ensemble} needs as many networks, and `top` is {}", self.top);
        let diagnostic = Diagnostic::error("retrain::ensemble", text)
            .help("raise `top`, or leave `ensemble` out: then all networks are in it");
        Some(place(with, &["ensemble"]).blame(diagnostic, ""))
    }

    /// Words of the recipe that go by validation images, where there are none.
    fn of_validation(&self, with: &Node) -> Vec<Diagnostic> {
        if self.validation == Validation::Watch {
            return Vec::new();
        }
        let mistake = |key: &str| {
            let text = format!("`{key}` goes by validation images, which are trained on here");
            let diagnostic = Diagnostic::error("retrain::no_validation", text)
                .help("set `validation: watch` to keep them apart");
            place(with, &["recipe", key]).blame(diagnostic, "")
        };
        self.recipe.words_on_validation().into_iter().map(mistake).collect()
    }
}

impl Stage for RetrainConfig {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn config(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("parameters serialize")
    }

    fn ports(&self) -> Ports {
        let port =
            |name: &str, kind, arity| Port { name: name.to_owned(), types: vec![kind], arity };
        Ports::Fixed(vec![
            port("trials", ArtifactType::Trials, Arity::Many),
            port("data", ArtifactType::Dataset, Arity::One),
            port("test", ArtifactType::Testset, Arity::One),
        ])
    }

    fn outputs(&self) -> Vec<Output> {
        vec![Output { name: "models".to_owned(), kind: ArtifactType::Models }]
    }

    fn components(&self) -> Vec<Component> {
        let (engine, version) = engine_for(self.device).component();
        let own = [
            Component { name: Self::KIND, version: VERSION },
            Component { name: engine, version },
            Component { name: "train.recipe", version: RECIPE_VERSION },
        ];
        // The space is named by the trials; all of them count, or a corrected one would go unnoticed.
        let spaces = space::COMPONENTS.iter().map(|&(name, version)| Component { name, version });
        own.into_iter().chain(spaces).collect()
    }

    fn parameters(&self, manifest: &mut Manifest) {
        // Seed and device have lines of their own: `seed`, and `numerics`.
        let Self { top, by, epochs, space, device: _, recipe, validation, ensemble, seed: _ } =
            self;
        manifest.section("with.top", top);
        if let Some(by) = by {
            manifest.section("with.by", by);
        }
        manifest.section("with.epochs", epochs);
        if !space.is_empty() {
            manifest.section("with.space", space);
        }
        manifest.section("with.recipe", recipe);
        manifest.section("with.validation", validation);
        manifest.section("with.ensemble", ensemble);
    }

    fn seed(&self) -> Option<u64> {
        Some(self.seed)
    }

    fn numerics(&self) -> Option<&'static str> {
        Some(engine_for(self.device).numerics())
    }

    fn device(&self) -> Device {
        self.device
    }

    fn forecast(&self, job: &Job<'_>) -> Result<Option<Forecast>, StageError> {
        finals::choose(self, job)?.forecast(self, job).map(Some)
    }

    fn run(&self, job: &Job<'_>) -> Result<Outcome, StageError> {
        let finals = finals::choose(self, job)?;
        let threads = job.threads()?;
        let trained = finals.train(self, job, &threads)?;
        threads.install(|| {
            let results = exam::sit(trained, self.ensemble, job)?;
            results.write(&job.output("models"))?;
            Ok(results.outcome())
        })
    }
}
