//! Fancy: the run as a tree. A bar for the run, below it one for each running stage, below that one for the
//! network that is being trained; a line above for each finished stage.
//!
//! Events only set numbers; indicatif draws at most ten times a second. Twice a second one thread moves the
//! clocks of stages that say nothing, and looks how wide the terminal is now.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::line;
use super::pace::{Clock, Pace, since_start};
use super::speed::Speed;
use super::terminal::{self, Colour, Terminal};
use crate::artifact::StageId;
use crate::event::{Emit, Ending, Event};
use crate::wording;

/// Redraws a second.
const REDRAWS: u8 = 10;
/// How often a silent bar's clock moves.
const TICK: Duration = Duration::from_millis(500);
/// How often a bar takes a new position; between, events only cost a look-up.
const STEP: Duration = Duration::from_millis(100);

/// Draws bars.
pub struct Fancy {
    clock: Clock,
    terminal: Terminal,
    state: Arc<Mutex<State>>,
    /// Dropped with the observer, which ends the ticking thread.
    _ticking: Sender<()>,
}

/// How wide the terminal is now.
pub type Width = Box<dyn Fn() -> u16 + Send>;

struct State {
    bars: MultiProgress,
    width: u16,
    /// In the order in which they began.
    running: Vec<Running>,
    /// The run's own bar, when there are several stages.
    run: Option<ProgressBar>,
    /// What moves to or from a remote.
    transfer: Option<ProgressBar>,
    cached: usize,
}

struct Running {
    stage: StageId,
    bar: ProgressBar,
    /// The network that is being trained.
    child: Option<ProgressBar>,
    pace: Pace,
    child_pace: Pace,
    speed: Speed,
    /// What is counted, once a total is known, which gives the stage a real bar.
    unit: Option<String>,
    total: u64,
    note: String,
    memory_bytes: Option<u64>,
    /// What it last said, for its final line.
    last: String,
}

impl Fancy {
    /// Bars on standard error.
    #[must_use]
    pub fn on_stderr(terminal: &Terminal) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(REDRAWS);
        Self::resizing(target, *terminal, since_start(), Box::new(terminal::width))
    }

    /// Bars on any target of `terminal`'s width.
    #[must_use]
    pub fn new(target: ProgressDrawTarget, terminal: Terminal) -> Self {
        Self::resizing(target, terminal, since_start(), Box::new(move || terminal.width))
    }

    /// Bars on a target whose width changes, by a clock.
    #[must_use]
    pub fn resizing(
        target: ProgressDrawTarget,
        terminal: Terminal,
        clock: Clock,
        width: Width,
    ) -> Self {
        let state = State {
            bars: MultiProgress::with_draw_target(target),
            width: width(),
            running: Vec::new(),
            run: None,
            transfer: None,
            cached: 0,
        };
        let state = Arc::new(Mutex::new(state));
        Self { clock, terminal, _ticking: tick(&state, width), state }
    }

    fn say(&self, state: &State, colour: Colour, mark: &str, text: &str) {
        // A terminal that went away is no reason to stop a run.
        let _ = state.bars.println(format!("{} {text}", self.terminal.paint(colour, mark)));
    }

    fn end(&self, state: &mut State, stage: &StageId, ending: Ending, text: &str) {
        let place = state.running.iter().position(|running| running.stage == *stage);
        let last = place.map(|place| {
            let running = state.running.remove(place);
            running.remove(&state.bars);
            state.name();
            running.last
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
        self.say(state, colour, mark, &format!("{stage} {text}{tail}"));
    }
}

impl Emit for Fancy {
    fn emit(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::RunStarted { stages, pipeline, .. } if stages > 1 => {
                let bar = ProgressBar::new(stages as u64).with_style(run_style(state.width));
                let bar = state.bars.insert(0, bar);
                bar.set_prefix(line::clean(&pipeline));
                bar.tick();
                state.run = Some(bar);
            }
            Event::RunStarted { .. } | Event::TrialEnded { .. } => {}
            Event::StageWaits { stage, holder } => {
                let text = format!("{stage} waits for {}", line::clean(&holder));
                self.say(&state, Colour::Yellow, "…", &text);
            }
            Event::StageStarted { stage, attempt, .. } => state.start(stage, attempt),
            Event::Progress { stage, unit, done, total, note } => {
                let (now, width) = ((self.clock)(), state.width);
                if let Some(running) = state.find(&stage) {
                    running.advance((&unit, done, total, &note), now, width);
                }
            }
            Event::Usage { stage, memory_bytes } => {
                if let Some(running) = state.find(&stage) {
                    running.memory_bytes = Some(memory_bytes);
                    running.say();
                }
            }
            Event::Transfer { what, done, total, bytes, bytes_total } => {
                state.transfer(&what, (done, total), (bytes, bytes_total));
            }
            Event::EpochEnded { stage, child, epoch, epochs, loss, accuracy } => {
                let now = (self.clock)();
                if state.find(&stage).is_some_and(|running| running.child_pace.is_due(now)) {
                    let text = line::epoch(&child, epoch, epochs, loss, accuracy);
                    state.epoch(&stage, epoch, epochs, text);
                }
            }
            Event::Warning { stage, text } => {
                let of = stage.map_or_else(String::new, |stage| format!("{stage}: "));
                self.say(&state, Colour::Yellow, "!", &format!("{of}{}", line::clean(&text)));
            }
            Event::StageRetries { stage, attempt, reason } => {
                let reason = line::clean(&reason);
                let text = format!("{stage} attempt {attempt} failed: {reason}; trying again");
                self.say(&state, Colour::Yellow, "!", &text);
            }
            Event::StageEnded { stage, ending, secs, reason } => {
                let text = line::ended(ending, secs, reason.as_deref());
                self.end(&mut state, &stage, ending, &text);
            }
            Event::RunEnded { ok, secs } => {
                for running in std::mem::take(&mut state.running) {
                    running.remove(&state.bars);
                }
                for bar in state.run.take().iter().chain(&state.transfer.take()) {
                    state.bars.remove(bar);
                }
                let (colour, mark) = if ok { (Colour::Green, "✓") } else { (Colour::Red, "✗") };
                self.say(&state, colour, mark, &line::run_ended(ok, secs, state.cached));
            }
        }
    }
}

impl State {
    fn find(&mut self, stage: &StageId) -> Option<&mut Running> {
        self.running.iter_mut().find(|running| running.stage == *stage)
    }

    fn start(&mut self, stage: StageId, attempt: u32) {
        if let Some(place) = self.running.iter().position(|running| running.stage == stage) {
            self.running.remove(place).remove(&self.bars);
        }
        let bar = ProgressBar::new_spinner().with_style(silent_style());
        let above = self.running.last().map(|last| last.child.as_ref().unwrap_or(&last.bar));
        let bar = match above.or(self.run.as_ref()) {
            Some(above) => self.bars.insert_after(above, bar),
            None => self.bars.insert(0, bar),
        };
        let note = if attempt > 1 { format!("attempt {attempt}") } else { String::new() };
        let running = Running {
            stage,
            bar,
            child: None,
            pace: Pace::new(STEP),
            child_pace: Pace::new(STEP),
            speed: Speed::default(),
            unit: None,
            total: 0,
            note,
            memory_bytes: None,
            last: String::new(),
        };
        running.say();
        self.running.push(running);
        self.name();
        self.running.iter().for_each(|running| running.bar.tick());
    }

    fn epoch(&mut self, stage: &StageId, epoch: u64, epochs: u64, text: String) {
        let Self { bars, running, width, .. } = self;
        let Some(running) = running.iter_mut().find(|running| running.stage == *stage) else {
            return;
        };
        let is_new = running.child.is_none();
        let child = running.child.get_or_insert_with(|| {
            let bar = ProgressBar::new(epochs).with_style(child_style(*width));
            bars.insert_after(&running.bar, bar)
        });
        child.set_length(epochs);
        child.set_position(epoch);
        child.set_message(text);
        if is_new {
            self.name();
        }
    }

    /// Draws the branches of the tree before the names, which have one width.
    fn name(&self) {
        let room = name_room(self.width);
        let names: Vec<String> =
            self.running.iter().map(|running| cut(&running.stage.to_string(), room)).collect();
        let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
        for (i, (running, name)) in self.running.iter().zip(&names).enumerate() {
            let is_last = i + 1 == names.len();
            let (branch, below) = match (&self.run, is_last) {
                (None, _) => ("", ""),
                (Some(_), false) => ("├─ ", "│  "),
                (Some(_), true) => ("└─ ", "   "),
            };
            running.bar.set_prefix(format!("{branch}{name:widest$}"));
            if let Some(child) = &running.child {
                child.set_prefix(format!("{below}└─"));
            }
        }
    }

    /// Moves the bar of a transfer; one whose all has moved goes.
    fn transfer(
        &mut self,
        what: &str,
        (done, total): (u64, u64),
        (bytes, bytes_total): (u64, u64),
    ) {
        let bar = self.transfer.get_or_insert_with(|| {
            let bar = ProgressBar::new(bytes_total).with_style(transfer_style(self.width));
            self.bars.add(bar)
        });
        bar.set_length(bytes_total);
        bar.set_position(bytes);
        let (done_text, total_text) = (wording::thousands(done), wording::thousands(total));
        bar.set_message(format!("{}, {done_text} of {total_text} files", line::clean(what)));
        if done >= total {
            bar.finish_and_clear();
            self.bars.remove(bar);
            self.transfer = None;
        }
    }

    /// Everything in the styles of a new width.
    fn resize(&mut self, width: u16) {
        self.width = width;
        if let Some(run) = &self.run {
            run.set_style(run_style(width));
        }
        if let Some(transfer) = &self.transfer {
            transfer.set_style(transfer_style(width));
        }
        for running in &self.running {
            if let Some(unit) = &running.unit {
                running.bar.set_style(stage_style(width, unit));
            }
            if let Some(child) = &running.child {
                child.set_style(child_style(width));
            }
        }
        self.name();
    }
}

impl Running {
    fn remove(&self, bars: &MultiProgress) {
        for bar in [Some(&self.bar), self.child.as_ref()].into_iter().flatten() {
            bars.remove(bar);
        }
    }

    fn advance(
        &mut self,
        (unit, done, total, note): (&str, u64, u64, &str),
        now: Duration,
        width: u16,
    ) {
        let is_last = total > 0 && done >= total;
        if !self.pace.is_due(now) && !is_last {
            return;
        }
        self.speed.note(now.as_secs_f64(), done);
        self.last = line::advance(unit, done, total, note);
        self.note = line::clean(note);
        self.total = total;
        if total > 0 {
            if self.unit.as_deref() != Some(unit) {
                self.bar.set_style(stage_style(width, unit));
                self.unit = Some(unit.to_owned());
            }
            self.bar.set_length(total);
            self.bar.set_position(done);
        }
        self.say();
    }

    /// The words behind the bar, the most wanted first, since a narrow terminal cuts the last.
    fn say(&self) {
        let known =
            if self.unit.is_some() || self.last.is_empty() { &self.note } else { &self.last };
        let left = self.speed.secs_left(self.total).filter(|left| *left > 0.0);
        let unit = self.unit.as_deref();
        let speed = self.speed.per_second().zip(unit).map(|(speed, unit)| line::speed(speed, unit));
        let words = [
            Some(known.clone()).filter(|known| !known.is_empty()),
            left.map(|left| format!("{} left", wording::seconds(left))),
            speed,
            self.memory_bytes.map(wording::bytes),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        self.bar.set_message(words.join(", "));
    }
}

/// Moves the clocks of all bars and follows the terminal's width until the sender is dropped.
fn tick(state: &Arc<Mutex<State>>, width: Width) -> Sender<()> {
    let (sender, receiver) = mpsc::channel();
    let state = Arc::downgrade(state);
    thread::spawn(move || {
        while receiver.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            let Some(state) = state.upgrade() else { return };
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let now = width();
            if now != state.width {
                state.resize(now);
            }
            let stages = state.running.iter().map(|running| &running.bar);
            stages.chain(&state.run).for_each(ProgressBar::tick);
        }
    });
    sender
}

/// Letters of a stage's name that are shown.
fn name_room(width: u16) -> usize {
    (usize::from(width) / 3).clamp(8, 40)
}

/// `name` in this many letters, with an ellipsis where it had more.
fn cut(name: &str, room: usize) -> String {
    if name.chars().count() <= room {
        return name.to_owned();
    }
    let mut cut: String = name.chars().take(room - 1).collect();
    cut.push('…');
    cut
}

/// A stage that has not said how much there is to do.
fn silent_style() -> ProgressStyle {
    style("{prefix}  {elapsed:>4}  {wide_msg}")
}

/// A stage with a total; narrow terminals go without the bar itself.
fn stage_style(width: u16, unit: &str) -> ProgressStyle {
    // Braces would be read as a key.
    let unit = line::clean(unit).replace(['{', '}'], "");
    match width {
        0..60 => style("{prefix}  {pos}/{len} {wide_msg}"),
        60..90 => style(&format!(
            "{{prefix}}  {{bar:12}} {{human_pos}}/{{human_len}} {unit}  {{wide_msg}}"
        )),
        _ => style(&format!(
            "{{prefix}}  {{bar:24}} {{human_pos}}/{{human_len}} {unit}  {{wide_msg}}"
        )),
    }
}

/// The network that is being trained.
fn child_style(width: u16) -> ProgressStyle {
    match width {
        0..60 => style("{prefix} {wide_msg}"),
        _ => style("{prefix} {bar:12} {wide_msg}"),
    }
}

/// Objects on their way; narrow terminals go without the bar itself.
fn transfer_style(width: u16) -> ProgressStyle {
    match width {
        0..60 => style("  {binary_bytes}/{binary_total_bytes} {wide_msg}"),
        _ => style(
            "  {bar:24} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec} {wide_msg}",
        ),
    }
}

/// The whole run.
fn run_style(width: u16) -> ProgressStyle {
    match width {
        0..60 => style("{pos}/{len} stages, {elapsed} {wide_msg}"),
        _ => style("{spinner} {prefix}  {wide_bar} {pos}/{len} stages, {elapsed}"),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|error| panic!("BUG: `{template}`: {error}"))
        .progress_chars("━╸─")
}
