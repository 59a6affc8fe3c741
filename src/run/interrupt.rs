//! Interrupts: the first asks for a clean end, the second ends everything now.
//!
//! Each of the two is a pipe that becomes readable and stays so. Any number of threads can poll it beside
//! what else they wait for, which an atomic flag would not allow. Knows nothing of what is interrupted.

use std::io::{self, PipeReader, PipeWriter, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::sys;

/// How urgently a run should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Not at all.
    None,
    /// Nothing new starts; what runs may write its checkpoint.
    Soon,
    /// Everything is killed.
    Now,
}

/// Asks a run to end.
#[derive(Debug)]
pub struct Interrupt {
    soon: (PipeReader, PipeWriter),
    now: (PipeReader, PipeWriter),
}

/// While this lives, `SIGINT`, `SIGTERM` and `SIGHUP` raise an [`Interrupt`].
#[derive(Debug)]
pub struct Listening<'a> {
    _interrupt: &'a Interrupt,
    _handlers: sys::Handlers,
}

impl Interrupt {
    /// One that nobody has raised.
    ///
    /// # Errors
    /// When the process may open no more files.
    pub fn new() -> io::Result<Self> {
        Ok(Self { soon: io::pipe()?, now: io::pipe()? })
    }

    /// Raises it: the first call asks to end soon, the second to end now.
    pub fn raise(&self) {
        let mut pipe = match self.urgency() {
            Urgency::None => &self.soon.1,
            Urgency::Soon | Urgency::Now => &self.now.1,
        };
        // A pipe nobody reads holds thousands of bytes; a failed write means it is raised already.
        _ = pipe.write(b"!");
    }

    /// Lets signals raise it. Only one interrupt of a process listens at a time.
    ///
    /// # Errors
    /// When the handlers cannot be set.
    pub fn listen(&self) -> io::Result<Listening<'_>> {
        let handlers = sys::Handlers::install([self.soon.1.as_fd(), self.now.1.as_fd()])?;
        Ok(Listening { _interrupt: self, _handlers: handlers })
    }

    /// How urgently to end.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        let mut pipes = [self.now(), self.soon()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let raised = poll(&mut pipes, PollTimeout::ZERO).unwrap_or_default() > 0;
        let is_readable = |pipe: &PollFd<'_>| pipe.any().unwrap_or_default();
        match pipes {
            [now, _] if raised && is_readable(&now) => Urgency::Now,
            [_, soon] if raised && is_readable(&soon) => Urgency::Soon,
            _ => Urgency::None,
        }
    }

    /// Readable from the first call on.
    #[must_use]
    pub fn soon(&self) -> BorrowedFd<'_> {
        self.soon.0.as_fd()
    }

    /// Readable from the second call on.
    #[must_use]
    pub fn now(&self) -> BorrowedFd<'_> {
        self.now.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_call_is_more_urgent_and_both_stay() {
        let interrupt = Interrupt::new().unwrap();
        assert_eq!(interrupt.urgency(), Urgency::None);
        interrupt.raise();
        assert_eq!([interrupt.urgency(), interrupt.urgency()], [Urgency::Soon; 2]);
        interrupt.raise();
        interrupt.raise();
        assert_eq!(interrupt.urgency(), Urgency::Now);
    }
}
