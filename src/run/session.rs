//! A session: one run with everything around it, from the lock file it begins with to the lock file
//! and the snapshot it leaves.
//!
//! [`execute`] knows stages and results; this file knows what stays in the project afterwards.

use std::collections::BTreeMap;

use super::execute::{RunOptions, RunReport, execute};
use super::{Interrupt, RunError, publish};
use crate::digest::Digest;
use crate::event::{Emit, Event};
use crate::plan::{
    Finished, LockDifference, LockFile, LockedStage, Planner, Request, StageIndex, Study,
    lock_path,
};
use crate::store::{EntryKind, Store};

/// What a run does with the lock file beside its pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// Takes over what succeeded and changed.
    Update,
    /// Reads it only.
    Read,
    /// Reads it only, and compares the results with it.
    Compare,
}

/// What a session came to.
#[derive(Debug)]
pub struct Session {
    /// The run.
    pub report: RunReport,
    /// Where results differ from the lock file, when it was to compare.
    pub differences: Vec<LockDifference>,
}

/// Runs `study` as `request` asks and leaves lock file and snapshot.
///
/// # Errors
/// When nothing could be run at all. A stage that fails is in the report.
pub fn session(
    (request, study): (&Request, &Study),
    store: &Store,
    options: &RunOptions,
    locking: Locking,
    interrupt: &Interrupt,
    events: &dyn Emit,
) -> Result<Session, RunError> {
    let lock_file = request.root.join(lock_path(&request.file));
    let lock = LockFile::read(&lock_file)?;
    let last = request.last_run();
    let mut planner = Planner::new(study, &request.root, store, last, lock.clone());
    let report = execute(study, &mut planner, store, options, interrupt, events)?;
    let found = locked_stages(&report);
    let warn = |text: String| events.emit(Event::Warning { stage: None, text });
    let mut differences = Vec::new();
    match locking {
        Locking::Update => {
            let current = |id: &str| study.stages.iter().any(|stage| stage.id.to_string() == id);
            lock.update(&lock_file, found, &current)?;
            store.register_root(&study.pipeline.name, &lock_file)?;
        }
        Locking::Compare => differences = lock.differences(&found),
        Locking::Read => {}
    }
    let finished = Finished {
        study,
        reads: planner.reads(),
        stages: ended_well(study, &report),
        complete: report.ok,
        published: published(study, store, options, &report),
    };
    // Losing the snapshot costs the next run some time, and nothing else.
    if let Err(error) = request.save(store.generation()?, &finished) {
        warn(format!("the next run will plan from scratch: {error}"));
    }
    Ok(Session { report, differences })
}

/// What each stage that ended well would be locked as.
fn locked_stages(report: &RunReport) -> BTreeMap<String, LockedStage> {
    let lock = |stage: &super::StageEnd| {
        let fingerprint = stage.fingerprint?;
        let well = stage.ending.is_well();
        let locked = LockedStage { fingerprint, outputs: stage.outputs.clone() };
        well.then(|| (stage.stage.to_string(), locked))
    };
    report.stages.iter().filter_map(lock).collect()
}

/// Stages that ended well, with the seconds that computing them took in whichever run that was.
fn ended_well(
    study: &Study,
    report: &RunReport,
) -> Vec<(StageIndex, crate::manifest::Fingerprint, f64)> {
    let places: BTreeMap<&crate::artifact::StageId, StageIndex> =
        study.iter().map(|(index, stage)| (&stage.id, index)).collect();
    let well = |stage: &super::StageEnd| {
        let secs = stage.cost.map_or(0.0, |cost| cost.wall_secs);
        let index = places.get(&stage.stage)?;
        stage.ending.is_well().then_some((*index, stage.fingerprint?, secs))
    };
    report.stages.iter().filter_map(well).collect()
}

/// Every file that the run's stages have in `out/`, relative to the project.
fn published(
    study: &Study,
    store: &Store,
    options: &RunOptions,
    report: &RunReport,
) -> Vec<(String, Digest)> {
    let ends: BTreeMap<_, _> = report.stages.iter().map(|end| (&end.stage, end)).collect();
    let mut files = Vec::new();
    for (index, stage) in study.iter() {
        let Some(end) = ends.get(&stage.id) else { continue };
        if !study.is_published(index) || !options.selected.contains(index) {
            continue;
        }
        for (folder, tree) in publish::folders(study, index, &end.outputs) {
            let Ok(Some(tree)) = store.tree(&tree) else { continue };
            for entry in tree.entries {
                if let EntryKind::File { digest, .. } = entry.kind {
                    files.push((format!("{}/{}", folder.display(), entry.path), digest));
                }
            }
        }
    }
    files
}
