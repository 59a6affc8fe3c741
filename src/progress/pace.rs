//! Pace: how often one thing may be said, by a clock that comes in from outside.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock: the time since some fixed moment.
pub type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

/// Time since this call; never goes back.
pub(super) fn since_start() -> Clock {
    let start = Instant::now();
    Box::new(move || start.elapsed())
}

/// Time since 1970.
pub(super) fn since_1970() -> Clock {
    Box::new(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Lets one call through in each interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    interval: Duration,
    last: Option<Duration>,
}

impl Pace {
    /// A pace whose first call at any time passes.
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// A pace that waits one interval from `now` first.
    pub(super) fn after(interval: Duration, now: Duration) -> Self {
        Self { interval, last: Some(now) }
    }

    /// Whether it is time again.
    pub(super) fn is_due(&mut self, now: Duration) -> bool {
        let due = self.last.is_none_or(|last| now.saturating_sub(last) >= self.interval);
        if due {
            self.last = Some(now);
        }
        due
    }
}
