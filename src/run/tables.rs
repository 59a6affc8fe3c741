//! History as text: the tables that `log`, `show` and `diff` print.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use super::compare::{Changed, RepeatedDiff, RunDiff, StageDiff};
use super::history::{PastRun, PastRunDetails};
use super::journal::{StageEnd, time_text};
use crate::event::Ending;
use crate::record::Cost;
use crate::statistics::{PAIRS_MIN, WILCOXON_MAX};
use crate::wording;

/// `log`: a line for each run.
#[must_use]
pub fn log_table(runs: &[PastRun]) -> String {
    let mut table = plain(&["run", "started (UTC)", "pipeline", "time", "status", "stages"]);
    for run in runs {
        table.add_row([
            run.run.clone(),
            time_text(run.started_at),
            run.pipeline.clone(),
            run.secs.map_or_else(String::new, seconds),
            run.status.word().to_owned(),
            counts(run),
        ]);
    }
    align_right(&mut table, &[3]);
    text_of(&table)
}

/// `show`: a run's facts, and a line for each stage.
#[must_use]
pub fn details_text(details: &PastRunDetails) -> String {
    let run = &details.run;
    let mut text = format!(
        "run {} of {}, {} UTC, {}\n",
        run.run,
        run.pipeline,
        time_text(run.started_at),
        run.status.word()
    );
    if let Some(source) = &details.same_as {
        _ = writeln!(text, "everything was cached: the results are those of run {source}");
    }
    if let Some(facts) = details.facts.as_ref().filter(|_| details.same_as.is_none()) {
        _ = writeln!(text, "{} on {}, phytotron {}", facts.file, facts.host, facts.version);
        for (key, value) in &facts.params {
            _ = writeln!(text, "-p {key}={value}");
        }
    }
    _ = write!(text, "\n{}", stage_table(&details.stages));
    for stage in details.stages.iter().filter(|stage| stage.ending == Ending::Failed) {
        _ = writeln!(text, "\n{}: {}", stage.stage, stage.reason.as_deref().unwrap_or("failed"));
    }
    text
}

fn stage_table(stages: &[StageEnd]) -> String {
    let mut table = plain(&["stage", "ended", "time", "cpu", "memory", "result", "numbers"]);
    for stage in stages {
        let cost = |get: &dyn Fn(&Cost) -> String| stage.cost.as_ref().map_or(String::new(), get);
        let metrics =
            stage.metrics.iter().map(|(name, value)| format!("{name} {}", number(*value)));
        table.add_row([
            stage.stage.to_string(),
            stage.ending.word().to_owned(),
            cost(&|cost| seconds(cost.wall_secs)),
            cost(&|cost| seconds(cost.cpu_secs)),
            cost(&|cost| wording::bytes(cost.peak_memory_bytes)),
            stage.fingerprint.map_or_else(String::new, |fingerprint| fingerprint.short()),
            metrics.collect::<Vec<_>>().join(", "),
        ]);
    }
    align_right(&mut table, &[2, 3, 4]);
    text_of(&table)
}

/// `diff`: what differs, stage by stage.
#[must_use]
pub fn diff_text(diff: &RunDiff) -> String {
    let mut text = format!("{} → {}\n", diff.before, diff.after);
    for stage in &diff.stages {
        _ = write!(text, "\n{}", stage_diff(stage));
    }
    let equal = wording::count(diff.equal, "stage");
    if diff.stages.is_empty() {
        _ = writeln!(text, "no difference in {equal}");
    } else {
        _ = writeln!(text, "\n{equal} without a difference");
    }
    if !diff.repeated.is_empty() {
        _ = write!(text, "\n{}", repeated_diff(&diff.repeated));
    }
    text
}

/// Mean differences over repeats, with what may be said of them.
fn repeated_diff(rows: &[RepeatedDiff]) -> String {
    let mut table = plain(&["over repeats", "number", "later - earlier", "95 %", "pairs", "p"]);
    for row in rows {
        table.add_row([
            row.stage.clone(),
            row.metric.clone(),
            format!("{:+.4}", row.difference),
            row.interval.map_or_else(String::new, |[low, high]| format!("{low:+.4} to {high:+.4}")),
            row.pairs.to_string(),
            row.p.map_or_else(String::new, |p| format!("{p:.4}")),
        ]);
    }
    align_right(&mut table, &[2, 3, 4, 5]);
    let mut text = text_of(&table);
    let (tested, untested): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.p.is_some());
    if !tested.is_empty() {
        text.push_str(
            "p: exact Wilcoxon signed-rank test, adjusted by Holm over a stage's settings\n",
        );
    }
    if untested.iter().any(|row| row.pairs < PAIRS_MIN) {
        text.push_str("under six pairs there is no p-value: it could not show anything at 5 %\n");
    }
    if untested.iter().any(|row| row.pairs > WILCOXON_MAX) {
        _ = writeln!(
            text,
            "over {WILCOXON_MAX} pairs there is no p-value: the exact test ends there, and nothing is \
             put in its place"
        );
    }
    text
}

fn stage_diff(diff: &StageDiff) -> String {
    let mut text = match diff.only_after {
        Some(true) => return format!("{}: only in the later run\n", diff.stage),
        Some(false) => return format!("{}: only in the earlier run\n", diff.stage),
        None => format!("{}\n", diff.stage),
    };
    let mut table = plain(&[]);
    let mut add = |noun: &str, name: &str, before: Option<String>, after: Option<String>| {
        let side = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        table.add_row([
            format!("  {noun}"),
            name.to_owned(),
            side(before),
            "→".to_owned(),
            side(after),
        ]);
    };
    for Changed { name, before, after } in &diff.manifest {
        add("input", name, before.clone(), after.clone());
    }
    for Changed { name, before, after } in &diff.artifacts {
        add("artifact", name, before.map(|tree| tree.short()), after.map(|tree| tree.short()));
    }
    for Changed { name, before, after } in &diff.metrics {
        add("number", name, before.map(number), after.map(number));
    }
    if let (Some(before), Some(after)) = diff.cost {
        add("cost", "time", Some(seconds(before.wall_secs)), Some(seconds(after.wall_secs)));
    }
    text.push_str(&text_of(&table));
    text
}

/// A table with columns as wide as they need to be; `numbers` are set to the right.
#[must_use]
pub fn text_table(
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    numbers: &[usize],
) -> String {
    let mut table = plain(header);
    for row in rows {
        table.add_row(row);
    }
    align_right(&mut table, numbers);
    text_of(&table)
}

fn counts(run: &PastRun) -> String {
    let counts = run.stages.iter().map(|(word, count)| format!("{count} {word}"));
    counts.collect::<Vec<_>>().join(", ")
}

pub(super) fn seconds(secs: f64) -> String {
    wording::duration(Duration::try_from_secs_f64(secs).unwrap_or_default())
}

/// Four digits after the point, fewer where they are noughts.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(super) fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if !header.is_empty() {
        table.set_header(header.to_vec());
    }
    table
}

pub(super) fn align_right(table: &mut Table, columns: &[usize]) {
    for &column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

pub(super) fn text_of(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::history::RunStatus;
    use super::*;

    #[test]
    fn log_lists_runs() {
        let run = PastRun {
            run: "20261124-041800-3fa9".to_owned(),
            pipeline: "quickstart".to_owned(),
            started_at: 1_795_493_880.0,
            secs: Some(85.0),
            status: RunStatus::Done,
            stages: BTreeMap::from([("cached".to_owned(), 2), ("done".to_owned(), 3)]),
            has_folder: true,
        };
        insta::assert_snapshot!(log_table(&[run]), @"
        run                   started (UTC)        pipeline          time  status  stages
        20261124-041800-3fa9  2026-11-24 04:18:00  quickstart  1 min 25 s  done    2 cached, 3 done
        ");
    }

    #[test]
    fn diff_says_what_changed_in_which_stage() {
        let diff = RunDiff {
            before: "a".to_owned(),
            after: "b".to_owned(),
            stages: vec![StageDiff {
                stage: "search".to_owned(),
                only_after: None,
                manifest: vec![Changed {
                    name: "with.budget.trials".to_owned(),
                    before: Some("200".to_owned()),
                    after: Some("300".to_owned()),
                }],
                artifacts: Vec::new(),
                metrics: vec![Changed {
                    name: "best_score".to_owned(),
                    before: Some(0.5),
                    after: Some(0.625),
                }],
                cost: (None, None),
            }],
            equal: 2,
            repeated: Vec::new(),
        };
        insta::assert_snapshot!(diff_text(&diff), @"
        a → b

        search
           input   with.budget.trials  200  →  300
           number  best_score          0.5  →  0.625

        2 stages without a difference
        ");
    }
}
