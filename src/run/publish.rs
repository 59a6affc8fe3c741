//! Publishing: results for people to open, under `out/<pipeline>/<stage>/`.
//!
//! A stage with one output lies there itself, with several each in a folder of its name. Knows nothing of
//! how they are linked or verified: that is the store's.

use std::path::PathBuf;

use super::job::Site;
use crate::digest::Digest;
use crate::event::Event;
use crate::plan::{StageIndex, Study};
use crate::record::StageRecord;
use crate::store::StoreError;
use crate::wording;

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

/// Whether `out/` holds the result and the store still has it, by what `stat` says.
pub(super) fn is_current(
    study: &Study,
    stage: StageIndex,
    record: &StageRecord,
    site: &Site<'_>,
) -> bool {
    places(study, stage, record).into_iter().all(|(place, tree)| {
        let is_shown = site.store.is_published(&tree, &site.project.join(place));
        is_shown.unwrap_or_default() && site.store.is_present(&tree).unwrap_or_default()
    })
}

/// Puts the result into `out/`. What a person edited there is kept beside, and said.
pub(super) fn publish(
    study: &Study,
    stage: StageIndex,
    record: &StageRecord,
    site: &Site<'_>,
) -> Result<(), StoreError> {
    for (place, tree) in places(study, stage, record) {
        let edited = site.store.publish(&tree, &site.project.join(place))?.edited;
        for edited in edited.iter().take(NAMED) {
            let text = format!(
                "`{}` was edited; it is now `{}`",
                edited.path.display(),
                edited.kept_as.display()
            );
            let stage = Some(study.get(stage).id.clone());
            site.events.emit(Event::Warning { stage, text });
        }
        if let Some(more) = edited.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let files = wording::count(more, "more file");
            let text = format!("{files} had been edited, and are kept under such names");
            let stage = Some(study.get(stage).id.clone());
            site.events.emit(Event::Warning { stage, text });
        }
    }
    Ok(())
}

/// Edited files that are named; of a folder that was copied all may seem to be.
const NAMED: usize = 3;
