//! The view after a run: report pages with what only the run knows.
//!
//! The `report` artifact depends on its inputs alone. What people open is that page with a section of
//! run records (timeline, hardware, seconds), which is neither stored nor locked.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::artifact::ArtifactType;
use crate::event::Ending;
use crate::plan::{Request, Study};
use crate::record::Repeatability;
use crate::report::{self, RunFacts, StageFacts};
use crate::run::{History, RunReport, StageEnd};
use crate::store::Store;

/// Pages of the run's report stages, relative to the project: `out/<pipeline>/<stage>.html`.
pub(crate) fn pages(study: &Study, run: &RunReport) -> Vec<PathBuf> {
    reports(study, run).into_iter().map(|(end, _)| page(study, end)).collect()
}

/// Writes every page. A page that cannot be written is missing, and the run no worse for it.
pub(crate) fn write(study: &Study, store: &Store, request: &Request, run: &RunReport) {
    for (end, output) in reports(study, run) {
        let path = request.root.join(page(study, end));
        let Some(tree) = end.outputs.get(&output) else { continue };
        let Ok(html) = store.read(tree, report::PAGE_FILE) else { continue };
        let facts = facts(study, store, request, run);
        let html = report::page::with_run_facts(&String::from_utf8_lossy(&html), &facts);
        if let Some(folder) = path.parent() {
            // Its failure shows in the write that follows.
            let _ = fs::create_dir_all(folder);
        }
        if fs::write(&path, html).is_err() {
            tracing::warn!(path = %path.display(), "cannot write the report's view");
        }
    }
}

/// Report stages that have a result, with the name of their report.
fn reports<'r>(study: &Study, run: &'r RunReport) -> Vec<(&'r StageEnd, String)> {
    let mut found = Vec::new();
    for (_, stage) in study.iter() {
        let outputs = stage.stage.outputs();
        let Some(output) = outputs.iter().find(|o| o.kind == ArtifactType::Report) else {
            continue;
        };
        let end = run.stages.iter().find(|end| end.stage == stage.id && end.ending.is_well());
        found.extend(end.map(|end| (end, output.name.clone())));
    }
    found
}

fn page(study: &Study, end: &StageEnd) -> PathBuf {
    let name = crate::plan::safe_name(&end.stage.to_string());
    PathBuf::from("out")
        .join(crate::plan::safe_name(&study.pipeline.name))
        .join(format!("{name}.html"))
}

fn facts(study: &Study, store: &Store, request: &Request, run: &RunReport) -> RunFacts {
    let record = |end: &StageEnd| {
        end.fingerprint.and_then(|fingerprint| store.record(&fingerprint).ok().flatten())
    };
    let starts = History::new(store.runs()).starts(&run.run);
    let stages: Vec<StageFacts> = run
        .stages
        .iter()
        .map(|end| StageFacts {
            stage: end.stage.clone(),
            ending: end.ending,
            started_secs: starts.get(&end.stage).map(|at| (at - run.started_at).max(0.0)),
            secs: end
                .cost
                .filter(|_| end.ending == Ending::Done)
                .map_or(0.0, |cost| cost.wall_secs),
            cost: end.cost,
            host: record(end).map(|record| record.host),
            fingerprint: end.fingerprint,
            manifest: record(end).map(|record| record.manifest),
        })
        .collect();
    let versions: BTreeMap<String, String> =
        run.stages.iter().filter_map(record).flat_map(|record| record.versions).collect();
    let is_unverified = |end: &&StageEnd| {
        record(end).is_some_and(|record| record.repeatability == Repeatability::Unverified)
    };
    let unverified = run.stages.iter().filter(is_unverified).map(|end| end.stage.clone()).collect();
    RunFacts {
        question: study.pipeline.description.clone(),
        pipeline: study.pipeline.name.clone(),
        run: run.run.clone(),
        started_at: whole(run.started_at),
        secs: run.secs,
        host: run.host.clone(),
        hardware: crate::run::hardware(),
        versions,
        commands: commands(study, request, run),
        unverified,
        stages,
    }
}

/// What to type to see the same: run again, hold against the lock file, fetch the results.
fn commands(study: &Study, request: &Request, run: &RunReport) -> Vec<(String, String)> {
    let file = quoted(&request.file.display().to_string());
    let param =
        |(key, value): &(String, String)| format!(" -p {}", quoted(&format!("{key}={value}")));
    let params: String = request.params.iter().map(param).collect();
    let command = |what: &str, words: String| (what.to_owned(), format!("phytotron {words}"));
    let mut commands = vec![
        command("Run it again", format!("run {file}{params}")),
        command("Say why a stage runs", format!("plan {file}{params}")),
        command(
            "Compute all of it anew, beside the store, and compare",
            format!("verify {file}{params}"),
        ),
    ];
    let models = |end: &&StageEnd| {
        let found = study.iter().find(|(_, stage)| stage.id == end.stage);
        found.is_some_and(|(_, stage)| {
            stage.stage.outputs().iter().any(|output| output.kind == ArtifactType::Models)
        })
    };
    for end in run.stages.iter().filter(models).take(FETCHED) {
        let stage = quoted(&end.stage.to_string());
        let text = format!("get {file} {stage}{params} --output trained-networks");
        commands.push(command(&format!("Fetch the trained networks of {}", end.stage), text));
    }
    commands
}

/// Stages with trained networks that get a command of their own.
const FETCHED: usize = 3;

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./=,:@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Seconds since 1970 without their fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times after 1970")]
fn whole(secs: f64) -> u64 {
    secs as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_they_need_it() {
        assert_eq!(quoted("pipelines/a.yaml"), "pipelines/a.yaml");
        assert_eq!(quoted("search[repeat=1]"), "'search[repeat=1]'");
        assert_eq!(quoted("it's; rm -r /"), "'it'\\''s; rm -r /'");
    }
}
