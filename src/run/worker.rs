//! The worker: the process in which a built-in stage computes, the body of `phytotron worker JOB`.
//!
//! Reads `job.json`, writes `result.json` beside it and says what it does in `events.jsonl` and into a
//! pipe. `SIGTERM` asks the stage to write its checkpoint and end. Knows nothing of the store's records:
//! the parent, or the run after it, takes the outputs.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigSet, Signal};
use serde::{Deserialize, Serialize};

use super::error::with_causes;
use super::job::components;
use super::journal::write_json;
use super::sys;
use crate::event::{Emit, Event};
use crate::record::Cost;
use crate::stage::{Job, JobFile, Outcome, Registry, Stage, StageError, Stop};

/// Names the pipe's descriptor in the worker's environment.
pub(super) const EVENTS_VARIABLE: &str = "PHYTOTRON_EVENTS_FD";

/// Version of `result.json`.
const RESULT_FORMAT: u32 = 1;

/// `result.json`: what a worker came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ResultFile {
    v: u32,
    /// The boot of the machine that wrote it.
    pub(super) boot: String,
    /// How it ended.
    pub(super) result: WorkerResult,
    /// What it cost, as the worker itself sees it: good enough when no parent is left to measure.
    pub(super) cost: Cost,
}

/// How a worker ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WorkerResult {
    /// The outputs are written.
    Done(Outcome),
    /// The stage failed.
    Failed {
        /// Why, for people.
        error: String,
    },
    /// A project file is not what was planned.
    Changed {
        /// The file, relative to the project.
        path: String,
    },
    /// It was asked to end; the checkpoint is written.
    Interrupted,
}

impl ResultFile {
    /// The result at `path`, when there is one that can be read.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let file: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        (file.v == RESULT_FORMAT).then_some(file)
    }
}

/// How a worker ends, for its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerEnd {
    /// The outputs are written: exit code 0.
    Done,
    /// Exit code 1, and why.
    Failed(String),
    /// Exit code 130.
    Interrupted,
}

impl WorkerEnd {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed(_) => 1,
            Self::Interrupted => 130,
        }
    }
}

/// Runs the job at `path` in this process. To be called before any other thread is started.
#[must_use]
pub fn worker(path: &Path, registry: &Registry) -> WorkerEnd {
    let started = Instant::now();
    // Started as `/proc/self/exe`, which `top` would call `exe`.
    _ = nix::sys::prctl::set_name(c"phytotron");
    let job: JobFile = match read(path) {
        Ok(job) => job,
        Err(error) => return WorkerEnd::Failed(error),
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let stop = stop_on_sigterm();
    use_threads(job.threads);
    let result = compute(&job, registry, &Told::new(folder), stop);
    let file = ResultFile { v: RESULT_FORMAT, boot: boot(), result, cost: own_cost(started) };
    let written = write_json(&folder.join("result.json"), &file);
    match (written, file.result) {
        (Err(error), _) => WorkerEnd::Failed(format!("cannot write the result: {error}")),
        (Ok(()), WorkerResult::Done(_)) => WorkerEnd::Done,
        (Ok(()), WorkerResult::Failed { error }) => WorkerEnd::Failed(error),
        (Ok(()), WorkerResult::Changed { path }) => {
            WorkerEnd::Failed(StageError::Changed { path }.to_string())
        }
        (Ok(()), WorkerResult::Interrupted) => WorkerEnd::Interrupted,
    }
}

/// Names the time since the machine was started; other machines and later boots have other names.
pub(super) fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| String::new(), |text| text.trim().to_owned())
}

fn read(path: &Path) -> Result<JobFile, String> {
    let bytes = std::fs::read(path)
        .map_err(|error| format!("cannot read the job `{}`: {error}", path.display()))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| format!("the job `{}` cannot be used: {error}", path.display()))
}

fn compute(job: &JobFile, registry: &Registry, events: &Told, stop: Stop) -> WorkerResult {
    let failed = |error: String| WorkerResult::Failed { error };
    let Some(kind) = registry.get(&job.kind) else {
        return failed(format!("this phytotron has no stage kind `{}`", job.kind));
    };
    let stage = match kind.revive(&job.config) {
        Ok(stage) => stage,
        Err(error) => return failed(format!("the job is from another version: {error}")),
    };
    if let Some(part) = other_version(job, stage.as_ref()) {
        return failed(format!(
            "this program is another version of phytotron than the one that planned the stage: they differ in \
             `{part}`; build both from one source"
        ));
    }
    let result = match stage.run(&Job { file: job, events, stop }) {
        Ok(outcome) => WorkerResult::Done(outcome),
        Err(StageError::Interrupted) => WorkerResult::Interrupted,
        Err(StageError::Changed { path }) => WorkerResult::Changed { path },
        Err(error) => failed(with_causes(&error)),
    };
    events.flush();
    result
}

/// A component that this program has in another version than the one that planned the job. The program for
/// GPUs is built by itself, and what it computes would be found as what the other one computes.
fn other_version(job: &JobFile, stage: &dyn Stage) -> Option<String> {
    let ours = components(stage);
    let differs = |(name, version): &(&String, &u32)| ours.get(*name) != Some(*version);
    job.components.iter().find(differs).map(|(name, _)| name.clone())
}

/// Turns `SIGTERM` into a request, which stages look for between steps.
///
/// The signal is blocked here and in every thread started later, and one thread waits for it: no
/// handler, so nothing has to be safe inside of one.
fn stop_on_sigterm() -> Stop {
    let stop = Stop::default();
    let signals = SigSet::from(Signal::SIGTERM);
    if signals.thread_block().is_ok() {
        let stop = stop.clone();
        std::thread::spawn(move || {
            if signals.wait().is_ok() {
                stop.request();
            }
        });
    }
    stop
}

/// Gives this process the threads it was promised; a pool that exists already stays as it is.
fn use_threads(threads: usize) {
    _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
}

fn own_cost(started: Instant) -> Cost {
    let mut cost = Cost { wall_secs: started.elapsed().as_secs_f64(), ..Cost::default() };
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let Ok(usage) = getrusage(who) else { continue };
        for time in [usage.user_time(), usage.system_time()] {
            #[expect(clippy::cast_precision_loss, reason = "microseconds of a process fit an f64")]
            let secs = time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
            cost.cpu_secs += secs;
        }
        let bytes = u64::try_from(usage.max_rss()).unwrap_or_default() * 1024;
        cost.peak_memory_bytes = cost.peak_memory_bytes.max(bytes);
    }
    cost
}

/// Events of a worker: lines in the pipe of whoever listens, and in `events.jsonl` where nobody does.
///
/// Lines on progress are gathered for a moment, since thousands of images are read in a second.
#[derive(Debug)]
struct Told(Mutex<Gathered>);

#[derive(Debug)]
struct Gathered {
    file: Option<File>,
    pipe: Option<File>,
    lines: Vec<u8>,
    /// When progress was last told. What happens between is told at once and delays no progress: one that comes
    /// right after the end of an epoch would wait for the next.
    told: Option<Instant>,
}

/// What a pipe takes whole or not at all.
const PIPE_ATOM: usize = 4096;

impl Told {
    fn new(folder: &Path) -> Self {
        let path = folder.join("events.jsonl");
        let pipe = pipe();
        let open = || OpenOptions::new().append(true).create(true).open(path).ok();
        let file = if pipe.is_none() { open() } else { None };
        Self(Mutex::new(Gathered { file, pipe, lines: Vec::new(), told: None }))
    }

    fn flush(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }
}

/// The pipe that the parent reads, when there is one.
fn pipe() -> Option<File> {
    sys::inherited(std::env::var(EVENTS_VARIABLE).ok()?.parse().ok()?).map(File::from)
}

impl Gathered {
    fn flush(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if let Some(file) = &mut self.file
            && file.write_all(&lines).is_err()
        {
            self.file = None;
        }
        if let Some(pipe) = &mut self.pipe {
            // A full pipe means that nobody draws right now: a picture is lost, nothing else.
            _ = pipe.write(&lines);
        }
    }
}

impl Emit for Told {
    fn emit(&self, event: Event) {
        const PAUSE: Duration = Duration::from_millis(50);
        let Ok(mut line) = serde_json::to_vec(&event) else { return };
        line.push(b'\n');
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if gathered.lines.len() + line.len() > PIPE_ATOM {
            gathered.flush();
        }
        gathered.lines.extend_from_slice(&line);
        if let Event::Progress { .. } = event {
            if gathered.told.is_some_and(|told| told.elapsed() < PAUSE) {
                return;
            }
            gathered.told = Some(Instant::now());
        }
        gathered.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Coordinates, StageId};

    #[test]
    fn progress_right_after_an_epoch_is_told_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let told = Told::new(folder.path());
        let stage = StageId { name: "retrain".to_owned(), coordinates: Coordinates::default() };
        let progress = |done| {
            let (stage, unit, note) = (stage.clone(), "epoch".to_owned(), String::new());
            told.emit(Event::Progress { stage, unit, done, total: 12, note });
        };
        let (child, loss) = ("network 1".to_owned(), 0.5);
        let epoch = Event::EpochEnded {
            stage: stage.clone(),
            child,
            epoch: 1,
            epochs: 12,
            loss,
            accuracy: None,
        };
        let text = || std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
        told.emit(epoch.clone());
        progress(1);
        assert!(text().contains("\"done\":1"), "{}", text());
        progress(2);
        assert!(!text().contains("\"done\":2"), "what comes often is gathered");
        told.emit(epoch);
        assert!(text().contains("\"done\":2"), "{}", text());
    }
}
