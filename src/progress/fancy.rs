//! Fancy: a bar for each running stage, a line for each finished one, and one bar for the run.
//!
//! Events only set numbers; indicatif draws at most ten times a second. Stages that say nothing are
//! ticked twice a second by one thread, so that their clocks run.

use std::collections::HashMap;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::line;
use super::pace::{Clock, Pace, since_start};
use super::terminal::{Colour, Terminal};
use crate::artifact::StageId;
use crate::event::{Emit, Ending, Event};
use crate::wording;

/// Redraws a second.
const REDRAWS: u8 = 10;
/// How often a silent bar's clock moves.
const TICK: Duration = Duration::from_millis(500);
/// How often a bar takes a new position; between, events only cost a look-up.
const STEP: Duration = Duration::from_millis(50);

/// Draws bars.
pub struct Fancy {
    clock: Clock,
    terminal: Terminal,
    bars: MultiProgress,
    state: Arc<Mutex<State>>,
    /// Dropped with the observer, which ends the ticking thread.
    _ticking: Sender<()>,
}

#[derive(Default)]
struct State {
    running: HashMap<StageId, Running>,
    /// The run's own bar, when there are several stages.
    run: Option<ProgressBar>,
    /// What moves to or from a remote.
    transfer: Option<ProgressBar>,
    cached: usize,
}

struct Running {
    bar: ProgressBar,
    pace: Pace,
    /// Whether its unit and total are known, which gives it a real bar.
    is_measured: bool,
    /// What it last said, for its final line.
    last: String,
}

impl Fancy {
    /// Bars on standard error.
    #[must_use]
    pub fn on_stderr(terminal: &Terminal) -> Self {
        Self::new(ProgressDrawTarget::stderr_with_hz(REDRAWS), *terminal)
    }

    /// Bars on any target of `terminal`'s width.
    #[must_use]
    pub fn new(target: ProgressDrawTarget, terminal: Terminal) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let bars = MultiProgress::with_draw_target(target);
        Self { clock: since_start(), terminal, bars, _ticking: tick(&state), state }
    }

    fn say(&self, colour: Colour, mark: &str, text: &str) {
        // A terminal that went away is no reason to stop a run.
        let _ = self.bars.println(format!("{} {text}", self.terminal.paint(colour, mark)));
    }

    fn start(&self, state: &mut State, stage: &StageId, attempt: u32) {
        let bar = ProgressBar::new_spinner().with_style(style(&spinner_template(self.terminal)));
        let bar = match &state.run {
            Some(run) => self.bars.insert_before(run, bar),
            None => self.bars.add(bar),
        };
        bar.set_prefix(self.name(stage));
        if attempt > 1 {
            bar.set_message(format!("attempt {attempt}"));
        }
        let bar = Running { bar, pace: Pace::new(STEP), is_measured: false, last: String::new() };
        bar.bar.tick();
        if let Some(old) = state.running.insert(stage.clone(), bar) {
            self.bars.remove(&old.bar);
        }
    }

    fn measure(
        &self,
        bar: &mut Running,
        unit: &str,
        done: u64,
        total: u64,
        note: &str,
        now: Duration,
    ) {
        let is_last = total > 0 && done >= total;
        if !bar.pace.is_due(now) && !is_last {
            return;
        }
        if !bar.is_measured && total > 0 {
            bar.bar.set_style(style(&bar_template(self.terminal, unit)));
            bar.is_measured = true;
        }
        bar.last = line::progress(unit, done, total, note);
        if bar.is_measured {
            bar.bar.set_length(total);
            bar.bar.set_position(done);
            bar.bar.set_message(line::clean(note));
        } else {
            bar.bar.set_message(bar.last.clone());
        }
    }

    fn end(&self, state: &mut State, stage: &StageId, ending: Ending, text: &str) {
        let last = state.running.remove(stage).map(|bar| {
            self.bars.remove(&bar.bar);
            bar.last
        });
        if let Some(run) = &state.run {
            run.inc(1);
        }
        let (colour, mark) = match ending {
            Ending::Cached => {
                state.cached += 1;
                return;
            }
            Ending::Done => (Colour::Green, "✓"),
            Ending::Restored => (Colour::Green, "↺"),
            Ending::Failed => (Colour::Red, "✗"),
            Ending::Skipped => (Colour::Yellow, "−"),
            Ending::Interrupted => (Colour::Yellow, "■"),
        };
        let last = last.filter(|last| !last.is_empty() && ending == Ending::Done);
        let tail = last.map_or_else(String::new, |last| {
            self.terminal.paint(Colour::Dim, &format!(" ({last})"))
        });
        self.say(colour, mark, &format!("{stage} {text}{tail}"));
    }

    /// Moves the bar of a transfer; one whose all has moved goes.
    fn transfer(
        &self,
        state: &mut State,
        what: &str,
        (done, total): (u64, u64),
        (bytes, bytes_total): (u64, u64),
    ) {
        let bar = state.transfer.get_or_insert_with(|| {
            let bar = ProgressBar::new(bytes_total);
            self.bars.add(bar.with_style(style(&transfer_template(self.terminal))))
        });
        bar.set_length(bytes_total);
        bar.set_position(bytes);
        let (done_text, total_text) = (wording::thousands(done), wording::thousands(total));
        bar.set_message(format!("{}, {done_text} of {total_text} files", line::clean(what)));
        if done >= total {
            bar.finish_and_clear();
            self.bars.remove(bar);
            state.transfer = None;
        }
    }

    /// A stage's name in the room that bars leave it.
    fn name(&self, stage: &StageId) -> String {
        let room = name_room(self.terminal.width);
        let name = stage.to_string();
        if name.chars().count() <= room {
            return name;
        }
        let mut cut: String = name.chars().take(room - 1).collect();
        cut.push('…');
        cut
    }
}

impl Emit for Fancy {
    fn emit(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::RunStarted { stages, .. } if stages > 1 => {
                let bar = ProgressBar::new(stages as u64);
                let bar = self.bars.add(bar.with_style(style(&run_template(self.terminal))));
                bar.tick();
                state.run = Some(bar);
            }
            Event::RunStarted { .. } | Event::TrialEnded { .. } => {}
            Event::StageWaits { stage, holder } => {
                let text = format!("{stage} waits for {}", line::clean(&holder));
                self.say(Colour::Yellow, "…", &text);
            }
            Event::StageStarted { stage, attempt, .. } => self.start(&mut state, &stage, attempt),
            Event::Progress { stage, unit, done, total, note } => {
                if let Some(bar) = state.running.get_mut(&stage) {
                    self.measure(bar, &unit, done, total, &note, (self.clock)());
                }
            }
            Event::Transfer { what, done, total, bytes, bytes_total } => {
                self.transfer(&mut state, &what, (done, total), (bytes, bytes_total));
            }
            Event::EpochEnded { stage, child, epoch, epochs, loss, accuracy } => {
                if let Some(bar) = state.running.get_mut(&stage)
                    && bar.pace.is_due((self.clock)())
                {
                    bar.bar.set_message(line::epoch(&child, epoch, epochs, loss, accuracy));
                }
            }
            Event::Warning { stage, text } => {
                let of = stage.map_or_else(String::new, |stage| format!("{stage}: "));
                self.say(Colour::Yellow, "!", &format!("{of}{}", line::clean(&text)));
            }
            Event::StageRetries { stage, attempt, reason } => {
                let reason = line::clean(&reason);
                let text = format!("{stage} attempt {attempt} failed: {reason}; trying again");
                self.say(Colour::Yellow, "!", &text);
            }
            Event::StageEnded { stage, ending, secs, reason } => {
                let text = line::ended(ending, secs, reason.as_deref());
                self.end(&mut state, &stage, ending, &text);
            }
            Event::RunEnded { ok, secs } => {
                let bars = state.running.drain().map(|(_, bar)| bar.bar).collect::<Vec<_>>();
                for bar in bars.iter().chain(&state.run.take()).chain(&state.transfer.take()) {
                    self.bars.remove(bar);
                }
                let (colour, mark) = if ok { (Colour::Green, "✓") } else { (Colour::Red, "✗") };
                self.say(colour, mark, &line::run_ended(ok, secs, state.cached));
            }
        }
    }
}

/// Moves the clocks of all bars until the sender is dropped.
fn tick(state: &Arc<Mutex<State>>) -> Sender<()> {
    let (sender, receiver) = mpsc::channel();
    let state = Arc::downgrade(state);
    thread::spawn(move || {
        while receiver.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            let Some(state) = state.upgrade() else { return };
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state
                .running
                .values()
                .map(|bar| &bar.bar)
                .chain(&state.run)
                .for_each(ProgressBar::tick);
        }
    });
    sender
}

/// Letters of a stage's name that are shown.
fn name_room(width: u16) -> usize {
    (usize::from(width) / 3).clamp(8, 40)
}

/// A stage that has not said how much there is to do.
fn spinner_template(terminal: Terminal) -> String {
    let name = name_room(terminal.width).min(24);
    format!("{{spinner}} {{prefix:{name}}} {{elapsed:>4}} {{wide_msg}}")
}

/// A stage with a total; narrow terminals go without the bar itself.
fn bar_template(terminal: Terminal, unit: &str) -> String {
    let name = name_room(terminal.width).min(24);
    // Braces would be read as a key.
    let unit = line::clean(unit).replace(['{', '}'], "");
    match terminal.width {
        0..60 => format!("{{spinner}} {{prefix:{name}}} {{pos}}/{{len}} {{wide_msg}}"),
        60..90 => format!(
            "{{spinner}} {{prefix:{name}}} {{bar:12}} {{human_pos}}/{{human_len}} {unit} {{eta:>4}} {{wide_msg}}"
        ),
        _ => format!(
            "{{spinner}} {{prefix:{name}}} {{bar:24}} {{human_pos}}/{{human_len}} {unit}, {{eta}} left {{wide_msg}}"
        ),
    }
}

/// Objects on their way; narrow terminals go without the bar itself.
fn transfer_template(terminal: Terminal) -> String {
    match terminal.width {
        0..60 => "  {binary_bytes}/{binary_total_bytes} {wide_msg}".to_owned(),
        _ => "  {bar:24} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec} {wide_msg}"
            .to_owned(),
    }
}

/// The whole run.
fn run_template(terminal: Terminal) -> String {
    match terminal.width {
        0..60 => "  {pos}/{len} stages, {elapsed}".to_owned(),
        _ => "  {wide_bar} {pos}/{len} stages, {elapsed}".to_owned(),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|error| panic!("BUG: `{template}`: {error}"))
        .progress_chars("━╸─")
}
