//! Says how a stage's trials go, a few times a second at most: a mock search ends tens of thousands of
//! trials in that time.

use std::time::{Duration, Instant};

use super::Job;
use crate::event::Event;
use crate::results::Trial;

/// Shortest time between two announcements.
const EVERY: Duration = Duration::from_millis(100);

/// The trials of a job, as told to people, and the headline numbers of all of them.
pub(super) struct Announcer<'a> {
    job: &'a Job<'a>,
    total: u64,
    last: Option<Instant>,
    trials: u64,
    sum: f64,
    best: Option<f64>,
}

impl<'a> Announcer<'a> {
    /// For a job of `total` trials.
    pub(super) fn new(job: &'a Job<'a>, total: u64) -> Self {
        Self { job, total, last: None, trials: 0, sum: 0.0, best: None }
    }

    /// Counts a trial of an earlier attempt.
    pub(super) fn count(&mut self, trial: &Trial) {
        self.trials += 1;
        self.sum += trial.score;
        self.best = Some(self.best.map_or(trial.score, |best| best.max(trial.score)));
    }

    /// Counts a trial and, when it is time, announces it.
    pub(super) fn trial(&mut self, trial: &Trial) {
        self.count(trial);
        if self.last.is_none_or(|last| last.elapsed() >= EVERY) {
            self.last = Some(Instant::now());
            self.job.events.emit(Event::TrialEnded {
                stage: self.job.file.stage.clone(),
                trial: trial.trial,
                genotype: trial.genotype.clone(),
                score: trial.failure.is_none().then_some(trial.score),
                best: self.best,
            });
            self.progress();
        }
    }

    /// Announces how many trials have ended.
    pub(super) fn progress(&self) {
        let note = self.best.map_or_else(String::new, |best| format!("best {best:.4}"));
        self.job.events.emit(Event::Progress {
            stage: self.job.file.stage.clone(),
            unit: "trials".to_owned(),
            done: self.trials,
            total: self.total,
            note,
        });
    }

    /// Says something that a person should read.
    pub(super) fn warn(&self, text: String) {
        self.job.events.emit(Event::Warning { stage: Some(self.job.file.stage.clone()), text });
    }

    /// Trials counted.
    pub(super) fn trials(&self) -> u64 {
        self.trials
    }

    /// Headline numbers for the record: `trials`, `best_score`, `mean_score`.
    #[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^53")]
    pub(super) fn metrics(&self) -> Vec<(String, f64)> {
        let trials = self.trials as f64;
        let best = self.best.map(|best| ("best_score".to_owned(), best));
        let mean = (self.trials > 0).then(|| ("mean_score".to_owned(), self.sum / trials));
        [Some(("trials".to_owned(), trials)), best, mean].into_iter().flatten().collect()
    }
}
