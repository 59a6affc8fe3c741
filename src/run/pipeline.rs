//! A pipeline's run with all that outlives it: lock file, snapshot, and the store's list of roots.
//!
//! Written once, at the end, by what ended well. Knows nothing of how stages run.

use std::collections::{BTreeMap, BTreeSet};

use super::RunError;
use super::execute::{RunOptions, RunReport, execute};
use super::interrupt::Interrupt;
use super::sharing::Stores;
use crate::digest::Digest;
use crate::event::{Emit, Event};
use crate::plan::{
    Finished, LockDifference, LockFile, LockedStage, PlanError, Planner, Request, Study, lock_path,
};
use crate::store::{EntryKind, Store};

/// What to do with the lock file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockUse {
    /// Take new results over.
    Update,
    /// Leave it as it is.
    Leave,
    /// Leave it as it is, and say where results differ from it.
    Check,
}

/// What the run of a pipeline came to.
#[derive(Debug, Clone)]
pub struct PipelineReport {
    /// The run.
    pub run: RunReport,
    /// Where results differ from the lock file, when that was asked for.
    pub differences: Vec<LockDifference>,
    /// Whether the lock file was written.
    pub locked: bool,
}

/// Plans and runs `study`, then keeps what the next run and other people need.
///
/// # Errors
/// When nothing could be run at all, or the lock file cannot be read or written.
pub fn pipeline(
    request: &Request,
    study: &Study,
    stores: Stores<'_>,
    options: &RunOptions,
    lock_use: LockUse,
    interrupt: &Interrupt,
    events: &dyn Emit,
) -> Result<PipelineReport, RunError> {
    let path = lock_path(&request.root.join(&request.file));
    let lock = LockFile::read(&path)?;
    let store = stores.store;
    let mut planner =
        Planner::new(study, &request.root, stores.world(), request.last_run(), lock.clone());
    let run = execute(request, study, &mut planner, stores, options, interrupt, events)?;
    let found = locked_stages(&run);
    let differences =
        if lock_use == LockUse::Check { lock.differences(&found) } else { Vec::new() };
    let mut locked = false;
    if lock_use == LockUse::Update {
        let ids: BTreeSet<String> = study.stages.iter().map(|stage| stage.id.to_string()).collect();
        let is_current = |id: &str| ids.contains(id);
        locked = lock.update(&path, found, pins(study), &is_current)?;
        if path.exists() {
            store.register_root(&study.pipeline.name, &path)?;
        }
    }
    if let Err(error) = save(request, &planner, store, &run) {
        let text = format!("the next run has to look at everything again: {error}");
        events.emit(Event::Warning { stage: None, text });
    }
    Ok(PipelineReport { run, differences, locked })
}

/// Every stage of the run that has a result, by the text of its id.
fn locked_stages(run: &RunReport) -> BTreeMap<String, LockedStage> {
    let locked = run.stages.iter().filter_map(|end| {
        let fingerprint = end.fingerprint.filter(|_| !end.outputs.is_empty())?;
        Some((end.stage.to_string(), LockedStage { fingerprint, outputs: end.outputs.clone() }))
    });
    locked.collect()
}

/// What the study's network sources are to hold, by address.
fn pins(study: &Study) -> BTreeMap<String, String> {
    study.stages.iter().filter_map(|stage| stage.stage.pin()).collect()
}

fn save(
    request: &Request,
    planner: &Planner<'_>,
    store: &Store,
    run: &RunReport,
) -> Result<(), PlanError> {
    let finished = Finished {
        study: planner.study(),
        reads: planner.reads(),
        stages: run.well.clone(),
        complete: run.ok,
        published: published_files(store, run)?,
    };
    request.save(store.generation()?, &finished)
}

/// Every file in `out/` that the run answers for, relative to the project.
fn published_files(store: &Store, run: &RunReport) -> Result<Vec<(String, Digest)>, PlanError> {
    let mut files = Vec::new();
    for (folder, tree) in &run.published {
        for entry in store.tree(tree)?.into_iter().flat_map(|tree| tree.entries) {
            if let EntryKind::File { digest, .. } = entry.kind {
                files.push((folder.join(entry.path).display().to_string(), digest));
            }
        }
    }
    Ok(files)
}
