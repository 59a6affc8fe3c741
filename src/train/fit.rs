//! The training loop: epochs of batches, a watch for divergence, checkpoints to go on from.
//!
//! Everything that is drawn is found by seed and step, so a training that was stopped anywhere goes on
//! to the bits of one that was not.

mod pace;

pub use pace::{Pace, pace};

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::TrainError;
use super::batch::{Examples, Standard};
use super::checkpoint::{Checkpoint, Progress};
use super::engine::{Batch, Child, Engine, Moment, Outline, State, Timing, Values};
use super::predict::predict;
use super::recipe::{ClassWeights, Kept, RECIPE_VERSION, Recipe};
use crate::artifact::StageId;
use crate::digest::Digest;
use crate::event::{Emit, Event};
use crate::manifest::Manifest;
use crate::net::Network;
use crate::results::Epoch;
use crate::seed::Seed;
use crate::statistics::Bar;

/// A training loses at most this much work to a kill. Decides only when a file is written, never what
/// comes out.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(20);
/// Saving takes at most one part of so many of the time: short epochs of a network with many weights are not all
/// saved.
const CHECKPOINT_SHARE: u32 = 50;
/// Images that are evaluated after an epoch to see that a child without validation is sound.
pub(super) const SOUND_IMAGES: usize = 16;

/// What is to be trained, and on what.
#[derive(Clone)]
pub struct Assignment<'a> {
    /// What computes.
    pub engine: &'a dyn Engine,
    /// The child network.
    pub network: &'a Network,
    /// How.
    pub recipe: &'a Recipe,
    /// Statistics of the training images.
    pub standard: &'a Standard,
    /// Images to learn from.
    pub training: Examples<'a>,
    /// Images to look at after each epoch.
    pub validation: Option<Examples<'a>>,
    /// Passes over the training images.
    pub epochs: u64,
    /// Multiplies the recipe's learning rate, in retries.
    pub lr_factor: f64,
    /// Where the training ends early when it has not learned.
    pub gate: Option<Gate>,
    /// Validation accuracy that must be reached by each epoch, by the best so far, or the training ends there.
    pub bar: Bar,
    /// Of weights, order, augmentation and dropout.
    pub seed: Seed,
}

/// A test that a child must pass on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gate {
    /// After this many steps
    pub step: u64,
    /// the validation accuracy must be above this.
    pub threshold: f64,
}

/// Who watches a training.
pub struct Watch<'a> {
    /// Hears of every epoch.
    pub events: &'a dyn Emit,
    /// The stage, for events.
    pub stage: &'a StageId,
    /// What events call the child.
    pub child: &'a str,
    /// Whether to write the checkpoint and end.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Where to keep the checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// Bytes that it may take, where that is known.
    pub memory: Option<u64>,
    /// Whether operations are timed, from the second step on.
    pub profile: bool,
}

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// All epochs are done, the recipe's patience is over, or the bar was not reached.
    Finished,
    /// The loss, a weight, or a logit after an epoch was not a finite number.
    Diverged {
        /// From 1.
        epoch: u64,
        /// From 1, over all epochs.
        step: u64,
        /// Learning rate there.
        lr: f64,
    },
    /// The gate was not passed.
    GaveUp {
        /// Steps done.
        step: u64,
        /// Validation accuracy there.
        accuracy: f64,
        /// What it had to be above.
        threshold: f64,
    },
}

/// A child after its training.
pub struct Fitted {
    /// The child with its last weights, or its best where the recipe says so.
    pub child: Box<dyn Child>,
    /// The epochs that were finished.
    pub history: Vec<Epoch>,
    /// Optimizer steps done.
    pub steps: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What operations took, where that was asked for and the engine says it.
    pub profile: Vec<Timing>,
}

impl std::fmt::Display for Outcome {
    /// As a reason in results: `diverged at epoch 1, step 17 (lr 10)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Finished => f.write_str("finished"),
            Self::Diverged { epoch, step, lr } => {
                write!(f, "diverged at epoch {epoch}, step {step} (lr {lr}): not a finite number")
            }
            Self::GaveUp { step, accuracy, threshold } => {
                write!(
                    f,
                    "did not learn: accuracy {accuracy:.3} after {step} steps, not above {threshold:.3}"
                )
            }
        }
    }
}

impl Assignment<'_> {
    /// Images in a step.
    pub(super) fn batch(&self) -> usize {
        self.recipe.batch.clamp(1, self.training.len().max(1))
    }

    /// Steps in an epoch; the rest that fills no batch is left out, in each epoch another.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        (self.training.len() / self.batch()) as u64
    }

    /// Steps in the whole training.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps_per_epoch() * self.epochs
    }

    /// What the engine must know.
    pub(super) fn outline(&self) -> Outline<'_> {
        Outline {
            network: self.network,
            recipe: self.recipe,
            class_weights: self.class_weights(),
            steps: self.steps(),
            seed: self.seed,
        }
    }

    /// The batch of a step, from the images in the order of its epoch.
    #[expect(clippy::cast_possible_truncation, reason = "steps of one epoch index its images")]
    fn pick(&self, order: &[usize], step: u64) -> Batch {
        let first = (step % self.steps_per_epoch()) as usize * self.batch();
        let indices = &order[first..first + self.batch()];
        let seed = self.seed.child("variation").nth(step);
        self.standard.varied(&self.training, indices, &self.recipe.augment, &seed)
    }

    /// Weight of each class in the loss; empty when all are 1. A class without images keeps 1.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "counts")]
    fn class_weights(&self) -> Vec<f32> {
        if self.recipe.class_weights == ClassWeights::None {
            return Vec::new();
        }
        let mut counts = vec![0_u64; self.network.classes()];
        self.training.labels().for_each(|label| counts[usize::from(label)] += 1);
        let classes = counts.iter().filter(|&&count| count > 0).count();
        let even = self.training.len() as f64 / classes.max(1) as f64;
        let weight = |&count: &u64| if count == 0 { 1.0 } else { (even / count as f64) as f32 };
        counts.iter().map(weight).collect()
    }

    /// What tells this training's checkpoint from another's. The images are the caller's to tell
    /// apart: it keeps checkpoints by a key that has their digest.
    fn identity(&self) -> Digest {
        let (engine, version) = self.engine.component();
        let mut manifest = Manifest::default();
        manifest.line("engine", &engine);
        manifest.line("engine.version", &version);
        manifest.line("recipe.version", &RECIPE_VERSION);
        manifest.section("recipe", self.recipe);
        manifest.section("network", self.network);
        manifest.line("images", &self.training.len());
        manifest.line("validation", &self.validation.as_ref().map_or(0, Examples::len));
        manifest.line("epochs", &self.epochs);
        manifest.line("lr_factor", &self.lr_factor);
        manifest.line("gate", &format!("{:?}", self.gate));
        manifest.line("seed", &self.seed.digest());
        if self.bar.can_be_missed() {
            manifest.line("bar", &format!("{:?}", self.bar));
        }
        manifest.fingerprint()
    }
}

/// Trains a child, from its checkpoint when there is one.
///
/// # Errors
/// Faults of the engine, a checkpoint that cannot be written, no images, too little memory, or
/// [`TrainError::Interrupted`] once the checkpoint is written.
pub fn fit(assignment: &Assignment<'_>, watch: &Watch<'_>) -> Result<Fitted, TrainError> {
    if assignment.training.is_empty() {
        return Err(TrainError::Data("there is no training image".to_owned()));
    }
    Training::begin(assignment, watch)?.run()
}

/// A training under way.
struct Training<'a> {
    assignment: &'a Assignment<'a>,
    watch: &'a Watch<'a>,
    child: Box<dyn Child>,
    progress: Progress,
    /// Weights after the best epoch so far, where the recipe keeps those.
    best: Option<BTreeMap<String, Values>>,
    /// The training images in the order of the epoch that is under way.
    order: Vec<usize>,
    /// The batch of the next step, made while the last step ran.
    next: Option<Batch>,
    saved: Saving,
    /// Whether the child takes the times of its operations.
    is_timed: bool,
}

/// When a checkpoint was last written.
struct Saving {
    at: Instant,
    /// How long that took.
    took: Duration,
    /// Steps that it holds.
    step: u64,
}

/// What an evaluation between steps found.
struct Look {
    /// Whether every logit was finite.
    sound: bool,
    /// Accuracy on the validation images, when there are any.
    accuracy: Option<f64>,
}

impl<'a> Training<'a> {
    fn begin(assignment: &'a Assignment<'a>, watch: &'a Watch<'a>) -> Result<Self, TrainError> {
        if let Some(available) = watch.memory {
            assignment.fits(available)?;
        }
        let mut child = assignment.engine.plan(&assignment.outline())?;
        let identity = assignment.identity();
        let saved = watch.checkpoint.as_ref().and_then(|file| file.read(&identity));
        let (progress, best) = match saved {
            Some(saved) => {
                child.load(&saved.state)?;
                (saved.progress, saved.best)
            }
            None => (Progress::begin(identity), None),
        };
        let saved = Saving { at: Instant::now(), took: Duration::ZERO, step: progress.step };
        let (order, next) = (Vec::new(), None);
        Ok(Self { assignment, watch, child, progress, best, order, next, saved, is_timed: false })
    }

    fn run(mut self) -> Result<Fitted, TrainError> {
        while self.progress.step < self.assignment.steps()
            && !self.is_out_of_patience()
            && !self.is_below_bar()
        {
            if (self.watch.stop)() {
                self.save()?;
                return Err(TrainError::Interrupted);
            }
            if let Some(outcome) = self.advance()? {
                return Ok(self.end(outcome));
            }
        }
        if self.saved.step != self.progress.step {
            self.save()?;
        }
        if let Some(weights) = self.best.take() {
            let training = self.child.state()?.training;
            self.child.load(&State { weights, training })?;
        }
        Ok(self.end(Outcome::Finished))
    }

    /// Whether too many epochs have ended without a better one. Said by the history alone, so a resumed
    /// training stops where an uninterrupted one does.
    fn is_out_of_patience(&self) -> bool {
        let history = &self.progress.history;
        match (self.assignment.recipe.patience, best_epoch(history)) {
            (Some(patience), Some(best)) => history.len() as u64 - 1 - best >= patience,
            _ => false,
        }
    }

    /// Whether the best accuracy so far is too low to go on; by the history alone, too.
    fn is_below_bar(&self) -> bool {
        if !self.assignment.bar.can_be_missed() {
            return false;
        }
        let history = self.progress.history.iter();
        let curve: Vec<f64> = history.filter_map(|epoch| epoch.validation).collect();
        self.assignment.bar.is_missed_by(&curve)
    }

    fn end(mut self, outcome: Outcome) -> Fitted {
        let profile = if self.is_timed { self.child.profile() } else { Vec::new() };
        self.child.release();
        let Progress { step, history, .. } = self.progress;
        Fitted { child: self.child, history, steps: step, outcome, profile }
    }

    /// One step, and what belongs behind it; an outcome when the training ends early.
    fn advance(&mut self) -> Result<Option<Outcome>, TrainError> {
        let lr = self.step()?;
        let Some(lr) = lr else { return Ok(Some(self.diverged())) };
        let ends_epoch = self.progress.step.is_multiple_of(self.assignment.steps_per_epoch());
        let gate = self.assignment.gate.filter(|gate| gate.step == self.progress.step);
        if !ends_epoch && gate.is_none() {
            self.save_when_due(CHECKPOINT_EVERY)?;
            return Ok(None);
        }
        let look = self.look()?;
        if !look.sound {
            return Ok(Some(self.diverged()));
        }
        if ends_epoch {
            self.end_epoch(look.accuracy, lr);
            let is_best =
                best_epoch(&self.progress.history) == Some(self.progress.history.len() as u64 - 1);
            if is_best && self.assignment.recipe.weights == Kept::Best {
                self.best = Some(self.child.state()?.weights);
            }
        }
        if let (Some(Gate { step, threshold }), Some(accuracy)) = (gate, look.accuracy)
            && accuracy <= threshold
        {
            // Before the checkpoint, which would let a resumed training pass.
            return Ok(Some(Outcome::GaveUp { step, accuracy, threshold }));
        }
        self.save_when_due(Duration::ZERO)?;
        Ok(None)
    }

    /// Trains on the next batch and returns the learning rate, or nothing when a number is not finite.
    ///
    /// The batch after it is made meanwhile, by threads that the step leaves idle.
    fn step(&mut self) -> Result<Option<f64>, TrainError> {
        let assignment = self.assignment;
        let (epoch, within) = self.place();
        if self.order.is_empty() || within == 0 {
            self.order = (0..assignment.training.len()).collect();
            assignment.seed.stream("order", epoch).shuffle(&mut self.order);
        }
        let step = self.progress.step;
        let lr = assignment.lr_factor * assignment.recipe.lr(step, assignment.steps());
        let batch = self.next.take().unwrap_or_else(|| assignment.pick(&self.order, step));
        let (child, order) = (&mut self.child, &self.order);
        let is_followed = within + 1 < assignment.steps_per_epoch();
        let (seen, next) = rayon::join(
            || child.step(&batch, Moment { step, lr }),
            || is_followed.then(|| assignment.pick(order, step + 1)),
        );
        let seen = seen?;
        self.next = next;
        if self.watch.profile && !self.is_timed {
            self.is_timed = true;
            child.profile();
        }
        self.progress.step += 1;
        self.progress.loss_sum += seen.loss;
        self.progress.correct += seen.correct;
        Ok(seen.sound.then_some(lr))
    }

    /// Epoch (from 0) and step in it (from 0) of the next step.
    fn place(&self) -> (u64, u64) {
        let per_epoch = self.assignment.steps_per_epoch();
        (self.progress.step / per_epoch, self.progress.step % per_epoch)
    }

    /// Evaluates the validation images, or without any a few training images for their soundness.
    fn look(&self) -> Result<Look, TrainError> {
        let assignment = self.assignment;
        let classes = assignment.network.classes();
        let see = |examples: &Examples<'_>| {
            predict(self.child.as_ref(), examples, assignment.standard, classes, &|| false)
        };
        if let Some(validation) = &assignment.validation {
            let scores = see(validation)?;
            let accuracy = Some(scores.accuracy(validation.labels()));
            return Ok(Look { sound: scores.finite, accuracy });
        }
        let few = assignment.training.clone().beginning(SOUND_IMAGES);
        Ok(Look { sound: see(&few)?.finite, accuracy: None })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of steps and images")]
    fn end_epoch(&mut self, validation: Option<f64>, lr: f64) {
        let steps = self.assignment.steps_per_epoch() as f64;
        let images = steps * self.assignment.batch() as f64;
        let epoch = Epoch {
            epoch: self.progress.history.len() as u64 + 1,
            loss: self.progress.loss_sum / steps,
            accuracy: self.progress.correct as f64 / images,
            validation,
            lr,
        };
        self.progress.loss_sum = 0.0;
        self.progress.correct = 0;
        self.watch.events.emit(Event::EpochEnded {
            stage: self.watch.stage.clone(),
            child: self.watch.child.to_owned(),
            epoch: epoch.epoch,
            epochs: self.assignment.epochs,
            loss: epoch.loss,
            accuracy: validation,
        });
        self.progress.history.push(epoch);
    }

    /// Where the last step diverged.
    fn diverged(&self) -> Outcome {
        let assignment = self.assignment;
        let step = self.progress.step;
        let lr = assignment.lr_factor * assignment.recipe.lr(step - 1, assignment.steps());
        Outcome::Diverged { epoch: (step - 1) / assignment.steps_per_epoch() + 1, step, lr }
    }

    /// Saves when the last time is `interval` ago, and long enough for saving to take a small share of the time.
    fn save_when_due(&mut self, interval: Duration) -> Result<(), TrainError> {
        let interval = interval.max(self.saved.took * CHECKPOINT_SHARE);
        if self.saved.at.elapsed() >= interval { self.save() } else { Ok(()) }
    }

    fn save(&mut self) -> Result<(), TrainError> {
        let began = Instant::now();
        if let Some(file) = &self.watch.checkpoint {
            file.write(&self.progress, &self.child.state()?, self.best.as_ref())?;
        }
        let at = Instant::now();
        self.saved = Saving { at, took: at - began, step: self.progress.step };
        Ok(())
    }
}

/// Place of the epoch with the best validation accuracy, the first of equals.
fn best_epoch(history: &[Epoch]) -> Option<u64> {
    let scored = (0..).zip(history).filter_map(|(place, epoch)| Some((place, epoch.validation?)));
    let best = scored.reduce(|best, epoch| if epoch.1 > best.1 { epoch } else { best });
    best.map(|(place, _)| place)
}
