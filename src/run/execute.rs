//! Executing: one run of a study from its first event to its line in the index.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::RunError;
use super::gpus;
use super::interrupt::{Interrupt, Urgency};
use super::job::{self, Site};
use super::journal::{self, JOURNAL_FORMAT, Journal, RunEnd, RunFile, StageEnd};
use super::pins::Pins;
use super::pools::{self, Pools, Tokens};
use super::scheduler::{self, Finding, Policy, Resolve};
use super::sharing::{Sharing, Stores};
use super::sys;
use crate::digest::Digest;
use crate::event::{Emit, Event};
use crate::manifest::Fingerprint;
use crate::plan::{Graph, Request, Selected, StageIndex, Study};
use crate::store::Store;

/// How a run goes; nothing here changes a result.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The program that is a worker when called with `worker JOB`.
    pub program: PathBuf,
    /// The same for stages on a GPU: see [`cuda_program`].
    pub cuda_program: PathBuf,
    /// Jobs at once; without, one for each core.
    pub jobs: Option<usize>,
    /// Threads of each built-in stage; without, its share of the cores.
    pub threads: Option<usize>,
    /// Capacities beyond and instead of what the machine has.
    pub pools: Tokens,
    /// Names of GPUs, of which a stage gets one for each token of the pool `gpu`: see [`super::gpus()`].
    pub gpus: Vec<String>,
    /// Go on with what does not depend on a failure.
    pub keep_going: bool,
    /// Compute selected stages whose results are known, too.
    pub force: bool,
    /// Whether trainings write profiles into the run's folder.
    pub profile: bool,
}

/// The program for stages on a GPU that belongs to `program`: `phytotron-cuda` beside it, or itself where it was
/// built with CUDA.
///
/// Two programs, because one that is linked to CUDA does not start where there is no driver, and runs are
/// planned on such machines.
#[must_use]
pub fn cuda_program(program: &Path) -> PathBuf {
    if cfg!(feature = "cuda") {
        program.to_owned()
    } else {
        program.with_file_name("phytotron-cuda")
    }
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// The run's id.
    pub run: String,
    /// When it began, in seconds since 1970.
    pub started_at: f64,
    /// Host name.
    pub host: String,
    /// Every selected stage and what it reads, in topological order.
    pub stages: Vec<StageEnd>,
    /// Stages that have a result now, with its fingerprint and the seconds it took to compute.
    pub well: Vec<(StageIndex, Fingerprint, f64)>,
    /// Folders below the project that hold selected results, with their trees.
    pub published: Vec<(PathBuf, Digest)>,
    /// Whether all selected stages have one.
    pub ok: bool,
    /// Whether that is for the store's or the remote's sake, and no stage failed by itself.
    pub storage_failed: bool,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Recomputations that gave other bytes.
    pub findings: Vec<Finding>,
    /// Why the remote does not have all results, when it was to.
    pub unshared: Option<String>,
    /// Seconds on the clock.
    pub secs: f64,
}

/// Runs `study`: computes the selected stages that have no result, in the order of their needs.
///
/// # Errors
/// When nothing could be run at all. A stage that fails is in the report.
pub fn execute(
    request: &Request,
    study: &Study,
    resolve: &mut dyn Resolve,
    stores: Stores<'_>,
    options: &RunOptions,
    interrupt: &Interrupt,
    events: &dyn Emit,
) -> Result<RunReport, RunError> {
    let started = Instant::now();
    let store = stores.store;
    if store.options().group_writable {
        sys::share_with_group();
    }
    let project =
        std::path::absolute(&request.root).map_err(RunError::io("cannot find", &request.root))?;
    let host = host();
    let journal = Journal::new(store.runs(), facts(request, study, &host));
    let run = journal.run().to_owned();
    let all = Tee { journal: &journal, others: events };
    let selected = request.selection.of(study)?;
    all.emit(Event::RunStarted {
        run: run.clone(),
        pipeline: study.pipeline.name.clone(),
        stages: study.iter().filter(|(stage, _)| selected.contains(*stage)).count(),
    });
    let sharing = stores.tier.map(Sharing::new);
    let site = Site {
        store,
        project: &project,
        program: &options.program,
        cuda_program: &options.cuda_program,
        pipeline_seed: study.pipeline.seed,
        interrupt,
        events: &all,
        journal: &journal,
        pins: &Pins::new(&run),
        host: &host,
        profile: options.profile,
        sharing: sharing.as_ref(),
    };
    let (policy, pools) = policy(options, selected, &run, &host);
    let outcomes = scheduler::run(study, resolve, &policy, pools, &site)?;
    let unshared = sharing.as_ref().and_then(|sharing| {
        let results: Vec<Fingerprint> =
            outcomes.well.iter().map(|(_, result, _)| *result).collect();
        sharing.send_all(&results, &all)
    });
    let secs = started.elapsed().as_secs_f64();
    all.emit(Event::RunEnded { ok: outcomes.ok, secs });
    let report = RunReport {
        run,
        started_at: journal.started_at(),
        host: host.clone(),
        stages: outcomes.stages,
        well: outcomes.well,
        published: outcomes.published,
        ok: outcomes.ok,
        storage_failed: outcomes.storage_failed,
        interrupted: interrupt.urgency() != Urgency::None,
        findings: outcomes.findings,
        unshared,
        secs,
    };
    end(&journal, store, &report, events);
    Ok(report)
}

/// Closes the run's history and flushes the store when anything was written.
fn end(journal: &Journal, store: &Store, report: &RunReport, events: &dyn Emit) {
    let warn = |text: String| events.emit(Event::Warning { stage: None, text });
    let has_run = journal.has_folder();
    let end = RunEnd { ok: report.ok, secs: report.secs, stages: report.stages.clone() };
    if let Err(error) = journal.end(end) {
        warn(format!("this run is missing in the history: {error}"));
    }
    if has_run && let Err(error) = store.sync() {
        warn(format!("results may be lost if the machine stops now: {error}"));
    }
}

/// Jobs at once and the pools they share.
///
/// More jobs than cores are a person's wish, so there are as many tokens then.
fn policy(options: &RunOptions, selected: Selected, run: &str, host: &str) -> (Policy, Pools) {
    let mut capacity = pools::machine();
    let cores = capacity["cpu"];
    let jobs = options.jobs.unwrap_or(usize::try_from(cores).unwrap_or(1)).max(1);
    capacity.insert("cpu".to_owned(), cores.max(jobs as u64));
    if !options.gpus.is_empty() {
        capacity.insert(gpus::POOL.to_owned(), options.gpus.len() as u64);
    }
    capacity.extend(options.pools.clone());
    let policy = Policy {
        selected,
        jobs,
        threads: options.threads,
        gpus: options.gpus.clone(),
        keep_going: options.keep_going,
        force: options.force,
        holder: format!("run {run} on {host}, process {}", std::process::id()),
    };
    (policy, Pools::new(capacity))
}

fn facts(request: &Request, study: &Study, host: &str) -> RunFile {
    RunFile {
        v: JOURNAL_FORMAT,
        run: journal::run_id(),
        pipeline: study.pipeline.name.clone(),
        file: request.file.display().to_string(),
        params: request.params.clone(),
        started_at: journal::now(),
        host: host.to_owned(),
        process: std::process::id(),
        version: job::version().to_owned(),
        graph: drawn(study),
        ended: None,
    }
}

/// Nodes of a graph that is worth drawing.
const NODES_MAX: usize = 400;

fn drawn(study: &Study) -> Option<Graph> {
    let names: HashSet<&str> = study.iter().map(|(_, stage)| stage.id.name.as_str()).collect();
    (names.len() <= NODES_MAX).then(|| Graph::of(study, false))
}

fn host() -> String {
    std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname"))
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// Tells the journal and everybody else.
struct Tee<'a> {
    journal: &'a Journal,
    others: &'a dyn Emit,
}

impl Emit for Tee<'_> {
    fn emit(&self, event: Event) {
        self.journal.emit(event.clone());
        self.others.emit(event);
    }
}
