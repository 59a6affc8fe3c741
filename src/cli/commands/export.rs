//! `export`: trained networks as files for other programs.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::get;
use super::model::{Place, place};
use crate::artifact::ArtifactType;
use crate::cli::args::{ExportArgs, Global, PipelineArgs};
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::results::SavedModel;
use crate::stage::{ExportConfig, Format};
use crate::store::LinkMode;

/// Writes the files of a models folder, of one network's folder, or of a pipeline's stage.
pub(super) fn export(
    global: &Global,
    args: &ExportArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let config = ExportConfig {
        which: args.which,
        formats: if args.formats.is_empty() { Format::ALL.to_vec() } else { args.formats.clone() },
        ensemble: args.ensemble,
    };
    let files = match &args.stage {
        Some(stage) => of_stage(global, args, stage, &config)?,
        None => of_folder(&args.model, &config, &args.output)?,
    };
    if terminal.json {
        terminal.say_json(&json!(files));
    } else {
        let lines: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        terminal.say(&lines.join("\n"));
    }
    Ok(Exit::Done)
}

fn of_folder(model: &Path, config: &ExportConfig, output: &Path) -> Result<Vec<PathBuf>, CliError> {
    match place(model)? {
        Place::Artifact(folder) => Ok(config.write(&folder, output)?),
        Place::Network(_) if config.ensemble => Err(CliError::Usage(
            "one network is no ensemble: give the folder of the whole `retrain` stage".to_owned(),
        )),
        Place::Network(folder) => Ok(config.write_one(&[SavedModel::read(&folder)?], output)?),
    }
}

/// Takes the stage's result out of the store, into a folder that goes away again.
fn of_stage(
    global: &Global,
    args: &ExportArgs,
    stage: &str,
    config: &ExportConfig,
) -> Result<Vec<PathBuf>, CliError> {
    let pipeline = PipelineArgs { pipeline: args.model.clone(), params: args.params.clone() };
    let workplace = Workplace::find(global, Some(&pipeline.pipeline))?;
    let found = get::find_result(&workplace, &pipeline, stage)?;
    let outputs = found.study.get(found.index).stage.outputs();
    let is_models = |name: &Path| {
        let own = outputs.iter().find(|output| Path::new(&output.name) == name);
        own.is_some_and(|output| output.kind == ArtifactType::Models)
    };
    let Some((_, tree)) = found.trees.iter().find(|(name, _)| is_models(name)) else {
        let text = format!("`{stage}` has trained no networks: name a `retrain` stage");
        return Err(CliError::Usage(text));
    };
    let folder = tempfile::tempdir()
        .map_err(CliError::io("cannot make a folder in", &std::env::temp_dir()))?;
    let models = folder.path().join("models");
    found.store.materialize(tree, &models, LinkMode::Copy)?;
    Ok(config.write(&models, &args.output)?)
}
