//! The pipeline file: YAML text to a checked pipeline whose stages still hold unbound parameters.
//!
//! Reads files into one spanned tree, merges `extends` and presets, puts in `-p` and expressions and
//! expands matrices. Knows no stage kind: `stage` binds the parameters.

mod bind;
mod node;
mod scalar;
mod yaml;

pub use bind::bind;
pub use node::{Key, Node, Value};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::artifact::{Coordinates, StageId};
use crate::digest::Digest;
use crate::span::{Sources, Span};

/// A pipeline as its file says it, matrices expanded, parameters not yet bound.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// `name:`; the file's stem when missing.
    pub name: String,
    /// `description:`.
    pub description: Option<String>,
    /// `seed:`; 0 when missing.
    pub seed: u64,
    /// Resolved `params` (defaults and `-p`), for the report.
    pub params: Vec<(Key, Node)>,
    /// Stages in the order of the file; a matrix stage gives one for each cell.
    pub stages: Vec<Stage>,
    /// Every text that was read, for diagnostics.
    pub sources: Sources,
    /// Path (relative to the project; built-in presets as `builtin:stages/x.yaml`) and digest of
    /// every file that formed the plan, for the snapshot.
    pub files: Vec<(String, Digest)>,
}

/// One stage, or one cell of a matrix stage.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Name and cell.
    pub id: StageId,
    /// The stage kind that `use` leads to, through presets.
    pub kind: String,
    /// Where `use` stands.
    pub kind_span: Span,
    /// The stage's key.
    pub span: Span,
    /// Presets on the way: name and file, for `plan`.
    pub presets: Vec<String>,
    /// `with`, expressions resolved; a map, empty when missing.
    pub with: Node,
    /// `inputs` by port.
    pub inputs: Vec<(Key, Vec<Reference>)>,
    /// `needs`: order only.
    pub needs: Vec<Reference>,
    /// Settings that never enter a manifest.
    pub settings: Settings,
}

/// How a stage runs; nothing here can change its result.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Tokens by pool: `gpu: 1`.
    pub resources: BTreeMap<String, u64>,
    /// Attempts after the first.
    pub retries: u32,
    /// Limit of one attempt.
    pub timeout: Option<Duration>,
    /// Use the lock file's output whatever the manifest says.
    pub frozen: bool,
    /// Put the outputs into `out/` even when other stages read them.
    pub publish: bool,
    /// For people.
    pub description: Option<String>,
}

/// `stage`, `stage.output`, `stage[*]`, `stage[key=value].output` as written; checked to exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// The stage's name.
    pub stage: String,
    /// Which cells; without matrix, the one stage with no coordinates.
    pub cells: Vec<Coordinates>,
    /// Whether a selection in brackets was written.
    pub gathered: bool,
    /// The output's name, when written.
    pub output: Option<String>,
    /// Where it stands.
    pub span: Span,
}

/// What the command line and the project bring to a load.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The project's root; every path is relative to it.
    pub root: PathBuf,
    /// `-p key=value`, in order.
    pub params: Vec<(String, String)>,
}
