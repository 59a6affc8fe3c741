//! The few system calls that neither std nor nix offers in safe form; all `unsafe` of the room is here.
//!
//! Knows nothing of stages: descriptors and process numbers only.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::unistd::Pid;

/// How a process ended, and what it and all descendants it waited for have used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reaped {
    /// Status as `wait` gives it.
    pub(super) status: i32,
    /// User and system time.
    pub(super) cpu_secs: f64,
    /// Largest resident size of any one of them.
    pub(super) peak_memory_bytes: u64,
}

/// Lets the child of `command` die with the thread that starts it, and inherit descriptors.
///
/// In the child, before the program starts: it asks to be killed when the parent dies, checks that the
/// parent has not died before that, writes its number into `lock` so that a later run knows whom to end,
/// keeps `lock` and `pipe` open across `exec`, and unblocks all signals.
pub(super) fn tie_to_parent(command: &mut Command, lock: RawFd, pipe: Option<RawFd>) {
    let parent = Pid::this();
    let prepare = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        if Pid::parent() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        // SAFETY: the parent keeps both descriptors open until the child has started.
        let lock = unsafe { BorrowedFd::borrow_raw(lock) };
        let mut digits = [0; 11];
        nix::unistd::write(lock, decimal(Pid::this().as_raw(), &mut digits))?;
        fcntl(lock, FcntlArg::F_SETFD(FdFlag::empty()))?;
        if let Some(pipe) = pipe {
            // SAFETY: as above.
            let pipe = unsafe { BorrowedFd::borrow_raw(pipe) };
            fcntl(pipe, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        Ok(())
    };
    // SAFETY: between fork and exec `prepare` only makes system calls: it neither allocates nor locks.
    unsafe { command.pre_exec(prepare) };
}

/// `number` and a line break in `digits`; formatting would not be safe after a fork.
fn decimal(number: i32, digits: &mut [u8; 11]) -> &[u8] {
    let mut rest = number.unsigned_abs();
    let mut start = digits.len() - 1;
    digits[start] = b'\n';
    while start > 0 {
        start -= 1;
        digits[start] = b"0123456789"[rest as usize % 10];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    &digits[start..]
}

/// A descriptor that the parent left open for us under `number`.
pub(super) fn inherited(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: it is only asked whether it is open.
    fcntl(unsafe { BorrowedFd::borrow_raw(number) }, FcntlArg::F_GETFD).ok()?;
    // SAFETY: it is open, and nobody else in this process knows of it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Lets the group write what this process and its children make from now on.
pub(super) fn share_with_group() {
    use nix::sys::stat::{Mode, umask};
    umask(Mode::S_IWOTH);
}

/// A descriptor that becomes readable when the child `pid` ends.
pub(super) fn pidfd(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; the answer is a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = RawFd::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it for us, close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Reaps the child `pid`, waiting for its end.
pub(super) fn wait(pid: Pid) -> io::Result<Reaped> {
    let mut status = 0;
    // SAFETY: all zeroes is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers lead to live values of the right types.
        let waited = unsafe { libc::wait4(pid.as_raw(), &raw mut status, 0, &raw mut usage) };
        if waited == pid.as_raw() {
            return Ok(Reaped {
                status,
                cpu_secs: secs(usage.ru_utime) + secs(usage.ru_stime),
                peak_memory_bytes: u64::try_from(usage.ru_maxrss).unwrap_or_default() * 1024,
            });
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a process fit an f64")]
fn secs(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 / 1e6
}

static PIPES: [AtomicI32; 2] = [AtomicI32::new(-1), AtomicI32::new(-1)];
static CALLS: AtomicUsize = AtomicUsize::new(0);

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Handlers that write to the first pipe at the first signal and to the second at all others.
#[derive(Debug)]
pub(super) struct Handlers {
    before: Vec<(Signal, SigAction)>,
}

impl Handlers {
    /// Sets the handlers; dropping the value puts the old ones back.
    pub(super) fn install(pipes: [BorrowedFd<'_>; 2]) -> io::Result<Self> {
        for (place, pipe) in PIPES.iter().zip(pipes) {
            place.store(pipe.as_raw_fd(), Ordering::SeqCst);
        }
        CALLS.store(0, Ordering::SeqCst);
        let action =
            SigAction::new(SigHandler::Handler(on_signal), SaFlags::SA_RESTART, SigSet::empty());
        let mut handlers = Self { before: Vec::new() };
        for signal in SIGNALS {
            // SAFETY: the handler only uses atomics and `write`, which are safe in a signal.
            let before = unsafe { sigaction(signal, &action) }?;
            handlers.before.push((signal, before));
        }
        Ok(handlers)
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // SAFETY: these are the handlers that were set before ours.
            _ = unsafe { sigaction(*signal, before) };
        }
        for pipe in &PIPES {
            pipe.store(-1, Ordering::SeqCst);
        }
    }
}

extern "C" fn on_signal(_: libc::c_int) {
    let call = CALLS.fetch_add(1, Ordering::SeqCst).min(1);
    let pipe = PIPES[call].load(Ordering::SeqCst);
    let errno = nix::errno::Errno::last_raw();
    // SAFETY: one byte of a constant; a closed or full pipe is an error that changes nothing.
    _ = unsafe { libc::write(pipe, c"!".as_ptr().cast(), 1) };
    nix::errno::Errno::set_raw(errno);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_allocation() {
        let mut digits = [0; 11];
        assert_eq!(decimal(0, &mut digits), b"0\n");
        assert_eq!(decimal(40_317, &mut digits), b"40317\n");
        assert_eq!(decimal(2_147_483_647, &mut digits), b"2147483647\n");
    }
}
