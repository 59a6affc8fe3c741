//! The `export` kind: retrained networks as files for other programs.
//!
//! Each network has a folder of its own, named by its rank (`01/`), the ensemble that was tested has `ensemble/`. What the
//! files hold is `export`'s; here models are chosen, read and written.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Arity, Component, Config, Job, Outcome, Output, Port, Ports, Stage, StageError};
use crate::artifact::ArtifactType;
use crate::export::Export;
use crate::manifest::Manifest;
use crate::results::{ModelsSummary, ResultsError, SavedModel, model_folder};

/// Version of the kind: which files are written, and what they hold.
const VERSION: u32 = 1;

/// Which networks of a `retrain` stage are written, and in which formats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExportConfig {
    /// The networks: `best` for the one that was chosen before the test, `all`, or a rank.
    pub which: Which,
    /// Kinds of files.
    #[schemars(length(min = 1))]
    pub formats: Vec<Format>,
    /// Whether the ensemble that was tested is written, too, as one graph.
    pub ensemble: bool,
}

/// Networks of a `models` artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one that was chosen before the test set was read.
    Best,
    /// All that could be trained.
    All,
    /// The one of this rank, from 1.
    Rank(usize),
}

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `model.onnx`: operator set 17, any number of images at once, with the scaling of the images.
    Onnx,
    /// `model.py` and `weights.safetensors`: a page of Python for `PyTorch` 1.13 or later.
    Pytorch,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Onnx, Self::Pytorch];

    /// The word used in YAML.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Pytorch => "pytorch",
        }
    }
}

impl Default for ExportConfig {
    fn default() -> Self {
        Self { which: Which::Best, formats: Format::ALL.to_vec(), ensemble: false }
    }
}

impl ExportConfig {
    /// Writes what is asked for of the `models` artifact in `models` into the folder `into`; the files written.
    ///
    /// # Errors
    /// When the artifact lacks what is asked for, or files cannot be read or written.
    pub fn write(&self, models: &Path, into: &Path) -> Result<Vec<PathBuf>, StageError> {
        let summary = ModelsSummary::read(models).map_err(unreadable)?;
        let mut files = Vec::new();
        for rank in self.which.ranks(&summary)? {
            let model = SavedModel::read(&models.join(model_folder(rank))).map_err(unreadable)?;
            files.extend(self.write_one(&[model], &into.join(format!("{rank:02}")))?);
        }
        if self.ensemble {
            let ranks = &summary.ensemble_ranks;
            if ranks.is_empty() {
                return Err(StageError::Failed(
                    "there is no ensemble: fewer than two networks were trained".to_owned(),
                ));
            }
            let read = |&rank: &usize| SavedModel::read(&models.join(model_folder(rank)));
            let members: Result<Vec<SavedModel>, _> = ranks.iter().map(read).collect();
            files.extend(self.write_one(&members.map_err(unreadable)?, &into.join("ensemble"))?);
        }
        Ok(files)
    }

    /// Writes `models`, one or an ensemble, into `folder` in every format; the files written.
    ///
    /// # Errors
    /// When they cannot be exported or files not written.
    pub fn write_one(
        &self,
        models: &[SavedModel],
        folder: &Path,
    ) -> Result<Vec<PathBuf>, StageError> {
        let failed = |error| StageError::caused_by(&error);
        let export = Export::new(models).map_err(failed)?;
        fs::create_dir_all(folder).map_err(io("cannot make", folder))?;
        let mut files = Vec::new();
        let mut write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, bytes).map_err(io("cannot write", &path))?;
            files.push(path);
            Ok::<(), StageError>(())
        };
        if self.formats.contains(&Format::Onnx) {
            write("model.onnx", &export.onnx().map_err(failed)?)?;
        }
        if self.formats.contains(&Format::Pytorch) {
            let page = export.pytorch().map_err(failed)?;
            write("model.py", page.script.as_bytes())?;
            write("weights.safetensors", &page.weights)?;
        }
        Ok(files)
    }
}

impl Which {
    /// The ranks, in order.
    fn ranks(self, summary: &ModelsSummary) -> Result<Vec<usize>, StageError> {
        let trained = summary.models.iter().filter(|model| model.failure.is_none());
        let trained: Vec<usize> = trained.map(|model| model.rank).collect();
        let wanted = match self {
            Self::All => return Ok(trained),
            Self::Best => summary.chosen_rank().ok_or_else(|| {
                StageError::Failed("the summary does not list the network it chose".to_owned())
            })?,
            Self::Rank(rank) => rank,
        };
        if trained.contains(&wanted) {
            return Ok(vec![wanted]);
        }
        let failure = summary.models.iter().find(|model| model.rank == wanted);
        let reason = match failure.and_then(|model| model.failure.as_ref()) {
            Some(failure) => format!("network {wanted} could not be trained: it {failure}"),
            None => {
                format!("there is no network of rank {wanted} among {}", summary.models.len())
            }
        };
        Err(StageError::Failed(reason))
    }
}

fn unreadable(error: ResultsError) -> StageError {
    match error {
        ResultsError::Io { action, path, source } => StageError::Io { action, path, source },
        other => StageError::caused_by(&other),
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StageError {
    let path = path.to_owned();
    move |source| StageError::Io { action, path, source }
}

impl Config for ExportConfig {
    const KIND: &'static str = "export";
    const SUMMARY: &'static str = "retrained networks as ONNX and PyTorch files";
    const EXAMPLE: &'static str = "\
exported:
  use: export
  inputs: { models: finals } # the models of one `retrain`
  with: { which: best, formats: [onnx] }
# makes exported.files
";
}

impl Stage for ExportConfig {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    fn config(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("BUG: parameters serialize")
    }

    fn ports(&self) -> Ports {
        let types = vec![ArtifactType::Models];
        Ports::Fixed(vec![Port { name: "models".to_owned(), types, arity: Arity::One }])
    }

    fn outputs(&self) -> Vec<Output> {
        vec![Output { name: "files".to_owned(), kind: ArtifactType::Files }]
    }

    fn components(&self) -> Vec<Component> {
        vec![Component { name: Self::KIND, version: VERSION }]
    }

    fn parameters(&self, manifest: &mut Manifest) {
        manifest.section("with", self);
    }

    fn run(&self, job: &Job<'_>) -> Result<Outcome, StageError> {
        let models = job.input("models").expect("BUG: the port `models` takes exactly one");
        self.write(models, &job.output("files"))?;
        Ok(Outcome::default())
    }
}

// ---- values of several forms: read by visitors, since serde's `untagged` loses where they stand ----

const BEST: &str = "best";
const ALL: &str = "all";

impl Serialize for Which {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Best => serializer.serialize_str(BEST),
            Self::All => serializer.serialize_str(ALL),
            Self::Rank(rank) => serializer.serialize_u64(*rank as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Which {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Forms)
    }
}

struct Forms;

impl Visitor<'_> for Forms {
    type Value = Which;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`best`, `all`, or a rank from 1")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Which, E> {
        word.parse().map_err(|()| E::invalid_value(de::Unexpected::Str(word), &self))
    }

    fn visit_u64<E: de::Error>(self, rank: u64) -> Result<Which, E> {
        match usize::try_from(rank) {
            Ok(rank) if rank > 0 => Ok(Which::Rank(rank)),
            _ => Err(E::invalid_value(de::Unexpected::Unsigned(rank), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, rank: i64) -> Result<Which, E> {
        let wrong = E::invalid_value(de::Unexpected::Signed(rank), &self);
        u64::try_from(rank).map_err(|_| wrong).and_then(|rank| self.visit_u64(rank))
    }
}

impl std::str::FromStr for Which {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            BEST => Ok(Self::Best),
            ALL => Ok(Self::All),
            rank => rank.parse().ok().filter(|rank| *rank > 0).map(Self::Rank).ok_or(()),
        }
    }
}

impl JsonSchema for Which {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Which".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Networks of a `models` artifact: `best`, `all`, or a rank from 1.",
            "oneOf": [{ "enum": [BEST, ALL] }, { "type": "integer", "minimum": 1 }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_ranks_are_told_apart_and_written_back() {
        let read = |text: &str| serde_json::from_str::<Which>(text).ok();
        for (text, which) in
            [("\"best\"", Which::Best), ("\"all\"", Which::All), ("3", Which::Rank(3))]
        {
            assert_eq!(read(text), Some(which));
            assert_eq!(serde_json::to_string(&which).expect("plain data"), text);
        }
        for wrong in ["0", "-1", "1.5", "\"first\"", "null"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
