//! `check`: look for mistakes in a pipeline, all at once.

use crate::cli::args::PipelineArgs;
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal, diagnostics};
use crate::diagnostic::Diagnostics;
use crate::plan::{self, Selected};
use crate::wording;

/// Loads the pipeline and says that it is well, or returns its mistakes.
pub(super) fn check(
    workplace: &Workplace,
    args: &PipelineArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let (study, mut list) = workplace.load(args)?;
    list.extend(plan::absent(&study, &workplace.project.root, &Selected::all(&study)));
    let found = Diagnostics { list, sources: study.pipeline.sources.clone() };
    if found.has_errors() {
        return Err(found.into());
    }
    if terminal.json {
        terminal.say_json(&diagnostics::to_json(&found));
        return Ok(Exit::Done);
    }
    if !found.list.is_empty() {
        terminal.note(&terminal.draw(&found));
    }
    let stages = wording::count(study.stages.len(), "stage");
    terminal.say(&format!("{}: {stages}, no mistakes", args.pipeline.display()));
    Ok(Exit::Done)
}
