//! The snapshot: what lets a run that has nothing to do end after a few `stat`s.
//!
//! Holds for exactly one question: the same bytes of every file that formed the plan, the same options,
//! the same program, the same generation of the store. A snapshot that is torn, of another question or
//! of another program is none, and losing it costs only time. It is also where the last run's results
//! are remembered, for reasons and estimates; these serve for any question.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::digest::{Digest, Hasher};
use crate::manifest::Fingerprint;
use crate::store::{StoreError, replace_file};

use super::state::{Checked, Source, StageState, State, Tool, WatchedFile, WatchedFolder};
use super::{LastRun, LastStage, PlanError, Reads, Selection, StageIndex, Study};
use super::{folder, lock_path};

/// What a run is asked to do, as far as it decides the plan.
#[derive(Debug, Clone)]
pub struct Request {
    /// The project's root.
    pub root: PathBuf,
    /// The pipeline, relative to the root.
    pub file: PathBuf,
    /// `-p key=value`, in order.
    pub params: Vec<(String, String)>,
    /// `--only`, `--from`, `--until`.
    pub selection: Selection,
    /// Folder of the store.
    pub store: PathBuf,
}

/// Nothing is to be done: every selected stage is cached and published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoOp {
    /// The pipeline's name.
    pub pipeline: String,
    /// Selected stages.
    pub stages: usize,
}

/// A run that ended, for [`Request::save`].
#[derive(Debug)]
pub struct Finished<'a> {
    /// What ran.
    pub study: &'a Study,
    /// What planning read.
    pub reads: &'a Reads,
    /// Stages that ended well (done, cached, restored) and the seconds that computing them took.
    pub stages: Vec<(StageIndex, Fingerprint, f64)>,
    /// Whether every selected stage ended well.
    pub complete: bool,
    /// Every published file of the selected stages, relative to the root, with its digest.
    pub published: Vec<(String, Digest)>,
}

impl Request {
    /// Whether nothing is to be done, by the snapshot of the last run. `generation` is the store's.
    #[must_use]
    pub fn no_op(&self, generation: u64) -> Option<NoOp> {
        let bytes = fs::read(self.state_path()).ok()?;
        let mut state = State::parse(&bytes)?;
        if !state.complete || state.generation != generation || state.question != self.question() {
            return None;
        }
        match state.check(&self.root, SystemTime::now()) {
            Checked::Changed => return None,
            Checked::Same => {}
            // What had to be read this time need only be looked at the next. Failing to say so costs
            // that run a little time.
            Checked::Settled => drop(replace_file(&self.state_path(), &state.bytes())),
        }
        Some(NoOp { pipeline: state.pipeline.into_owned(), stages: state.selected })
    }

    /// What the last run of this pipeline left, whatever its parameters were.
    #[must_use]
    pub fn last_run(&self) -> LastRun {
        let bytes = fs::read(self.state_path()).unwrap_or_default();
        let stages = State::parse(&bytes).map(|state| state.stages).unwrap_or_default();
        let stage = |stage: StageState<'_>| {
            let last = LastStage { fingerprint: stage.1, secs: stage.2 };
            (stage.0.into_owned(), last)
        };
        LastRun { stages: stages.into_iter().map(stage).collect() }
    }

    /// Keeps what a run left, for the next one. Call it when the lock file is written. `generation`
    /// is the store's from when all that is reported here was known to be in it.
    pub fn save(&self, generation: u64, finished: &Finished<'_>) -> Result<(), PlanError> {
        let last = self.last_run();
        let path = self.state_path();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| StoreError::Io {
                action: "cannot make",
                path: folder.to_owned(),
                source,
            })?;
        }
        let state = self.state(generation, finished, &last);
        Ok(replace_file(&path, &state.bytes())?)
    }

    /// Where the state of this pipeline lies: `state/<name>-<digest of root and file>`, for a store may
    /// serve several projects.
    #[must_use]
    pub fn state_path(&self) -> PathBuf {
        let mut hasher = Hasher::new();
        hasher.update(self.root.as_os_str().as_encoded_bytes());
        hasher.update(&[0]);
        hasher.update(self.file.as_os_str().as_encoded_bytes());
        let stem = self.file.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{}-{}", folder::safe(&stem), hasher.digest().short());
        self.store.join("state").join(name)
    }

    fn state<'s>(&self, generation: u64, finished: &'s Finished<'_>, last: &LastRun) -> State<'s> {
        let Finished { study, reads, .. } = finished;
        let mut fresh = vec![None; study.stages.len()];
        for &(index, fingerprint, secs) in &finished.stages {
            fresh[index.0] = Some(LastStage { fingerprint, secs });
        }
        let stages = study.iter().filter_map(|(index, stage)| {
            let id = stage.id.to_string();
            let known = fresh[index.0].or_else(|| last.stages.get(&id).copied())?;
            Some(StageState(id.into(), known.fingerprint, known.secs))
        });
        let mut sources: Vec<Source<'_>> =
            study.pipeline.files.iter().map(|(path, digest)| source(path, *digest)).collect();
        sources.push(self.lock_source());
        let published = |(path, digest): &'s (String, Digest)| {
            WatchedFile::published(path, *digest, &self.root)
        };
        State {
            question: self.question(),
            generation,
            complete: finished.complete,
            pipeline: study.pipeline.name.as_str().into(),
            selected: finished.stages.len(),
            stages: stages.collect(),
            sources,
            files: reads.files.iter().map(|(path, seen)| WatchedFile::read(path, seen)).collect(),
            folders: reads
                .folders
                .iter()
                .map(|(path, seen)| WatchedFolder::of(path, seen))
                .collect(),
            tools: reads.tools.iter().map(|(name, tool)| Tool::of(name, tool)).collect(),
            published: finished.published.iter().map(published).collect(),
        }
    }

    /// Digest of everything but files that decides the plan.
    fn question(&self) -> Digest {
        let parts = (&self.root, &self.file, &self.params, &self.selection, program());
        let json = serde_json::to_vec(&parts);
        json.map_or_else(|_| Digest::of(format!("{parts:?}").as_bytes()), |json| Digest::of(&json))
    }

    /// The lock file as it is now: `frozen` stages read it, and others must write it when it is gone.
    fn lock_source(&self) -> Source<'static> {
        let path = lock_path(&self.file);
        let digest = fs::read(self.root.join(&path)).ok().map(|bytes| Digest::of(&bytes));
        Source(path.to_string_lossy().into_owned().into(), digest)
    }
}

/// A file that formed the plan. In place of a built-in preset, its user must still have none.
fn source(path: &str, digest: Digest) -> Source<'_> {
    match path.strip_prefix("builtin:") {
        Some(shadowing) => Source(shadowing.into(), None),
        None => Source(path.into(), Some(digest)),
    }
}

/// What tells this program from another build of it: hashing some thirty megabytes would take longer
/// than a whole run that does nothing.
fn program() -> (&'static str, PathBuf, u64, Option<SystemTime>) {
    let path = std::env::current_exe().unwrap_or_default();
    let metadata = fs::metadata(&path).ok();
    let size = metadata.as_ref().map_or(0, fs::Metadata::len);
    let modified = metadata.and_then(|metadata| metadata.modified().ok());
    (env!("CARGO_PKG_VERSION"), path, size, modified)
}

/// Whether `path` below `root` still holds `digest`, or, without one, still is not there.
pub(super) fn holds(root: &Path, path: &str, digest: Option<Digest>) -> bool {
    match (fs::read(root.join(path)), digest) {
        (Ok(bytes), Some(digest)) => Digest::of(&bytes) == digest,
        (Err(error), None) => error.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}
