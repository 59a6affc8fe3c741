//! The view after a run: report pages with what only the run knows.
//!
//! The `report` artifact depends on its inputs alone. What people open is that page with a section of
//! run records (timeline, hardware, seconds), which is neither stored nor locked.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::artifact::ArtifactType;
use crate::plan::{Request, Study};
use crate::record::Repeatability;
use crate::report::{self, RunFacts, StageFacts};
use crate::run::{RunReport, StageEnd};
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
    let stages: Vec<StageFacts> = run
        .stages
        .iter()
        .map(|end| StageFacts {
            stage: end.stage.clone(),
            ending: end.ending,
            started_secs: None,
            secs: end.cost.map_or(0.0, |cost| cost.wall_secs),
            cost: end.cost,
            host: record(end).map(|record| record.host),
            fingerprint: end.fingerprint,
        })
        .collect();
    let versions: BTreeMap<String, String> =
        run.stages.iter().filter_map(record).flat_map(|record| record.versions).collect();
    let is_unverified = |end: &&StageEnd| {
        record(end).is_some_and(|record| record.repeatability == Repeatability::Unverified)
    };
    let unverified = run.stages.iter().filter(is_unverified).map(|end| end.stage.clone()).collect();
    let params = request.params.iter().flat_map(|(key, value)| [" -p ", key, "=", value]);
    let params: String = params.collect();
    RunFacts {
        pipeline: study.pipeline.name.clone(),
        run: run.run.clone(),
        started_at: whole(run.started_at),
        secs: run.secs,
        host: run.host.clone(),
        hardware: crate::run::hardware(),
        versions,
        command: format!("phytotron run {}{params}", request.file.display()),
        unverified,
        stages,
    }
}

/// Seconds since 1970 without their fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times after 1970")]
fn whole(secs: f64) -> u64 {
    secs as u64
}
