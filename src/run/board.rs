//! The board: what a run looks like at a moment, put together from its journal; for pages that show it live.
//!
//! It holds little however long the run: curves are thinned, and of many trainings the latest are kept.

use std::collections::{BTreeMap, VecDeque};

use super::journal::JournalLine;
use crate::artifact::StageId;
use crate::event::{Ending, Event};
use crate::progress::Speed;

/// Warnings and retries that are kept, the latest.
const NOTES: usize = 50;
/// Trainings of a stage that are kept, the latest.
const TRAININGS: usize = 12;
/// Points of a curve; at twice as many every other one goes.
const POINTS: usize = 1_000;

/// A run at a moment.
#[derive(Debug, Clone, Default)]
pub struct Board {
    /// Stages that anything was said of.
    pub stages: BTreeMap<StageId, Standing>,
    /// Warnings and retries with their times, oldest first.
    pub notes: VecDeque<(f64, Option<StageId>, String)>,
    /// Stages of the run, whether anything was said of them or not.
    pub total: usize,
    /// The time of the last thing said.
    pub seen_at: f64,
    /// Whether all ended well and how many seconds it took, once it has ended.
    pub ended: Option<(bool, f64)>,
}

/// A stage at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// What it does.
    pub state: Doing,
    /// The present attempt; the first is 1.
    pub attempt: u32,
    /// When the present attempt began, in seconds since 1970.
    pub since: f64,
    /// Seconds it took, once it has ended.
    pub secs: f64,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
    /// How far it is.
    pub progress: Option<Advance>,
    /// Resident memory of its processes, in bytes.
    pub memory_bytes: Option<u64>,
    /// Trials: a sample of them, in their order.
    pub trials: Vec<Score>,
    /// Trainings, oldest first.
    pub trainings: VecDeque<Training>,
    /// How fast it is.
    pub speed: Speed,
}

/// What a stage does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// It waits for another run that computes the same.
    Waits {
        /// Who that is.
        holder: String,
    },
    /// It runs.
    Runs,
    /// It reached its end.
    Ended(Ending),
}

/// How far a stage is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// What is counted.
    pub unit: String,
    /// How many are done.
    pub done: u64,
    /// How many there are; 0 when nobody knows.
    pub total: u64,
    /// A word with it.
    pub note: String,
}

/// The score of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Its number, from 0.
    pub trial: u64,
    /// Its score; missing when it failed.
    pub score: Option<f64>,
    /// The best until then.
    pub best: Option<f64>,
}

/// The training of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Which network.
    pub child: String,
    /// Epochs it is trained for.
    pub epochs: u64,
    /// Epoch, mean loss and accuracy.
    pub curve: Vec<(u64, f64, Option<f64>)>,
}

impl Board {
    /// Takes in what was said.
    pub fn take(&mut self, line: JournalLine) {
        let JournalLine { time, event, .. } = line;
        self.seen_at = self.seen_at.max(time);
        match event {
            Event::RunStarted { stages, .. } => self.total = stages,
            Event::RunEnded { ok, secs } => self.ended = Some((ok, secs)),
            Event::StageWaits { stage, holder } => {
                self.at(stage, time).state = Doing::Waits { holder };
            }
            Event::StageStarted { stage, attempt, .. } => {
                let old = self.stages.remove(&stage);
                let standing = self.at(stage, time);
                standing.attempt = attempt.max(1);
                // A search goes on from its checkpoint, and so does its curve.
                standing.trials = old.map(|old| old.trials).unwrap_or_default();
            }
            Event::Progress { stage, unit, done, total, note } => {
                let standing = self.at(stage, time);
                standing.speed.note(time, done);
                standing.progress = Some(Advance { unit, done, total, note });
            }
            Event::Usage { stage, memory_bytes } => {
                self.at(stage, time).memory_bytes = Some(memory_bytes);
            }
            Event::TrialEnded { stage, trial, score, best, .. } => {
                self.at(stage, time).score(Score { trial, score, best });
            }
            Event::EpochEnded { stage, child, epoch, epochs, loss, accuracy } => {
                self.at(stage, time).epoch(child, epochs, (epoch, loss, accuracy));
            }
            Event::Warning { stage, text } => self.note(time, stage, text),
            Event::StageRetries { stage, attempt, reason } => {
                self.note(time, Some(stage), format!("attempt {attempt} failed: {reason}"));
            }
            Event::StageEnded { stage, ending, secs, reason } => {
                let standing = self.at(stage, time);
                standing.state = Doing::Ended(ending);
                (standing.secs, standing.reason) = (secs, reason);
            }
            Event::Transfer { .. } => {}
        }
    }

    fn at(&mut self, stage: StageId, time: f64) -> &mut Standing {
        self.stages.entry(stage).or_insert_with(|| Standing::new(time))
    }

    fn note(&mut self, time: f64, stage: Option<StageId>, text: String) {
        self.notes.push_back((time, stage, text));
        if self.notes.len() > NOTES {
            self.notes.pop_front();
        }
    }
}

impl Standing {
    fn new(since: f64) -> Self {
        Self {
            state: Doing::Runs,
            attempt: 1,
            since,
            secs: 0.0,
            reason: None,
            progress: None,
            memory_bytes: None,
            trials: Vec::new(),
            trainings: VecDeque::new(),
            speed: Speed::default(),
        }
    }

    /// Seconds until all is done, at the speed of late.
    #[must_use]
    pub fn secs_left(&self) -> Option<f64> {
        let progress = self.progress.as_ref().filter(|progress| progress.total > 0)?;
        self.speed.secs_left(progress.total)
    }

    fn score(&mut self, score: Score) {
        // An attempt that begins anew says trials again.
        while self.trials.last().is_some_and(|last| last.trial >= score.trial) {
            self.trials.pop();
        }
        self.trials.push(score);
        halve(&mut self.trials);
    }

    fn epoch(&mut self, child: String, epochs: u64, point: (u64, f64, Option<f64>)) {
        let place = self.trainings.iter().position(|training| training.child == child);
        let training = if let Some(place) = place {
            &mut self.trainings[place]
        } else {
            self.trainings.push_back(Training { child, epochs, curve: Vec::new() });
            if self.trainings.len() > TRAININGS {
                self.trainings.pop_front();
            }
            self.trainings.back_mut().expect("BUG: it was just put there")
        };
        training.curve.retain(|(epoch, ..)| *epoch < point.0);
        training.curve.push(point);
        halve(&mut training.curve);
    }
}

/// Drops every other point of a curve that has grown too long, but not its last.
fn halve<T>(points: &mut Vec<T>) {
    if points.len() > 2 * POINTS {
        let mut place = points.len();
        points.retain(|_| {
            place -= 1;
            place.is_multiple_of(2)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Coordinates;

    fn stage() -> StageId {
        StageId { name: "search".to_owned(), coordinates: Coordinates::default() }
    }

    fn board(events: impl IntoIterator<Item = (f64, Event)>) -> Board {
        let mut board = Board::default();
        for (time, event) in events {
            board.take(JournalLine { v: 1, time, event });
        }
        board
    }

    fn started(attempt: u32) -> Event {
        let fingerprint = crate::digest::Digest::of(b"x");
        Event::StageStarted { stage: stage(), fingerprint, attempt }
    }

    fn trial(trial: u64, score: f64) -> Event {
        let (genotype, score) = (String::new(), Some(score));
        Event::TrialEnded { stage: stage(), trial, genotype, score, best: score }
    }

    #[test]
    fn a_second_attempt_keeps_the_curve_and_says_its_trials_again() {
        let scores = [(1.0, trial(0, 0.1)), (2.0, trial(1, 0.2)), (3.0, trial(2, 0.3))];
        let again = [(4.0, started(2)), (5.0, trial(1, 0.25))];
        let board = board([(0.0, started(1))].into_iter().chain(scores).chain(again));
        let standing = &board.stages[&stage()];
        let scores: Vec<(u64, Option<f64>)> =
            standing.trials.iter().map(|score| (score.trial, score.score)).collect();
        assert_eq!(scores, [(0, Some(0.1)), (1, Some(0.25))]);
        assert_eq!((standing.attempt, standing.since), (2, 4.0));
    }

    #[test]
    fn curves_trainings_and_notes_stay_short() {
        let mut events = vec![(0.0, started(1))];
        events.extend((0..50_000).map(|i| (1.0, trial(i, 0.5))));
        for child in 0..40 {
            let child = child.to_string();
            let (epochs, loss) = (2, 0.1);
            events.extend((1..=2).map(|epoch| {
                let (stage, child) = (stage(), child.clone());
                (2.0, Event::EpochEnded { stage, child, epoch, epochs, loss, accuracy: None })
            }));
            events.push((3.0, Event::Warning { stage: None, text: "again".repeat(20) }));
            events.push((3.0, Event::Warning { stage: None, text: "and again".to_owned() }));
        }
        let board = board(events);
        let standing = &board.stages[&stage()];
        assert!((POINTS..=2 * POINTS).contains(&standing.trials.len()));
        assert_eq!(standing.trials.last().unwrap().trial, 49_999);
        assert_eq!(standing.trainings.len(), TRAININGS);
        assert_eq!(standing.trainings.back().unwrap().child, "39");
        assert_eq!(board.notes.len(), NOTES);
    }
}
