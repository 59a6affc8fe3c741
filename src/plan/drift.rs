//! Drift: where a lock file and the spec beside it disagree, found without running anything.

use std::collections::BTreeSet;

use crate::manifest::summary;

use super::{LockDifference, LockFile, PlanError, Planner, World};

/// Most changes that are named of one stage.
const CHANGES_MAX: usize = 3;

/// Stages whose locked results are not those of the spec: changed, new or gone. Below a stage whose result nobody
/// knows nothing can be said, and nothing is. A lock file without stages disagrees with nothing.
///
/// # Errors
/// When the project's files or the store cannot be read.
pub fn drift(
    planner: &mut Planner<'_>,
    lock: &LockFile,
    world: &dyn World,
) -> Result<Vec<LockDifference>, PlanError> {
    if lock.stages.is_empty() {
        return Ok(Vec::new());
    }
    let study = planner.study();
    let mut found = Vec::new();
    let mut ids = BTreeSet::new();
    for (index, stage) in study.iter() {
        let id = stage.id.to_string();
        ids.insert(id.clone());
        if stage.settings.frozen {
            planner.guess(index)?;
            continue;
        }
        let Some(locked) = lock.stages.get(&id) else {
            found.push(LockDifference { stage: id, what: "it is not locked".to_owned() });
            continue;
        };
        if !planner.is_resolvable(index) {
            continue;
        }
        let resolved = planner.resolve(index)?;
        if resolved.fingerprint == locked.fingerprint {
            planner.know_trees(index, &locked.outputs);
            continue;
        }
        if let Some(record) = &resolved.record {
            planner.know(index, &record.outputs);
        }
        let what = match world.record(&locked.fingerprint)? {
            Some(record) => {
                let mut changes = summary(&resolved.manifest.diff(&record.manifest));
                changes.truncate(CHANGES_MAX);
                changes.join(", ")
            }
            None => "it depends on something else".to_owned(),
        };
        found.push(LockDifference { stage: id, what });
    }
    let gone = lock.stages.keys().filter(|id| !ids.contains(*id));
    let gone = gone.map(|id| LockDifference {
        stage: id.clone(),
        what: "the spec has no such stage".to_owned(),
    });
    found.extend(gone);
    Ok(found)
}
