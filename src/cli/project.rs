//! Where a command works: the project, its store, its pipelines.

use std::path::{Path, PathBuf};

use super::args::{Global, PipelineArgs, SelectionArgs};
use super::error::CliError;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plan::{self, LockFile, PlanError, Request, Selected, Selection, Study, lock_path};
use crate::remote::{self, Tier};
use crate::run;
use crate::spec::{Durability, PROJECT_FILE, Project, RemoteSettings};
use crate::stage::Registry;
use crate::store::{Store, StoreOptions};
use crate::wording;

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

    /// This very program, to be started as a worker: the file that runs, also when a build has put another in its
    /// place since.
    pub(crate) fn program(&self) -> Result<PathBuf, CliError> {
        let running = PathBuf::from("/proc/self/exe");
        if running.exists() { Ok(running) } else { self.program_file() }
    }

    /// Where this program lies.
    fn program_file(&self) -> Result<PathBuf, CliError> {
        std::env::current_exe().map_err(CliError::io("cannot find this program for", &self.store))
    }

    /// The program to be started as a worker of stages on a GPU.
    pub(crate) fn cuda_program(&self) -> Result<PathBuf, CliError> {
        match &self.project.cuda_program {
            Some(program) => Ok(program.clone()),
            None => Ok(run::cuda_program(&self.program_file()?)),
        }
    }

    /// Reads and binds a pipeline.
    pub(crate) fn load(&self, args: &PipelineArgs) -> Result<(Study, Vec<Diagnostic>), CliError> {
        let registry = Registry::standard();
        let spec = args.pipeline.with_extension("yaml");
        if args.pipeline.extension().is_some_and(|extension| extension == "lock") && spec.is_file()
        {
            let (lock, spec) = (args.pipeline.display(), spec.display());
            let text = format!("`{lock}` is a lock file: its pipeline is `{spec}`");
            return Err(CliError::Usage(text));
        }
        Ok(plan::load(&self.project, &args.pipeline, &args.params, &registry)?)
    }

    /// The settings of the remote `name`, or of the only one, with its name.
    pub(crate) fn remote(&self, name: Option<&str>) -> Result<(&str, &RemoteSettings), CliError> {
        let remotes = &self.project.remotes;
        let name = match (name, remotes.keys().next()) {
            (Some(name), _) => name,
            (None, Some(only)) if remotes.len() == 1 => only,
            (None, _) => {
                let names: Vec<&String> = remotes.keys().collect();
                let help = match names.as_slice() {
                    [] => format!("set one up under `remote:` in {PROJECT_FILE}"),
                    names => format!("choose with `--remote`: {}", wording::list(names)),
                };
                return Err(CliError::Usage(format!("which remote? {help}")));
            }
        };
        let settings = remote::find(remotes, name)?;
        let (name, _) = remotes.get_key_value(name).expect("BUG: a remote was found by its name");
        Ok((name, settings))
    }

    /// `store` with the remote `name` behind it. Nothing is asked of the remote yet.
    pub(crate) fn tier<'s>(
        &self,
        store: &'s Store,
        name: Option<&str>,
        push: bool,
    ) -> Result<Tier<'s>, CliError> {
        let (name, settings) = self.remote(name)?;
        let pushes = push || settings.pushes();
        Ok(Tier::of(store, settings, &self.project.root, name, pushes))
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

    /// The lock file of the request's pipeline, with at least one stage in it; `help` says how to come by one.
    pub(crate) fn lock(&self, request: &Request, help: &str) -> Result<LockFile, CliError> {
        let path = lock_path(&request.file);
        let lock = LockFile::read(&self.project.root.join(&path))?;
        if lock.stages.is_empty() {
            let path = path.display();
            return Err(CliError::Usage(format!("nothing is locked in `{path}`: {help}")));
        }
        Ok(lock)
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
