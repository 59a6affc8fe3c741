//! The spec room from outside: files on disk to pipelines and diagnostics.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod bad;
mod good;
mod limits;
mod project;
mod schema;

use std::path::{Path, PathBuf};

use phytotron::diagnostic::Diagnostics;
use phytotron::spec::{self, Pipeline, Project};

/// The kinds that the tests' pipelines use.
const KINDS: [&str; 4] = ["command", "dataset", "report", "search"];

/// A project in a temporary folder.
struct Space {
    folder: tempfile::TempDir,
}

impl Space {
    /// A project whose `pipeline.yaml` is `text`.
    fn new(text: &str) -> Self {
        let space = Self { folder: tempfile::tempdir().unwrap() };
        space.file("phytotron.yaml", "{}\n").file("pipeline.yaml", text)
    }

    /// Adds a file.
    fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn load(&self, params: &[&str]) -> Result<Pipeline, Diagnostics> {
        load(&self.path("pipeline.yaml"), self.folder.path(), params)
    }

    /// The pipeline, which must be free of mistakes.
    fn good(&self, params: &[&str]) -> Pipeline {
        self.load(params).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    /// The first mistake's code.
    fn code(&self, params: &[&str]) -> &'static str {
        self.load(params).unwrap_err().list[0].code
    }
}

/// Loads `file`; parameters are written `key=value`.
fn load(file: &Path, root: &Path, params: &[&str]) -> Result<Pipeline, Diagnostics> {
    let params: Vec<(String, String)> = params
        .iter()
        .map(|param| param.split_once('=').unwrap())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let project = Project::open(root)?;
    let (pipeline, warnings) = spec::load(&project, file, &params, &KINDS)?;
    assert_eq!(warnings, []);
    Ok(pipeline)
}
