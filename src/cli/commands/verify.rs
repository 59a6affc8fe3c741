//! `verify`: compute a pipeline again in a scratch store and compare with its lock file.

use serde_json::json;

use crate::cli::args::{SelectionArgs, VerifyArgs};
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::event::Silent;
use crate::plan::{LockFile, lock_path};
use crate::run::{self, Interrupt, LockUse, PipelineReport, RunOptions};
use crate::store::Store;
use crate::wording;

/// Recomputes everything where no cache can help, and compares digests.
pub(super) fn verify(
    workplace: &Workplace,
    args: &VerifyArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let (study, _) = workplace.load(&args.pipeline)?;
    let scratch = tempfile::Builder::new()
        .prefix("verify-")
        .tempdir_in(workplace.store()?.root().join("tmp"))
        .map_err(CliError::io("cannot create a folder in", workplace.store()?.root()))?;
    let store = Store::open(&scratch.path().join("store"), workplace.options())?;
    let mut request = workplace.request(&args.pipeline, &SelectionArgs::default())?;
    store.root().clone_into(&mut request.store);
    let lock_file = lock_path(&request.file);
    if LockFile::read(&request.root.join(&lock_file))?.stages.is_empty() {
        let lock = lock_file.display();
        return Err(CliError::Usage(format!(
            "nothing is locked in `{lock}`: run the pipeline first"
        )));
    }
    let options = RunOptions {
        program: workplace.program()?,
        cuda_program: workplace.cuda_program()?,
        jobs: args.jobs.map(|jobs| jobs as usize),
        threads: None,
        pools: workplace.project.pools.clone(),
        gpus: run::gpus(),
        keep_going: true,
        force: false,
        profile: false,
    };
    let interrupt =
        Interrupt::new().map_err(CliError::io("cannot open a pipe for", &request.file))?;
    let _listening =
        interrupt.listen().map_err(CliError::io("cannot listen to signals for", &request.file))?;
    let report =
        run::pipeline(&request, &study, &store, &options, LockUse::Check, &interrupt, &Silent)?;
    say(&report, terminal);
    Ok(if report.run.interrupted {
        Exit::Interrupted
    } else if !report.run.ok {
        Exit::StageFailed
    } else if report.differences.is_empty() {
        Exit::Done
    } else {
        Exit::CheckFailed
    })
}

fn say(report: &PipelineReport, terminal: &Terminal) {
    let differing = |stage: &str| report.differences.iter().find(|d| d.stage == stage);
    if terminal.json {
        let stages = report.run.stages.iter().map(|end| {
            let stage = end.stage.to_string();
            let difference = differing(&stage).map(|difference| &difference.what);
            json!({ "stage": stage, "ending": end.ending, "difference": difference })
        });
        return terminal.say_json(&json!({ "stages": stages.collect::<Vec<_>>() }));
    }
    for end in &report.run.stages {
        let stage = end.stage.to_string();
        let verdict = match differing(&stage) {
            Some(difference) => format!("different: {}", difference.what),
            None if end.ending.is_well() => "equal".to_owned(),
            None => format!("not computed: {}", end.reason.as_deref().unwrap_or("interrupted")),
        };
        terminal.say(&format!("{stage}: {verdict}"));
    }
    let stages = wording::count(report.run.stages.len(), "stage");
    let different = report.differences.len();
    terminal.say(&format!("{stages} computed again, {different} different"));
}
