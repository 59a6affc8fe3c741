//! What calibrating found, as a table, as JSON, and against the time that there is.

use std::time::Duration;

use serde_json::json;

use super::tables::{align_right, plain, seconds, text_of};
use crate::artifact::StageId;
use crate::plan::StageIndex;
use crate::stage::{Forecast, Range};
use crate::wording;

/// How forecasts come about, for the reader of the table.
const METHOD: &str = "\
sizes are those of the networks that each strategy comes to on the mock, times those
of a few of them, trained for a few steps; what the trial cache has costs nothing,
retries with lower learning rates cost more\n";

/// Parameter that a search may be cut by.
const BUDGET: &str = "budget.trials";

/// What a run would cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The pipeline's name.
    pub pipeline: String,
    /// Threads of each stage.
    pub threads: usize,
    /// The stages that would run, in topological order.
    pub stages: Vec<CalibratedStage>,
}

/// A stage that would run.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibratedStage {
    /// Its place in the study.
    pub index: StageIndex,
    /// Name and cell.
    pub id: StageId,
    /// What it would cost.
    pub cost: Cost,
}

/// How a stage's cost is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Cost {
    /// By timing a little of it.
    Forecast(Forecast),
    /// By what it, its siblings or its kind took before.
    Past(Duration),
    /// Not at all, for this reason.
    Unknown(String),
}

impl Cost {
    fn secs(&self) -> Option<Range> {
        match self {
            Self::Forecast(forecast) => Some(forecast.secs),
            Self::Past(time) => Some(Range::exactly(time.as_secs_f64())),
            Self::Unknown(_) => None,
        }
    }

    fn forecast(&self) -> Option<&Forecast> {
        match self {
            Self::Forecast(forecast) => Some(forecast),
            Self::Past(_) | Self::Unknown(_) => None,
        }
    }
}

/// Neighbouring cells of one stage.
struct Group<'c> {
    stages: Vec<&'c CalibratedStage>,
}

impl Group<'_> {
    fn name(&self) -> String {
        match self.stages.len() {
            1 => self.stages[0].id.to_string(),
            n => format!("{} ({})", self.stages[0].id.name, wording::count(n, "cell")),
        }
    }

    fn forecasts(&self) -> impl Iterator<Item = &Forecast> {
        self.stages.iter().filter_map(|stage| stage.cost.forecast())
    }

    fn secs(&self) -> Range {
        sum(self.stages.iter().filter_map(|stage| stage.cost.secs()))
    }

    /// Networks of all cells, and the parameter that says how many.
    fn networks(&self) -> Option<(u64, &'static str)> {
        let all = self.forecasts().filter_map(|forecast| forecast.networks);
        all.reduce(|(sum, parameter), (more, _)| (sum + more, parameter))
    }

    /// The parameter that says how many networks there are.
    fn parameter(&self) -> Option<&'static str> {
        self.networks().map(|(_, parameter)| parameter)
    }

    /// Networks of one cell.
    fn networks_of_cell(&self) -> u64 {
        self.networks().map_or(0, |(networks, _)| networks) / self.stages.len() as u64
    }

    /// Networks of one cell that take this share of the time of all.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count that is far below 2^53"
    )]
    fn fitting(&self, share: f64) -> u64 {
        (self.networks_of_cell() as f64 * share) as u64
    }

    /// `12 of the 40 networks of `search` in each cell (`budget.trials: 12`)`.
    fn said(&self, share: f64) -> String {
        let fitting = self.fitting(share);
        let each = if self.stages.len() > 1 { " in each cell" } else { "" };
        format!(
            "{fitting} of the {} networks of `{}`{each} (`{}: {fitting}`)",
            wording::thousands(self.networks_of_cell()),
            self.stages[0].id.name,
            self.parameter().unwrap_or_default()
        )
    }

    fn row(&self) -> Vec<String> {
        if let Cost::Unknown(reason) = &self.stages[0].cost {
            return vec![self.name(), String::new(), String::new(), "?".to_owned(), reason.clone()];
        }
        let (secs, networks) = (self.secs(), self.networks().map(|(networks, _)| networks));
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let each = networks.map(|networks| secs.likely / networks.max(1) as f64);
        let memory = self.forecasts().filter_map(|forecast| forecast.memory).max();
        let disk: u64 = self.forecasts().map(|forecast| forecast.disk).sum();
        vec![
            self.name(),
            networks.map_or_else(String::new, wording::thousands),
            each.map_or_else(String::new, |secs| match secs {
                ..0.001 => "< 1 ms".to_owned(),
                _ => seconds(secs),
            }),
            seconds(secs.likely),
            if self.forecasts().next().is_some() { spread(secs) } else { "as before".to_owned() },
            memory.map_or_else(String::new, wording::bytes),
            if disk == 0 { String::new() } else { wording::bytes(disk) },
        ]
    }
}

fn sum(ranges: impl Iterator<Item = Range>) -> Range {
    ranges.fold(Range::exactly(0.0), Range::plus)
}

/// `52 min 10 s to 1 h 31 min`; nothing where both ends read the same.
fn spread(secs: Range) -> String {
    let (low, high) = (seconds(secs.low), seconds(secs.high));
    if low == high { String::new() } else { format!("{low} to {high}") }
}

impl Calibration {
    /// Time of all stages, one after the other, as far as it is known.
    #[must_use]
    pub fn secs(&self) -> Range {
        sum(self.stages.iter().filter_map(|stage| stage.cost.secs()))
    }

    fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for stage in &self.stages {
            let is_same = |group: &&mut Group<'_>| {
                let first = group.stages[0];
                first.id.name == stage.id.name
                    && first.cost.forecast().is_some() == stage.cost.forecast().is_some()
            };
            match groups.iter_mut().rev().find(is_same) {
                Some(group) => group.stages.push(stage),
                None => groups.push(Group { stages: vec![stage] }),
            }
        }
        groups
    }

    /// For people: a line for each stage (its cells together), the sum, and what fits into `limit`.
    #[must_use]
    pub fn text(&self, limit: Duration) -> String {
        if self.stages.is_empty() {
            return "nothing would run".to_owned();
        }
        let mut table = plain(&["stage", "networks", "each", "time", "range", "memory", "disk"]);
        for group in self.groups() {
            table.add_row(group.row());
        }
        align_right(&mut table, &[1, 2, 3, 5, 6]);
        let all = self.secs();
        let range = match spread(all) {
            range if range.is_empty() => range,
            range => format!(" ({range})"),
        };
        let timed: usize = self.groups().iter().flat_map(Group::forecasts).map(|f| f.timed).sum();
        format!(
            "{}\nall of it, one stage after the other on {}: about {}{range}\n{}\n{}",
            text_of(&table),
            wording::count(self.threads, "thread"),
            seconds(all.likely),
            self.fit(limit),
            if timed == 0 { String::new() } else { METHOD.to_owned() },
        )
    }

    /// What fits into `limit`: all of it, fewer networks of the searches, or fewer finals.
    #[must_use]
    pub fn fit(&self, limit: Duration) -> String {
        let (all, limit_secs) = (self.secs(), limit.as_secs_f64());
        let within = format!("within {}", wording::duration(limit));
        if all.high <= limit_secs {
            return format!("{within}: all of it fits");
        }
        if all.likely <= limit_secs {
            return format!("{within}: all of it fits if nothing takes longer than it should");
        }
        let groups = self.groups();
        let (searches, others): (Vec<&Group<'_>>, Vec<&Group<'_>>) =
            groups.iter().partition(|group| group.parameter() == Some(BUDGET));
        let searching = sum(searches.iter().map(|group| group.secs())).likely;
        let rest = all.likely - searching;
        let share = (limit_secs - rest) / searching;
        if share > 0.0 && searches.iter().all(|group| group.fitting(share) > 0) {
            let fitting: Vec<String> = searches.iter().map(|group| group.said(share)).collect();
            let after = if rest >= 1.0 {
                format!(", with {} for the other stages", seconds(rest))
            } else {
                String::new()
            };
            return format!("{within}: {}{after}", fitting.join(", and "));
        }
        let heaviest = others
            .into_iter()
            .filter(|group| group.parameter().is_some())
            .max_by(|a, b| a.secs().likely.total_cmp(&b.secs().likely));
        let Some(heaviest) = heaviest.filter(|group| group.secs().likely > limit_secs / 2.0) else {
            return format!("{within}: not one network of each search");
        };
        let share = (limit_secs / heaviest.secs().likely).min(1.0);
        let fitting = match heaviest.fitting(share) {
            0 => format!(
                "not one network of `{}`: train for fewer epochs",
                heaviest.stages[0].id.name
            ),
            _ => format!("{}, or all with fewer epochs", heaviest.said(share)),
        };
        format!("{within}: no search, since the other stages take longer; without one, {fitting}")
    }

    /// For machines.
    #[must_use]
    pub fn json(&self, limit: Duration) -> serde_json::Value {
        let range = |secs: Range| json!([secs.low, secs.likely, secs.high]);
        let stage = |stage: &CalibratedStage| {
            let forecast = stage.cost.forecast();
            json!({
                "stage": stage.id.to_string(),
                "secs": stage.cost.secs().map(range),
                "by": match &stage.cost {
                    Cost::Forecast(_) => "forecast",
                    Cost::Past(_) => "past",
                    Cost::Unknown(_) => "unknown",
                },
                "reason": match &stage.cost {
                    Cost::Unknown(reason) => Some(reason),
                    Cost::Forecast(_) | Cost::Past(_) => None,
                },
                "networks": forecast.and_then(|forecast| forecast.networks).map(|(count, _)| count),
                "timed": forecast.map(|forecast| forecast.timed),
                "memory_bytes": forecast.and_then(|forecast| forecast.memory),
                "disk_bytes": forecast.map(|forecast| forecast.disk),
            })
        };
        json!({
            "threads": self.threads,
            "secs": range(self.secs()),
            "within_secs": limit.as_secs_f64(),
            "fits": self.fit(limit),
            "stages": self.stages.iter().map(stage).collect::<Vec<_>>(),
        })
    }
}
