//! `log`, `show` and `diff`: what happened before.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::cli::args::{DiffArgs, LogArgs, PipelineArgs, SelectionArgs, ShowArgs};
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::plan::{self, SpecDiff};
use crate::progress;
use crate::run::{self, History, PastRun, PastRunDetails};
use crate::wording;

/// Lists the runs, newest first.
pub(super) fn log(
    workplace: &Workplace,
    args: &LogArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let mut runs = history(workplace)?.runs()?;
    if let Some(pipeline) = &args.pipeline {
        let stem = pipeline.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml"));
        let is_wanted = |run: &PastRun| run.pipeline == *pipeline || Some(&*run.pipeline) == stem;
        runs.retain(is_wanted);
    }
    runs.truncate(args.most);
    if terminal.json {
        terminal.say_json(&json!(runs));
    } else if runs.is_empty() {
        terminal.say("no runs yet");
    } else {
        terminal.say(&run::log_table(&runs));
    }
    Ok(Exit::Done)
}

/// Shows one run with its curves, or the log of one of its stages.
pub(super) fn show(
    workplace: &Workplace,
    args: &ShowArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let history = history(workplace)?;
    let details = history.details(args.run.as_deref().unwrap_or("last"))?;
    if let Some(stage) = &args.log {
        terminal.say(&stage_log(&history, &details, stage)?);
    } else if terminal.json {
        terminal.say_json(&json!(details));
    } else {
        let curves = super::curves::curves(&details, &workplace.store()?);
        terminal.say(&format!("{}{curves}", run::details_text(&details)));
    }
    Ok(Exit::Done)
}

/// Compares two runs, or two pipelines.
pub(super) fn diff(
    workplace: &Workplace,
    args: &DiffArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let ending = |name: &String| Path::new(name).extension().map(OsStr::to_owned);
    let is_pipeline = |name: &String| ending(name).is_some_and(|it| it == "yaml" || it == "yml");
    if is_pipeline(&args.before) && is_pipeline(&args.after) {
        return diff_pipelines(workplace, args, terminal);
    }
    let history = history(workplace)?;
    let (before, after) = (history.details(&args.before)?, history.details(&args.after)?);
    let diff = run::compare(&before, &after, &workplace.store()?)?;
    if terminal.json {
        terminal.say_json(&json!(diff));
    } else {
        terminal.say(&run::diff_text(&diff));
    }
    Ok(Exit::Done)
}

/// Compares what two pipelines came to, presets and defaults put in.
fn diff_pipelines(
    workplace: &Workplace,
    args: &DiffArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let store = workplace.store()?;
    let load = |file: &String| {
        let pipeline = PipelineArgs { pipeline: file.into(), params: Vec::new() };
        let request = workplace.request(&pipeline, &SelectionArgs::default())?;
        Ok::<_, CliError>((workplace.load(&pipeline)?.0, request))
    };
    let ((before, asked_before), (after, asked_after)) = (load(&args.before)?, load(&args.after)?);
    let diff = SpecDiff::of(
        &mut super::plan::planner(&asked_before, &before, &store)?,
        &mut super::plan::planner(&asked_after, &after, &store)?,
    )?;
    if terminal.json {
        terminal.say_json(&json!(diff));
    } else {
        terminal.say(&diff.text());
    }
    Ok(Exit::Done)
}

fn history(workplace: &Workplace) -> Result<History, CliError> {
    Ok(History::new(workplace.store()?.runs()))
}

/// What a stage did by the run's journal, and what its programs said.
fn stage_log(history: &History, details: &PastRunDetails, stage: &str) -> Result<String, CliError> {
    let told = history.told(&details.run.run, stage);
    let mut log = progress::retold(told.iter().map(|(time, event)| (*time, event)));
    let path = details.logs.join(format!("{}.log", plan::safe_name(stage)));
    if let Ok(said) = fs::read(&path)
        && !said.is_empty()
    {
        log.push('\n');
        log.push_str(&String::from_utf8_lossy(&said));
    }
    if !log.is_empty() {
        return Ok(log);
    }
    let names: Vec<String> = details.stages.iter().map(|end| end.stage.to_string()).collect();
    let help = match wording::nearest(stage, names.iter().map(String::as_str)) {
        Some(near) if near != stage => format!("; did you mean `{near}`?"),
        Some(_) => ": its result was known".to_owned(),
        None => String::new(),
    };
    Err(CliError::Usage(format!("run {} has no log of stage `{stage}`{help}", details.run.run)))
}
