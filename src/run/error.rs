//! What can go wrong in a run: with one stage, or with all of it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::plan::PlanError;
use crate::store::StoreError;
use crate::wording;

/// Why there was no run, or no answer about one.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A stage asks for more than a pool can ever give.
    #[error("stage `{stage}` asks for {asked} of `{pool}`, but {}", said(pool, *capacity))]
    Shortage {
        /// The stage.
        stage: String,
        /// The pool.
        pool: String,
        /// Tokens asked for.
        asked: u64,
        /// Tokens there are.
        capacity: u64,
    },
    /// The store failed outside of any stage.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The plan failed outside of any stage.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A file operation failed.
    #[error("{action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No run has this name.
    #[error("no run is called `{name}`; `phytotron log` lists them")]
    UnknownRun {
        /// The name as given.
        name: String,
    },
    /// Several runs begin with this.
    #[error("`{name}` fits several runs: {}", wording::list(matches))]
    AmbiguousRun {
        /// The name as given.
        name: String,
        /// The runs.
        matches: Vec<String>,
    },
}

fn said(pool: &str, capacity: u64) -> String {
    match capacity {
        0 => {
            format!("no such pool is declared: use `--pool {pool}=N`, or `pools` in phytotron.yaml")
        }
        _ => format!("there are {capacity}: ask for less, or raise it with `--pool {pool}=N`"),
    }
}

impl RunError {
    /// Wraps the error of a file operation.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

/// Why a stage has no result.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// An input's content is missing or damaged; what made it has to run again.
    #[error("input is damaged")]
    DamagedInput {
        /// Port and place on it.
        input: (String, usize),
        /// What the store says.
        #[source]
        source: StoreError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file operation failed.
    #[error("{action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The program could not be started.
    #[error("cannot start `{program}`: {reason}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        reason: String,
    },
    /// A stage asks for a GPU, and there is no program for it.
    #[error(
        "`device: cuda` needs a phytotron built with CUDA, and there is none at `{program}`: build one with \
         scripts/check-cuda.sh and put it there, or name it as `cuda_program` in phytotron.yaml"
    )]
    NoCuda {
        /// Where it should be.
        program: PathBuf,
    },
    /// The program for GPUs could not be loaded.
    #[error(
        "`device: cuda`: the program for GPUs does not start on this machine; is the NVIDIA driver installed, and \
         are CUDA's libraries on LD_LIBRARY_PATH?{log}"
    )]
    NoDriver {
        /// The last lines of its log, and where it lies.
        log: String,
    },
    /// The program ended badly, by itself.
    #[error("{exit}{log}")]
    Exit {
        /// Exit code or signal.
        exit: String,
        /// The last lines of its log, and where it lies.
        log: String,
    },
    /// The program took too long.
    #[error("timed out after {}{log}", wording::duration(*limit))]
    Timeout {
        /// The stage's `timeout`.
        limit: Duration,
        /// The last lines of its log, and where it lies.
        log: String,
    },
    /// The stage itself says why it failed.
    #[error("{0}")]
    Stage(String),
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// A project file is not what was planned.
    #[error("`{path}` changed while running: run again to plan with the new content")]
    Changed {
        /// The file, relative to the project.
        path: String,
    },
    /// The command wrote into its input.
    #[error("modified its input `{path}`; copy what is to be changed")]
    ModifiedInput {
        /// Relative to the private folder.
        path: String,
    },
    /// Two files want one place in the private folder.
    #[error("the declared file `{path}` would replace an input: inputs lie under `inputs/`")]
    FileOnInput {
        /// The file, relative to the project.
        path: String,
    },
    /// A declared output is not there.
    #[error("output `{output}` is missing: no `{path}` was written; there is {there}")]
    MissingOutput {
        /// The artifact's name.
        output: String,
        /// The declared path or pattern.
        path: String,
        /// What was written instead.
        there: String,
    },
    /// An output is not what its type says.
    #[error("output `{output}` is not of type `{kind}`: {reason}")]
    BadOutput {
        /// The artifact's name.
        output: String,
        /// Its declared type.
        kind: String,
        /// What its reader says.
        reason: String,
    },
    /// A file belongs to two outputs.
    #[error("`{path}` belongs to two outputs")]
    SharedOutput {
        /// The file.
        path: String,
    },
}

impl JobError {
    /// Wraps the error of a file operation.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        move |source| match source.kind() {
            StorageFull | QuotaExceeded => Self::Store(StoreError::Full { root: folder_of(path) }),
            ReadOnlyFilesystem => Self::Store(StoreError::ReadOnly { root: folder_of(path) }),
            _ => Self::Io { action, path: path.to_owned(), source },
        }
    }

    /// Whether another attempt may end better: crash, bad exit and timeout, not our findings.
    #[must_use]
    pub fn is_worth_a_retry(&self) -> bool {
        matches!(self, Self::Exit { .. } | Self::Timeout { .. } | Self::Stage(_))
    }

    /// The error with all its causes on one line.
    #[must_use]
    pub fn text(&self) -> String {
        with_causes(self)
    }
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

/// An error and its causes, joined by colons.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = next.source();
    }
    text
}
