//! Run facts: what a run cost, on which machine, and how to run it again.
//!
//! They change from run to run, so they are added to a copy of the page and never to the artifact.

use std::collections::BTreeMap;
use std::time::Duration;

use super::document::{Block, Prose, Section};
use super::plot::{Anchor, Axis, Figure, Svg, Ticks, clipped, text_width};
use super::table::{Cell, Table};
use crate::artifact::StageId;
use crate::event::Ending;
use crate::manifest::Fingerprint;
use crate::record::Cost;
use crate::wording;

/// Stages drawn in the timeline; the table has all.
const DRAWN: usize = 40;

/// What a run adds to a report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFacts {
    /// The pipeline's name.
    pub pipeline: String,
    /// The run's name.
    pub run: String,
    /// When it began, seconds since 1970.
    pub started_at: u64,
    /// Seconds from its begin to the rendering of this page.
    pub secs: f64,
    /// Host name.
    pub host: String,
    /// What the machine is, in name and value: `processor`, `cores`, `memory`.
    pub hardware: Vec<(String, String)>,
    /// Versions of what computed it: `phytotron`, `candle`.
    pub versions: BTreeMap<String, String>,
    /// The command that runs it again.
    pub command: String,
    /// Stages of which nobody has seen two computations agree.
    pub unverified: Vec<StageId>,
    /// Every stage in order.
    pub stages: Vec<StageFacts>,
}

/// What a stage adds.
#[derive(Debug, Clone, PartialEq)]
pub struct StageFacts {
    /// Name and cell.
    pub stage: StageId,
    /// How it ended in this run; `Cached` and `Restored` ones did no work.
    pub ending: Ending,
    /// Seconds from the run's begin to its start, when it ran.
    pub started_secs: Option<f64>,
    /// Seconds it took in this run.
    pub secs: f64,
    /// What its result cost when it was computed, in this run or an earlier one.
    pub cost: Option<Cost>,
    /// Host that computed its result.
    pub host: Option<String>,
    /// Its cache key.
    pub fingerprint: Option<Fingerprint>,
}

/// The word for an ending.
pub(super) fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::Cached => "cached",
        Ending::Restored => "restored",
        Ending::Failed => "failed",
        Ending::Skipped => "skipped",
        Ending::Interrupted => "interrupted",
    }
}

/// The section that a run adds.
pub(super) fn section(facts: &RunFacts) -> Section {
    let mut blocks = vec![Block::Text(summary(facts))];
    if facts.stages.iter().any(|stage| stage.started_secs.is_some()) {
        blocks.push(Block::Figure(timeline(facts)));
    }
    blocks.push(Block::Table(stages(facts)));
    blocks.push(Block::Table(environment(facts)));
    blocks.push(Block::Text(Prose::new("Run it again: ").code(&facts.command)));
    Section { id: "run", title: "This run", blocks }
}

fn seconds(secs: f64) -> String {
    // Nothing takes longer than a million years, and a negative time is a clock set back.
    wording::duration(Duration::try_from_secs_f64(secs.max(0.0)).unwrap_or(Duration::MAX))
}

fn summary(facts: &RunFacts) -> Prose {
    let known =
        facts.stages.iter().filter(|s| matches!(s.ending, Ending::Cached | Ending::Restored));
    let saved: f64 = known.clone().filter_map(|s| s.cost).map(|cost| cost.wall_secs).sum();
    let cpu: f64 = facts.stages.iter().filter_map(|s| s.cost).map(|cost| cost.cpu_secs).sum();
    let mut text = format!(" began {} and took {}.", date(facts.started_at), seconds(facts.secs));
    if known.clone().next().is_some() {
        let stages = wording::count(facts.stages.len(), "stage");
        let note = format!(
            " Known already: {} of {stages}, which saved {}.",
            known.count(),
            seconds(saved)
        );
        text.push_str(&note);
    }
    let total = format!(" All results here cost {} of processor time.", seconds(cpu));
    text.push_str(&total);
    Prose::new("Run ").code(&facts.run).plain(text).plain(
        " This section was added after the run; it is not part of the report's artifact and has no \
         part in its digest.",
    )
}

fn stages(facts: &RunFacts) -> Table {
    let columns = [
        "stage",
        "state",
        "#this run",
        "#when computed",
        "#processor time",
        "#peak memory",
        "fingerprint",
    ];
    let mut table = Table::new("Stages", &columns);
    let time = |secs: f64| Cell::number(secs, seconds(secs));
    for stage in &facts.stages {
        let cost = |part: fn(&Cost) -> Cell| stage.cost.as_ref().map_or_else(Cell::none, part);
        table.row(vec![
            Cell::text(stage.stage.to_string()),
            Cell::text(word(stage.ending)),
            time(stage.secs),
            stage.cost.map_or_else(Cell::none, |cost| time(cost.wall_secs)),
            stage.cost.map_or_else(Cell::none, |cost| time(cost.cpu_secs)),
            cost(|cost| Cell {
                text: wording::bytes(cost.peak_memory_bytes),
                ..Cell::count(cost.peak_memory_bytes)
            }),
            stage
                .fingerprint
                .map_or_else(Cell::none, |fingerprint| Cell::code(fingerprint.short())),
        ]);
    }
    table
}

fn environment(facts: &RunFacts) -> Table {
    let mut table = Table::new("Where it ran", &["what", "value"]);
    let mut row =
        |name: String, value: String| table.row(vec![Cell::text(name), Cell::text(value)]);
    row("pipeline".to_owned(), facts.pipeline.clone());
    row("host".to_owned(), facts.host.clone());
    for (name, value) in &facts.hardware {
        row(name.clone(), value.clone());
    }
    for (name, version) in &facts.versions {
        row(format!("version of {name}"), version.clone());
    }
    let others: Vec<String> = {
        let hosts = facts.stages.iter().filter_map(|stage| stage.host.clone());
        let others: std::collections::BTreeSet<String> =
            hosts.filter(|host| *host != facts.host).collect();
        others.into_iter().collect()
    };
    if !facts.unverified.is_empty() {
        let stages: Vec<String> = facts.unverified.iter().map(ToString::to_string).collect();
        let text = format!("unverified for {}: no second run has agreed yet", stages.join(", "));
        row("repeatability".to_owned(), text);
    }
    if !others.is_empty() {
        row("earlier results come from".to_owned(), others.join(", "));
    }
    table
}

/// When each stage ran: a bar a stage, the longest ones when there are many.
fn timeline(facts: &RunFacts) -> Figure {
    let mut ran: Vec<(f64, &StageFacts)> = facts
        .stages
        .iter()
        .filter_map(|stage| stage.started_secs.map(|start| (start, stage)))
        .collect();
    let all = ran.len();
    ran.sort_by(|a, b| b.1.secs.total_cmp(&a.1.secs));
    ran.truncate(DRAWN);
    ran.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.stage.cmp(&b.1.stage)));
    let mut caption = "When each stage ran, in seconds from the run's begin.".to_owned();
    if all > ran.len() {
        let note =
            format!(" The {} longest of {} are drawn.", ran.len(), wording::count(all, "stage"));
        caption.push_str(&note);
    }
    Figure {
        name: "timeline".to_owned(),
        title: "Timeline".to_owned(),
        caption,
        wide: draw_timeline(&ran, 760),
        narrow: Some(draw_timeline(&ran, 380)),
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a drawing"
)]
fn draw_timeline(ran: &[(f64, &StageFacts)], width: u32) -> Svg {
    let names = ran.iter().map(|(_, stage)| text_width(&stage.stage.to_string(), 12.0));
    let left = names.fold(0.0, f64::max).min(f64::from(width) / 3.0) + 12.0;
    let bottom = 8.0 + ran.len() as f64 * 24.0;
    let right = f64::from(width) - 16.0;
    let mut svg = Svg::new(width, (bottom + 44.0) as u32);
    let end = ran.iter().map(|(start, stage)| start + stage.secs).fold(0.0, f64::max);
    let axis = Axis::exact("seconds", 0.0, end, Ticks::Decimal);
    let place = |secs: f64| left + axis.share(secs) * (right - left);
    for (value, word) in axis.marks(((right - left) / 76.0) as usize) {
        svg.line("grid", (place(value), 4.0), (place(value), bottom));
        svg.text("tick", (place(value), bottom + 16.0), Anchor::Middle, &word);
    }
    svg.text("name", (f64::midpoint(left, right), bottom + 34.0), Anchor::Middle, &axis.label);
    for (i, (start, stage)) in ran.iter().enumerate() {
        let y = 8.0 + i as f64 * 24.0;
        let name = clipped(&stage.stage.to_string(), 12.0, left - 12.0);
        svg.text("label", (left - 8.0, y + 15.0), Anchor::End, &name);
        let class = match stage.ending {
            Ending::Done => "bar",
            Ending::Cached | Ending::Restored => "bar known",
            Ending::Failed | Ending::Skipped | Ending::Interrupted => "bar failed",
        };
        let length = (place(start + stage.secs) - place(*start)).max(1.5);
        let tip = format!("{}: {}, {}", stage.stage, word(stage.ending), seconds(stage.secs));
        svg.rect_with_tip(class, (place(*start), y + 3.0), (length, 16.0), 1.0, &tip);
    }
    svg
}

/// `2026-11-24 09:30 UTC`.
fn date(since_1970: u64) -> String {
    let (days, rest) = (since_1970 / 86_400, since_1970 % 86_400);
    // Civil date from days (Howard Hinnant's algorithm), with years that begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", rest / 3_600, rest % 3_600 / 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_868_799), "2000-02-29 23:59 UTC");
        assert_eq!(date(1_795_512_600), "2026-11-24 09:30 UTC");
    }
}
