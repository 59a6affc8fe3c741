//! Schedules: how the learning rate goes over a training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the learning rate falls after the warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(tag = "kind")]
pub enum Schedule {
    /// It does not.
    Constant,
    /// By a factor at some shares of all steps.
    Step {
        /// The factor, each time.
        #[serde(default = "fifth")]
        #[schemars(range(min = 0.000_001, max = 1.0))]
        factor: f64,
        /// Shares of all steps, each between 0 and 1.
        #[serde(default = "quarters")]
        #[schemars(length(max = 64), inner(range(min = 0.0, max = 1.0)))]
        at: Vec<f64>,
    },
    /// To a share of the full learning rate at some shares of all steps: MetaQNN's finals are
    /// `[{from: 0.1333, share: 0.5}, {from: 0.2667, share: 0.004}, {from: 0.8, share: 0.0004}]`.
    Levels {
        /// The levels; before the first the learning rate is full.
        #[schemars(length(min = 1, max = 64))]
        levels: Vec<Level>,
    },
    /// Along half a cosine to a last share of it, once or several times (Loshchilov and Hutter 2017).
    Cosine {
        /// The share left at the end of each fall.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        end: f64,
        /// How often it rises to its full height again and falls anew.
        #[serde(default)]
        #[schemars(range(min = 0, max = 64))]
        restarts: u32,
        /// Each fall takes this many times the steps of the one before.
        #[serde(default = "once")]
        #[schemars(range(min = 1.0, max = 10.0))]
        stretch: f64,
    },
}

/// Where a learning rate goes to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Share of all steps after which it holds.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub from: f64,
    /// Share of the full learning rate.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
}

fn once() -> f64 {
    1.0
}

fn fifth() -> f64 {
    0.2
}

pub(super) fn quarters() -> Vec<f64> {
    vec![0.25, 0.5, 0.75]
}

impl Default for Schedule {
    fn default() -> Self {
        Self::cosine(0.0)
    }
}

impl Schedule {
    /// One fall along half a cosine to the share `end`.
    #[must_use]
    pub fn cosine(end: f64) -> Self {
        Self::Cosine { end, restarts: 0, stretch: once() }
    }

    /// Share of the full learning rate when the share `done` of the steps after the warm-up is done.
    pub(super) fn share(&self, done: f64) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Step { factor, at } => {
                let falls = at.iter().filter(|&&place| done >= place).count();
                (0..falls).fold(1.0, |share, _| share * factor)
            }
            Self::Levels { levels } => {
                // The furthest that was reached, in whatever order they are written.
                let reached = levels.iter().filter(|level| done >= level.from);
                let last = reached.reduce(|a, b| if b.from >= a.from { b } else { a });
                last.map_or(1.0, |level| level.share)
            }
            Self::Cosine { end, restarts, stretch } => {
                let fallen = fallen(done, *restarts, *stretch);
                let height = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * fallen));
                end + (1.0 - end) * height
            }
        }
    }
}

/// Share of the fall under way that is done, when the share `done` of all is.
fn fallen(done: f64, restarts: u32, stretch: f64) -> f64 {
    let falls = (0..=restarts).scan(1.0, |length, _| {
        let this = *length;
        *length *= stretch;
        Some(this)
    });
    let falls: Vec<f64> = falls.collect();
    let mut place = done * falls.iter().sum::<f64>();
    for length in &falls[..falls.len() - 1] {
        if place < *length {
            return place / length;
        }
        place -= length;
    }
    place / falls[falls.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    }

    #[test]
    fn restarts_rise_to_full_height_and_each_fall_is_longer() {
        let schedule = Schedule::Cosine { end: 0.0, restarts: 1, stretch: 3.0 };
        // A quarter of all steps for the first fall, three quarters for the second.
        for (done, share) in [(0.0, 1.0), (0.125, 0.5), (0.25, 1.0), (0.625, 0.5), (1.0, 0.0)] {
            near(schedule.share(done), share);
        }
        assert!(schedule.share(0.2499) < 0.001);
        near(Schedule::cosine(0.1).share(1.0), 0.1);
    }

    #[test]
    fn levels_hold_from_their_place_in_any_order() {
        let level = |from, share| Level { from, share };
        let schedule = Schedule::Levels { levels: vec![level(0.5, 0.1), level(0.25, 0.5)] };
        for (done, share) in [(0.0, 1.0), (0.25, 0.5), (0.49, 0.5), (0.5, 0.1), (1.0, 0.1)] {
            near(schedule.share(done), share);
        }
    }
}
