//! What a stage would cost: a few of its networks timed, the others by their multiply-adds.
//!
//! A line through seconds over multiply-adds says what a network takes; how far the timed networks lie
//! from it says how far to trust that. Never changes a result.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::evaluators::{EvaluatorConfig, Subject};
use super::search::interrupted_or_broken;
use super::{Job, StageError};
use crate::dataset::Dataset;
use crate::results::{Trial, Trials};
use crate::space::{Genotype, Space};

/// Networks that are timed for one stage.
const NETWORKS_TIMED: usize = 5;
/// About how long each of them is timed for.
pub(super) const PATIENCE: Duration = Duration::from_millis(1500);
/// What a number of a learning curve takes as text.
const DIGITS: f64 = 20.0;
/// What one small file takes on usual file systems.
const BLOCK: u64 = 4096;

/// What a stage would cost on this machine, with all its threads and nothing else running.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Seconds.
    pub secs: Range,
    /// Most memory that it may hold, in bytes, where the system tells.
    pub memory: Option<u64>,
    /// Bytes that its results and its part of the trial cache may take.
    pub disk: u64,
    /// Networks that the time is spent on, and the parameter that says how many.
    pub networks: Option<(u64, &'static str)>,
    /// How many of them were timed.
    pub timed: usize,
}

/// A number that is not known exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// It may be as low as this.
    pub low: f64,
    /// The best guess.
    pub likely: f64,
    /// It may be as high as this.
    pub high: f64,
}

impl Range {
    /// A number that is known.
    #[must_use]
    pub fn exactly(value: f64) -> Self {
        Self { low: value, likely: value, high: value }
    }

    /// A count that is known.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn of(count: u64) -> Self {
        Self::exactly(count as f64)
    }

    /// As many times as `other` says.
    #[must_use]
    pub fn by(self, other: Self) -> Self {
        Self {
            low: self.low * other.low,
            likely: self.likely * other.likely,
            high: self.high * other.high,
        }
    }

    /// Both together, where both may be high, or low, at once.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            likely: self.likely + other.likely,
            high: self.high + other.high,
        }
    }
}

/// What networks take, by their multiply-adds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Costs {
    base: f64,
    slope: f64,
    /// Least and largest share that a timed network took of what the line says.
    spread: (f64, f64),
    /// Networks timed.
    pub(super) timed: usize,
    /// Most memory held meanwhile.
    pub(super) memory: Option<u64>,
}

impl Costs {
    /// The line through `points` of (multiply-adds, seconds) with the least squares and no part below 0.
    #[expect(clippy::cast_precision_loss, reason = "few points")]
    pub(super) fn through(points: &[(f64, f64)], memory: Option<u64>) -> Self {
        let n = points.len().max(1) as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let along: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        let across: f64 = points.iter().map(|point| (point.0 - x) * (point.0 - x)).sum();
        let slope = if across > 0.0 { (along / across).max(0.0) } else { 0.0 };
        let (base, slope) = match y - slope * x {
            base if base >= 0.0 => (base, slope),
            _ => (0.0, y / x),
        };
        let mut costs = Self { base, slope, spread: (1.0, 1.0), timed: points.len(), memory };
        for &(x, y) in points {
            let share = y / costs.at(x).max(f64::MIN_POSITIVE);
            costs.spread = (costs.spread.0.min(share), costs.spread.1.max(share));
        }
        costs
    }

    /// Seconds for a network with so many multiply-adds.
    pub(super) fn at(&self, multiply_adds: f64) -> f64 {
        self.base + self.slope * multiply_adds
    }

    /// Mean seconds of networks like `sizes`, in multiply-adds.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(super) fn mean(&self, sizes: &[u64]) -> Range {
        let sum: f64 = sizes.iter().map(|&size| self.at(size as f64)).sum();
        let mean = sum / sizes.len().max(1) as f64;
        Range { low: mean * self.spread.0, likely: mean, high: mean * self.spread.1 }
    }

    /// Times `networks`, each with its multiply-adds, from the smallest on.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(super) fn of<T>(
        mut networks: Vec<(u64, T)>,
        mut time: impl FnMut(T) -> Result<f64, StageError>,
    ) -> Result<Self, StageError> {
        networks.sort_by_key(|(multiply_adds, _)| *multiply_adds);
        let is_known = forget_peak();
        let point = |(multiply_adds, network)| Ok((multiply_adds as f64, time(network)?));
        let points = networks.into_iter().map(point).collect::<Result<Vec<_>, StageError>>()?;
        Ok(Self::through(&points, peak_bytes().filter(|_| is_known)))
    }
}

/// Networks that stand for all of `trials`: at even steps of their order by multiply-adds.
pub(super) fn representatives(trials: &[Trial]) -> Vec<&Trial> {
    let mut sorted: Vec<&Trial> = trials.iter().collect();
    sorted.sort_by_key(|trial| (trial.multiply_adds, &trial.genotype));
    sorted.dedup_by_key(|trial| &trial.genotype);
    let count = sorted.len().min(NETWORKS_TIMED);
    // The middles of `count` equal parts: neither the very smallest nor the very largest.
    (0..count).map(|i| sorted[(2 * i + 1) * sorted.len() / (2 * count)]).collect()
}

/// What networks like those of `trials` take in `evaluator`: seconds for an epoch where it trains, for all of
/// its work where it measures; nothing where it takes no time to speak of.
pub(super) fn costs(
    evaluator: &EvaluatorConfig,
    job: &Job<'_>,
    space: &dyn Space,
    data: Option<Dataset>,
    trials: &[Trial],
) -> Result<Option<Costs>, StageError> {
    let chosen = representatives(trials).into_iter().map(|trial| {
        let genotype = space.parse(&trial.genotype);
        Ok((trial, genotype.map_err(|error| StageError::caused_by(&error))?))
    });
    let chosen = chosen.collect::<Result<Vec<(&Trial, Genotype)>, StageError>>()?;
    match (evaluator, data) {
        (EvaluatorConfig::Train(train), Some(data)) => {
            let network = |(trial, genotype): &(&Trial, Genotype)| {
                (trial.multiply_adds, space.network(genotype))
            };
            let time = |network| train.epoch_secs(job, &data, &network);
            Costs::of(chosen.iter().map(network).collect(), time).map(Some)
        }
        (EvaluatorConfig::Proxy(_), data) => {
            let mut scorer = evaluator.open(job, data, space)?;
            let subject = |(trial, genotype): (&Trial, Genotype)| {
                let (text, seed) = (trial.genotype.clone(), job.trial_seed(0, &trial.genotype));
                (trial.multiply_adds, Subject::new(space, trial.trial, genotype, text, seed))
            };
            let time = |subject| {
                let began = Instant::now();
                scorer.score(space, &[subject]).map_err(interrupted_or_broken)?;
                Ok(began.elapsed().as_secs_f64())
            };
            Costs::of(chosen.into_iter().map(subject).collect(), time).map(Some)
        }
        (EvaluatorConfig::Mock(_) | EvaluatorConfig::Table(_) | EvaluatorConfig::Train(_), _) => {
            Ok(None)
        }
    }
}

/// The stand-ins on the job's output `trials`.
pub(super) fn read(job: &Job<'_>) -> Result<Vec<Trial>, StageError> {
    let trials = Trials::read(&job.output("trials"));
    trials.map(|trials| trials.trials).map_err(|error| StageError::caused_by(&error))
}

/// The networks of a search or an evaluation.
pub(super) struct Work {
    /// How many.
    pub(super) networks: u64,
    /// The parameter that says so.
    pub(super) parameter: &'static str,
    /// Epochs that they are trained for, all together.
    pub(super) epochs: Range,
}

impl Work {
    /// What it costs, when a rehearsal of `trials` took so many seconds and networks take `costs` an epoch.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(super) fn forecast(
        &self,
        rehearsed_secs: f64,
        costs: Option<&Costs>,
        trials: &[Trial],
    ) -> Forecast {
        let rehearsed = trials.len().max(1) as f64;
        let alone = Range::exactly(rehearsed_secs * self.networks as f64 / rehearsed);
        let sizes: Vec<u64> = trials.iter().map(|trial| trial.multiply_adds).collect();
        let secs = match costs {
            Some(costs) => alone.plus(costs.mean(&sizes).by(self.epochs)),
            None => alone,
        };
        let epochs = self.epochs.likely / self.networks.max(1) as f64;
        Forecast {
            secs,
            memory: costs.and_then(|costs| costs.memory),
            disk: self.disk(trials, costs.map(|_| epochs)),
            networks: Some((self.networks, self.parameter)),
            timed: costs.map_or(0, |costs| costs.timed),
        }
    }

    /// Bytes of the trials' lines and, where networks are trained for so many `epochs`, of an entry each in
    /// the trial cache.
    fn disk(&self, trials: &[Trial], epochs: Option<f64>) -> u64 {
        let bytes: usize = trials.iter().map(|trial| trial.line().len()).sum();
        let line = bytes as u64 / (trials.len() as u64).max(1);
        let Some(epochs) = epochs else { return self.networks * line };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few epochs")]
        let line = line + (epochs * DIGITS) as u64;
        self.networks * (line + line.next_multiple_of(BLOCK))
    }
}

/// Bytes of the files below a folder.
pub(super) fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(facts) if facts.is_dir() => bytes_below(&entry.path()),
        Ok(facts) => facts.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

/// Sets the most memory that this process has held back to what it holds now; whether the system can
/// (proc(5), `clear_refs`).
fn forget_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most memory that this process has held since.
fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn costs_on_a_line_have_no_spread() {
        let costs = Costs::through(&[(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)], None);
        near(costs.at(3.0), 9.0);
        let mean = costs.mean(&[1, 2, 3]);
        near(mean.likely, 7.0);
        near(mean.low, mean.high);
    }

    #[test]
    fn the_range_is_as_wide_as_timed_networks_lie_off_the_line() {
        let costs = Costs::through(&[(1.0, 1.0), (1.0, 3.0)], None);
        let mean = costs.mean(&[1]);
        near(mean.likely, 2.0);
        near(mean.low, 1.0);
        near(mean.high, 3.0);
    }

    #[test]
    fn no_network_is_free_and_none_gives_time_back() {
        let falling = Costs::through(&[(1.0, 4.0), (3.0, 2.0)], None);
        near(falling.at(100.0), 3.0);
        let steep = Costs::through(&[(1.0, 0.0), (2.0, 4.0)], None);
        assert!(steep.at(0.0) >= 0.0 && steep.at(1.0) > 0.0);
    }

    #[test]
    fn representatives_are_the_middles_of_equal_parts() {
        let trial = |size: u64| Trial {
            trial: size,
            genotype: format!("g{size:02}"),
            score: 0.0,
            failure: None,
            reward: 0.0,
            parameters: 0,
            multiply_adds: size,
            epochs: 0,
            steps: 0,
            policy: None,
            rung: None,
            epsilon: None,
            curve: Vec::new(),
            measures: BTreeMap::new(),
        };
        let trials: Vec<Trial> = (0..10).rev().map(trial).collect();
        let sizes: Vec<u64> = representatives(&trials).iter().map(|t| t.multiply_adds).collect();
        assert_eq!(sizes, [1, 3, 5, 7, 9]);
        assert_eq!(representatives(&trials[..2]).len(), 2);
        assert!(representatives(&[]).is_empty());
    }
}
