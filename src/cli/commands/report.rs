//! `report`: one page on several runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::artifact::{ArtifactType, Coordinates};
use crate::cli::args::ReportArgs;
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::digest::Digest;
use crate::report::{self, Findings, Options, PAGE_FILE, Source, Sources};
use crate::run::{History, PastRunDetails};
use crate::stage::StageError;
use crate::store::{LinkMode, Store};

/// Takes trials, trained networks and controllers of the runs out of the store and writes a report on them.
pub(super) fn report(
    workplace: &Workplace,
    args: &ReportArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let store = workplace.store()?;
    let history = History::new(store.runs());
    let runs = args.runs.iter().map(|name| history.details(name)).collect::<Result<Vec<_>, _>>()?;
    let found = artifacts(&runs, &store)?;
    if !found.iter().any(|artifact| artifact.kind != ArtifactType::Dataset) {
        let text = "these runs have no trials and no trained networks: nothing to report on";
        return Err(CliError::Usage(text.to_owned()));
    }
    let scratch = tempfile::tempdir().map_err(CliError::io("cannot make", Path::new("/tmp")))?;
    let sources = sources(&found, &store, scratch.path())?;
    let findings = Findings::read(&sources).map_err(StageError::from)?;
    fs::create_dir_all(&args.output).map_err(CliError::io("cannot make", &args.output))?;
    let (title, question) = (args.title.clone(), args.question.clone());
    let options = Options { title, question, top: args.top };
    report::write(&findings, &options, &args.output).map_err(StageError::from)?;
    let page = args.output.join(PAGE_FILE);
    if terminal.json {
        terminal.say_json(&json!({ "page": page }));
    } else {
        terminal.say(&page.display().to_string());
    }
    Ok(Exit::Done)
}

/// An artifact of a run.
struct Found {
    kind: ArtifactType,
    tree: Digest,
    coordinates: Coordinates,
    /// Which run and which stage: coordinates of their own where they tell artifacts apart.
    run: String,
    stage: String,
}

/// Artifacts to report on, run by run; what several runs share is there once.
fn artifacts(runs: &[PastRunDetails], store: &Store) -> Result<Vec<Found>, CliError> {
    let names: BTreeSet<&str> = runs.iter().map(|run| run.run.pipeline.as_str()).collect();
    let by_pipeline = names.len() == runs.len();
    let mut found: Vec<Found> = Vec::new();
    for details in runs {
        let run = if by_pipeline { &details.run.pipeline } else { &details.run.run };
        for end in details.stages.iter().filter(|end| end.ending.is_well()) {
            let Some(fingerprint) = end.fingerprint else { continue };
            let outputs = store.record(&fingerprint)?.map(|record| record.outputs);
            for output in outputs.unwrap_or_default().into_values() {
                let (kind, tree) = (output.kind, output.tree);
                let is_known = found.iter().any(|known| (known.kind, known.tree) == (kind, tree));
                if is_reported(kind) && !is_known {
                    let coordinates = end.stage.coordinates.clone();
                    let (run, stage) = (run.clone(), end.stage.name.clone());
                    found.push(Found { kind, tree, coordinates, run, stage });
                }
            }
        }
    }
    Ok(found)
}

fn is_reported(kind: ArtifactType) -> bool {
    use ArtifactType::{Controller, Dataset, Models, Trials};
    [Trials, Models, Controller, Dataset].contains(&kind)
}

/// The artifacts as files. A dataset is shown where all runs share one.
fn sources(found: &[Found], store: &Store, scratch: &Path) -> Result<Sources, CliError> {
    let mut sources = Sources::default();
    let datasets = found.iter().filter(|one| one.kind == ArtifactType::Dataset).count();
    for (i, one) in found.iter().enumerate() {
        if one.kind == ArtifactType::Dataset && datasets > 1 {
            continue;
        }
        let folder = scratch.join(i.to_string());
        store.materialize(&one.tree, &folder, LinkMode::Auto)?;
        let source = Source { coordinates: told_apart(one, found), folder };
        match one.kind {
            ArtifactType::Trials => sources.trials.push(source),
            ArtifactType::Models => sources.models.push(source),
            ArtifactType::Controller => sources.controllers.push(source),
            _ => sources.data = Some(source),
        }
    }
    Ok(sources)
}

/// Its cell, with run and stage as further coordinates where artifacts of its kind differ in them.
fn told_apart(one: &Found, found: &[Found]) -> Coordinates {
    let alike = || found.iter().filter(|other| other.kind == one.kind);
    let mut coordinates = one.coordinates.clone();
    let mut add = |key: &str, value: &String, differs: bool| {
        if differs {
            coordinates.0.entry(key.to_owned()).or_insert_with(|| value.clone());
        }
    };
    add("run", &one.run, alike().any(|other| other.run != one.run));
    let in_run = || alike().filter(|other| other.run == one.run);
    add("stage", &one.stage, in_run().any(|other| other.stage != one.stage));
    coordinates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_and_stage_are_named_only_where_they_differ() {
        let found = |run: &str, stage: &str, kind| Found {
            kind,
            tree: Digest::of(stage.as_bytes()),
            coordinates: Coordinates([("repeat".to_owned(), "1".to_owned())].into()),
            run: run.to_owned(),
            stage: stage.to_owned(),
        };
        let all = [
            found("a", "search", ArtifactType::Trials),
            found("b", "search", ArtifactType::Trials),
            found("b", "score", ArtifactType::Trials),
            found("b", "retrain", ArtifactType::Models),
        ];
        let shown: Vec<String> = all.iter().map(|one| told_apart(one, &all).to_string()).collect();
        let expected = [
            "repeat=1,run=a",
            "repeat=1,run=b,stage=search",
            "repeat=1,run=b,stage=score",
            "repeat=1",
        ];
        assert_eq!(shown, expected);
    }
}
