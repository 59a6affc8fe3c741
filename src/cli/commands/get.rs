//! `get`: put a stage's outputs into a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::artifact::StageId;
use crate::cli::args::{GetArgs, PipelineArgs, SelectionArgs};
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::digest::Digest;
use crate::plan::{StageIndex, Study};
use crate::record::StageRecord;
use crate::store::{LinkMode, Store};
use crate::wording;

/// Finds the stage's result as `plan` would and copies it out.
pub(super) fn get(
    workplace: &Workplace,
    args: &GetArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let Found { study, store, index, trees } = find_result(workplace, &args.pipeline, &args.stage)?;
    let folder = args.output.clone().unwrap_or_else(|| study.folder(index));
    if args.output.is_some() && fs::read_dir(&folder).is_ok_and(|mut files| files.next().is_some())
    {
        return Err(CliError::Usage(format!(
            "there are files in `{}` already: name another folder, nothing is written over",
            folder.display()
        )));
    }
    for (name, tree) in &trees {
        let place = if trees.len() == 1 { folder.clone() } else { folder.join(name) };
        if args.output.is_some() {
            store.materialize(tree, &place, LinkMode::Copy)?;
        } else {
            store.publish(tree, &workplace.project.root.join(&place))?;
        }
        terminal.say(&place.display().to_string());
    }
    Ok(Exit::Done)
}

/// A stage's result in the store.
pub(super) struct Found {
    pub(super) study: Study,
    pub(super) store: Store,
    pub(super) index: StageIndex,
    /// Outputs by name.
    pub(super) trees: Vec<(PathBuf, Digest)>,
}

/// Finds the result of a stage, of one cell, or one output of it (`retrain.models`), as `plan` would.
pub(super) fn find_result(
    workplace: &Workplace,
    pipeline: &PipelineArgs,
    stage: &str,
) -> Result<Found, CliError> {
    let (study, _) = workplace.load(pipeline)?;
    let store = workplace.store()?;
    let (index, output) = find(&study, stage)?;
    let records = records(workplace, pipeline, &study, &store, &[index])?;
    let trees = wanted(&records[0], output.as_deref(), &study.get(index).id)?;
    Ok(Found { study, store, index, trees })
}

/// Splits `stage`, `stage[cell]` or `stage.output` by what there is.
fn find(study: &Study, text: &str) -> Result<(StageIndex, Option<String>), CliError> {
    if let Ok(index) = super::find_stage(study, text) {
        return Ok((index, None));
    }
    if let Some((stage, output)) = text.rsplit_once('.')
        && let Ok(index) = super::find_stage(study, stage)
    {
        return Ok((index, Some(output.to_owned())));
    }
    super::find_stage(study, text).map(|index| (index, None))
}

/// The records of stages, resolving everything above them.
pub(super) fn records(
    workplace: &Workplace,
    pipeline: &PipelineArgs,
    study: &Study,
    store: &Store,
    wanted: &[StageIndex],
) -> Result<Vec<StageRecord>, CliError> {
    let request = workplace.request(pipeline, &SelectionArgs::default())?;
    let mut planner = super::plan::planner(&request, study, store)?;
    let mut needed = wanted.to_vec();
    let mut above = BTreeSet::new();
    while let Some(index) = needed.pop() {
        if above.insert(index) {
            let feeds = study.get(index).inputs.iter().flat_map(|(_, feeds)| feeds);
            needed.extend(feeds.map(|feed| feed.stage));
        }
    }
    let mut found = BTreeMap::new();
    for index in above {
        let resolved = planner.resolve(index)?;
        let Some(record) = resolved.record else {
            let stage = &study.get(index).id;
            let file = pipeline.pipeline.display();
            return Err(CliError::Usage(format!(
                "stage `{stage}` has no result: compute it with `phytotron run {file}`"
            )));
        };
        planner.know(index, &record.outputs);
        found.insert(index, record);
    }
    let record = |index| found[index].clone();
    Ok(wanted.iter().map(record).collect())
}

fn wanted(
    record: &StageRecord,
    output: Option<&str>,
    stage: &StageId,
) -> Result<Vec<(PathBuf, Digest)>, CliError> {
    let all = record.outputs.iter().map(|(name, output)| (PathBuf::from(name), output.tree));
    let Some(output) = output else { return Ok(all.collect()) };
    let one: Vec<(PathBuf, Digest)> = all.filter(|(name, _)| name.as_os_str() == output).collect();
    if one.is_empty() {
        let names: Vec<&String> = record.outputs.keys().collect();
        let there = wording::list(&names);
        return Err(CliError::Usage(format!("`{stage}` has no output `{output}`, but {there}")));
    }
    Ok(one)
}
