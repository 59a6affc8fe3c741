//! A job: one attempt at a stage, as the stage sees it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};

use super::task::sentence;
use crate::artifact::{ArtifactType, Coordinates, StageId};
use crate::digest::Digest;
use crate::event::Emit;
use crate::manifest::Fingerprint;
use crate::seed::Seed;
use crate::spec::RemoteSettings;

/// Everything a worker needs to compute a stage; written as `job.json` into the attempt's folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobFile {
    /// The stage, for events and messages only.
    pub stage: StageId,
    /// The stage kind.
    pub kind: String,
    /// What [`super::Stage::config`] returned.
    pub config: serde_json::Value,
    /// Versions that the result depends on, as planned: a worker that has others must not compute it.
    #[serde(default)]
    pub components: BTreeMap<String, u32>,
    /// The cache key.
    pub fingerprint: Fingerprint,
    /// The pipeline's `seed`.
    pub pipeline_seed: u64,
    /// Inputs by port, gathered ones sorted by coordinates.
    pub inputs: BTreeMap<String, Vec<Input>>,
    /// Project files by relative path, as planned: what is read must have this digest.
    pub files: BTreeMap<String, Digest>,
    /// Folders.
    pub paths: Paths,
    /// Threads it may use; never changes a result.
    pub threads: usize,
    /// Where trained children are shared, when the run was asked to; never changes a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_trials: Option<SharedTrialsAt>,
}

/// A remote whose trial cache stands behind the store's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedTrialsAt {
    /// The remote.
    pub remote: RemoteSettings,
    /// Whether what is trained goes there, too.
    pub push: bool,
}

/// Folders of an attempt, absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paths {
    /// The project's root.
    pub project: PathBuf,
    /// The store, for the trial cache.
    pub store: PathBuf,
    /// Private scratch folder.
    pub scratch: PathBuf,
    /// One folder an output, by name; made before the stage runs.
    pub outputs: PathBuf,
    /// Survives attempts and kills; gone after success.
    pub checkpoint: PathBuf,
    /// Outputs, one folder each, of an earlier result that the stage goes on from; read-only.
    #[serde(default)]
    pub earlier: Option<PathBuf>,
    /// Where profiles of trainings go, when they are wanted; made when there is one.
    #[serde(default)]
    pub profile: Option<PathBuf>,
}

/// An artifact bound to a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Stage it came from, for labels; never in a manifest.
    pub stage: StageId,
    /// Its cell's coordinates, the label of a gathered input.
    pub coordinates: Coordinates,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ArtifactType,
    /// Its tree.
    pub tree: Digest,
    /// Where its files lie, read-only.
    pub path: PathBuf,
}

/// Asks a running stage to write its checkpoint and end.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One attempt at a stage.
pub struct Job<'a> {
    /// The facts.
    pub file: &'a JobFile,
    /// Where it says what it does.
    pub events: &'a dyn Emit,
    /// Whether it should end early.
    pub stop: Stop,
}

impl Job<'_> {
    /// A pool of as many threads as the stage may use.
    pub(super) fn threads(&self) -> Result<ThreadPool, StageError> {
        let pool = ThreadPoolBuilder::new().num_threads(self.file.threads.max(1)).build();
        pool.map_err(|error| StageError::caused_by(&error))
    }

    /// The artifacts on `port`; empty when nothing is bound.
    #[must_use]
    pub fn inputs(&self, port: &str) -> &[Input] {
        self.file.inputs.get(port).map_or(&[], Vec::as_slice)
    }

    /// Folder of the one artifact on `port`.
    #[must_use]
    pub fn input(&self, port: &str) -> Option<&Path> {
        self.inputs(port).first().map(|input| input.path.as_path())
    }

    /// Folder of an output; it exists and is empty.
    #[must_use]
    pub fn output(&self, name: &str) -> PathBuf {
        self.file.paths.outputs.join(name)
    }

    /// The stage's own seed: from the pipeline's seed, the kind and `with.seed`.
    #[must_use]
    pub fn stage_seed(&self, with_seed: u64) -> Seed {
        Seed::root(self.file.pipeline_seed).child(&self.file.kind).nth(with_seed)
    }

    /// The seed of one trial: from the pipeline's seed, `with.seed` and the canonical text, so that
    /// strategies of one repeat share trained children and repeats do not.
    #[must_use]
    pub fn trial_seed(&self, with_seed: u64, genotype: &str) -> Seed {
        Seed::root(self.file.pipeline_seed).child("trial").nth(with_seed).child(genotype)
    }
}

/// What a stage says of its result besides its outputs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Headline numbers for the record and the run's summary.
    pub metrics: BTreeMap<String, f64>,
}

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The stop flag was seen; the checkpoint is written.
    #[error("interrupted")]
    Interrupted,
    /// A project file is not what was planned.
    #[error("`{path}` changed while running: run again to plan with the new content")]
    Changed {
        /// The file, relative to the project.
        path: String,
    },
    /// Reading or writing failed.
    #[error("{action} `{path}`")]
    Io {
        /// What was tried: `cannot read`, `cannot write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Anything else, said for people.
    #[error("{0}")]
    Failed(String),
}

impl StageError {
    /// A failure in the words of `error` and its causes.
    #[must_use]
    pub fn caused_by(error: &dyn std::error::Error) -> Self {
        Self::Failed(sentence(error))
    }
}
