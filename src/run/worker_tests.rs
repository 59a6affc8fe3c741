//! The worker from both sides: the function in this process, and a parent with a script for a worker.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::tests::{Space, is_anywhere};
use super::*;
use crate::artifact::{ArtifactType, Coordinates, StageId};
use crate::diagnostic::Diagnostic;
use crate::digest::Digest;
use crate::event::Event;
use crate::manifest::Manifest;
use crate::spec::Node;
use crate::stage::{
    Component, Job, JobFile, Kind, Outcome, Output, Paths, Ports, Registry, Stage, StageError,
};

/// A stage that runs in a worker: writes the word it is given, or fails with it.
#[derive(Debug)]
pub(super) struct Writer {
    word: String,
}

impl Stage for Writer {
    fn kind(&self) -> &'static str {
        "writer"
    }

    fn config(&self) -> serde_json::Value {
        serde_json::json!(self.word)
    }

    fn ports(&self) -> Ports {
        Ports::Open
    }

    fn outputs(&self) -> Vec<Output> {
        vec![Output { name: "out".to_owned(), kind: ArtifactType::Files }]
    }

    fn components(&self) -> Vec<Component> {
        vec![Component { name: "writer", version: 1 }]
    }

    fn parameters(&self, manifest: &mut Manifest) {
        manifest.line("with.word", &self.word);
    }

    fn run(&self, job: &Job<'_>) -> Result<Outcome, StageError> {
        let stage = job.file.stage.clone();
        job.events.emit(Event::Warning { stage: Some(stage), text: "on the way".to_owned() });
        if self.word == "fail" {
            return Err(StageError::Failed("no such word".to_owned()));
        }
        let path = job.output("out").join("word.txt");
        fs::write(&path, &self.word).map_err(|source| StageError::Io {
            action: "cannot write",
            path,
            source,
        })?;
        Ok(Outcome { metrics: BTreeMap::from([("letters".to_owned(), 4.0)]) })
    }
}

/// Its kind.
struct WriterKind;

impl Kind for WriterKind {
    fn name(&self) -> &'static str {
        "writer"
    }

    fn summary(&self) -> &'static str {
        "writes a word"
    }

    fn schema(&self) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }

    fn bind(&self, _: &Node) -> Result<Box<dyn Stage>, Vec<Diagnostic>> {
        Err(Vec::new())
    }

    fn revive(&self, config: &serde_json::Value) -> Result<Box<dyn Stage>, serde_json::Error> {
        Ok(Box::new(Writer { word: serde_json::from_value(config.clone())? }))
    }
}

static KIND: WriterKind = WriterKind;

/// Runs the worker function on a job with `word`, and returns how it ended and what it wrote.
fn work(folder: &Path, word: &str) -> (WorkerEnd, serde_json::Value) {
    work_planned_with(folder, word, BTreeMap::new())
}

/// The same for a job that was planned with these versions.
fn work_planned_with(
    folder: &Path,
    word: &str,
    components: BTreeMap<String, u32>,
) -> (WorkerEnd, serde_json::Value) {
    fs::create_dir_all(folder.join("outputs/out")).unwrap();
    let path = |name: &str| folder.join(name);
    let job = JobFile {
        stage: StageId { name: "w".to_owned(), coordinates: Coordinates::default() },
        kind: "writer".to_owned(),
        config: serde_json::json!(word),
        components,
        fingerprint: Digest::of(b"w"),
        pipeline_seed: 0,
        inputs: BTreeMap::new(),
        files: BTreeMap::new(),
        paths: Paths {
            project: path("project"),
            store: path("store"),
            scratch: path("tmp"),
            outputs: path("outputs"),
            checkpoint: path("checkpoint"),
            earlier: None,
            profile: None,
        },
        threads: 1,
        shared_trials: None,
    };
    fs::write(path("job.json"), serde_json::to_vec(&job).unwrap()).unwrap();
    let end = worker(&path("job.json"), &Registry::default().with(&KIND));
    (end, serde_json::from_slice(&fs::read(path("result.json")).unwrap()).unwrap())
}

#[test]
fn a_worker_leaves_outputs_a_result_and_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let (end, result) = work(folder.path(), "word");
    assert_eq!(end, WorkerEnd::Done);
    assert_eq!(result["result"]["done"]["metrics"]["letters"], 4.0);
    let read = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
    assert_eq!(read("outputs/out/word.txt"), "word");
    assert!(read("events.jsonl").contains("on the way"));
}

#[test]
fn a_worker_of_another_version_computes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let planned = BTreeMap::from([("trainer.none".to_owned(), 2)]);
    let (end, _) = work_planned_with(folder.path(), "word", planned);
    let WorkerEnd::Failed(error) = end else { panic!("{end:?}") };
    assert!(error.contains("another version") && error.contains("`trainer.none`"), "{error}");
    assert!(!folder.path().join("outputs/out/word.txt").exists());
}

#[test]
fn a_failing_stage_says_why_in_its_result() {
    let folder = tempfile::tempdir().unwrap();
    let (end, result) = work(folder.path(), "fail");
    assert_eq!(end, WorkerEnd::Failed("no such word".to_owned()));
    assert_eq!(end.exit_code(), 1);
    assert_eq!(result["result"]["failed"]["error"], "no such word");
}

/// A space whose one stage runs in `script`, called with `worker JOB`.
fn scripted(script: &str) -> Space {
    let space = Space::new().built_in("w", Box::new(Writer { word: "x".to_owned() }));
    space.write("worker.sh", &format!("#!/bin/sh\ncd $(dirname $2)\n{script}"));
    fs::set_permissions(space.path("worker.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    space
}

/// Writes an output and a result, as a worker does.
fn done() -> String {
    format!("echo scripted > outputs/out/word.txt\necho '{}' > result.json\n", done_file())
}

fn done_file() -> String {
    let boot = super::worker::boot();
    format!(
        r#"{{"v":1,"boot":"{boot}","result":{{"done":{{"metrics":{{"score":0.5}}}}}},"cost":{{"wall_secs":1,"cpu_secs":1,"peak_memory_bytes":1}}}}"#
    )
}

#[test]
fn the_result_file_counts_not_the_exit_code() {
    let mut space = scripted(&format!("{}exit 7", done()));
    let ran = space.run();
    assert_eq!(ran.endings(), "w done");
    assert_eq!(ran.report.unwrap().stages[0].metrics["score"].to_string(), "0.5");
    assert_eq!(space.read("out/test/w/word.txt"), "scripted\n");
}

#[test]
fn events_of_a_worker_come_through_its_pipe() {
    let event = r#"{"event":"warning","stage":{"name":"w"},"text":"from inside"}"#;
    let mut space =
        scripted(&format!("echo '{event}' > /proc/self/fd/$PHYTOTRON_EVENTS_FD\n{}", done()));
    let ran = space.run();
    let is_it =
        |event: &Event| matches!(event, Event::Warning { text, .. } if text == "from inside");
    assert!(ran.events.iter().any(is_it));
}

#[test]
fn a_worker_without_a_result_has_failed() {
    let mut space = scripted("echo panicked; exit 101");
    let reason = space.run().reason("w");
    assert!(reason.starts_with("exit code 101; the end of "), "{reason}");
    let reason = scripted("exit 0").run().reason("w");
    assert_eq!(reason, "ended without a result; it said nothing");
}

#[test]
fn a_worker_that_finished_while_its_parent_died_is_taken_over() {
    let mut space = scripted("exit 1");
    assert_eq!(space.run().endings(), "w failed");
    let attempt = attempt_folder(&space.path(".phytotron/work"));
    fs::write(attempt.join("outputs/out/word.txt"), "left behind").unwrap();
    fs::write(attempt.join("result.json"), done_file()).unwrap();
    assert_eq!(space.run().endings(), "w done");
    assert_eq!(space.read("out/test/w/word.txt"), "left behind");
    assert!(!is_anywhere(&space.path(".phytotron/work"), "result.json"));
}

#[test]
fn outputs_that_were_half_taken_are_not_taken_over() {
    let mut space = scripted("exit 1");
    space.run();
    let attempt = attempt_folder(&space.path(".phytotron/work"));
    fs::write(attempt.join("result.json"), done_file()).unwrap();
    fs::rename(attempt.join("outputs"), attempt.join("taken")).unwrap();
    assert_eq!(space.run().endings(), "w failed", "the script ran again");
}

fn attempt_folder(work: &Path) -> std::path::PathBuf {
    let fingerprint = fs::read_dir(work).unwrap().next().unwrap().unwrap().path();
    fingerprint.join("attempts/1")
}

#[test]
fn a_result_from_before_the_machine_stopped_is_not_taken_over() {
    let mut space = scripted("exit 1");
    space.run();
    let attempt = attempt_folder(&space.path(".phytotron/work"));
    let result = done_file().replace(&super::worker::boot(), "another boot");
    fs::write(attempt.join("result.json"), result).unwrap();
    assert_eq!(space.run().endings(), "w failed", "the script ran again");
}
