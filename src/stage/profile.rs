//! Profiles of trainings: what each operation took, as a table for people and as JSON, in the folder of the run.
//!
//! Times are no result: they are in no artifact and no manifest, and a profile that cannot be written is a warning.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::Job;
use crate::event::Event;
use crate::train::Timing;

/// A row of the JSON file.
#[derive(Debug, Serialize)]
struct Row<'a> {
    phase: usize,
    operation: &'a str,
    path: &'a str,
    secs: f64,
    direct_flops: u64,
    executed_flops: u64,
}

/// Writes the profile of a child, when the run wants profiles.
pub(super) fn write(job: &Job<'_>, child: &str, timings: &[Timing]) {
    let Some(folder) = &job.file.paths.profile else { return };
    if timings.is_empty() {
        return;
    }
    if let Err(error) = write_files(folder, &child.replace(' ', "-"), timings) {
        let text = format!("the profile of {child} is not kept: `{}`: {error}", folder.display());
        job.events.emit(Event::Warning { stage: Some(job.file.stage.clone()), text });
    }
}

fn write_files(folder: &Path, name: &str, timings: &[Timing]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let rows = timings.iter().map(|timing| Row {
        phase: timing.phase,
        operation: &timing.operation,
        path: &timing.path,
        secs: timing.secs,
        direct_flops: timing.direct_flops,
        executed_flops: timing.executed_flops,
    });
    let rows: Vec<Row<'_>> = rows.collect();
    fs::write(folder.join(format!("{name}.json")), serde_json::to_vec_pretty(&rows)?)?;
    fs::write(folder.join(format!("{name}.txt")), table(timings))
}

/// Seconds, and floating-point operations as direct convolutions have them and as carried out.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    secs: f64,
    direct: u64,
    executed: u64,
}

impl Cost {
    fn of(timing: &Timing) -> Self {
        let Timing { secs, direct_flops, executed_flops, .. } = *timing;
        Self { secs, direct: direct_flops, executed: executed_flops }
    }

    fn plus(self, other: Self) -> Self {
        let Self { secs, direct, executed } = other;
        Self {
            secs: self.secs + secs,
            direct: self.direct + direct,
            executed: self.executed + executed,
        }
    }

    /// A line of the table, in GFLOP/s of one thread; nothing stands where nothing is multiplied.
    fn line(self, all: f64, what: &str) -> String {
        let share = if all > 0.0 { 100.0 * self.secs / all } else { 0.0 };
        let rate = |flops: u64| match flops {
            0 => String::new(),
            #[expect(clippy::cast_precision_loss, reason = "a rate")]
            _ => format!("{:.1}", flops as f64 / self.secs.max(1e-9) / 1e9),
        };
        let (direct, executed) = (rate(self.direct), rate(self.executed));
        format!("{:10.3} s {share:5.1} % {direct:>8} {executed:>8}  {what}\n", self.secs)
    }
}

/// Operations by what they took together, then every instruction by what it took.
fn table(timings: &[Timing]) -> String {
    let mut by_operation: BTreeMap<&str, Cost> = BTreeMap::new();
    for timing in timings {
        let cost = by_operation.entry(&timing.operation).or_default();
        *cost = cost.plus(Cost::of(timing));
    }
    let total = by_operation.values().fold(Cost::default(), |sum, cost| sum.plus(*cost));
    let mut operations: Vec<(&str, Cost)> = by_operation.into_iter().collect();
    operations.sort_by(|a, b| b.1.secs.total_cmp(&a.1.secs));
    let mut instructions: Vec<&Timing> = timings.iter().collect();
    instructions.sort_by(|a, b| b.secs.total_cmp(&a.secs));

    let mut text = format!(
        "{:.3} s of processor time in operations, all threads together\n\n\
         {:>21} {:>8} {:>8}  GFLOP/s of a thread, as direct convolutions count them and carried out\n",
        total.secs, "", "direct", "executed",
    );
    for (operation, cost) in &operations {
        text += &cost.line(total.secs, operation);
    }
    text += &total.line(total.secs, "all, and by phase, operation and layer:");
    for timing in instructions {
        let Timing { phase, operation, path, .. } = timing;
        let what = format!("phase {phase:3} {operation} {path}");
        text += &Cost::of(timing).line(total.secs, what.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(phase: usize, operation: &str, path: &str, secs: f64, flops: [u64; 2]) -> Timing {
        let [direct_flops, executed_flops] = flops;
        let (operation, path) = (operation.to_owned(), path.to_owned());
        Timing { phase, operation, path, secs, direct_flops, executed_flops }
    }

    #[test]
    fn the_table_has_operations_and_instructions_from_the_dearest_on() {
        let timings = [
            timing(0, "Conv", "conv0", 1.0, [36_000_000_000, 16_000_000_000]),
            timing(0, "Copy", "", 0.5, [0, 0]),
            timing(3, "Conv", "conv1", 2.5, [50_000_000_000, 50_000_000_000]),
        ];
        assert_eq!(
            table(&timings),
            "4.000 s of processor time in operations, all threads together\n\n\
             \x20                       direct executed  GFLOP/s of a thread, as direct convolutions count them and carried out\n\
             \x20    3.500 s  87.5 %     24.6     18.9  Conv\n\
             \x20    0.500 s  12.5 %                    Copy\n\
             \x20    4.000 s 100.0 %     21.5     16.5  all, and by phase, operation and layer:\n\
             \x20    2.500 s  62.5 %     20.0     20.0  phase   3 Conv conv1\n\
             \x20    1.000 s  25.0 %     36.0     16.0  phase   0 Conv conv0\n\
             \x20    0.500 s  12.5 %                    phase   0 Copy\n"
        );
    }
}
