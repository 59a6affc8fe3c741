//! A job for a stage under test: folders, inputs, a stop after some epochs, the events.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use phytotron::artifact::{ArtifactType, Coordinates, StageId};
use phytotron::digest::{Digest, Hasher};
use phytotron::event::{Emit, Event};
use phytotron::stage::{Input, Job, JobFile, Paths, Stop};
use tempfile::TempDir;

/// Folders of a project, with artifacts and attempts.
pub(crate) struct Bench {
    root: TempDir,
    inputs: BTreeMap<String, Vec<Input>>,
    files: BTreeMap<String, Digest>,
    attempts: u32,
    pub(crate) threads: usize,
}

/// What an attempt said; asks its stage to stop after a number of epochs.
#[derive(Default)]
pub(crate) struct Heard {
    events: Mutex<Vec<Event>>,
    stop: Stop,
    stop_after: Option<usize>,
}

impl Emit for Heard {
    fn emit(&self, event: Event) {
        self.events.lock().unwrap().push(event);
        if self.stop_after.is_some_and(|epochs| self.epochs() >= epochs) {
            self.stop.request();
        }
    }
}

impl Heard {
    pub(crate) fn stopping_after(epochs: usize) -> Self {
        Self { stop_after: Some(epochs), ..Self::default() }
    }

    /// Epochs that ended.
    pub(crate) fn epochs(&self) -> usize {
        let ended = |event: &&Event| matches!(event, Event::EpochEnded { .. });
        self.events.lock().unwrap().iter().filter(ended).count()
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let text = |event: &Event| match event {
            Event::Warning { text, .. } => Some(text.clone()),
            _ => None,
        };
        self.events.lock().unwrap().iter().filter_map(text).collect()
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self {
            root: tempfile::tempdir().unwrap(),
            inputs: BTreeMap::new(),
            files: BTreeMap::new(),
            attempts: 0,
            threads: 2,
        };
        std::fs::create_dir(bench.folder("checkpoint")).unwrap();
        bench
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Binds what `write` puts into a folder to a port.
    pub(crate) fn bind(&mut self, port: &str, kind: ArtifactType, write: impl FnOnce(&Path)) {
        let inputs = self.inputs.entry(port.to_owned()).or_default();
        let path = self.root.path().join(format!("{port}-{}", inputs.len()));
        std::fs::create_dir(&path).unwrap();
        write(&path);
        let stage = StageId { name: "before".to_owned(), coordinates: Coordinates::default() };
        let tree = digest(&path);
        inputs.push(Input { stage, coordinates: Coordinates::default(), kind, tree, path });
    }

    /// Plans a file of the project.
    pub(crate) fn plan(&mut self, name: &str, text: &str) {
        std::fs::write(self.folder(name), text).unwrap();
        self.files.insert(name.to_owned(), Digest::of(text.as_bytes()));
    }

    /// Forgets all checkpoints and trials.
    pub(crate) fn forget(&self) {
        for name in ["checkpoint", "store"] {
            let _ = std::fs::remove_dir_all(self.folder(name));
        }
        std::fs::create_dir(self.folder("checkpoint")).unwrap();
    }

    /// Runs `stage` as one attempt with empty outputs; returns the folder of its outputs too.
    pub(crate) fn attempt<T>(
        &mut self,
        heard: &Heard,
        stage: impl FnOnce(&Job<'_>) -> T,
    ) -> (T, PathBuf) {
        self.attempts += 1;
        let attempt = self.folder(&format!("attempt-{}", self.attempts));
        let outputs = attempt.join("outputs");
        std::fs::create_dir_all(outputs.join("models")).unwrap();
        let file = JobFile {
            stage: StageId { name: "stage".to_owned(), coordinates: Coordinates::default() },
            kind: "retrain".to_owned(),
            config: serde_json::Value::Null,
            components: BTreeMap::new(),
            fingerprint: Digest::of(b"fingerprint"),
            pipeline_seed: 7,
            inputs: self.inputs.clone(),
            files: self.files.clone(),
            paths: Paths {
                project: self.root.path().to_owned(),
                store: self.folder("store"),
                scratch: attempt.join("scratch"),
                outputs: outputs.clone(),
                checkpoint: self.folder("checkpoint"),
                earlier: None,
                profile: None,
            },
            threads: self.threads,
            shared_trials: None,
        };
        let job = Job { file: &file, events: heard, stop: heard.stop.clone() };
        (stage(&job), outputs.join("models"))
    }
}

/// Digest of all files in a folder, with their names.
pub(crate) fn digest(folder: &Path) -> Digest {
    let mut hasher = Hasher::new();
    for path in files(folder) {
        hasher.update(path.strip_prefix(folder).unwrap().to_str().unwrap().as_bytes());
        hasher.update(&std::fs::read(&path).unwrap());
    }
    hasher.digest()
}

/// All files in a folder, sorted.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
