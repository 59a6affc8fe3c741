//! Plain: one line for each thing worth one, for pipes and logs.
//!
//! Cached stages are counted and not listed: a run that does nothing should print almost nothing.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::line;
use super::pace::{Clock, Pace};
use crate::artifact::StageId;
use crate::event::{Emit, Ending, Event};

/// A running stage says how far it is at most this often.
const INTERVAL: Duration = Duration::from_secs(10);
/// The same where it is told long after.
const RETOLD_INTERVAL: Duration = Duration::from_secs(1);

/// Writes lines.
pub struct Plain<W> {
    clock: Clock,
    state: Mutex<State<W>>,
}

struct State<W> {
    writer: W,
    interval: Duration,
    paces: HashMap<StageId, Pace>,
    transfer: Option<Pace>,
    cached: usize,
}

impl<W: Write + Send> Plain<W> {
    /// Lines to `writer`; `clock` only paces them and is not shown.
    pub fn new(writer: W, clock: Clock) -> Self {
        Self { clock, state: Mutex::new(State::new(writer, INTERVAL)) }
    }

    /// The writer, with everything written.
    pub fn into_writer(self) -> W {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).writer
    }
}

impl<W: Write + Send> Emit for Plain<W> {
    fn emit(&self, event: Event) {
        let now = (self.clock)();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = state.line(event, now) {
            // A reader that went away is no reason to stop a run.
            let _ = writeln!(state.writer, "{text}");
        }
    }
}

/// Events as lines, long after: `time` is in seconds, and shown since the first.
#[must_use]
pub fn retold<'e>(events: impl IntoIterator<Item = (f64, &'e Event)>) -> String {
    let mut state = State::new((), RETOLD_INTERVAL);
    let (mut text, mut first) = (String::new(), None);
    for (time, event) in events {
        let since = (time - *first.get_or_insert(time)).max(0.0);
        let since = Duration::try_from_secs_f64(since).unwrap_or_default();
        if let Some(line) = state.line(event.clone(), since) {
            let _ = writeln!(text, "{:>12}  {line}", crate::wording::duration(since));
        }
    }
    text
}

impl<W> State<W> {
    fn new(writer: W, interval: Duration) -> Self {
        Self { writer, interval, paces: HashMap::new(), transfer: None, cached: 0 }
    }

    fn line(&mut self, event: Event, now: Duration) -> Option<String> {
        match event {
            Event::RunStarted { run, pipeline, stages } => {
                let stages = crate::wording::count(stages, "stage");
                Some(format!("{}: {stages}, run {run}", line::clean(&pipeline)))
            }
            Event::StageWaits { stage, holder } => {
                Some(format!("{stage}: waits for {}", line::clean(&holder)))
            }
            Event::StageStarted { stage, attempt, .. } => {
                // The first word on how far it is comes an interval after the start.
                self.paces.insert(stage.clone(), Pace::after(self.interval, now));
                let again =
                    if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                Some(format!("{stage}: started{again}"))
            }
            Event::Progress { stage, unit, done, total, note } => self
                .is_due(&stage, now)
                .then(|| format!("{stage}: {}", line::advance(&unit, done, total, &note))),
            Event::EpochEnded { stage, child, epoch, epochs, loss, accuracy } => {
                self.is_due(&stage, now).then(|| {
                    format!("{stage}: {}", line::epoch(&child, epoch, epochs, loss, accuracy))
                })
            }
            Event::TrialEnded { .. } | Event::Usage { .. } => None,
            Event::Transfer { what, done, total, bytes, bytes_total } => {
                let pace = self.transfer.get_or_insert_with(|| Pace::after(self.interval, now));
                // The end is told by whoever asked for the transfer.
                pace.is_due(now).then(|| line::transfer(&what, done, total, bytes, bytes_total))
            }
            Event::Warning { stage, text } => {
                let of = stage.map_or_else(String::new, |stage| format!("{stage}: "));
                Some(format!("{of}warning: {}", line::clean(&text)))
            }
            Event::StageRetries { stage, attempt, reason } => {
                let reason = line::clean(&reason);
                Some(format!("{stage}: attempt {attempt} failed: {reason}; trying again"))
            }
            Event::StageEnded { ending: Ending::Cached, .. } => {
                self.cached += 1;
                None
            }
            Event::StageEnded { stage, ending, secs, reason } => {
                self.paces.remove(&stage);
                Some(format!("{stage}: {}", line::ended(ending, secs, reason.as_deref())))
            }
            Event::RunEnded { ok, secs } => Some(line::run_ended(ok, secs, self.cached)),
        }
    }

    fn is_due(&mut self, stage: &StageId, now: Duration) -> bool {
        if let Some(pace) = self.paces.get_mut(stage) {
            return pace.is_due(now);
        }
        let pace = Pace::new(self.interval);
        self.paces.entry(stage.clone()).or_insert(pace).is_due(now)
    }
}
