//! `plan` and `explain`: what a run would do, and why.

use serde_json::json;

use crate::cli::args::{ExplainArgs, PlanArgs, SelectionArgs};
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::plan::{
    self, Explanation, LockDifference, LockFile, Plan, Planner, Request, Study, World, lock_path,
};
use crate::run;
use crate::store::Store;
use crate::wording;

/// Says what a run would do with every stage.
pub(super) fn plan(
    workplace: &Workplace,
    args: &PlanArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let request = workplace.request(&args.pipeline, &args.selection)?;
    let (study, _) = workplace.load(&args.pipeline)?;
    let store = workplace.store()?;
    let selected = request.selection.of(&study)?;
    let tier = args.remote.as_deref().map(|name| workplace.tier(&store, Some(name), false));
    let tier = tier.transpose()?;
    let world: &dyn World = tier.as_ref().map_or(&store, |tier| tier);
    let plan = Plan::of(&mut planner(&request, &study, world)?, &selected, &[])
        .map_err(|error| workplace.explain(error, &study))?;
    let drift = drift(&request, &study, &store)?;
    let calibration = args.calibrate.then(|| {
        let threads = args.threads.map(|threads| threads as usize);
        let tell = |words: &str| terminal.note(words);
        run::calibrate(&request, &mut planner(&request, &study, &store)?, &store, threads, &tell)
            .map_err(CliError::from)
    });
    let calibration = calibration.transpose()?;
    if terminal.json {
        let mut answer = plan.json();
        answer["lock"] =
            drift.iter().map(|one| json!({ "stage": one.stage, "what": one.what })).collect();
        if let Some(calibration) = &calibration {
            answer["calibration"] = calibration.json(args.within.0);
        }
        terminal.say_json(&answer);
    } else {
        warn(&drift, &request, terminal);
        terminal.say(&plan.text());
        if let Some(calibration) = &calibration {
            terminal.say(&format!("\n{}", calibration.text(args.within.0)));
        }
    }
    Ok(Exit::Done)
}

/// Where the lock file has other results than the spec; nothing with `-p`, which asks for others.
fn drift(request: &Request, study: &Study, store: &Store) -> Result<Vec<LockDifference>, CliError> {
    if !request.params.is_empty() {
        return Ok(Vec::new());
    }
    let lock = LockFile::read(&request.root.join(lock_path(&request.file)))?;
    Ok(plan::drift(&mut planner(request, study, store)?, &lock, store)?)
}

fn warn(drift: &[LockDifference], request: &Request, terminal: &Terminal) {
    /// Most stages that are named.
    const NAMED_MAX: usize = 5;
    if drift.is_empty() {
        return;
    }
    let lock = lock_path(&request.file);
    let stages = wording::count(drift.len(), "stage");
    terminal.note(&format!(
        "note: `{}` and the spec disagree on {stages}; a run brings it up to date",
        lock.display()
    ));
    for LockDifference { stage, what } in drift.iter().take(NAMED_MAX) {
        terminal.note(&format!("  {stage}: {what}"));
    }
}

/// Says what a stage's result depends on, line by line.
pub(super) fn explain(
    workplace: &Workplace,
    args: &ExplainArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let request = workplace.request(&args.pipeline, &SelectionArgs::default())?;
    let (study, _) = workplace.load(&args.pipeline)?;
    let store = workplace.store()?;
    let index = super::find_stage(&study, &args.stage)?;
    let explanation = Explanation::of(&mut planner(&request, &study, &store)?, index)
        .map_err(|error| workplace.explain(error, &study))?;
    if terminal.json {
        terminal.say_json(&explanation.json());
    } else {
        terminal.say(&explanation.text());
    }
    Ok(Exit::Done)
}

/// A planner that knows the lock file and the last run.
pub(super) fn planner<'a>(
    request: &Request,
    study: &'a Study,
    world: &'a dyn World,
) -> Result<Planner<'a>, CliError> {
    let lock = LockFile::read(&request.root.join(lock_path(&request.file)))?;
    Ok(Planner::new(study, &request.root, world, request.last_run(), lock))
}
