//! Stage kinds: what `use:` can name, bound from unbound parameters to typed configs.
//!
//! A kind is one file here and one line in the registry. A bound stage says everything its result
//! depends on (ports, components, parameters, files, seed) and computes its outputs in a job's folder.
//! It knows nothing of stores, fingerprints or other stages.

mod announce;
mod command;
mod dataset;
mod evaluate;
pub mod evaluators;
mod export;
mod forecast;
mod job;
mod lanes;
mod memory;
mod mistakes;
mod profile;
mod registry;
mod report;
mod retrain;
mod rungs;
mod search;
mod task;
mod trial_log;

pub use command::{CommandConfig, check_artifact};
pub use dataset::{DatasetConfig, Split};
pub use evaluate::EvaluateConfig;
pub use export::{ExportConfig, Format, Which};
pub use forecast::{Forecast, Range};
pub use job::{Input, Job, JobFile, Outcome, Paths, SharedTrialsAt, StageError, Stop};
pub use registry::{Config, Registry, Typed};
pub use report::ReportConfig;
pub use retrain::{RetrainConfig, Validation};
pub use search::{Budget, SearchConfig};
pub use task::ImageConfig;

use std::fmt;

use crate::artifact::ArtifactType;
use crate::diagnostic::Diagnostic;
use crate::manifest::{Change, Manifest};
use crate::spec::Node;
use crate::train::Device;

/// A stage kind.
pub trait Kind: Send + Sync {
    /// The word after `use:`.
    fn name(&self) -> &'static str;

    /// One line for `kinds`.
    fn summary(&self) -> &'static str;

    /// A stage as it stands in a pipeline, for `kinds`; empty where there is none.
    fn example(&self) -> &'static str {
        ""
    }

    /// JSON Schema of `with`, from the Rust type.
    fn schema(&self) -> schemars::Schema;

    /// Binds `with`, reporting every mistake in it.
    ///
    /// # Errors
    /// All mistakes, each with its place.
    fn bind(&self, with: &Node) -> Result<Box<dyn Stage>, Vec<Diagnostic>>;

    /// Binds what [`Stage::config`] returned, in the worker.
    ///
    /// # Errors
    /// When the config is from another version.
    fn revive(&self, config: &serde_json::Value) -> Result<Box<dyn Stage>, serde_json::Error>;
}

/// How many artifacts a port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one.
    One,
    /// One or nothing.
    Optional,
    /// One or more, gathered or listed.
    Many,
    /// Any number, none included.
    Any,
}

/// Something a stage reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Key under `inputs`.
    pub name: String,
    /// Types it takes; a `command` port takes all.
    pub types: Vec<ArtifactType>,
    /// How many.
    pub arity: Arity,
}

/// Something a stage writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name after the dot: `stage.output`.
    pub name: String,
    /// Its type.
    pub kind: ArtifactType,
}

/// Part of the program whose meaning has a version: `search.q_learning 2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Dotted name.
    pub name: &'static str,
    /// Raised when the same parameters give other bytes.
    pub version: u32,
}

/// Which ports a stage accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// Exactly these.
    Fixed(Vec<Port>),
    /// Whatever `inputs` names, of any type and arity (`command`).
    Open,
}

/// How a stage is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// In a `phytotron worker` process, by [`Stage::run`].
    Worker,
    /// As a direct child of the run.
    Command(CommandLine),
}

/// A program to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables added to the cleared environment.
    pub env: Vec<(String, String)>,
    /// Outputs by name: paths relative to the private folder, and whether the artifact keeps these
    /// relative paths (a list) or is the path itself (a map entry).
    pub outputs: Vec<CommandOutput>,
    /// Programs whose digest is in the manifest.
    pub tools: Vec<String>,
}

/// A declared output of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// The artifact's name.
    pub name: String,
    /// Its type.
    pub kind: ArtifactType,
    /// Declared paths or globs.
    pub paths: Vec<String>,
    /// Whether the artifact holds the files under their declared relative paths.
    pub keeps_paths: bool,
}

/// What an earlier result is worth to a stage whose manifest differs from it.
///
/// Going on is never anything but faster: it gives the bytes that beginning anew would give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Continuation {
    /// Nothing.
    Nothing,
    /// It goes on from there; the text says so: `goes on after 200 trials`.
    GoesOn(String),
    /// It would, but for this reason: `starts over: the schedule is stretched to the budget`.
    StartsOver(String),
}

/// A stage whose parameters are bound.
pub trait Stage: Send + Sync + fmt::Debug {
    /// Its kind's name.
    fn kind(&self) -> &'static str;

    /// The bound config, for [`Kind::revive`].
    fn config(&self) -> serde_json::Value;

    /// What it reads.
    fn ports(&self) -> Ports;

    /// What it writes.
    fn outputs(&self) -> Vec<Output>;

    /// The versions its result depends on, the kind's own first.
    fn components(&self) -> Vec<Component>;

    /// Adds `with.…` lines: every bound parameter that can change the result.
    fn parameters(&self, manifest: &mut Manifest);

    /// `with.seed` (0 when missing) when it draws random numbers.
    fn seed(&self) -> Option<u64> {
        None
    }

    /// The engine whose bits it depends on: `cpu-f32-v1`.
    fn numerics(&self) -> Option<&'static str> {
        None
    }

    /// What it computes on: its worker must be able to.
    fn device(&self) -> Device {
        Device::Cpu
    }

    /// Project files it reads: paths, folders or globs relative to the project's root.
    fn files(&self) -> Vec<String> {
        Vec::new()
    }

    /// The network source that it reads, and what that must hold: an address and its pin.
    fn pin(&self) -> Option<(String, String)> {
        None
    }

    /// What an earlier result is worth, whose manifest differs from the stage's own by `changes`. Where it
    /// goes on, [`Stage::run`] finds the outputs below [`Paths::earlier`].
    fn continuation(&self, changes: &[Change]) -> Continuation {
        _ = changes;
        Continuation::Nothing
    }

    /// What running would cost, by timing a little of it. Writes into the job's output folders what the
    /// forecasts of later stages need, stand-ins that are never results. Nothing where a kind cannot say.
    ///
    /// # Errors
    /// Why there is no forecast, for people.
    fn forecast(&self, job: &Job<'_>) -> Result<Option<Forecast>, StageError> {
        _ = job;
        Ok(None)
    }

    /// Whether running again gives the same bytes.
    fn reproducible(&self) -> bool {
        true
    }

    /// How it is started.
    fn launch(&self) -> Launch {
        Launch::Worker
    }

    /// Computes the outputs; only called where [`Stage::launch`] says worker.
    ///
    /// # Errors
    /// What went wrong, for people. Outputs written so far are dropped, the checkpoint is kept.
    fn run(&self, job: &Job<'_>) -> Result<Outcome, StageError>;
}
