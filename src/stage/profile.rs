//! Profiles of trainings: what each operation took, as a table for people and as JSON, in the folder of the run.
//!
//! Times are no result: they are in no artifact and no manifest, and a profile that cannot be written is a warning.

use std::collections::BTreeMap;
use std::fmt::Write as _;
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
    let rows = timings.iter().map(|Timing { phase, operation, path, secs }| Row {
        phase: *phase,
        operation,
        path,
        secs: *secs,
    });
    let rows: Vec<Row<'_>> = rows.collect();
    fs::write(folder.join(format!("{name}.json")), serde_json::to_vec_pretty(&rows)?)?;
    fs::write(folder.join(format!("{name}.txt")), table(timings))
}

/// Operations by what they took together, then every instruction by what it took.
fn table(timings: &[Timing]) -> String {
    let total: f64 = timings.iter().map(|timing| timing.secs).sum();
    let mut by_operation: BTreeMap<&str, f64> = BTreeMap::new();
    for timing in timings {
        *by_operation.entry(&timing.operation).or_default() += timing.secs;
    }
    let mut operations: Vec<(&str, f64)> = by_operation.into_iter().collect();
    operations.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut instructions: Vec<&Timing> = timings.iter().collect();
    instructions.sort_by(|a, b| b.secs.total_cmp(&a.secs));
    let share = |secs: f64| if total > 0.0 { 100.0 * secs / total } else { 0.0 };
    let mut text =
        format!("{total:.3} s of processor time in operations, all threads together\n\n");
    let mut line = |secs: f64, what: String| {
        // Writing to a string cannot fail.
        _ = writeln!(text, "{secs:10.3} s {:5.1} %  {}", share(secs), what.trim_end());
    };
    for (operation, secs) in &operations {
        line(*secs, (*operation).to_owned());
    }
    line(total, "all, and by phase, operation and layer:".to_owned());
    for Timing { phase, operation, path, secs } in instructions {
        line(*secs, format!("phase {phase:3} {operation} {path}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(phase: usize, operation: &str, path: &str, secs: f64) -> Timing {
        Timing { phase, operation: operation.to_owned(), path: path.to_owned(), secs }
    }

    #[test]
    fn the_table_has_operations_and_instructions_from_the_dearest_on() {
        let timings = [
            timing(0, "Conv", "conv0", 1.0),
            timing(0, "Copy", "", 0.5),
            timing(3, "Conv", "conv1", 2.5),
        ];
        assert_eq!(
            table(&timings),
            "4.000 s of processor time in operations, all threads together\n\n\
             \x20    3.500 s  87.5 %  Conv\n\
             \x20    0.500 s  12.5 %  Copy\n\
             \x20    4.000 s 100.0 %  all, and by phase, operation and layer:\n\
             \x20    2.500 s  62.5 %  phase   3 Conv conv1\n\
             \x20    1.000 s  25.0 %  phase   0 Conv conv0\n\
             \x20    0.500 s  12.5 %  phase   0 Copy\n"
        );
    }
}
