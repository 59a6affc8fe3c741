//! Thrift: what a journal leaves out, so that no run fills a disk with what it says of itself.
//!
//! What happened once is always kept. How far something is, which can be said ten times a second, is kept in
//! samples: dense while a run is young, ten seconds apart in a long one, and never more bytes than a rate allows.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};

use crate::artifact::StageId;
use crate::event::Event;

/// Bytes a second: nine megabytes an hour.
const RATE: f64 = 2_500.0;
/// Bytes at once, so that a short run keeps all of its epochs.
const BURST: f64 = 512.0 * 1024.0;
/// Shortest and longest time between two samples, in seconds.
const INTERVALS: (f64, f64) = (0.1, 10.0);
/// Between them a sample comes after this share of the run's age.
const SHARE: f64 = 1.0 / 300.0;

/// Decides which events a run's journal keeps.
#[derive(Debug)]
pub(super) struct Thrift {
    started_at: f64,
    spent: f64,
    sampled_at: HashMap<(StageId, Discriminant<Event>), f64>,
}

impl Thrift {
    /// For a run that began at `started_at`, in seconds since 1970.
    pub(super) fn new(started_at: f64) -> Self {
        Self { started_at, spent: 0.0, sampled_at: HashMap::new() }
    }

    /// Whether to keep `event`, which takes `bytes`; counts it if so.
    #[expect(clippy::cast_precision_loss, reason = "the length of a line")]
    pub(super) fn admits(&mut self, event: &Event, bytes: usize, now: f64) -> bool {
        let age = (now - self.started_at).max(0.0);
        let is_kept = match sampled(event) {
            None => true,
            Some((stage, is_paced)) => {
                let has_room = self.spent + bytes as f64 <= RATE.mul_add(age, BURST);
                has_room && (!is_paced || self.is_due(stage, event, age))
            }
        };
        if is_kept {
            self.spent += bytes as f64;
        }
        is_kept
    }

    fn is_due(&mut self, stage: &StageId, event: &Event, age: f64) -> bool {
        let interval = (age * SHARE).clamp(INTERVALS.0, INTERVALS.1);
        let key = (stage.clone(), discriminant(event));
        let is_due = self.sampled_at.get(&key).is_none_or(|last| age - last >= interval);
        if is_due {
            self.sampled_at.insert(key, age);
        }
        is_due
    }
}

/// The stage of an event that may be left out, and whether it comes so often that a sample of it says all.
fn sampled(event: &Event) -> Option<(&StageId, bool)> {
    match event {
        Event::Progress { done, total, stage, .. } => Some((stage, done < total || *total == 0)),
        Event::TrialEnded { stage, .. } | Event::Usage { stage, .. } => Some((stage, true)),
        Event::EpochEnded { stage, .. } => Some((stage, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Coordinates;

    fn stage() -> StageId {
        StageId { name: "search".to_owned(), coordinates: Coordinates::default() }
    }

    fn epoch() -> Event {
        let child = "[C(64,3,1), GAP(10), SM(10)]".to_owned();
        let (epoch, epochs, loss) = (1, 10, 0.5);
        Event::EpochEnded { stage: stage(), child, epoch, epochs, loss, accuracy: Some(0.5) }
    }

    fn trial() -> Event {
        let (genotype, score) = ("x".repeat(400), Some(0.5));
        Event::TrialEnded { stage: stage(), trial: 1, genotype, score, best: score }
    }

    #[test]
    fn an_hour_of_anything_stays_below_ten_megabytes() {
        let mut thrift = Thrift::new(0.0);
        let mut bytes = 0;
        let events = [epoch(), trial(), Event::Usage { stage: stage(), memory_bytes: 1 << 30 }];
        // A hundred of each a second.
        for tick in 0..360_000 {
            for event in &events {
                let length = serde_json::to_vec(event).unwrap().len();
                if thrift.admits(event, length, f64::from(tick) / 100.0) {
                    bytes += length;
                }
            }
        }
        assert!(bytes < 10_000_000, "{bytes}");
        assert!(bytes > 8_000_000, "{bytes}: what there is room for is kept");
    }

    #[test]
    fn samples_grow_rare_and_never_stop() {
        let mut thrift = Thrift::new(100.0);
        let mut count = |from: u32, to: u32| {
            let times = (from * 10..to * 10).map(|tick| 100.0 + f64::from(tick) / 10.0);
            times.filter(|&now| thrift.admits(&trial(), 500, now)).count()
        };
        assert!((200..=450).contains(&count(0, 60)));
        assert!((5..=7).contains(&count(3_600, 3_660)));
    }

    #[test]
    fn what_happened_once_and_the_last_word_on_progress_are_always_kept() {
        let mut thrift = Thrift::new(0.0);
        let warning = Event::Warning { stage: None, text: "w".to_owned() };
        for _ in 0..10 {
            assert!(thrift.admits(&warning, 1_000_000, 0.0));
        }
        let mut thrift = Thrift::new(0.0);
        let unit = "trials".to_owned();
        let progress = |done| Event::Progress {
            stage: stage(),
            unit: unit.clone(),
            done,
            total: 3,
            note: String::new(),
        };
        let kept: Vec<bool> =
            (1..=3).map(|done| thrift.admits(&progress(done), 100, 1.0)).collect();
        assert_eq!(kept, [true, false, true]);
    }
}
