//! Speed: how many units are done in a second, of late.

use std::collections::VecDeque;

/// Measurements over which the speed is taken.
const SAMPLES: usize = 12;
/// Seconds between two of them at least: what is said ten times a second is not measured over one.
const APART: f64 = 1.0;

/// What was done when.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Speed {
    samples: VecDeque<(f64, u64)>,
    latest: Option<(f64, u64)>,
}

impl Speed {
    /// Takes in that `done` units were done at `secs` on some clock.
    pub fn note(&mut self, secs: f64, done: u64) {
        if self.latest.is_some_and(|(_, before)| done < before) {
            // Something begins anew.
            self.samples.clear();
        }
        self.latest = Some((secs, done));
        if self.samples.back().is_none_or(|(last, _)| secs - last >= APART) {
            self.samples.push_back((secs, done));
            if self.samples.len() > SAMPLES {
                self.samples.pop_front();
            }
        }
    }

    /// Units a second; none where it cannot be told yet.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn per_second(&self) -> Option<f64> {
        let ((from, before), (to, after)) = (*self.samples.front()?, self.latest?);
        let (secs, done) = (to - from, after - before);
        (secs >= APART && done > 0).then(|| done as f64 / secs)
    }

    /// Seconds until `total` are done, at this speed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn secs_left(&self, total: u64) -> Option<f64> {
        let (_, done) = self.latest?;
        Some(total.saturating_sub(done) as f64 / self.per_second()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(measured: impl IntoIterator<Item = (f64, u64)>) -> Speed {
        let mut speed = Speed::default();
        measured.into_iter().for_each(|(secs, done)| speed.note(secs, done));
        speed
    }

    #[test]
    fn it_is_the_speed_of_late() {
        let slow = (0..10_u32).map(|i| (f64::from(i) * 10.0, u64::from(i)));
        let fast = (0..12_u32).map(|i| (100.0 + f64::from(i), 20 + 2 * u64::from(i)));
        let speed = speed(slow.chain(fast));
        assert_eq!(speed.per_second(), Some(2.0));
        assert_eq!(speed.secs_left(100), Some((100.0 - 42.0) / 2.0));
    }

    #[test]
    fn what_is_said_often_is_measured_over_seconds() {
        let often = (0..300_u32).map(|i| (f64::from(i) / 10.0, u64::from(i)));
        let speed = speed(often);
        assert!(
            speed.samples.len() == SAMPLES && (speed.per_second().unwrap() - 10.0).abs() < 1e-9
        );
    }

    #[test]
    fn nothing_is_said_of_a_speed_that_nobody_knows() {
        assert_eq!(speed([]).per_second(), None);
        assert_eq!(speed([(1.0, 5)]).secs_left(10), None);
        assert_eq!(speed([(1.0, 5), (1.2, 9)]).per_second(), None, "too short to tell");
        assert_eq!(speed([(0.0, 500), (9.0, 2)]).per_second(), None, "it began anew");
    }
}
