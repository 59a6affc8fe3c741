//! `MODEL` on a command line: what a `retrain` stage wrote, or one network in it.

use std::path::{Path, PathBuf};

use crate::cli::error::CliError;
use crate::results::{ModelsSummary, NETWORK_FILE, SUMMARY_FILE, SavedModel, model_folder};

/// Where the word leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A whole `models` artifact.
    Artifact(PathBuf),
    /// The folder of one network.
    Network(PathBuf),
}

/// Looks at what lies in `path`.
pub(super) fn place(path: &Path) -> Result<Place, CliError> {
    if path.join(SUMMARY_FILE).is_file() {
        return Ok(Place::Artifact(path.to_owned()));
    }
    if path.join(NETWORK_FILE).is_file() {
        return Ok(Place::Network(path.to_owned()));
    }
    let (is_file, path) = (path.is_file(), path.display());
    let text = if is_file {
        format!(
            "`{path}` is a file and no trained network: to name one by its pipeline, add its stage"
        )
    } else {
        format!(
            "there is no trained network in `{path}`: give the folder of a `retrain` stage, such as \
             `out/PIPELINE/STAGE`, or of one network in it, such as `out/PIPELINE/STAGE/models/01`"
        )
    };
    Err(CliError::Usage(text))
}

/// The network that was chosen, or those of the ensemble.
pub(super) fn read(place: &Place, ensemble: bool) -> Result<Vec<SavedModel>, CliError> {
    let artifact = match place {
        Place::Network(_) if ensemble => {
            let text = "one network is no ensemble: give the folder of the whole `retrain` stage";
            return Err(CliError::Usage(text.to_owned()));
        }
        Place::Network(folder) => return Ok(vec![SavedModel::read(folder)?]),
        Place::Artifact(folder) => folder,
    };
    let summary = ModelsSummary::read(artifact)?;
    let ranks = match (ensemble, summary.chosen_rank()) {
        (false, Some(rank)) => vec![rank],
        (true, _) if !summary.ensemble_ranks.is_empty() => summary.ensemble_ranks,
        _ => {
            let text = format!("`{}` has no such network", artifact.display());
            return Err(CliError::Usage(text));
        }
    };
    let read = |&rank: &usize| SavedModel::read(&artifact.join(model_folder(rank)));
    Ok(ranks.iter().map(read).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_known_by_its_files_and_nothing_else_is_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let (whole, one) = (folder.path().join("retrain"), folder.path().join("retrain/models/01"));
        std::fs::create_dir_all(&one).expect("folders");
        assert!(place(&whole).expect_err("empty").to_string().contains("no trained network in"));
        std::fs::write(whole.join(SUMMARY_FILE), "").expect("a file");
        std::fs::write(one.join(NETWORK_FILE), "").expect("a file");
        assert_eq!(place(&whole).expect("a summary"), Place::Artifact(whole.clone()));
        assert_eq!(place(&one).expect("a network"), Place::Network(one));
        let file = place(&whole.join(SUMMARY_FILE)).expect_err("a file").to_string();
        assert!(file.contains("add its stage"), "{file}");
    }
}
