//! The meter: counts what has moved, and says so a few times a second.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::event::{Emit, Event};

/// Between two words on how far it is.
const PAUSE: Duration = Duration::from_millis(100);

/// Counts one transfer.
pub(super) struct Meter<'a> {
    events: &'a dyn Emit,
    what: String,
    objects: u64,
    bytes: u64,
    objects_done: AtomicU64,
    bytes_done: AtomicU64,
    said: Mutex<Instant>,
}

impl<'a> Meter<'a> {
    /// `what` is `pushing to lab`; then how many objects and bytes there are to move.
    pub(super) fn new(events: &'a dyn Emit, what: String, objects: u64, bytes: u64) -> Self {
        Self {
            events,
            what,
            objects,
            bytes,
            objects_done: AtomicU64::new(0),
            bytes_done: AtomicU64::new(0),
            said: Mutex::new(Instant::now()),
        }
    }

    /// Some bytes have moved.
    pub(super) fn moved(&self, bytes: u64) {
        self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() >= PAUSE {
            *said = Instant::now();
            drop(said);
            self.say();
        }
    }

    /// An object has moved whole.
    pub(super) fn done(&self) {
        self.objects_done.fetch_add(1, Ordering::Relaxed);
        self.moved(0);
    }

    /// All has moved, or no more will.
    pub(super) fn end(&self) {
        self.say();
    }

    fn say(&self) {
        self.events.emit(Event::Transfer {
            what: self.what.clone(),
            done: self.objects_done.load(Ordering::Relaxed),
            total: self.objects,
            // What is sent twice is counted twice, but never shown as more than there is.
            bytes: self.bytes_done.load(Ordering::Relaxed).min(self.bytes),
            bytes_total: self.bytes,
        });
    }
}

/// Counts what is read through it.
pub(super) struct Metered<'a, R> {
    pub(super) source: R,
    pub(super) meter: &'a Meter<'a>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.meter.moved(read as u64);
        Ok(read)
    }
}
