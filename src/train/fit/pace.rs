//! How fast a training goes on this machine: a few of its steps, timed.

use std::time::{Duration, Instant};

use super::{Assignment, Training, Watch};
use crate::artifact::{Coordinates, StageId};
use crate::event::Silent;
use crate::train::TrainError;
use crate::train::predict::predict;

/// Steps that are timed at most, after one that is not.
const STEPS_MAX: u64 = 8;

/// How long parts of a training take. Never changes a result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Seconds for an optimizer step.
    pub step_secs: f64,
    /// Seconds to evaluate an image.
    pub image_secs: f64,
}

impl Pace {
    /// Seconds for an epoch of `assignment`, with the look at its validation images.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of steps and images")]
    pub fn epoch_secs(&self, assignment: &Assignment<'_>) -> f64 {
        let validation = assignment.validation.as_ref().map_or(0, super::Examples::len);
        assignment.steps_per_epoch() as f64 * self.step_secs + validation as f64 * self.image_secs
    }
}

/// Begins a training and times its steps (the median of them) and an evaluation, for about `patience`.
/// The first step, which fills caches and buffers, is timed only where it alone takes that long.
///
/// # Errors
/// As [`super::fit`].
#[expect(clippy::cast_precision_loss, reason = "few images")]
pub fn pace(assignment: &Assignment<'_>, patience: Duration) -> Result<Pace, TrainError> {
    if assignment.training.is_empty() {
        return Err(TrainError::Data("there is no training image".to_owned()));
    }
    let stage = StageId { name: "pace".to_owned(), coordinates: Coordinates::default() };
    let watch = Watch {
        events: &Silent,
        stage: &stage,
        child: "",
        stop: &|| false,
        checkpoint: None,
        memory: None,
        profile: false,
    };
    let began = Instant::now();
    let mut training = Training::begin(assignment, &watch)?;
    let mut times: Vec<f64> = Vec::new();
    let steps = STEPS_MAX.min(assignment.steps().saturating_sub(1));
    let mut first = timed(|| training.step())?;
    while (times.len() as u64) < steps && began.elapsed() < patience {
        times.push(timed(|| training.step())?);
    }
    if !times.is_empty() {
        times.sort_by(f64::total_cmp);
        first = times[times.len() / 2];
    }
    let looked_at = assignment.validation.as_ref().unwrap_or(&assignment.training);
    let few = looked_at.clone().beginning(assignment.batch());
    let classes = assignment.network.classes();
    let look = || predict(training.child.as_ref(), &few, assignment.standard, classes, &|| false);
    let secs = timed(look)?;
    Ok(Pace { step_secs: first, image_secs: secs / few.len().max(1) as f64 })
}

fn timed<T>(work: impl FnOnce() -> Result<T, TrainError>) -> Result<f64, TrainError> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64())
}
