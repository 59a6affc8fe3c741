//! The pipeline file: YAML text to a checked pipeline whose stages still hold unbound parameters.
//!
//! Reads files into one spanned tree, merges `extends` and presets, puts in `-p` and expressions and
//! expands matrices. Knows no stage kind: `stage` binds the parameters.

mod bind;
pub mod builtin;
mod expression;
mod files;
mod load;
mod matrix;
mod node;
mod overlay;
mod params;
mod preset;
mod project;
mod reference;
mod remote;
mod scalar;
pub mod schema;
mod settings;
mod stage;
mod yaml;

pub use bind::bind;
pub use load::{Invalid, load};
pub use node::{Key, Node, Value};
pub use project::{Durability, PROJECT_FILE, Project, STORE_FOLDER};
pub use remote::{DirRemoteSettings, RemoteSettings, S3RemoteSettings};
pub use settings::{TimeLimit, time};

use std::collections::BTreeMap;
use std::sync::Arc;
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
    /// What mistakes left out of it.
    pub gaps: Gaps,
}

/// What a stage lacks because of mistakes that are told already; nothing in a pipeline without any.
///
/// The rest of such a stage is still judged, so that all mistakes are told at once. What depends on a
/// missing part is not: a mistake that follows from another one is no help.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gaps {
    /// `use` leads nowhere; the kind is empty.
    pub kind: bool,
    /// A value of `with` could not be read and is left out.
    pub with: bool,
    /// A reference could not be read or leads nowhere and is left out; its port is there, without it.
    pub references: bool,
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
    /// Which cells; without matrix, the one stage with no coordinates. Shared, because every cell of a
    /// matrix may gather all cells of another.
    pub cells: Arc<[Coordinates]>,
    /// Whether a selection in brackets was written.
    pub gathered: bool,
    /// The output's name, when written.
    pub output: Option<String>,
    /// Where it stands.
    pub span: Span,
}
