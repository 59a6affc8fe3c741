//! Where a command works: the project, its store, its pipelines.

use std::path::{Path, PathBuf};

use super::args::{Global, PipelineArgs, SelectionArgs};
use super::error::CliError;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plan::{self, PlanError, Request, Selected, Selection, Study};
use crate::spec::{Durability, Project};
use crate::stage::Registry;
use crate::store::{Store, StoreOptions};

/// The project that a command works in.
#[derive(Debug)]
pub(crate) struct Workplace {
    /// Root, pools, store settings.
    pub(crate) project: Project,
    /// Folder of the store.
    store: PathBuf,
}

impl Workplace {
    /// Finds the project: of the pipeline when one is given, else of the current folder.
    pub(crate) fn find(global: &Global, pipeline: Option<&Path>) -> Result<Self, CliError> {
        let project = Project::find(pipeline.unwrap_or(Path::new(".")))?;
        let store = global.store.clone().unwrap_or_else(|| project.store.clone());
        Ok(Self { project, store })
    }

    /// The project at `folder` with its own store, whatever the command line says.
    pub(crate) fn alone(folder: &Path) -> Result<Self, CliError> {
        let project = Project::find(folder)?;
        let store = project.store.clone();
        Ok(Self { project, store })
    }

    /// Opens the store, making it when it is missing.
    pub(crate) fn store(&self) -> Result<Store, CliError> {
        Ok(Store::open(&self.store, self.options())?)
    }

    /// How the project wants stores kept.
    pub(crate) fn options(&self) -> StoreOptions {
        StoreOptions {
            group_writable: self.project.group_writable,
            strict: self.project.durability == Durability::Strict,
        }
    }

    /// This very program, to be started as a worker.
    pub(crate) fn program(&self) -> Result<PathBuf, CliError> {
        std::env::current_exe().map_err(CliError::io("cannot find this program for", &self.store))
    }

    /// Reads and binds a pipeline.
    pub(crate) fn load(&self, args: &PipelineArgs) -> Result<(Study, Vec<Diagnostic>), CliError> {
        let registry = Registry::standard();
        Ok(plan::load(&self.project, &args.pipeline, &args.params, &registry)?)
    }

    /// Nothing that the `selected` stages declare is absent; otherwise all that is, with its places.
    pub(crate) fn demand(&self, study: &Study, selected: &Selected) -> Result<(), CliError> {
        let list = plan::absent(study, &self.project.root, selected);
        if list.is_empty() {
            return Ok(());
        }
        Err(Diagnostics { list, sources: study.pipeline.sources.clone() }.into())
    }

    /// `error`, with all that is absent and its places in the file where that is what it is about.
    pub(crate) fn explain(&self, error: PlanError, study: &Study) -> CliError {
        if !matches!(error, PlanError::Input { .. } | PlanError::Tool { .. }) {
            return error.into();
        }
        let absent = self.demand(study, &Selected::all(study)).err();
        absent.unwrap_or_else(|| error.into())
    }

    /// What a run of `args` is asked to do.
    pub(crate) fn request(
        &self,
        args: &PipelineArgs,
        selection: &SelectionArgs,
    ) -> Result<Request, CliError> {
        Ok(Request {
            root: self.project.root.clone(),
            file: self.relative(&args.pipeline)?,
            params: args.params.clone(),
            selection: Selection {
                only: selection.only.clone(),
                from: selection.from.clone(),
                until: selection.until.clone(),
            },
            store: self.store.clone(),
        })
    }

    /// A pipeline's path relative to the project's root.
    fn relative(&self, file: &Path) -> Result<PathBuf, CliError> {
        let absolute = std::path::absolute(file).map_err(CliError::io("cannot find", file))?;
        let root = std::path::absolute(&self.project.root)
            .map_err(CliError::io("cannot find", &self.project.root))?;
        absolute.strip_prefix(&root).map(Path::to_owned).map_err(|_| {
            CliError::Usage(format!(
                "`{}` lies outside the project at `{}`: call phytotron from its project",
                file.display(),
                root.display()
            ))
        })
    }
}
