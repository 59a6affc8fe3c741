//! Run facts: what a run cost, on which machine, and how to run it again.
//!
//! They change from run to run, so they are added to a copy of the page and never to the artifact.

use std::collections::BTreeMap;

use super::document::{Block, Prose, Section};
use super::plot::{Anchor, Axis, Figure, Svg, Ticks, clipped, text_width};
use super::table::{Cell, Table};
use crate::artifact::StageId;
use crate::event::Ending;
use crate::manifest::{Fingerprint, Manifest};
use crate::record::Cost;
use crate::wording;

/// Stages whose manifests stand in the page.
const MANIFESTS: usize = 24;
/// Stages drawn in the timeline; the table has all.
const DRAWN: usize = 40;

/// What a run adds to a report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFacts {
    /// The pipeline's name.
    pub pipeline: String,
    /// Its description: what it asks.
    pub question: Option<String>,
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
    /// What to type to see the same: what it does, and the command.
    pub commands: Vec<(String, String)>,
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
    /// Everything that its result depends on.
    pub manifest: Option<Manifest>,
}

/// The section that a run adds.
pub(super) fn section(facts: &RunFacts) -> Section {
    let mut blocks = vec![Block::Text(summary(facts))];
    if facts.stages.iter().any(|stage| stage.started_secs.is_some()) {
        blocks.push(Block::Figure(timeline(facts)));
    }
    blocks.extend(costs(facts).map(Block::Figure));
    blocks.push(Block::Table(stages(facts)));
    blocks.push(Block::Table(environment(facts)));
    for (what, command) in &facts.commands {
        blocks.push(Block::Text(Prose::new(format!("{what}:"))));
        blocks.push(Block::Copy(command.clone()));
    }
    blocks.extend(manifests(facts));
    Section { id: "run", title: "This run", blocks }
}

fn summary(facts: &RunFacts) -> Prose {
    let known =
        facts.stages.iter().filter(|s| matches!(s.ending, Ending::Cached | Ending::Restored));
    let saved: f64 = known.clone().filter_map(|s| s.cost).map(|cost| cost.wall_secs).sum();
    let cpu: f64 = facts.stages.iter().filter_map(|s| s.cost).map(|cost| cost.cpu_secs).sum();
    let mut text =
        format!(" began {} and took {}.", date(facts.started_at), wording::seconds(facts.secs));
    if known.clone().next().is_some() {
        let stages = wording::count(facts.stages.len(), "stage");
        let note = format!(
            " Known already: {} of {stages}, which saved {}.",
            known.count(),
            wording::seconds(saved)
        );
        text.push_str(&note);
    }
    let total = format!(" All results here cost {} of processor time.", wording::seconds(cpu));
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
    let time = |secs: f64| Cell::number(secs, wording::seconds(secs));
    for stage in &facts.stages {
        let cost = |part: fn(&Cost) -> Cell| stage.cost.as_ref().map_or_else(Cell::none, part);
        table.row(vec![
            Cell::text(stage.stage.to_string()),
            Cell::text(stage.ending.word()),
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

/// What each result depends on, resolved: parameters with their defaults, seeds, digests of inputs.
fn manifests(facts: &RunFacts) -> Option<Block> {
    let known =
        facts.stages.iter().filter_map(|stage| Some((&stage.stage, stage.manifest.as_ref()?)));
    let table = |(stage, manifest): (&StageId, &Manifest)| {
        let mut table = Table::new(format!("Manifest of {stage}"), &["line", "value"]);
        for line in manifest.lines() {
            table.row(vec![Cell::code(&line.key), Cell::code(&line.value)]);
        }
        Block::Table(table)
    };
    let tables: Vec<Block> = known.take(MANIFESTS).map(table).collect();
    let title = "Everything that each result depends on".to_owned();
    (!tables.is_empty()).then_some(Block::Folded(title, tables))
}

/// Processor time of each stage's result, whichever run computed it; the dearest when there are many.
fn costs(facts: &RunFacts) -> Option<Figure> {
    let cost = |stage: &StageFacts| stage.cost.map_or(0.0, |cost| cost.cpu_secs);
    let mut dear: Vec<&StageFacts> =
        facts.stages.iter().filter(|stage| cost(stage) > 0.0).collect();
    dear.sort_by(|a, b| cost(b).total_cmp(&cost(a)).then_with(|| a.stage.cmp(&b.stage)));
    let all = dear.len();
    dear.truncate(DRAWN);
    let mut caption = "Processor time that each result cost when it was computed.".to_owned();
    if all > dear.len() {
        let stages = wording::count(all, "stage");
        let note = format!(" The {} dearest of {stages} are drawn.", dear.len());
        caption.push_str(&note);
    }
    let bar = |stage: &&StageFacts| {
        let what = format!("{}: {}", stage.stage, wording::seconds(cost(stage)));
        Bar {
            name: stage.stage.to_string(),
            class: class(stage.ending),
            from: 0.0,
            length: cost(stage),
            what,
        }
    };
    let bars: Vec<Bar> = dear.iter().map(bar).collect();
    (!bars.is_empty()).then(|| Figure {
        name: "stage-costs".to_owned(),
        title: "Cost by stage".to_owned(),
        caption,
        wide: draw_bars(&bars, "seconds of processor time", 760),
        narrow: Some(draw_bars(&bars, "seconds of processor time", 380)),
    })
}

/// A bar of a timeline.
struct Bar {
    name: String,
    class: &'static str,
    from: f64,
    length: f64,
    /// What it says when pointed at.
    what: String,
}

fn class(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "bar",
        Ending::Cached | Ending::Restored => "bar known",
        Ending::Failed | Ending::Skipped | Ending::Interrupted => "bar failed",
    }
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
    let bar = |(from, stage): &(f64, &StageFacts)| {
        let what =
            format!("{}: {}, {}", stage.stage, stage.ending.word(), wording::seconds(stage.secs));
        let (name, class) = (stage.stage.to_string(), class(stage.ending));
        Bar { name, class, from: *from, length: stage.secs, what }
    };
    let bars: Vec<Bar> = ran.iter().map(bar).collect();
    Figure {
        name: "timeline".to_owned(),
        title: "Timeline".to_owned(),
        caption,
        wide: draw_bars(&bars, "seconds", 760),
        narrow: Some(draw_bars(&bars, "seconds", 380)),
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in a drawing"
)]
fn draw_bars(bars: &[Bar], unit: &str, width: u32) -> Svg {
    let names = bars.iter().map(|bar| text_width(&bar.name, 12.0));
    let left = names.fold(0.0, f64::max).min(f64::from(width) / 3.0) + 12.0;
    let bottom = 8.0 + bars.len() as f64 * 24.0;
    let right = f64::from(width) - 24.0;
    let mut svg = Svg::new(width, (bottom + 44.0) as u32);
    let end = bars.iter().map(|bar| bar.from + bar.length).fold(0.0, f64::max);
    let axis = Axis::exact(unit, 0.0, end, Ticks::Decimal);
    let place = |secs: f64| left + axis.share(secs) * (right - left);
    for (value, word) in axis.marks(((right - left) / 76.0) as usize) {
        svg.line("grid", (place(value), 4.0), (place(value), bottom));
        svg.text("tick", (place(value), bottom + 16.0), Anchor::Middle, &word);
    }
    svg.text("name", (f64::midpoint(left, right), bottom + 34.0), Anchor::Middle, &axis.label);
    for (i, bar) in bars.iter().enumerate() {
        let y = 8.0 + i as f64 * 24.0;
        let name = clipped(&bar.name, 12.0, left - 12.0);
        svg.text("label", (left - 8.0, y + 15.0), Anchor::End, &name);
        let length = (place(bar.from + bar.length) - place(bar.from)).max(1.5);
        svg.rect_with_tip(bar.class, (place(bar.from), y + 3.0), (length, 16.0), 1.0, &bar.what);
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
