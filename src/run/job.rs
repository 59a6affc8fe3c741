//! A job: everything from a resolved stage to its record, attempt after attempt.
//!
//! The truth about a job is its record, not an exit code: an attempt that finished while its parent died is
//! taken over by the next run. Runs in a thread of its own that outlives every process it starts. Knows
//! nothing of other stages and of why this one has to run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::attempt::{Attempt, Attempts, make};
use super::collect;
use super::error::JobError;
use super::interrupt::{Interrupt, Urgency};
use super::journal::{self, Journal};
use super::pins::Pins;
use super::sharing::Sharing;
use super::staging::BoundInputs;
use super::start::{self, Produced};
use super::worker::{self, ResultFile, WorkerResult};
use crate::event::{Emit, Event};
use crate::plan::{Resolved, StudyStage};
use crate::record::{OutputRecord, RECORD_FORMAT, Repeatability, StageRecord};
use crate::stage::{self, CommandLine, JobFile, Launch, Outcome, Paths, Stage};
use crate::store::{Put, Store};
use crate::train::Device;

/// What all jobs of a run share.
pub(super) struct Site<'a> {
    pub(super) store: &'a Store,
    /// The project's root, absolute.
    pub(super) project: &'a Path,
    /// The program that is a worker when called with `worker JOB`.
    pub(super) program: &'a Path,
    /// The same for stages on a GPU.
    pub(super) cuda_program: &'a Path,
    pub(super) pipeline_seed: u64,
    pub(super) interrupt: &'a Interrupt,
    pub(super) events: &'a dyn Emit,
    pub(super) journal: &'a Journal,
    pub(super) pins: &'a Pins,
    /// Host name, for records.
    pub(super) host: &'a str,
    /// Whether trainings write profiles.
    pub(super) profile: bool,
    /// The remote behind the store, when the run was asked to use one.
    pub(super) sharing: Option<&'a Sharing<'a>>,
}

/// A stage that is to be computed.
pub(super) struct Task<'a> {
    pub(super) stage: &'a StudyStage,
    pub(super) resolved: Resolved,
    pub(super) inputs: BoundInputs,
    pub(super) threads: usize,
    /// GPUs that it may use; all that there are when it names none.
    pub(super) gpus: Vec<String>,
    /// Start over: earlier attempts and their checkpoint do not count.
    pub(super) afresh: bool,
    /// An earlier record with other outputs gives way.
    pub(super) replace: bool,
}

/// What a job came to.
#[derive(Debug)]
pub(super) struct Computed {
    /// The record that the store holds now.
    pub(super) record: StageRecord,
    /// The output in which an earlier record differs.
    pub(super) differs: Option<String>,
}

/// Places inside an attempt's folder.
pub(super) struct Layout {
    pub(super) folder: PathBuf,
}

impl Layout {
    /// Working folder of a command.
    pub(super) fn private(&self) -> PathBuf {
        self.folder.join("private")
    }

    /// `TMPDIR` of a command, scratch of a worker.
    pub(super) fn scratch(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    /// Where a worker writes its outputs.
    pub(super) fn outputs(&self) -> PathBuf {
        self.folder.join("outputs")
    }

    /// Outputs of an earlier result that the stage goes on from.
    pub(super) fn earlier(&self) -> PathBuf {
        self.folder.join("earlier")
    }

    /// Outputs on their way into the store; not whole once that has begun.
    pub(super) fn taken(&self) -> PathBuf {
        self.folder.join("taken")
    }

    pub(super) fn job_file(&self) -> PathBuf {
        self.folder.join("job.json")
    }

    pub(super) fn result_file(&self) -> PathBuf {
        self.folder.join("result.json")
    }
}

/// Computes `task` and puts its record into the store. Also says how many attempts it took.
pub(super) fn run(task: &Task<'_>, site: &Site<'_>) -> (Result<Computed, JobError>, u32) {
    let attempts = Attempts::new(site.store.work(&task.resolved.fingerprint));
    let mut number = 0;
    let result = attempts.end_orphans(site.interrupt, &mut on_wait(task, site)).and_then(|()| {
        if task.afresh {
            attempts.clear();
        } else if let Some(computed) = take_over(task, site, &attempts)? {
            return Ok(computed);
        }
        try_often(task, site, &attempts, &mut number)
    });
    if result.is_ok() {
        attempts.clear();
    }
    (result, number)
}

fn on_wait<'t>(task: &'t Task<'_>, site: &'t Site<'_>) -> impl FnMut(&str) + 't {
    |processes| {
        let who = if processes.is_empty() { "another machine or user" } else { processes };
        site.events.emit(Event::Warning {
            stage: Some(task.stage.id.clone()),
            text: format!(
                "waits for what an earlier attempt left running and cannot be ended: {who}"
            ),
        });
    }
}

fn try_often(
    task: &Task<'_>,
    site: &Site<'_>,
    attempts: &Attempts,
    number: &mut u32,
) -> Result<Computed, JobError> {
    loop {
        *number += 1;
        let stage = task.stage.id.clone();
        site.events.emit(Event::StageStarted {
            stage: stage.clone(),
            fingerprint: task.resolved.fingerprint,
            attempt: *number,
        });
        let error = match attempt(task, site, attempts) {
            Err(error)
                if error.is_worth_a_retry()
                    && *number <= task.stage.settings.retries
                    && site.interrupt.urgency() == Urgency::None =>
            {
                error
            }
            other => return other,
        };
        let reason = error.text();
        site.events.emit(Event::StageRetries { stage, attempt: *number, reason });
    }
}

fn attempt(task: &Task<'_>, site: &Site<'_>, attempts: &Attempts) -> Result<Computed, JobError> {
    let attempt = attempts.next()?;
    let layout = Layout { folder: attempt.folder.clone() };
    let produced = match task.stage.stage.launch() {
        Launch::Worker => work(task, site, attempts, &attempt, &layout),
        Launch::Command(line) => start::command(task, site, &line, attempts, &attempt, &layout)
            .and_then(|produced| {
                collect::collect(&layout.private(), &line.outputs, &layout.taken())?;
                check_types(&line, &layout)?;
                Ok(produced)
            }),
    };
    attempt.end(site.interrupt, &mut on_wait(task, site))?;
    record(task, site, &layout, produced?)
}

/// Refuses outputs that are not what their declared types say.
fn check_types(line: &CommandLine, layout: &Layout) -> Result<(), JobError> {
    for output in &line.outputs {
        stage::check_artifact(output.kind, &layout.taken().join(&output.name)).map_err(
            |reason| JobError::BadOutput {
                output: output.name.clone(),
                kind: output.kind.to_string(),
                reason,
            },
        )?;
    }
    Ok(())
}

fn work(
    task: &Task<'_>,
    site: &Site<'_>,
    attempts: &Attempts,
    attempt: &Attempt,
    layout: &Layout,
) -> Result<Produced, JobError> {
    for output in task.stage.stage.outputs() {
        make(&layout.outputs().join(output.name))?;
    }
    let produced = start::worker(
        task,
        site,
        &job_file(task, site, attempts, layout),
        attempts,
        attempt,
        layout,
    )?;
    begin_taking(layout)?;
    Ok(produced)
}

/// From here on the attempt's outputs leave it one by one, so it is no longer to be taken over.
fn begin_taking(layout: &Layout) -> Result<(), JobError> {
    let outputs = layout.outputs();
    fs::rename(&outputs, layout.taken()).map_err(JobError::io("cannot move", &outputs))
}

/// What the worker reads; inputs are added when they are staged.
fn job_file(task: &Task<'_>, site: &Site<'_>, attempts: &Attempts, layout: &Layout) -> JobFile {
    let stage = &task.stage.stage;
    JobFile {
        stage: task.stage.id.clone(),
        kind: stage.kind().to_owned(),
        config: stage.config(),
        components: components(stage.as_ref()),
        fingerprint: task.resolved.fingerprint,
        pipeline_seed: site.pipeline_seed,
        inputs: BTreeMap::new(),
        files: task.resolved.files.clone(),
        paths: Paths {
            project: site.project.to_owned(),
            store: site.store.root().to_owned(),
            scratch: layout.scratch(),
            outputs: layout.outputs(),
            checkpoint: attempts.checkpoint(),
            earlier: None,
            profile: site.profile.then(|| site.journal.profile_path(&task.stage.id)),
        },
        threads: task.threads,
        shared_trials: site.sharing.and_then(Sharing::trials),
    }
}

/// Versions by name.
pub(super) fn components(stage: &dyn Stage) -> BTreeMap<String, u32> {
    stage.components().into_iter().map(|part| (part.name.to_owned(), part.version)).collect()
}

/// The result of a worker that finished after its parent had died.
fn take_over(
    task: &Task<'_>,
    site: &Site<'_>,
    attempts: &Attempts,
) -> Result<Option<Computed>, JobError> {
    let Some(folder) = attempts.earlier().next() else { return Ok(None) };
    let layout = Layout { folder };
    let Some(file) = ResultFile::read(&layout.result_file()) else { return Ok(None) };
    let WorkerResult::Done(outcome) = file.result else { return Ok(None) };
    // Nothing was flushed: after a power cut the result may be there and the outputs torn.
    if file.boot != worker::boot() || !layout.outputs().is_dir() {
        return Ok(None);
    }
    site.events.emit(Event::StageStarted {
        stage: task.stage.id.clone(),
        fingerprint: task.resolved.fingerprint,
        attempt: 0,
    });
    begin_taking(&layout)?;
    record(task, site, &layout, Produced { cost: file.cost, outcome }).map(Some)
}

/// Takes the outputs into the store and writes the record.
fn record(
    task: &Task<'_>,
    site: &Site<'_>,
    layout: &Layout,
    produced: Produced,
) -> Result<Computed, JobError> {
    // `gc` must not sweep blobs that no record names yet.
    let _publishing = site.store.publishing()?;
    let mut outputs = BTreeMap::new();
    for output in task.stage.stage.outputs() {
        let ingested = site.store.ingest(&layout.taken().join(&output.name))?;
        outputs.insert(
            output.name,
            OutputRecord {
                kind: output.kind,
                tree: ingested.tree,
                files: ingested.files,
                bytes: ingested.bytes,
            },
        );
    }
    let Produced { cost, outcome: Outcome { metrics } } = produced;
    let record = StageRecord {
        format: RECORD_FORMAT,
        fingerprint: task.resolved.fingerprint,
        manifest: task.resolved.manifest.clone(),
        outputs,
        metrics,
        reproducible: task.stage.stage.reproducible(),
        repeatability: match task.stage.stage.device() {
            Device::Cpu => Repeatability::Tested,
            Device::Cuda => Repeatability::Unverified,
        },
        cost,
        host: site.host.to_owned(),
        versions: BTreeMap::from([("phytotron".to_owned(), version().to_owned())]),
        finished_at: seconds_now(),
    };
    keep(record, site.store, task.replace)
}

fn keep(record: StageRecord, store: &Store, replace: bool) -> Result<Computed, JobError> {
    match store.put_record(&record, replace)? {
        Put::Added | Put::Same => Ok(Computed { record, differs: None }),
        Put::Nondeterministic { output } => {
            // Whoever reads this result must read what the store keeps, not what was found just now.
            let kept = if replace { None } else { store.record(&record.fingerprint)? };
            Ok(Computed { record: kept.unwrap_or(record), differs: Some(output) })
        }
    }
}

/// The version of phytotron.
pub(super) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time after 1970")]
fn seconds_now() -> u64 {
    journal::now() as u64
}
