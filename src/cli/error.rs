//! Every way a command can fail, with its exit code and its words.

use serde_json::json;

use super::diagnostics;
use super::exit::Exit;
use crate::bundle::BundleError;
use crate::dataset::DatasetError;
use crate::diagnostic::Diagnostics;
use crate::plan::PlanError;
use crate::remote::RemoteError;
use crate::results::ResultsError;
use crate::run::RunError;
use crate::stage::StageError;
use crate::store::StoreError;
use crate::train::TrainError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The pipeline has mistakes.
    #[error(transparent)]
    Pipeline(#[from] Box<Diagnostics>),
    /// No plan could be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No run could be made or found.
    #[error(transparent)]
    Run(#[from] RunError),
    /// What a stage kind does failed outside a run.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A trained network could not be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// An image could not be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A trained network could not be used.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The remote failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A bundle could not be packed or unpacked.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Nothing can be served.
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Serve(#[from] crate::serve::ServeError),
    /// The request makes no sense here.
    #[error("{0}")]
    Usage(String),
    /// A file of the user's could not be read or written.
    #[error("{action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl From<Diagnostics> for CliError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Pipeline(Box::new(diagnostics))
    }
}

impl CliError {
    /// Wraps the error of a file operation.
    pub(crate) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Io { action, path, source }
    }

    /// The program's exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Pipeline(_) => Exit::InvalidPipeline,
            Self::Remote(RemoteError::Unknown { .. } | RemoteError::BadAddress { .. }) => {
                Exit::Usage
            }
            Self::Store(_)
            | Self::Remote(_)
            | Self::Plan(PlanError::Store(_) | PlanError::Remote(_))
            | Self::Bundle(
                BundleError::Store(_)
                | BundleError::Plan(PlanError::Store(_) | PlanError::Remote(_)),
            )
            | Self::Run(
                RunError::Store(_) | RunError::Plan(PlanError::Store(_) | PlanError::Remote(_)),
            ) => Exit::Store,
            Self::Bundle(BundleError::Archive { .. } | BundleError::Refused { .. }) => {
                Exit::CheckFailed
            }
            #[cfg(feature = "serve")]
            Self::Serve(_) => Exit::Usage,
            Self::Plan(_)
            | Self::Run(_)
            | Self::Bundle(_)
            | Self::Stage(_)
            | Self::Results(_)
            | Self::Dataset(_)
            | Self::Train(_)
            | Self::Usage(_)
            | Self::Io { .. } => Exit::Usage,
        }
    }

    /// For people.
    pub(crate) fn text(&self, color: bool, width: usize) -> String {
        match self {
            Self::Pipeline(diagnostics) => diagnostics::render(diagnostics, color, width),
            other => format!("error: {}", with_causes(other)),
        }
    }

    /// For programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Self::Pipeline(diagnostics) => diagnostics::to_json(diagnostics),
            other => json!({ "error": with_causes(other), "exit": self.exit() as u8 }),
        }
    }
}

/// An error and its causes, joined by colons.
fn with_causes(error: &dyn std::error::Error) -> String {
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
