//! `run`: what changed runs, the rest is cached or restored.

use std::num::NonZero;
use std::thread;

use serde_json::json;

use crate::cli::args::{ProgressArg, RunArgs};
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal, diagnostics, view};
use crate::diagnostic::Diagnostics;
use crate::event::Ending;
use crate::plan::{NoOp, Request, Study};
use crate::progress::{self, Mode};
use crate::run::{self, Interrupt, Locking, RunOptions, Session};
use crate::wording;

/// Runs the pipeline, or finds in the last run's snapshot that nothing is to be done.
pub(super) fn run(
    workplace: &Workplace,
    args: &RunArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let request = workplace.request(&args.pipeline, &args.selection)?;
    let store = workplace.store()?;
    let may_skip = !args.no_snapshot && !args.force && !args.locked && !args.lock;
    if may_skip && let Some(no_op) = request.no_op(store.generation()?) {
        run::note_no_op(&store, &no_op)?;
        say_no_op(&no_op, terminal);
        return Ok(Exit::Done);
    }
    let (study, warnings) = workplace.load(&args.pipeline)?;
    if !warnings.is_empty() {
        let found = Diagnostics { list: warnings, sources: study.pipeline.sources.clone() };
        terminal.note(&diagnostics::render(&found, terminal.color_err));
    }
    let options = options(workplace, args, &request, &study)?;
    let interrupt = Interrupt::new().map_err(|error| CliError::Usage(error.to_string()))?;
    let _listening = interrupt.listen().map_err(|error| CliError::Usage(error.to_string()))?;
    let observer = progress::choose(mode(args, terminal), terminal.color_err);
    let session = run::session(
        (&request, &study),
        &store,
        &options,
        locking(args),
        &interrupt,
        observer.as_ref(),
    )?;
    drop(observer);
    view::report_pages(&study, &store, &request, &session.report);
    say(&study, &session, terminal);
    Ok(exit(&session))
}

fn options(
    workplace: &Workplace,
    args: &RunArgs,
    request: &Request,
    study: &Study,
) -> Result<RunOptions, CliError> {
    let mut pools = workplace.project.pools.clone();
    for (pool, capacity) in &args.pools {
        let capacity = capacity.parse().map_err(|_| {
            CliError::Usage(format!("`--pool {pool}={capacity}`: a capacity is a whole number"))
        })?;
        pools.insert(pool.clone(), capacity);
    }
    Ok(RunOptions {
        project: request.root.clone(),
        file: request.file.clone(),
        params: request.params.clone(),
        program: std::env::current_exe()
            .map_err(|error| CliError::Usage(format!("cannot find phytotron itself: {error}")))?,
        selected: request.selection.of(study)?,
        jobs: args.jobs.map(|jobs| jobs as usize),
        threads: Some(args.threads.map_or_else(cores, |threads| threads as usize)),
        pools,
        keep_going: args.keep_going,
        force: args.force,
    })
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// A run with `-p` is an experiment: it leaves the lock file to the study as written.
fn locking(args: &RunArgs) -> Locking {
    if args.locked {
        Locking::Compare
    } else if args.pipeline.params.is_empty() || args.lock {
        Locking::Update
    } else {
        Locking::Read
    }
}

fn mode(args: &RunArgs, terminal: &Terminal) -> Mode {
    match args.progress {
        _ if terminal.json => Mode::Json,
        Some(ProgressArg::Bars) => Mode::Bars,
        Some(ProgressArg::Plain) => Mode::Plain,
        Some(ProgressArg::None) => Mode::Silent,
        None if terminal.interactive => Mode::Bars,
        None => Mode::Plain,
    }
}

fn say_no_op(no_op: &NoOp, terminal: &Terminal) {
    if terminal.json {
        let stages = no_op.stages;
        terminal.say_json(&json!({ "pipeline": no_op.pipeline, "ok": true, "cached": stages }));
    } else {
        let stages = wording::count(no_op.stages, "stage");
        terminal.say(&format!("{}: {stages}, all cached", no_op.pipeline));
    }
}

fn say(study: &Study, session: &Session, terminal: &Terminal) {
    if terminal.json {
        return terminal.say_json(&summary_json(study, session));
    }
    let report = &session.report;
    let rows: Vec<progress::Row> = report.stages.iter().map(row).collect();
    terminal.say(&progress::summary(&rows));
    for finding in &report.findings {
        terminal.note(&format!(
            "nondeterministic: `{}` gave another `{}` than an earlier run; the earlier one stays",
            finding.stage, finding.output
        ));
    }
    for difference in &session.differences {
        terminal.note(&format!("not as locked: `{}`: {}", difference.stage, difference.what));
    }
    for page in view::pages(study, report) {
        terminal.say(&format!("report: {}", page.display()));
    }
}

fn row(end: &run::StageEnd) -> progress::Row {
    progress::Row {
        stage: end.stage.to_string(),
        ending: end.ending,
        cost: end.cost,
        reason: end.reason.clone(),
        metrics: end.metrics.clone(),
    }
}

fn summary_json(study: &Study, session: &Session) -> serde_json::Value {
    let report = &session.report;
    json!({
        "run": report.run,
        "pipeline": study.pipeline.name,
        "ok": report.ok,
        "interrupted": report.interrupted,
        "secs": report.secs,
        "stages": report.stages,
        "differences": session.differences.iter()
            .map(|difference| json!({ "stage": difference.stage, "what": difference.what }))
            .collect::<Vec<_>>(),
        "nondeterministic": report.findings.iter()
            .map(|finding| json!({ "stage": finding.stage, "output": finding.output }))
            .collect::<Vec<_>>(),
    })
}

fn exit(session: &Session) -> Exit {
    let report = &session.report;
    let failed = |end: &run::StageEnd| end.ending == Ending::Failed;
    if report.interrupted {
        Exit::Interrupted
    } else if report.stages.iter().any(failed) || !report.ok {
        Exit::StageFailed
    } else if session.differences.is_empty() {
        Exit::Done
    } else {
        Exit::CheckFailed
    }
}
