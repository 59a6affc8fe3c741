//! Artifacts: what stages read and write, by type, and the coordinates that tell matrix cells apart.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an artifact is; a port takes one type.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactType {
    /// Training and validation images.
    Dataset,
    /// Images that only `retrain` may read.
    Testset,
    /// Evaluated genotypes.
    Trials,
    /// A search strategy's state: Q-table, policy weights.
    Controller,
    /// Trained child networks.
    Models,
    /// A readable report.
    Report,
    /// Any files.
    Files,
}

impl ArtifactType {
    /// The word used in YAML.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Testset => "testset",
            Self::Trials => "trials",
            Self::Controller => "controller",
            Self::Models => "models",
            Self::Report => "report",
            Self::Files => "files",
        }
    }
}

impl fmt::Display for ArtifactType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A matrix cell's coordinates, sorted by key: `{repeat: 1, strategy: random}`; empty without matrix.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Coordinates(pub BTreeMap<String, String>);

/// Keys that repeat one setting.
const REPEATS: [&str; 2] = ["repeat", "seed"];

impl Coordinates {
    /// The setting, and which of its repeats the cell is: `repeat` and `seed` only number repeats.
    #[must_use]
    pub fn by_repeat(&self) -> (Self, Self) {
        let coordinates = self.0.clone().into_iter();
        let (repeat, setting) = coordinates.partition(|(key, _)| REPEATS.contains(&key.as_str()));
        (Self(setting), Self(repeat))
    }
}

impl fmt::Display for Coordinates {
    /// `repeat=1,strategy=random`; empty without matrix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, value)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

/// A stage as it runs: its name and, for a matrix stage, its cell: `search[repeat=1,strategy=random]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StageId {
    /// The stage's key in the pipeline file.
    pub name: String,
    /// Its cell.
    #[serde(default, skip_serializing_if = "coordinates_are_empty")]
    pub coordinates: Coordinates,
}

fn coordinates_are_empty(coordinates: &Coordinates) -> bool {
    coordinates.0.is_empty()
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.coordinates.0.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}[{}]", self.name, self.coordinates)
        }
    }
}
