//! `run`: what changed runs, the rest is cached or restored.

use serde_json::json;

use super::run_export::export;
use crate::cli::args::{ProgressArg, RunArgs};
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal, view};
use crate::diagnostic::Diagnostics;
use crate::event::Ending;
use crate::plan::{NoOp, Study};
use crate::progress::{self, Mode, SummaryRow};
use crate::remote::{self, Tier};
use crate::run::{self, Interrupt, LockUse, PipelineReport, RunOptions, StageEnd, Stores};
use crate::wording;

/// Runs the pipeline, or finds in the last run's snapshot that nothing is to be done.
pub(super) fn run(
    workplace: &Workplace,
    args: &RunArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let request = workplace.request(&args.pipeline, &args.selection)?;
    let export_to = args.export.as_deref().or(workplace.project.export_to.as_deref());
    export_to.map(remote::check_address).transpose()?;
    let store = workplace.store()?;
    let tier = args.remote.as_deref().map(|name| workplace.tier(&store, Some(name), args.push));
    let tier = tier.transpose()?;
    let may_skip = may_skip(args) && !tier.as_ref().is_some_and(Tier::pushes);
    if may_skip && let Some(no_op) = request.no_op(store.generation()?) {
        if let Err(error) = run::note_no_op(&store.runs(), &no_op) {
            // A store that can only be read still answers; the history is the poorer by a line.
            terminal.note(&format!("note: this run is missing in the history: {error}"));
        }
        say_no_op(&no_op, terminal);
        return Ok(Exit::Done);
    }
    let (study, warnings) = workplace.load(&args.pipeline)?;
    if !warnings.is_empty() {
        let found = Diagnostics { list: warnings, sources: study.pipeline.sources.clone() };
        terminal.note(&terminal.draw(&found));
    }
    // Before the first stage computes for an hour, not when the last one needs it.
    workplace.demand(&study, &request.selection.of(&study)?)?;
    if args.locked {
        // Before anything is computed that nothing could be held against.
        workplace.lock(&request, "run once without `--locked`")?;
    }
    let options = options(workplace, args)?;
    let interrupt =
        Interrupt::new().map_err(CliError::io("cannot open a pipe for", &request.file))?;
    let _listening =
        interrupt.listen().map_err(CliError::io("cannot listen to signals for", &request.file))?;
    let form = progress::choose(mode(args, terminal), terminal.interactive);
    let observer = progress::open(form, &terminal.progress());
    let report = run::pipeline(
        &request,
        &study,
        tier.as_ref().map_or_else(|| Stores::from(&store), Stores::from),
        &options,
        lock_use(args),
        &interrupt,
        observer.as_ref(),
    );
    let report = report?;
    view::write(&study, &store, &request, &report.run);
    let exported = export_to.filter(|_| report.run.ok).map_or(Ok(()), |url| {
        export(workplace, url, &study, &store, &report.run, observer.as_ref(), terminal)
    });
    drop(observer);
    say(&study, &report, terminal);
    exported?;
    Ok(exit(&report))
}

/// Whether a look at the last run's snapshot may be all.
fn may_skip(args: &RunArgs) -> bool {
    !args.no_snapshot && !args.force && !args.locked && !args.lock && args.export.is_none()
}

fn options(workplace: &Workplace, args: &RunArgs) -> Result<RunOptions, CliError> {
    let mut pools = workplace.project.pools.clone();
    for (pool, capacity) in &args.pools {
        let capacity = capacity.parse().map_err(|_| {
            CliError::Usage(format!("`--pool {pool}={capacity}`: a capacity is a whole number"))
        })?;
        pools.insert(pool.clone(), capacity);
    }
    Ok(RunOptions {
        program: workplace.program()?,
        cuda_program: workplace.cuda_program()?,
        jobs: args.jobs.map(|jobs| jobs as usize),
        threads: args.threads.map(|threads| threads as usize),
        pools,
        gpus: run::gpus(),
        keep_going: args.keep_going,
        force: args.force,
        profile: args.profile,
    })
}

/// A run with `-p` is an experiment: it leaves the lock file to the study as written.
fn lock_use(args: &RunArgs) -> LockUse {
    if args.locked {
        LockUse::Check
    } else if args.pipeline.params.is_empty() || args.lock {
        LockUse::Update
    } else {
        LockUse::Leave
    }
}

fn mode(args: &RunArgs, terminal: &Terminal) -> Mode {
    match args.progress {
        _ if terminal.json => Mode::Json,
        Some(ProgressArg::Plain) => Mode::Plain,
        Some(ProgressArg::None) => Mode::Quiet,
        Some(ProgressArg::Bars) | None => Mode::Auto,
    }
}

fn say_no_op(no_op: &NoOp, terminal: &Terminal) {
    if terminal.json {
        let stages = no_op.stages;
        let line = json!({ "pipeline": no_op.pipeline, "ok": true, "cached": stages });
        terminal.say(&line.to_string());
    } else {
        let stages = wording::count(no_op.stages, "stage");
        terminal.say(&format!("{}: {stages}, all cached", no_op.pipeline));
    }
}

fn say(study: &Study, report: &PipelineReport, terminal: &Terminal) {
    if terminal.json {
        // One line, as the events before it are.
        return terminal.say(&summary_json(study, report).to_string());
    }
    let rows: Vec<SummaryRow> = report.run.stages.iter().map(row).collect();
    terminal.say(&progress::summary(&rows, &terminal.progress()));
    for finding in &report.run.findings {
        terminal.note(&format!(
            "nondeterministic: `{}` gave another `{}` than an earlier run",
            finding.stage, finding.output
        ));
    }
    for difference in &report.differences {
        terminal.note(&format!("not as locked: `{}`: {}", difference.stage, difference.what));
    }
    if let Some(unshared) = &report.run.unshared {
        terminal.note(unshared);
    }
    for page in view::pages(study, &report.run) {
        terminal.say(&format!("report: {}", page.display()));
    }
}

fn row(end: &StageEnd) -> SummaryRow {
    let computed = end.cost.map_or(0.0, |cost| cost.wall_secs);
    let known = matches!(end.ending, Ending::Cached | Ending::Restored);
    SummaryRow {
        stage: end.stage.clone(),
        ending: end.ending,
        secs: if known { 0.0 } else { computed },
        saved_secs: known.then_some(computed),
        metrics: end.metrics.clone(),
        reason: end.reason.clone(),
    }
}

fn summary_json(study: &Study, report: &PipelineReport) -> serde_json::Value {
    let differences = report.differences.iter();
    let findings = report.run.findings.iter();
    json!({
        "run": report.run.run,
        "pipeline": study.pipeline.name,
        "ok": report.run.ok,
        "interrupted": report.run.interrupted,
        "secs": report.run.secs,
        "unshared": report.run.unshared,
        "stages": report.run.stages,
        "differences": differences
            .map(|difference| json!({ "stage": difference.stage, "what": difference.what }))
            .collect::<Vec<_>>(),
        "nondeterministic": findings
            .map(|finding| json!({ "stage": finding.stage, "output": finding.output }))
            .collect::<Vec<_>>(),
    })
}

fn exit(report: &PipelineReport) -> Exit {
    if report.run.interrupted {
        Exit::Interrupted
    } else if report.run.storage_failed {
        Exit::Store
    } else if !report.run.ok {
        Exit::StageFailed
    } else if !report.differences.is_empty() {
        Exit::CheckFailed
    } else if report.run.unshared.is_some() {
        Exit::Store
    } else {
        Exit::Done
    }
}
