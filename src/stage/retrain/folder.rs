//! The files of a `models` artifact: the summary, and a folder for each network.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::finals::Model;
use crate::dataset::csv;
use crate::results::{
    DRAWING_FILE, HISTORY_FILE, ModelSummary, ModelsSummary, NETWORK_FILE, SIGNATURE_FILE,
    SUMMARY_FILE, Signature, WEIGHTS_FILE, model_folder,
};
use crate::stage::StageError;

/// Writes `summary.json`.
pub(super) fn write_summary(root: &Path, summary: &ModelsSummary) -> Result<(), StageError> {
    write(&root.join(SUMMARY_FILE), pretty(summary).as_bytes())
}

/// Writes `models/NN`: the network, its weights unless it failed, its signature, history, confusions.
pub(super) fn write_model(
    root: &Path,
    model: &Model,
    summary: &ModelSummary,
    signature: &Signature,
) -> Result<(), StageError> {
    let folder = root.join(model_folder(summary.rank));
    fs::create_dir_all(&folder).map_err(|source| StageError::Io {
        action: "cannot make",
        path: folder.clone(),
        source,
    })?;
    write(&folder.join(NETWORK_FILE), pretty(&model.is.network).as_bytes())?;
    if !model.is.drawing.diagrams.is_empty() {
        write(&folder.join(DRAWING_FILE), pretty(&model.is.drawing).as_bytes())?;
    }
    write(&folder.join(SIGNATURE_FILE), pretty(signature).as_bytes())?;
    write(&folder.join(HISTORY_FILE), history(model).as_bytes())?;
    write(
        &folder.join("confusion.csv"),
        confusion(&summary.confusion, &signature.classes).as_bytes(),
    )?;
    if model.is_trained() {
        let state = model.fitted.child.state().map_err(|error| StageError::caused_by(&error))?;
        let weights = state.weights_file().map_err(|error| StageError::caused_by(&error))?;
        write(&folder.join(WEIGHTS_FILE), &weights)?;
    }
    Ok(())
}

fn history(model: &Model) -> String {
    let mut text = String::new();
    for epoch in &model.fitted.history {
        let line = serde_json::to_string(epoch).expect("an epoch has finite numbers only");
        writeln!(text, "{line}").expect("writing to a string");
    }
    text
}

/// Rows are true classes, columns predicted ones, each under its name.
fn confusion(counts: &[Vec<u64>], classes: &[String]) -> String {
    let mut text = String::from("true class");
    for class in classes {
        write!(text, ",{}", csv::quoted(class)).expect("writing to a string");
    }
    for (class, row) in classes.iter().zip(counts) {
        write!(text, "\n{}", csv::quoted(class)).expect("writing to a string");
        for count in row {
            write!(text, ",{count}").expect("writing to a string");
        }
    }
    text.push('\n');
    text
}

fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("results have text keys only");
    text.push('\n');
    text
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StageError> {
    fs::write(path, bytes).map_err(|source| StageError::Io {
        action: "cannot write",
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confusions_have_names_and_odd_names_are_quoted() {
        let classes = ["oak".to_owned(), "ash, \"red\"".to_owned()];
        assert_eq!(
            confusion(&[vec![3, 1], vec![0, 4]], &classes),
            "true class,oak,\"ash, \"\"red\"\"\"\noak,3,1\n\"ash, \"\"red\"\"\",0,4\n"
        );
    }
}
