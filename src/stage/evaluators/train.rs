//! The `train` evaluator: a child's validation accuracy after a short real training.
//!
//! A child that does not learn at its first learning rate is tried again at lower ones, as MetaQNN does;
//! one that never learns, or diverges, scores chance and says why. What an earlier run trained is taken
//! from the trial cache and charged what it cost then, so a warm store changes nothing but time.

mod pace;
mod trials;

use std::path::PathBuf;

use rayon::ThreadPool;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Parameters, Scorer};
use crate::dataset::Dataset;
use crate::digest::Digest;
use crate::manifest::Manifest;
use crate::search::{Candidate, Evaluate, EvaluateError, Evaluation};
use crate::space::Space;
use crate::stage::lanes::{lanes, side_by_side};
use crate::stage::{Arity, Component, Job, StageError, memory, profile};
use crate::train::{
    Assignment, Checkpoint, Device, Engine, Examples, Fitted, Gate, Outcome, RECIPE_VERSION,
    Recipe, Standard, TrainError, Watch, engine_for, engine_in_lane, fit,
};

use trials::TrialCache;

/// Version of what this evaluator makes of a training: retries, gate, score.
const VERSION: u32 = 1;

/// Steps after which MetaQNN's retry test comes at the latest, but never within the first epoch: its
/// first epoch on CIFAR-10.
const GATE_STEPS: u64 = 350;

/// How children are trained while a search runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training images.
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: u64,
    /// Share of the training images that is used; smaller shares are part of larger ones.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub fraction: f64,
    /// Most training images that are used.
    #[schemars(range(min = 1))]
    pub images: Option<usize>,
    /// What they are trained on. CUDA: compiled and emulated, not yet run.
    #[serde(skip_serializing_if = "Device::is_cpu")]
    pub device: Device,
    /// How they are trained.
    pub recipe: Recipe,
    /// What happens to children that do not learn.
    pub retries: Retries,
    /// Which accuracy counts.
    pub score: Score,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 20,
            fraction: 1.0,
            images: None,
            device: Device::default(),
            recipe: Recipe::default(),
            retries: Retries::default(),
            score: Score::Last,
        }
    }
}

/// MetaQNN's rule: a child that is hardly better than chance starts again with a lower learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    /// Tries altogether; with 1 a child is trained to its end whatever it learns.
    #[schemars(range(min = 1, max = 20))]
    pub tries: u32,
    /// The learning rate is multiplied by this from try to try.
    #[schemars(range(min = 0.001, max = 1.0))]
    pub factor: f64,
    /// A child goes on when its accuracy is above this many times chance.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub threshold: f64,
}

impl Default for Retries {
    fn default() -> Self {
        Self { tries: 5, factor: 0.4, threshold: 1.5 }
    }
}

impl Retries {
    /// What a try must reach, and when: the accuracy that `chance` stands for many times over, after 350 steps or a
    /// quarter of the training, whichever is less, but never within the first epoch. One try has nothing to pass.
    #[must_use]
    pub fn gate(&self, assignment: &Assignment<'_>, chance: f64) -> Option<Gate> {
        let quarter = assignment.steps() / 4;
        let step = assignment.steps_per_epoch().max(GATE_STEPS.min(quarter));
        (self.tries > 1).then_some(Gate { step, threshold: self.threshold * chance })
    }
}

/// Which validation accuracy is a child's score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// That after the last epoch.
    Last,
    /// The best of all epochs: higher, and by luck too.
    Best,
    /// The best of the last five epochs (Zoph and Le 2017, section 4.1).
    #[serde(rename = "max_last_5")]
    MaxLast5,
}

/// How much training a candidate gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Effort {
    /// Passes over the images.
    epochs: u64,
    /// Training images, from the first.
    images: usize,
}

impl Score {
    /// The accuracy of a curve that counts; nothing when no epoch has ended.
    #[must_use]
    pub fn of(self, curve: &[f64]) -> Option<f64> {
        let counted = match self {
            Self::Last => &curve[curve.len().saturating_sub(1)..],
            Self::Best => curve,
            Self::MaxLast5 => &curve[curve.len().saturating_sub(5)..],
        };
        counted.iter().copied().max_by(f64::total_cmp)
    }
}

impl TrainConfig {
    /// The versions that its scores depend on.
    #[must_use]
    pub fn components(&self) -> Vec<Component> {
        let (engine, version) = self.engine().component();
        vec![
            Component { name: "evaluator.train", version: VERSION },
            Component { name: engine, version },
            Component { name: "train.recipe", version: RECIPE_VERSION },
        ]
    }

    /// The engine whose bits its scores depend on.
    #[must_use]
    pub fn numerics(&self) -> &'static str {
        self.engine().numerics()
    }

    /// The engine that trains children.
    fn engine(&self) -> &'static dyn Engine {
        engine_for(self.device)
    }

    /// An evaluator that trains on `data` with the job's threads, its checkpoint folder and trial cache.
    ///
    /// # Errors
    /// When the data does not allow it: too few images, a fraction that leaves none.
    pub fn open<'a>(
        &'a self,
        job: &'a Job<'a>,
        data: Dataset,
    ) -> Result<Box<dyn Evaluate + 'a>, StageError> {
        self.images(&data)?;
        let standard = Standard::of(&data.card, self.recipe.preprocessing)
            .map_err(|error| StageError::caused_by(&error))?;
        let trials = TrialCache::open(job).map_err(|error| StageError::caused_by(&error))?;
        Ok(Box::new(TrainEvaluator {
            config: self,
            job,
            standard,
            pool: job.threads()?,
            trials,
            data,
        }))
    }

    /// How many training images are used; an error when these are none, or there is nothing to score on.
    fn images(&self, data: &Dataset) -> Result<usize, StageError> {
        let all = data.training.len();
        let images = self.images_of(self.fraction, all);
        if images == 0 {
            let text = format!("`evaluator` uses none of {all} training images: raise `fraction`");
            return Err(StageError::Failed(text));
        }
        if data.validation.is_empty() {
            let text = "the dataset has no validation images to score children on: \
                        give its `split` a `validation` share";
            return Err(StageError::Failed(text.to_owned()));
        }
        Ok(images)
    }

    /// How many of `all` training images are used of the share `fraction`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a count"
    )]
    fn images_of(&self, fraction: f64, all: usize) -> usize {
        let share = (fraction * all as f64).round() as usize;
        share.min(all).min(self.images.unwrap_or(all))
    }
}

impl Parameters for TrainConfig {
    fn components(&self) -> Vec<Component> {
        self.components()
    }

    fn numerics(&self) -> Option<&'static str> {
        Some(self.numerics())
    }

    fn epochs(&self) -> Option<u64> {
        Some(self.epochs)
    }

    fn data(&self) -> Arity {
        Arity::One
    }

    fn scorer<'a>(
        &'a self,
        job: &'a Job<'a>,
        data: Option<Dataset>,
        _: &dyn Space,
    ) -> Result<Scorer<'a>, StageError> {
        let data = data.ok_or_else(|| {
            StageError::Failed("the evaluator `train` needs a dataset on `data`".to_owned())
        })?;
        Ok(Scorer::Networks(self.open(job, data)?))
    }
}

/// Trains candidates, several side by side.
struct TrainEvaluator<'a> {
    config: &'a TrainConfig,
    job: &'a Job<'a>,
    data: Dataset,
    standard: Standard,
    pool: ThreadPool,
    trials: TrialCache<'a>,
}

impl Evaluate for TrainEvaluator<'_> {
    fn evaluate(&mut self, batch: &[Candidate]) -> Result<Vec<Evaluation>, EvaluateError> {
        let (epochs, fraction) = (self.config.epochs, self.config.fraction);
        let tasks = batch.iter().map(|candidate| {
            let effort = self.effort(candidate.epochs.unwrap_or(epochs), fraction);
            Task { candidate, effort, key: self.key(candidate, effort) }
        });
        let tasks: Vec<Task<'_>> = tasks.collect();
        let known: Vec<Option<Evaluation>> =
            tasks.iter().map(|task| self.trials.known(&task.key)).collect();
        let unknown = tasks.iter().zip(&known).filter(|(_, known)| known.is_none());
        let unknown: Vec<&Task<'_>> = unknown.map(|(task, _)| task).collect();
        let mut trained = self.train_all(&unknown).into_iter();
        let next = |known: Option<Evaluation>| match known {
            Some(known) => Ok(known),
            None => trained.next().expect("BUG: an evaluation for each task"),
        };
        known.into_iter().map(next).collect()
    }
}

/// A candidate that is to be trained.
struct Task<'a> {
    candidate: &'a Candidate,
    effort: Effort,
    /// In the trial cache.
    key: Digest,
}

/// Where a training goes on, which changes nothing of what comes out.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Its lane among those side by side.
    lane: usize,
    /// Bytes that are free.
    memory: Option<u64>,
}

impl TrainEvaluator<'_> {
    /// The training of `epochs` passes over the share `fraction` of the training images, at least one.
    fn effort(&self, epochs: u64, fraction: f64) -> Effort {
        let images = self.config.images_of(fraction, self.data.training.len());
        Effort { epochs, images: images.max(1) }
    }

    /// As many side by side as there are GPUs, or threads and memory for.
    fn train_all(&self, tasks: &[&Task<'_>]) -> Vec<Result<Evaluation, EvaluateError>> {
        let available = memory::available();
        let need = |task: &&Task<'_>| self.assignment(task, 1.0, 1).memory();
        let needs: Vec<Option<u64>> = tasks.iter().map(need).collect();
        let lanes = lanes(&self.pool, &needs, available, self.config.device.gpus());
        side_by_side(&self.pool, lanes, tasks, |lane, task| {
            self.score(task, Place { lane, memory: available })
        })
    }

    /// Trains and keeps what comes out in the trial cache.
    fn score(&self, task: &Task<'_>, place: Place) -> Result<Evaluation, EvaluateError> {
        if self.job.stop.is_requested() {
            return Err(EvaluateError::Interrupted);
        }
        let evaluation = self.train(task, place).map_err(|error| match error {
            TrainError::Interrupted => EvaluateError::Interrupted,
            other => EvaluateError::Broken(StageError::caused_by(&other).to_string()),
        })?;
        self.trials.keep(&task.key, &evaluation);
        Ok(evaluation)
    }

    /// Everything that a trial's result depends on. The network stands for space and skeleton; the effort
    /// for the words that ask for it, so that equal trainings of different studies are one.
    fn key(&self, candidate: &Candidate, effort: Effort) -> Digest {
        let TrainConfig { epochs: _, fraction: _, images: _, device: _, recipe, retries, score } =
            self.config;
        let mut manifest = Manifest::default();
        for component in self.config.components() {
            manifest.line(format!("component.{}", component.name), &component.version);
        }
        manifest.line("numerics", &self.config.numerics());
        for input in self.job.inputs("data") {
            manifest.line("input.data", &input.tree);
        }
        manifest.section("evaluator.recipe", recipe);
        manifest.section("evaluator.retries", retries);
        manifest.section("evaluator.score", score);
        manifest.line("epochs", &effort.epochs);
        manifest.line("images", &effort.images);
        manifest.line("genotype", &candidate.genotype);
        manifest.section("network", &candidate.network);
        manifest.line("seed", &candidate.seed.digest());
        if candidate.bar.can_be_missed() {
            manifest.section("bar", &candidate.bar);
        }
        manifest.fingerprint()
    }

    /// Tries learning rates until the child learns. The cost of every try is charged.
    fn train(&self, task: &Task<'_>, place: Place) -> Result<Evaluation, TrainError> {
        let retries = &self.config.retries;
        let (mut epochs, mut steps) = (0, 0);
        let mut factor = 1.0;
        let mut try_number = 1;
        loop {
            let assignment = self.assignment(task, factor, try_number);
            let fitted = self.fit(task, &assignment, place)?;
            steps += fitted.steps;
            epochs += fitted.steps.div_ceil(assignment.steps_per_epoch().max(1));
            if fitted.outcome == Outcome::Finished || try_number == retries.tries {
                return Ok(self.evaluation(&fitted, try_number, epochs, steps));
            }
            factor *= retries.factor;
            try_number += 1;
        }
    }

    fn assignment<'b>(
        &'b self,
        task: &'b Task<'b>,
        lr_factor: f64,
        try_number: u32,
    ) -> Assignment<'b> {
        let Task { candidate, effort, .. } = task;
        let mut assignment = Assignment {
            engine: self.config.engine(),
            network: &candidate.network,
            recipe: &self.config.recipe,
            standard: &self.standard,
            training: Examples::first(&self.data.training, effort.images),
            validation: Some(Examples::all(&self.data.validation)),
            epochs: effort.epochs,
            lr_factor,
            gate: None,
            bar: candidate.bar.clone(),
            seed: candidate.seed.child("training").nth(u64::from(try_number)),
        };
        assignment.gate = self.config.retries.gate(&assignment, self.chance());
        assignment
    }

    fn fit(
        &self,
        task: &Task<'_>,
        assignment: &Assignment<'_>,
        place: Place,
    ) -> Result<Fitted, TrainError> {
        let file = Checkpoint::at(self.checkpoint(&task.key));
        let watch = Watch {
            events: self.job.events,
            stage: &self.job.file.stage,
            child: &format!("trial {}", task.candidate.trial),
            stop: &|| self.job.stop.is_requested(),
            checkpoint: Some(file.clone()),
            memory: place.memory,
            profile: self.job.file.paths.profile.is_some(),
        };
        let engine = engine_in_lane(self.config.device, place.lane);
        let fitted = fit(&Assignment { engine, ..assignment.clone() }, &watch)?;
        profile::write(self.job, watch.child, &fitted.profile);
        file.clear();
        Ok(fitted)
    }

    fn checkpoint(&self, key: &Digest) -> PathBuf {
        self.job.file.paths.checkpoint.join(format!("child-{}.safetensors", key.short()))
    }

    #[expect(clippy::cast_precision_loss, reason = "few classes")]
    fn chance(&self) -> f64 {
        1.0 / self.data.card.classes.len().max(1) as f64
    }

    fn evaluation(&self, fitted: &Fitted, tries: u32, epochs: u64, steps: u64) -> Evaluation {
        let curve: Vec<f64> = fitted.history.iter().filter_map(|epoch| epoch.validation).collect();
        let learned = self.config.score.of(&curve);
        let failure = match fitted.outcome {
            Outcome::Finished => None,
            outcome if tries == 1 => Some(outcome.to_string()),
            outcome => Some(format!("{outcome}, the last of {tries} tries")),
        };
        let score = if failure.is_some() { None } else { learned };
        let score = score.unwrap_or(self.chance());
        Evaluation { score, failure, epochs, steps, curve, ..Evaluation::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_of_the_epochs_that_count() {
        let curve = [0.9, 0.1, 0.4, 0.3, 0.5, 0.2, 0.25];
        let scores = [Score::Last, Score::Best, Score::MaxLast5].map(|score| score.of(&curve));
        assert_eq!(scores, [Some(0.25), Some(0.9), Some(0.5)]);
        assert_eq!(Score::MaxLast5.of(&curve[..2]), Some(0.9));
        assert_eq!(Score::Last.of(&[]), None);
    }
}
