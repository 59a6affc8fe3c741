//! The table at a run's end.

use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::line;
use super::terminal::Terminal;
use crate::artifact::StageId;
use crate::event::Ending;
use crate::wording;

/// Stages that ended well in one way, beyond this many, are counted in one line: a study of a thousand
/// stages is not a table. What failed is always listed.
const LISTED: usize = 12;
/// Metrics shown for a stage.
const METRICS: usize = 4;
/// Numbers that are told only where they are not 0.
const UNTOLD: [&str; 3] = ["broken", "rejected", "repeats"];
/// Failed stages whose last words are shown.
const LOGS: usize = 3;

/// What a run did with one stage.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryRow {
    /// The stage.
    pub stage: StageId,
    /// How it ended.
    pub ending: Ending,
    /// Seconds it took in this run.
    pub secs: f64,
    /// Seconds it took when its result was computed, for one that was known.
    pub saved_secs: Option<f64>,
    /// Headline numbers of its record.
    pub metrics: BTreeMap<String, f64>,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
}

/// A line a stage: state, time, what was saved, headline numbers. Empty without rows.
#[must_use]
pub fn summary(rows: &[SummaryRow], terminal: &Terminal) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(terminal.width);
    if terminal.colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(["stage", "state", "time", "saved", "result"]);
    let with = |ending: Ending| rows.iter().filter(move |row| row.ending == ending);
    let is_counted = |ending: Ending| ending.is_well() && with(ending).count() > LISTED;
    let counted: Vec<Ending> = [Ending::Done, Ending::Restored, Ending::Cached]
        .into_iter()
        .filter(|ending| is_counted(*ending))
        .collect();
    for row in rows.iter().filter(|row| !counted.contains(&row.ending)) {
        table.add_row(cells(row));
    }
    for ending in counted {
        let stages = wording::count(with(ending).count(), "stage");
        let secs: f64 = with(ending).map(|row| row.secs).sum();
        let saved: f64 = with(ending).filter_map(|row| row.saved_secs).sum();
        let shown = |secs: f64| if secs > 0.0 { wording::seconds(secs) } else { String::new() };
        table.add_row([stages, ending.word().to_owned(), shown(secs), shown(saved), String::new()]);
    }
    for column in [2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.extend(logs(rows));
    lines.join("\n")
}

/// What the first failed stages said last, at full width below the table.
fn logs(rows: &[SummaryRow]) -> Vec<String> {
    let failed = rows.iter().filter(|row| row.ending == Ending::Failed);
    let said = failed.filter_map(|row| Some((row, parted(row.reason.as_deref()?).1?)));
    let mut lines = Vec::new();
    for (row, said) in said.take(LOGS) {
        lines.push(String::new());
        let mut words = said.lines().map(|line| line::clean(line).trim_end().to_owned());
        let head = words.next().unwrap_or_default();
        lines.push(format!(" {}: {head}", line::clean(&row.stage.to_string())));
        lines.extend(words.map(|line| format!(" {line}")));
    }
    lines
}

/// A reason of many lines, as `exit code 3; the end of LOG:` with the log's lines below, in two: why, and
/// what was said last.
fn parted(reason: &str) -> (&str, Option<&str>) {
    let first = reason.lines().next().unwrap_or_default();
    match first.split_once("; ").filter(|_| first.len() < reason.len()) {
        Some((why, _)) => (why, Some(&reason[why.len() + 2..])),
        None => (reason, None),
    }
}

fn cells(row: &SummaryRow) -> Vec<Cell> {
    let colour = match row.ending {
        Ending::Done | Ending::Restored => Color::Green,
        Ending::Cached => Color::Reset,
        Ending::Failed => Color::Red,
        Ending::Skipped | Ending::Interrupted => Color::Yellow,
    };
    let did_nothing = matches!(row.ending, Ending::Cached | Ending::Skipped);
    let time = if did_nothing { String::new() } else { wording::seconds(row.secs) };
    let result = match row.reason.as_deref() {
        Some(reason) => line::clean(parted(reason).0),
        None => metrics(&row.metrics),
    };
    vec![
        Cell::new(row.stage.to_string()),
        Cell::new(row.ending.word()).fg(colour),
        Cell::new(time),
        Cell::new(row.saved_secs.map_or_else(String::new, wording::seconds)),
        Cell::new(result),
    ]
}

/// `test accuracy 0.9120 (0.9000 to 0.9240), trials 300`: a number's bounds stand with it, and what did not happen is
/// not told.
fn metrics(metrics: &BTreeMap<String, f64>) -> String {
    let bound = |name: &str, side: &str| metrics.get(&format!("{name}_{side}"));
    let is_bound = |name: &str| {
        let of = name.strip_suffix("_low").or(name.strip_suffix("_high"));
        of.is_some_and(|of| metrics.contains_key(of))
    };
    let is_told = |name: &str, value: f64| value != 0.0 || !UNTOLD.contains(&name);
    let shown = metrics.iter().filter(|(name, value)| !is_bound(name) && is_told(name, **value));
    let word = |(name, value): (&String, &f64)| {
        let words = format!("{} {}", line::clean(name).replace('_', " "), number(*value));
        match (bound(name, "low"), bound(name, "high")) {
            (Some(low), Some(high)) => format!("{words} ({} to {})", number(*low), number(*high)),
            _ => words,
        }
    };
    shown.take(METRICS).map(word).collect::<Vec<_>>().join(", ")
}

/// Whole numbers whole, others with four digits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole, positive and small"
)]
fn number(value: f64) -> String {
    if (0.0..1e15).contains(&value) && value.fract().abs() < f64::EPSILON {
        wording::thousands(value as u64)
    } else if value.abs() >= 100.0 || !value.is_finite() {
        format!("{value:.1}")
    } else {
        format!("{value:.4}")
    }
}
