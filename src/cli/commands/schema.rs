//! `schema`: the JSON Schemas that editors complete and check with.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::args::SchemaArgs;
use crate::cli::error::CliError;
use crate::cli::{Exit, Terminal};
use crate::spec;
use crate::stage::Registry;
use crate::wording;

/// Writes the schemas of pipelines, presets and the project's settings, and one for each kind, or checks that they are fresh.
pub(super) fn schema(args: &SchemaArgs, terminal: &Terminal) -> Result<Exit, CliError> {
    let mut stale = Vec::new();
    let schemas = schemas();
    for (name, text) in &schemas {
        let path = args.folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|there| there == *text) {
            continue;
        }
        stale.push(path.clone());
        if !args.check {
            write(&path, text)?;
        }
    }
    match (args.check, stale.as_slice()) {
        (true, []) => terminal.say("all schemas are fresh"),
        (true, stale) => {
            let names: Vec<String> = stale.iter().map(|path| path.display().to_string()).collect();
            terminal.say(&format!("stale: {}; run `phytotron schema`", wording::list(&names)));
            return Ok(Exit::CheckFailed);
        }
        (false, stale) => {
            let written = wording::count(stale.len(), "schema");
            let all = schemas.len();
            terminal.say(&format!("wrote {written} of {all} to {}", args.folder.display()));
        }
    }
    Ok(Exit::Done)
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(CliError::io("cannot create", folder))?;
    fs::write(path, text).map_err(CliError::io("cannot write", path))
}

/// File names and texts.
fn schemas() -> Vec<(String, String)> {
    let registry = Registry::standard();
    let kinds: Vec<(&str, schemars::Schema)> =
        registry.iter().map(|kind| (kind.name(), kind.schema())).collect();
    let mut schemas =
        vec![("pipeline.schema.json".to_owned(), pretty(&spec::schema::pipeline_schema(&kinds)))];
    schemas.push(("preset.schema.json".to_owned(), pretty(&spec::schema::preset_schema(&kinds))));
    schemas.push(("project.schema.json".to_owned(), pretty(&spec::schema::project_schema())));
    for (name, schema) in &kinds {
        let schema = spec::schema::kind_schema(name, schema);
        schemas.push((format!("{name}.schema.json"), pretty(&schema)));
    }
    schemas
}

fn pretty(schema: &Value) -> String {
    format!("{schema:#}\n")
}
