//! `verify`: compute a pipeline again in a scratch store and compare with its lock file.

use std::path::Path;

use serde_json::json;

use super::pack::is_bundle;
use crate::bundle;
use crate::cli::args::{PipelineArgs, SelectionArgs, VerifyArgs};
use crate::cli::error::CliError;
use crate::cli::project::Workplace;
use crate::cli::{Exit, Terminal};
use crate::event::Silent;
use crate::run::{self, Interrupt, RunOptions, Sample, Verdict, Verification, Verify};
use crate::store::{Store, StoreOptions};
use crate::wording;

/// Recomputes stages where no cache can help, and compares digests.
pub(super) fn verify(
    workplace: impl FnOnce() -> Result<Workplace, CliError>,
    args: &VerifyArgs,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let target = &args.pipeline.pipeline;
    let verification = if is_bundle(target) {
        let scratch =
            tempfile::tempdir().map_err(CliError::io("cannot make a folder for", target))?;
        // A project of its own: nothing of the bundle comes near the store that one works with.
        let unpacked =
            bundle::unpack(target, &scratch.path().join("study"), StoreOptions::default())?;
        let pipeline = unpacked.folder.join(&unpacked.card.pipeline);
        let pipeline = PipelineArgs { pipeline, params: args.pipeline.params.clone() };
        compute(&Workplace::alone(&unpacked.folder)?, &pipeline, args)?
    } else {
        compute(&workplace()?, &args.pipeline, args)?
    };
    say(&verification, terminal);
    Ok(exit(&verification))
}

fn compute(
    workplace: &Workplace,
    pipeline: &PipelineArgs,
    args: &VerifyArgs,
) -> Result<Verification, CliError> {
    // What people look at in `out/` is none of a verification's business.
    let study = workplace.load(pipeline)?.0.unpublished();
    let known = workplace.store()?;
    let scratch = tempfile::Builder::new()
        .prefix("verify-")
        .tempdir_in(known.root().join("tmp"))
        .map_err(CliError::io("cannot create a folder in", known.root()))?;
    let store = Store::open(&scratch.path().join("store"), workplace.options())?;
    let mut request = workplace.request(pipeline, &SelectionArgs::default())?;
    store.root().clone_into(&mut request.store);
    let lock = workplace.lock(&request, "run the pipeline first")?;
    workplace.demand(&study, &request.selection.of(&study)?)?;
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
    let sample = Sample { share: args.sample.unwrap_or(1.0), seed: args.seed };
    let interrupt = listened(&request.file)?;
    let _listening =
        interrupt.listen().map_err(CliError::io("cannot listen to signals for", &request.file))?;
    let subject =
        Verify { request: &request, study: &study, lock: &lock, known: &known, scratch: &store };
    Ok(run::verify(subject, sample, &options, &interrupt, &Silent)?)
}

fn listened(file: &Path) -> Result<Interrupt, CliError> {
    Interrupt::new().map_err(CliError::io("cannot open a pipe for", file))
}

fn exit(verification: &Verification) -> Exit {
    let count = |is: fn(&Verdict) -> bool| verification.count(is);
    if verification.interrupted {
        Exit::Interrupted
    } else if count(|verdict| matches!(verdict, Verdict::NotComputed { .. })) > 0 {
        Exit::StageFailed
    } else if count(|verdict| matches!(verdict, Verdict::Different { .. })) > 0
        || count(|verdict| *verdict == Verdict::Equal) == 0
    {
        Exit::CheckFailed
    } else {
        Exit::Done
    }
}

fn say(verification: &Verification, terminal: &Terminal) {
    if terminal.json {
        return terminal.say_json(&json!(verification));
    }
    for stage in &verification.stages {
        let verdict = match &stage.verdict {
            Verdict::Equal => "equal".to_owned(),
            Verdict::Different { what } => format!("different: {what}"),
            Verdict::NotComparable { why } => format!("not comparable: {why}"),
            Verdict::NotComputed { why } => format!("not computed: {why}"),
        };
        terminal.say(&format!("{}: {verdict}", stage.stage));
    }
    let computed = wording::count(verification.stages.len(), "stage");
    let different = verification.count(|verdict| matches!(verdict, Verdict::Different { .. }));
    let uncompared = verification.count(|verdict| matches!(verdict, Verdict::NotComparable { .. }));
    let of = if verification.stages.len() == verification.of {
        String::new()
    } else {
        format!(" of {}", verification.of)
    };
    let uncompared =
        if uncompared == 0 { String::new() } else { format!(", {uncompared} not comparable") };
    terminal.say(&format!("{computed}{of} computed again, {different} different{uncompared}"));
}
