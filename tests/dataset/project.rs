//! A project in a temporary folder, whose dataset stage is bound and run as a worker would.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use phytotron::artifact::{Coordinates, StageId};
use phytotron::dataset::{Dataset, Testset};
use phytotron::diagnostic::Diagnostic;
use phytotron::digest::{Digest, Hasher};
use phytotron::event::{Emit, Event};
use phytotron::manifest::Manifest;
use phytotron::span::{Sources, Span};
use phytotron::spec::{Key, Node, Value};
use phytotron::stage::{Job, JobFile, Outcome, Paths, Registry, Stage, StageError, Stop};
use serde_json::Value as Json;
use tempfile::TempDir;

/// Files, and room for outputs.
pub(crate) struct Project {
    dir: TempDir,
}

/// What a stage left.
pub(crate) struct Outputs {
    dir: TempDir,
    pub(crate) outcome: Outcome,
    pub(crate) events: Vec<Event>,
}

/// How a stage is run.
pub(crate) struct Run {
    pub(crate) threads: usize,
    pub(crate) stop: Stop,
    /// Changes the project between plan and run.
    pub(crate) meanwhile: fn(&Project),
}

impl Default for Run {
    fn default() -> Self {
        Self { threads: 2, stop: Stop::default(), meanwhile: |_| {} }
    }
}

/// Keeps events.
#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl Emit for Heard {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Project {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Runs the stage that `with` describes.
    pub(crate) fn run(&self, with: &Json) -> Result<Outputs, StageError> {
        self.run_as(with, &Run::default())
    }

    pub(crate) fn run_as(&self, with: &Json, run: &Run) -> Result<Outputs, StageError> {
        let stage = bind(with).unwrap();
        let files = self.plan(stage.as_ref());
        (run.meanwhile)(self);
        let dir = TempDir::new().unwrap();
        for output in stage.outputs() {
            fs::create_dir(dir.path().join(output.name)).unwrap();
        }
        let file = JobFile {
            stage: StageId { name: "leaves".to_owned(), coordinates: Coordinates::default() },
            kind: stage.kind().to_owned(),
            config: stage.config(),
            components: BTreeMap::new(),
            fingerprint: Digest::of(b""),
            pipeline_seed: 7,
            inputs: BTreeMap::new(),
            files,
            paths: Paths {
                project: self.dir.path().to_owned(),
                store: self.dir.path().join(".phytotron"),
                scratch: dir.path().to_owned(),
                outputs: dir.path().to_owned(),
                checkpoint: PathBuf::new(),
                earlier: None,
                profile: None,
            },
            threads: run.threads,
            shared_trials: None,
        };
        // Through the config, as a worker gets it.
        let revived = Registry::standard().get("dataset").unwrap().revive(&file.config).unwrap();
        let heard = Heard::default();
        let job = Job { file: &file, events: &heard, stop: run.stop.clone() };
        let outcome = revived.run(&job)?;
        Ok(Outputs { dir, outcome, events: heard.0.into_inner().unwrap() })
    }

    /// Why the stage fails.
    pub(crate) fn failure(&self, with: &Json) -> String {
        match self.run(with) {
            Ok(_) => panic!("it should have failed"),
            Err(error) => error.to_string(),
        }
    }

    /// Digests of the files that a stage declares, folders taken whole.
    fn plan(&self, stage: &dyn Stage) -> BTreeMap<String, Digest> {
        let mut files = BTreeMap::new();
        let mut wanted: Vec<String> = stage.files();
        while let Some(path) = wanted.pop() {
            let full = self.path(&path);
            if full.is_dir() {
                for entry in fs::read_dir(full).unwrap() {
                    let name = entry.unwrap().file_name().into_string().unwrap();
                    wanted.push(format!("{path}/{name}"));
                }
            } else if let Ok(bytes) = fs::read(full) {
                files.insert(path, Digest::of(&bytes));
            }
        }
        files
    }
}

impl Outputs {
    pub(crate) fn dataset(&self) -> Dataset {
        Dataset::open(&self.dir.path().join("dataset")).unwrap()
    }

    pub(crate) fn testset(&self) -> Testset {
        Testset::open(&self.dir.path().join("test")).unwrap()
    }

    /// Source names of an output's images by split, in order.
    pub(crate) fn names(&self, output: &str, split: &str) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join(output).join("index.csv")).unwrap();
        let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        rows.filter(|row| row[2] == split).map(|row| row[3].to_owned()).collect()
    }

    /// Digest of every path and byte in both outputs.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = Hasher::new();
        for output in ["dataset", "test"] {
            for file in ["card.json", "images.npy", "index.csv"] {
                let path = self.dir.path().join(output).join(file);
                hasher.update(format!("{output}/{file}").as_bytes());
                hasher.update(&fs::read(path).unwrap_or_default());
            }
        }
        hasher.digest().short()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        Path::exists(&self.dir.path().join(path))
    }
}

/// Binds `with` as a pipeline file's.
pub(crate) fn bind(with: &Json) -> Result<Box<dyn Stage>, Vec<Diagnostic>> {
    bind_as("dataset", with)
}

/// Binds `with` to a kind.
pub(crate) fn bind_as(kind: &str, with: &Json) -> Result<Box<dyn Stage>, Vec<Diagnostic>> {
    let source = Sources::default().add("pipeline.yaml", "");
    let span = Span { source, start: 0, end: 0 };
    Registry::standard().get(kind).unwrap().bind(&node(with, span))
}

/// The manifest lines of a stage's own parameters.
pub(crate) fn manifest(with: &Json) -> String {
    let mut manifest = Manifest::default();
    bind(with).unwrap().parameters(&mut manifest);
    manifest.text()
}

fn node(value: &Json, span: Span) -> Node {
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap()), Value::Int)
        }
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(|item| node(item, span)).collect()),
        Json::Object(entries) => {
            let entry = |(name, value): (&String, &Json)| {
                (Key { name: name.clone(), span }, node(value, span))
            };
            Value::Map(entries.iter().map(entry).collect())
        }
    };
    Node { value, span, used: None }
}
