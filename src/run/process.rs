//! Processes: starts a program and watches it until it and all it left behind are gone.
//!
//! The thread that starts a program stays with it to the end: the kernel's parent-death signal follows
//! the thread, not the process. Knows nothing of stages; who asks decides what an exit means.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::interrupt::{Interrupt, Urgency};
use super::{memory, sys};
use crate::record::Cost;

/// A program to start.
#[derive(Debug)]
pub(super) struct Program<'a> {
    /// Program and arguments.
    pub(super) argv: &'a [String],
    /// Its whole environment when given; ours otherwise.
    pub(super) env: Option<Vec<(String, String)>>,
    /// Variables added to the environment.
    pub(super) added_env: Vec<(String, String)>,
    /// Its working folder.
    pub(super) folder: &'a Path,
    /// Takes its output and its errors.
    pub(super) log: &'a File,
    /// A locked file that it and its descendants keep open; its process number is written there.
    pub(super) lock: &'a File,
    /// The writing end of a pipe that it keeps open under the same number.
    pub(super) pipe: Option<&'a OwnedFd>,
}

/// How long a program may take to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Limit of the attempt.
    pub(super) timeout: Option<Duration>,
    /// Between `SIGTERM` and `SIGKILL` after the timeout.
    pub(super) grace: Duration,
    /// Between `SIGTERM` and `SIGKILL` after an interrupt; without, as long as it takes.
    pub(super) grace_when_interrupted: Option<Duration>,
}

/// Why we ended a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// It ran into its timeout.
    Timeout,
    /// The run was interrupted.
    Interrupt,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ended {
    /// Its status.
    pub(super) exit: Exit,
    /// What it cost.
    pub(super) cost: Cost,
    /// Whether we ended it.
    pub(super) stopped: Option<Stopped>,
}

/// A status, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It ended by itself.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(126) => f.write_str("exit code 126 (the shell could not execute a program)"),
            Self::Code(127) => f.write_str("exit code 127 (the shell did not find a program)"),
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => match Signal::try_from(number) {
                Ok(Signal::SIGKILL) => f.write_str("killed by SIGKILL (out of memory?)"),
                Ok(signal) => write!(f, "killed by {signal}"),
                Err(_) => write!(f, "killed by signal {number}"),
            },
        }
    }
}

/// What is told of a running program as it happens.
pub(super) trait Watch {
    /// A descriptor that becomes readable when there is something to tell.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
    /// Reads what there is, without waiting. False when nothing will come any more.
    fn read(&mut self) -> bool;
    /// Takes what the program and its descendants hold in memory now, in bytes; about once a second.
    fn uses(&mut self, memory_bytes: u64);
}

/// Starts `program` and stays with it until it has ended.
///
/// What is left of its process group is killed then: a forgotten background job must not write
/// into outputs that are being collected.
pub(super) fn run(
    program: &Program<'_>,
    patience: Patience,
    interrupt: &Interrupt,
    watch: &mut dyn Watch,
) -> io::Result<Ended> {
    let started = Instant::now();
    let pid = start(program)?;
    let stopped = follow(pid, started, patience, interrupt, watch);
    // Not reaped yet, the leader keeps its number, so this group cannot be anybody else's.
    _ = killpg(pid, Signal::SIGKILL);
    let reaped = sys::wait(pid)?;
    watch.read();
    let cost = Cost {
        wall_secs: started.elapsed().as_secs_f64(),
        cpu_secs: reaped.cpu_secs,
        peak_memory_bytes: reaped.peak_memory_bytes,
    };
    Ok(Ended { exit: exit(reaped.status), cost, stopped: stopped? })
}

fn exit(status: i32) -> Exit {
    let status = ExitStatus::from_raw(status);
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

fn start(program: &Program<'_>) -> io::Result<Pid> {
    let mut command = Command::new(&program.argv[0]);
    if program.argv[0] == "/proc/self/exe" {
        // What lists of processes call it.
        command.arg0("phytotron");
    }
    command.args(&program.argv[1..]).current_dir(program.folder).process_group(0);
    if let Some(env) = &program.env {
        command.env_clear().envs(env.iter().map(|(key, value)| (key, value)));
    }
    command.envs(program.added_env.iter().map(|(key, value)| (key, value)));
    command.stdin(Stdio::null());
    command.stdout(program.log.try_clone()?).stderr(program.log.try_clone()?);
    let pipe = program.pipe.map(|pipe| pipe.as_fd().as_raw_fd());
    sys::tie_to_parent(&mut command, program.lock.as_raw_fd(), pipe);
    let child = spawn(&mut command)?;
    Ok(Pid::from_raw(i32::try_from(child.id()).expect("a process number is a pid_t")))
}

/// Held for reading by each thread that forks, until the child has reached its own `exec`.
static FORKS: RwLock<()> = RwLock::new(());

/// While the guard lives, no child of ours holds copies of our descriptors.
///
/// A child between fork and exec holds all of them: locks that were let go would seem to be
/// held, and an executable just written would be "busy".
pub(super) fn no_forks() -> RwLockWriteGuard<'static, ()> {
    FORKS.write().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    let _guard = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    // Returns when the child has reached `exec`, or failed to.
    command.spawn()
}

/// Waits for the end of `pid`, ending it when time is up or the run is interrupted.
fn follow(
    pid: Pid,
    started: Instant,
    patience: Patience,
    interrupt: &Interrupt,
    watch: &mut dyn Watch,
) -> io::Result<Option<Stopped>> {
    let pidfd = match sys::pidfd(pid) {
        Ok(pidfd) => pidfd,
        Err(error) => {
            _ = killpg(pid, Signal::SIGKILL);
            return Err(error);
        }
    };
    let mut ending = Ending::new(pid, started, patience);
    let mut is_watched = true;
    loop {
        let pipe = watch.descriptor().filter(|_| is_watched);
        let woken = ending.sleep(pidfd.as_fd(), pipe, interrupt)?;
        if woken.has_told {
            is_watched = watch.read();
        }
        if woken.has_ended {
            return Ok(ending.stopped);
        }
        ending.urge(interrupt.urgency());
        if ending.is_time_to_weigh() {
            watch.uses(memory::held_by(pid));
        }
    }
}

/// How far we have gone in ending a program.
struct Ending {
    pid: Pid,
    patience: Patience,
    timeout_at: Option<Instant>,
    kill_at: Option<Instant>,
    stopped: Option<Stopped>,
    urged: Urgency,
    weigh_at: Instant,
}

/// Between two looks at a program's memory.
const WEIGHING: Duration = Duration::from_secs(1);

struct Woken {
    has_ended: bool,
    has_told: bool,
}

impl Ending {
    fn new(pid: Pid, started: Instant, patience: Patience) -> Self {
        Self {
            pid,
            patience,
            timeout_at: patience.timeout.map(|timeout| started + timeout),
            kill_at: None,
            stopped: None,
            urged: Urgency::None,
            weigh_at: started + WEIGHING,
        }
    }

    /// Sleeps until the program ends, tells something, time is up or the run is interrupted.
    fn sleep(
        &self,
        pidfd: BorrowedFd<'_>,
        pipe: Option<BorrowedFd<'_>>,
        interrupt: &Interrupt,
    ) -> io::Result<Woken> {
        let mut fds = vec![PollFd::new(pidfd, PollFlags::POLLIN)];
        match self.urged {
            Urgency::None => fds.push(PollFd::new(interrupt.soon(), PollFlags::POLLIN)),
            Urgency::Soon => fds.push(PollFd::new(interrupt.now(), PollFlags::POLLIN)),
            Urgency::Now => {}
        }
        let pipe_at = fds.len();
        fds.extend(pipe.map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)));
        match poll(&mut fds, self.time_left()) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let is_ready = |at: usize| fds.get(at).is_some_and(|fd| fd.any().unwrap_or_default());
        Ok(Woken { has_ended: is_ready(0), has_told: is_ready(pipe_at) })
    }

    fn time_left(&self) -> PollTimeout {
        let others = [self.timeout_at, self.kill_at].into_iter().flatten().min();
        let next = others.map_or(self.weigh_at, |other| other.min(self.weigh_at));
        // A millisecond more, since `poll` rounds down and would wake just too early.
        let left = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    }

    fn is_time_to_weigh(&mut self) -> bool {
        let now = Instant::now();
        let is_time = self.weigh_at <= now;
        if is_time {
            self.weigh_at = now + WEIGHING;
        }
        is_time
    }

    /// Sends the signal that is due, if any.
    fn urge(&mut self, urgency: Urgency) {
        let now = Instant::now();
        if urgency > self.urged {
            self.urged = urgency;
            self.stopped.get_or_insert(Stopped::Interrupt);
            match urgency {
                Urgency::Soon => self.terminate(self.patience.grace_when_interrupted),
                _ => self.kill(),
            }
        }
        if self.timeout_at.is_some_and(|at| at <= now) {
            self.timeout_at = None;
            if self.stopped.is_none() {
                self.stopped = Some(Stopped::Timeout);
                self.terminate(Some(self.patience.grace));
            }
        }
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill();
        }
    }

    fn terminate(&mut self, grace: Option<Duration>) {
        self.timeout_at = None;
        self.kill_at = grace.map(|grace| Instant::now() + grace);
        _ = killpg(self.pid, Signal::SIGTERM);
    }

    fn kill(&mut self) {
        (self.timeout_at, self.kill_at) = (None, None);
        _ = killpg(self.pid, Signal::SIGKILL);
    }
}

/// The processes that keep `file` open, found in `/proc`; those of other users cannot be seen.
pub(super) fn holders(file: &Path) -> Vec<Pid> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(wanted) = std::fs::metadata(file) else { return Vec::new() };
    let is_wanted = |path: PathBuf| {
        std::fs::metadata(path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()))
    };
    let entries = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten();
    entries("/proc".into())
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            let folder = PathBuf::from(format!("/proc/{pid}/fd"));
            entries(folder).any(|entry| is_wanted(entry.path()))
        })
        .map(Pid::from_raw)
        .collect()
}

/// Kills `processes`, and the group `leader` when one of them is in it.
pub(super) fn kill_all(processes: &[Pid], leader: Option<Pid>) {
    let ours = Pid::this();
    for &process in processes.iter().filter(|&&process| process != ours) {
        let group = nix::unistd::getpgid(Some(process)).ok();
        if let Some(group) = group.filter(|_| group == leader) {
            _ = killpg(group, Signal::SIGKILL);
        }
        _ = kill(process, Signal::SIGKILL);
    }
}
