//! JSON: every event as one line with its time, for machines.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::pace::Clock;
use crate::event::{Emit, Event};

/// Writes JSON lines: `{"time":1795512600.123,"event":"run_started",…}`.
pub struct Json<W> {
    clock: Clock,
    writer: Mutex<W>,
}

#[derive(Serialize)]
struct Line {
    /// Seconds since 1970, to the millisecond.
    time: f64,
    #[serde(flatten)]
    event: Event,
}

impl<W: Write + Send> Json<W> {
    /// JSON lines to `writer`; `clock` gives the time since 1970.
    pub fn new(writer: W, clock: Clock) -> Self {
        Self { clock, writer: Mutex::new(writer) }
    }

    /// The writer, with everything written.
    pub fn into_writer(self) -> W {
        self.writer.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write + Send> Emit for Json<W> {
    fn emit(&self, event: Event) {
        let millis = (self.clock)().as_millis();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay below 2^53")]
        let line = Line { time: millis as f64 / 1e3, event };
        let mut text = serde_json::to_string(&line).expect("BUG: events serialize");
        text.push('\n');
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // One write a line, so that lines of two processes on one pipe do not mix; a reader that went
        // away is no reason to stop a run.
        let _ = writer.write_all(text.as_bytes()).and_then(|()| writer.flush());
    }
}
