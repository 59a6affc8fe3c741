//! `verify`: compute a pipeline again in a scratch store and compare with its lock file.

use serde_json::json;

use crate::cli::args::{SelectionArgs, VerifyArgs};
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::event::Silent;
use crate::plan::{LockFile, lock_path};
use crate::run::{self, Interrupt, Locking, RunOptions};
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
    request.store = store.root().to_owned();
    let lock_file = lock_path(&request.file);
    if LockFile::read(&request.root.join(&lock_file))?.stages.is_empty() {
        let lock = lock_file.display();
        return Err(CliError::Usage(format!("nothing is locked in `{lock}`: run the pipeline first")));
    }
    let options = RunOptions {
        project: request.root.clone(),
        file: request.file.clone(),
        params: request.params.clone(),
        program: std::env::current_exe()
            .map_err(|error| CliError::Usage(format!("cannot find phytotron itself: {error}")))?,
        selected: request.selection.of(&study)?,
        jobs: args.jobs.map(|jobs| jobs as usize),
        threads: None,
        pools: workplace.project.pools.clone(),
        keep_going: true,
        force: false,
    };
    let interrupt = Interrupt::new().map_err(|error| CliError::Usage(error.to_string()))?;
    let _listening = interrupt.listen().map_err(|error| CliError::Usage(error.to_string()))?;
    let session =
        run::session((&request, &study), &store, &options, Locking::Compare, &interrupt, &Silent)?;
    say(&session, terminal);
    Ok(if session.report.interrupted {
        Exit::Interrupted
    } else if !session.report.ok {
        Exit::StageFailed
    } else if session.differences.is_empty() {
        Exit::Done
    } else {
        Exit::CheckFailed
    })
}

fn say(session: &run::Session, terminal: &Terminal) {
    let differing = |stage: &str| session.differences.iter().find(|d| d.stage == stage);
    if terminal.json {
        let stages = session.report.stages.iter().map(|end| {
            let stage = end.stage.to_string();
            let difference = differing(&stage).map(|difference| &difference.what);
            json!({ "stage": stage, "ending": end.ending, "difference": difference })
        });
        return terminal.say_json(&json!({ "stages": stages.collect::<Vec<_>>() }));
    }
    for end in &session.report.stages {
        let stage = end.stage.to_string();
        let verdict = match differing(&stage) {
            Some(difference) => format!("different: {}", difference.what),
            None if end.ending.is_well() => "equal".to_owned(),
            None => format!("not computed: {}", end.reason.as_deref().unwrap_or("interrupted")),
        };
        terminal.say(&format!("{stage}: {verdict}"));
    }
    let stages = wording::count(session.report.stages.len(), "stage");
    let different = session.differences.len();
    terminal.say(&format!("{stages} computed again, {different} different"));
}
