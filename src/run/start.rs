//! Starting: a command as a direct child, a built-in stage as a worker process.
//!
//! Both are staged, watched and ended alike; they differ in their environment, their folder and in what
//! tells how it went. Knows nothing of records.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::attempt::{Attempt, Attempts, make};
use super::collect::INPUTS;
use super::error::JobError;
use super::gpus;
use super::interrupt::Urgency;
use super::job::{Layout, Site, Task};
use super::journal::write_json;
use super::process::{self, Ended, Exit, Patience, Program, Stopped, Watch};
use super::staging;
use super::worker::{EVENTS_VARIABLE, ResultFile, WorkerResult};
use crate::event::Event;
use crate::record::Cost;
use crate::stage::{CommandLine, JobFile, Outcome};
use crate::store::{LinkMode, StoreError};
use crate::train::Device;

/// Between `SIGTERM` and `SIGKILL`.
const GRACE: Duration = Duration::from_secs(10);

/// Exit code of a program whose shared libraries are not found.
const LOADER_FAILED: i32 = 127;

/// An attempt that ended well.
#[derive(Debug)]
pub(super) struct Produced {
    pub(super) cost: Cost,
    pub(super) outcome: Outcome,
}

/// Runs a command in its private folder.
pub(super) fn command(
    task: &Task<'_>,
    site: &Site<'_>,
    line: &CommandLine,
    attempts: &Attempts,
    attempt: &Attempt,
    layout: &Layout,
) -> Result<Produced, JobError> {
    let (private, scratch) = (layout.private(), layout.scratch());
    make(&private)?;
    make(&scratch)?;
    let staged = staging::inputs(&task.inputs, &private.join(INPUTS), site.store)?;
    staging::files(&task.resolved.files, site.project, &private)?;
    let log = Log::open(task, site)?;
    let argv = find_program(&line.argv, &private)?;
    let program = Program {
        argv: &argv,
        env: Some(command_env(task, site, line, &attempts.checkpoint(), &scratch)),
        added_env: Vec::new(),
        folder: &private,
        log: &log.file,
        lock: &attempt.lock,
        pipe: None,
    };
    let patience = Patience {
        timeout: task.stage.settings.timeout,
        grace: GRACE,
        grace_when_interrupted: Some(GRACE),
    };
    start_nothing_new(site)?;
    let ended = process::run(&program, patience, site.interrupt, &mut Scales { task, site })
        .map_err(|error| not_started(&line.argv[0], &error))?;
    judge(task, &ended, &log)?;
    if let Some(changed) = staged.first_changed(site.store) {
        let path = changed.strip_prefix(&private).unwrap_or(&changed).display().to_string();
        return Err(JobError::ModifiedInput { path });
    }
    log.close();
    Ok(Produced { cost: ended.cost, outcome: Outcome::default() })
}

/// Staging may have taken long enough for a person to change their mind.
fn start_nothing_new(site: &Site<'_>) -> Result<(), JobError> {
    match site.interrupt.urgency() {
        Urgency::None => Ok(()),
        Urgency::Soon | Urgency::Now => Err(JobError::Interrupted),
    }
}

/// Everything a command sees of the world around it.
fn command_env(
    task: &Task<'_>,
    site: &Site<'_>,
    line: &CommandLine,
    checkpoint: &Path,
    scratch: &Path,
) -> Vec<(String, String)> {
    let passed = ["PATH", "HOME", "USER"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), std::env::var(key).ok()?)));
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let mut env: Vec<(String, String)> = passed.collect();
    env.push(("LANG".to_owned(), "C.UTF-8".to_owned()));
    env.push(("TMPDIR".to_owned(), path(scratch)));
    env.push(("PHYTOTRON_CHECKPOINT_DIR".to_owned(), path(checkpoint)));
    if let Some(seed) = task.stage.stage.seed() {
        let seed = crate::seed::Seed::root(site.pipeline_seed)
            .child(task.stage.stage.kind())
            .nth(seed)
            .stream("command", 0)
            .below(1 << 31);
        env.push(("PHYTOTRON_SEED".to_owned(), seed.to_string()));
    }
    env.extend(gpu_env(task));
    env.extend(line.env.iter().cloned());
    env
}

/// `argv` with the program's absolute path, so that a name that leads nowhere is said before the start.
fn find_program(argv: &[String], private: &Path) -> Result<Vec<String>, JobError> {
    let name = argv.first().map(String::as_str).unwrap_or_default();
    let fail =
        |reason: &str| JobError::Start { program: name.to_owned(), reason: reason.to_owned() };
    let found = if name.contains('/') {
        let path = private.join(name);
        match std::fs::metadata(&path) {
            Ok(facts) if facts.permissions().mode() & 0o111 == 0 => {
                return Err(fail("it is not executable; `chmod +x` the file"));
            }
            Ok(_) => path,
            Err(_) => return Err(fail("no such file; is it declared under `files`?")),
        }
    } else {
        in_path(name).ok_or_else(|| fail("it is not on PATH"))?
    };
    let mut argv = argv.to_vec();
    argv[0] = found.to_string_lossy().into_owned();
    Ok(argv)
}

fn in_path(name: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        std::fs::metadata(path)
            .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
    };
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(is_program)
}

fn not_started(program: &str, error: &io::Error) -> JobError {
    let reason = match error.raw_os_error() {
        Some(nix::libc::ENOEXEC) => "it is no program: has it a `#!` line?".to_owned(),
        Some(nix::libc::ENOENT) => "the interpreter in its `#!` line does not exist".to_owned(),
        _ => error.to_string(),
    };
    JobError::Start { program: program.to_owned(), reason }
}

/// Tells a program which GPUs are its own, if it was given any.
fn gpu_env(task: &Task<'_>) -> Option<(String, String)> {
    (!task.gpus.is_empty()).then(|| (gpus::VISIBLE.to_owned(), task.gpus.join(",")))
}

/// Runs a built-in stage in a worker process.
pub(super) fn worker(
    task: &Task<'_>,
    site: &Site<'_>,
    job: &JobFile,
    attempts: &Attempts,
    attempt: &Attempt,
    layout: &Layout,
) -> Result<Produced, JobError> {
    make(&layout.scratch())?;
    let inputs = staging::inputs(&task.inputs, &layout.folder.join(INPUTS), site.store)?.inputs;
    let mut job = JobFile { inputs, ..job.clone() };
    job.paths.earlier = earlier(task, site, attempts, layout);
    let path = layout.job_file();
    write_json(&path, &job).map_err(JobError::io("cannot write", &path))?;
    let log = Log::open(task, site)?;
    let (mut pump, pipe) =
        Pump::new(Scales { task, site }).map_err(JobError::io("cannot open", &path))?;
    let program = worker_program(task, site)?;
    let argv = [program, Path::new("worker"), &path].map(|part| part.display().to_string());
    let mut added_env = vec![
        (EVENTS_VARIABLE.to_owned(), pipe.as_raw_fd().to_string()),
        ("RAYON_NUM_THREADS".to_owned(), task.threads.to_string()),
    ];
    added_env.extend(gpu_env(task));
    let program = Program {
        argv: &argv,
        env: None,
        added_env,
        folder: &layout.folder,
        log: &log.file,
        lock: &attempt.lock,
        pipe: Some(&pipe),
    };
    let patience = Patience {
        timeout: task.stage.settings.timeout,
        grace: GRACE,
        grace_when_interrupted: None,
    };
    start_nothing_new(site)?;
    let ended = process::run(&program, patience, site.interrupt, &mut pump)
        .map_err(|error| not_started(&argv[0], &error))?;
    let outcome = outcome(task, &ended, &log, ResultFile::read(&layout.result_file()))?;
    log.close();
    Ok(Produced { cost: ended.cost, outcome })
}

/// The program that can compute what the stage computes on.
fn worker_program<'a>(task: &Task<'_>, site: &Site<'a>) -> Result<&'a Path, JobError> {
    match task.stage.stage.device() {
        Device::Cpu => Ok(site.program),
        Device::Cuda if site.cuda_program.is_file() => Ok(site.cuda_program),
        Device::Cuda => Err(JobError::NoCuda { program: site.cuda_program.to_owned() }),
    }
}

/// Puts the outputs of the result that the stage goes on from into a folder. None where an attempt of its own
/// got further, or where the store has lost any of it: then the stage begins anew, with the same result, and
/// the time that this takes is worth a warning.
fn earlier(
    task: &Task<'_>,
    site: &Site<'_>,
    attempts: &Attempts,
    layout: &Layout,
) -> Option<PathBuf> {
    let fingerprint = task.resolved.earlier.filter(|_| !task.afresh && attempts.are_new())?;
    let folder = layout.earlier();
    let place = || -> Result<Option<PathBuf>, StoreError> {
        let Some(record) = site.store.record(&fingerprint)? else { return Ok(None) };
        for (name, output) in &record.outputs {
            site.store.place(&output.tree, &folder.join(name), LinkMode::Auto)?;
        }
        Ok(Some(folder.clone()))
    };
    place().unwrap_or_else(|error| {
        let text = format!("the smaller result cannot be used, starting over: {error}");
        site.events.emit(Event::Warning { stage: Some(task.stage.id.clone()), text });
        None
    })
}

/// What a worker came to: its result file knows, the exit code only explains why there is none.
fn outcome(
    task: &Task<'_>,
    ended: &Ended,
    log: &Log,
    result: Option<ResultFile>,
) -> Result<Outcome, JobError> {
    match result.map(|file| file.result) {
        Some(WorkerResult::Done(outcome)) => Ok(outcome),
        Some(WorkerResult::Changed { path }) => Err(JobError::Changed { path }),
        Some(WorkerResult::Failed { error }) => Err(JobError::Stage(error)),
        None if ended.exit == Exit::Code(LOADER_FAILED)
            && task.stage.stage.device() == Device::Cuda =>
        {
            Err(JobError::NoDriver { log: log.tail() })
        }
        Some(WorkerResult::Interrupted) | None => {
            judge(task, ended, log)?;
            Err(JobError::Exit { exit: "ended without a result".to_owned(), log: log.tail() })
        }
    }
}

/// Whether a process ended well, by itself.
fn judge(task: &Task<'_>, ended: &Ended, log: &Log) -> Result<(), JobError> {
    match (ended.stopped, ended.exit) {
        (Some(Stopped::Interrupt), _) => Err(JobError::Interrupted),
        (Some(Stopped::Timeout), _) => {
            let limit = task.stage.settings.timeout.unwrap_or_default();
            Err(JobError::Timeout { limit, log: log.tail() })
        }
        (None, Exit::Code(0)) => Ok(()),
        (None, exit) => Err(JobError::Exit { exit: exit.to_string(), log: log.tail() }),
    }
}

/// A stage's log; each attempt adds to it.
struct Log {
    path: PathBuf,
    file: File,
    /// Where this attempt begins.
    start: u64,
}

impl Log {
    fn open(task: &Task<'_>, site: &Site<'_>) -> Result<Self, JobError> {
        let path = site.journal.log_path(&task.stage.id);
        let open = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let file = open.map_err(JobError::io("cannot write", &path))?;
        let start = file.metadata().map_err(JobError::io("cannot read", &path))?.len();
        Ok(Self { path, file, start })
    }

    /// Removes a log in which nothing stands.
    fn close(self) {
        if self.file.metadata().is_ok_and(|facts| facts.len() == 0) {
            _ = std::fs::remove_file(&self.path);
        }
    }

    /// The last lines of this attempt, for the reason it failed.
    fn tail(&self) -> String {
        const BYTES: u64 = 4096;
        const LINES: usize = 10;
        let end = self.file.metadata().map_or(self.start, |facts| facts.len());
        let start = self.start.max(end.saturating_sub(BYTES));
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or_default()];
        if self.file.read_exact_at(&mut bytes, start).is_err() {
            bytes.clear();
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut lines: Vec<&str> =
            text.lines().filter(|line| !line.trim().is_empty()).rev().take(LINES).collect();
        lines.reverse();
        if lines.is_empty() {
            return if is_full(&self.path) {
                format!("; it said nothing, and no space left at `{}`", self.path.display())
            } else {
                "; it said nothing".to_owned()
            };
        }
        let lines: Vec<String> = lines.into_iter().map(|line| format!("\n  {line}")).collect();
        format!("; the end of {}:{}", self.path.display(), lines.concat())
    }
}

/// Whether the disk below `path` is full, so that a program could not even say why it failed.
fn is_full(path: &Path) -> bool {
    nix::sys::statvfs::statvfs(path).is_ok_and(|disk| disk.blocks_available() == 0)
}

/// Says what a stage's processes hold in memory, of which a command says nothing else.
#[derive(Clone, Copy)]
struct Scales<'a> {
    task: &'a Task<'a>,
    site: &'a Site<'a>,
}

impl Watch for Scales<'_> {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn read(&mut self) -> bool {
        false
    }

    fn uses(&mut self, memory_bytes: u64) {
        let stage = self.task.stage.id.clone();
        self.site.events.emit(Event::Usage { stage, memory_bytes });
    }
}

/// Passes on the events that a worker writes into its pipe.
struct Pump<'a> {
    reader: PipeReader,
    rest: Vec<u8>,
    scales: Scales<'a>,
}

impl<'a> Pump<'a> {
    fn new(scales: Scales<'a>) -> io::Result<(Self, OwnedFd)> {
        let (reader, writer) = io::pipe()?;
        for fd in [reader.as_fd(), writer.as_fd()] {
            fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok((Self { reader, rest: Vec::new(), scales }, writer.into()))
    }

    fn emit_lines(&mut self) {
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else { return };
        let rest = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, rest);
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            if let Ok(event) = serde_json::from_slice::<Event>(line) {
                self.scales.site.events.emit(event);
            }
        }
    }
}

impl Watch for Pump<'_> {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.reader.as_fd())
    }

    fn read(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.reader.read(&mut buffer) {
                Ok(0) => return false,
                Ok(read) => {
                    self.rest.extend_from_slice(&buffer[..read]);
                    self.emit_lines();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    fn uses(&mut self, memory_bytes: u64) {
        self.scales.uses(memory_bytes);
    }
}
