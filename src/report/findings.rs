//! Findings: everything that the input artifacts say, read and checked once.
//!
//! Nothing but artifacts is read here: no clock, host or stage name reaches a report, or equal inputs
//! would give unequal pages. Inputs are told apart by their coordinates and cards.

mod controllers;
mod data;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ReportError, words};
use crate::artifact::Coordinates;
use crate::dataset;
use crate::net::{Block, Drawing, Network};
use crate::results::{
    self, Agreement, Epoch, Mistake, ModelSummary, ModelsSummary, Trial, Trials, TrialsCard, word,
};

/// Letters of a label.
const LABEL_MAX: usize = 120;
/// Mistakes that are shown.
const MISTAKES: usize = 12;
/// Bytes of an image that goes into the page.
const PHOTO_MAX: usize = 65_536;

/// An artifact to report on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The matrix cell it comes from; empty without matrix.
    pub coordinates: Coordinates,
    /// Where its files lie.
    pub folder: PathBuf,
}

/// The artifacts to report on, each list in the order of the inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Evaluated genotypes.
    pub trials: Vec<Source>,
    /// Retrained networks.
    pub models: Vec<Source>,
    /// What strategies have learned.
    pub controllers: Vec<Source>,
    /// Training and validation images.
    pub data: Option<Source>,
}

/// Everything that the artifacts say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// One for each `trials` artifact.
    pub searches: Vec<Search>,
    /// One for each `models` artifact.
    pub finals: Vec<Finals>,
    /// One for each `controller` artifact.
    pub controllers: Vec<Controller>,
    /// The dataset.
    pub data: Option<Data>,
}

/// A `controller` artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct Controller {
    /// What tells it from the others.
    pub label: String,
    /// The table of Q-learning; empty for other strategies.
    pub values: Vec<QValue>,
}

/// A row of a Q-table.
#[derive(Debug, Clone, PartialEq)]
pub struct QValue {
    /// The state's name.
    pub state: String,
    /// The action's name.
    pub action: String,
    /// What the action is worth there.
    pub value: f64,
    /// How often it was learned from.
    pub visits: f64,
}

/// A `dataset` artifact: its card, and what can be seen of its images.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// Its card.
    pub card: dataset::Card,
    /// Training images of each class; empty where only the card is there.
    pub training: Vec<u64>,
    /// Validation images of each class.
    pub validation: Vec<u64>,
    /// A few training images of each of the first classes, as PNG.
    pub samples: Vec<Vec<Vec<u8>>>,
}

/// A `trials` artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// What tells it from the others: `repeat=1,strategy=random`, or its strategy.
    pub label: String,
    /// Its matrix cell.
    pub coordinates: Coordinates,
    /// What its trials share.
    pub card: TrialsCard,
    /// The trials in order, each network's last rung.
    pub trials: Vec<Trial>,
    /// Epochs charged for each of them, over all its rungs and tries.
    pub charged: Vec<u64>,
    /// How these scores agree with earlier ones, when they are of genotypes scored again.
    pub agreement: Option<Agreement>,
}

/// A `models` artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct Finals {
    /// What tells it from the others.
    pub label: String,
    /// Its matrix cell.
    pub coordinates: Coordinates,
    /// Its summary.
    pub summary: ModelsSummary,
    /// Training curves by rank, where they were written.
    pub histories: Vec<(usize, Vec<Epoch>)>,
    /// The layers of the chosen network, where they were written.
    pub network: Option<Network>,
    /// Its diagrams, where its space draws some.
    pub drawing: Drawing,
    /// The mistakes it was surest of, with the images as PNG.
    pub mistakes: Vec<(Mistake, Vec<u8>)>,
}

impl Finals {
    /// The chosen network among the retrained ones.
    #[must_use]
    pub fn chosen_model(&self) -> Option<&ModelSummary> {
        chosen_model(&self.summary)
    }
}

fn chosen_model(summary: &ModelsSummary) -> Option<&ModelSummary> {
    summary.models.iter().find(|model| model.genotype == summary.chosen.genotype)
}

impl Findings {
    /// Reads all artifacts.
    pub fn read(sources: &Sources) -> Result<Self, ReportError> {
        let mut searches = sources.trials.iter().map(read_search).collect::<Result<Vec<_>, _>>()?;
        let mut finals = sources.models.iter().map(read_finals).collect::<Result<Vec<_>, _>>()?;
        tell_apart(searches.iter_mut().map(|search| &mut search.label));
        tell_apart(finals.iter_mut().map(|finals| &mut finals.label));
        let controllers = sources.controllers.iter().map(controllers::read);
        let mut controllers = controllers.collect::<Result<Vec<_>, _>>()?;
        tell_apart(controllers.iter_mut().map(|controller| &mut controller.label));
        let data = sources.data.as_ref().map(data::read).transpose()?;
        Ok(Self { searches, finals, controllers, data })
    }
}

/// The leaves of a value with dotted names; lists stay whole unless they hold maps.
pub(super) fn leaves(value: &Value) -> Vec<(String, Value)> {
    fn walk(path: &str, value: &Value, found: &mut Vec<(String, Value)>) {
        let below =
            |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match value {
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| walk(&below(key), value, found));
            }
            Value::Array(list) if list.iter().any(Value::is_object) => {
                for (i, value) in list.iter().enumerate() {
                    walk(&below(&i.to_string()), value, found);
                }
            }
            leaf => found.push((path.to_owned(), leaf.clone())),
        }
    }
    let mut found = Vec::new();
    walk("", value, &mut found);
    found
}

fn read_search(source: &Source) -> Result<Search, ReportError> {
    let artifact = Artifact::new(source, "trials");
    let Trials { card, trials } = Trials::read(&source.folder)
        .map_err(|source| ReportError::Results { input: artifact.name.clone(), source })?;
    let epochs = |lines: &[Trial]| lines.iter().map(|line| line.epochs).sum();
    let charged = results::by_network(&trials).map(epochs).collect();
    let trials: Vec<Trial> = results::finished(&trials).cloned().collect();
    let agreement = artifact.json_if_there(results::AGREEMENT_FILE)?;
    let label = label(source, || format!("{}, {}", word(&card.strategy), word(&card.evaluator)));
    Ok(Search { label, coordinates: source.coordinates.clone(), card, trials, charged, agreement })
}

fn read_finals(source: &Source) -> Result<Finals, ReportError> {
    let artifact = Artifact::new(source, "models");
    let summary: ModelsSummary = artifact.json(results::SUMMARY_FILE)?;
    check_confusions(&artifact, &summary)?;
    let mut histories = Vec::new();
    for model in &summary.models {
        let file = format!("{}/{}", results::model_folder(model.rank), results::HISTORY_FILE);
        if artifact.has(&file) {
            histories.push((model.rank, artifact.json_lines(&file)?));
        }
    }
    let (network, drawing, mistakes) = match chosen_model(&summary) {
        Some(model) => (
            read_network(&artifact, model.rank)?,
            read_drawing(&artifact, model.rank)?,
            read_mistakes(&artifact, model.rank, summary.classes.len())?,
        ),
        None => (None, Drawing::default(), Vec::new()),
    };
    let label = label(source, || "retrained".to_owned());
    Ok(Finals {
        label,
        coordinates: source.coordinates.clone(),
        summary,
        histories,
        network,
        drawing,
        mistakes,
    })
}

/// A confusion matrix is square over the classes, or it would be drawn wrong.
fn check_confusions(artifact: &Artifact<'_>, summary: &ModelsSummary) -> Result<(), ReportError> {
    let classes = summary.classes.len();
    for model in summary.models.iter().filter(|model| !model.confusion.is_empty()) {
        let is_square = model.confusion.len() == classes
            && model.confusion.iter().all(|row| row.len() == classes);
        if !is_square {
            let reason = format!(
                "the confusion matrix of network {} does not have {classes} rows and columns",
                model.rank
            );
            return Err(artifact.malformed(results::SUMMARY_FILE, reason));
        }
    }
    Ok(())
}

fn read_network(artifact: &Artifact<'_>, rank: usize) -> Result<Option<Network>, ReportError> {
    let file = format!("{}/network.json", results::model_folder(rank));
    let network: Option<Network> = artifact.json_if_there(&file)?;
    if let Some(network) = &network {
        network.check().map_err(|reason| artifact.malformed(&file, reason))?;
    }
    Ok(network)
}

/// Every block reads earlier ones, or it has no row.
fn read_drawing(artifact: &Artifact<'_>, rank: usize) -> Result<Drawing, ReportError> {
    let file = format!("{}/{}", results::model_folder(rank), results::DRAWING_FILE);
    let drawing: Drawing = artifact.json_if_there(&file)?.unwrap_or_default();
    for diagram in &drawing.diagrams {
        let late = |(place, block): (usize, &Block)| block.reads.iter().any(|read| *read >= place);
        if diagram.blocks.iter().enumerate().any(late) {
            let reason = format!("a block of `{}` does not read earlier ones", diagram.title);
            return Err(artifact.malformed(&file, reason));
        }
    }
    Ok(drawing)
}

/// Images that are there, small enough for a page.
fn read_mistakes(
    artifact: &Artifact<'_>,
    rank: usize,
    classes: usize,
) -> Result<Vec<(Mistake, Vec<u8>)>, ReportError> {
    let folder = results::model_folder(rank);
    let file = format!("{folder}/{}", results::MISTAKES_FILE);
    let mistakes: Vec<Mistake> = artifact.json_if_there(&file)?.unwrap_or_default();
    let read = |mistake: Mistake| {
        if mistake.label.max(mistake.prediction) >= classes {
            let reason = format!("class {} of {classes}", mistake.label.max(mistake.prediction));
            return Err(artifact.malformed(&file, reason));
        }
        let png = artifact.bytes(&format!("{folder}/{}", mistake.file))?;
        Ok((mistake, png))
    };
    mistakes.into_iter().take(MISTAKES).map(read).collect()
}

/// The cell's coordinates, or what else tells the input from others; for people, so of bounded length.
fn label(source: &Source, otherwise: impl FnOnce() -> String) -> String {
    let label =
        if source.coordinates.0.is_empty() { otherwise() } else { source.coordinates.to_string() };
    words::cut(label, LABEL_MAX)
}

/// Numbers labels that are not unique: `random`, `random (2)`.
fn tell_apart<'a>(labels: impl Iterator<Item = &'a mut String>) {
    let mut seen: Vec<String> = Vec::new();
    for label in labels {
        let wanted = label.clone();
        let mut n = 2;
        while seen.contains(label) {
            *label = format!("{wanted} ({n})");
            n += 1;
        }
        seen.push(label.clone());
    }
}

/// An artifact's folder, with its name for messages.
struct Artifact<'a> {
    folder: &'a Path,
    name: String,
}

impl<'a> Artifact<'a> {
    fn new(source: &'a Source, port: &str) -> Self {
        let name = if source.coordinates.0.is_empty() {
            format!("`{port}`")
        } else {
            format!("`{port}` ({})", source.coordinates)
        };
        Self { folder: &source.folder, name }
    }

    fn has(&self, file: &str) -> bool {
        self.folder.join(file).is_file()
    }

    /// A file that must be small: it goes into the page.
    fn bytes(&self, file: &str) -> Result<Vec<u8>, ReportError> {
        let path = self.folder.join(file);
        let bytes = fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => self.malformed(file, "it is missing".to_owned()),
            _ => ReportError::Io { action: "cannot read", path, source },
        })?;
        if bytes.len() > PHOTO_MAX {
            return Err(self.malformed(file, format!("it has more than {PHOTO_MAX} bytes")));
        }
        Ok(bytes)
    }

    fn text(&self, file: &str) -> Result<String, ReportError> {
        let path = self.folder.join(file);
        fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::InvalidData => self.malformed(file, "it is not UTF-8".to_owned()),
            io::ErrorKind::NotFound => self.malformed(file, "it is missing".to_owned()),
            _ => ReportError::Io { action: "cannot read", path, source },
        })
    }

    fn json<T: DeserializeOwned>(&self, file: &str) -> Result<T, ReportError> {
        let text = self.text(file)?;
        serde_json::from_str(&text).map_err(|error| self.malformed(file, error.to_string()))
    }

    fn json_if_there<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>, ReportError> {
        if self.has(file) { self.json(file).map(Some) } else { Ok(None) }
    }

    fn json_lines<T: for<'t> Deserialize<'t>>(&self, file: &str) -> Result<Vec<T>, ReportError> {
        let text = self.text(file)?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines
            .map(|(i, line)| {
                serde_json::from_str(line).map_err(|error| {
                    // The error counts lines too, but each of ours is a document of its own.
                    let text = error.to_string();
                    let what = text.split(" at line ").next().unwrap_or(&text);
                    self.malformed(file, format!("line {}: {what}", i + 1))
                })
            })
            .collect()
    }

    fn malformed(&self, file: &str, reason: String) -> ReportError {
        ReportError::Malformed { file: file.to_owned(), input: self.name.clone(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn leaves_have_dotted_names() {
        let found = leaves(&json!({ "a": { "b": 1 }, "c": [1, 2], "d": [{ "e": true }] }));
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a.b", "c", "d.0.e"]);
    }

    #[test]
    fn equal_labels_are_numbered() {
        let mut labels = ["random", "random", "ppo", "random"].map(str::to_owned);
        tell_apart(labels.iter_mut());
        assert_eq!(labels, ["random", "random (2)", "ppo", "random (3)"]);
    }
}
