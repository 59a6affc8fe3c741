//! Events as lines of words, shared by all forms for people.

use crate::event::Ending;
use crate::wording;

/// `text` without control characters: names and notes may come from data, and a terminal obeys them.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How a stage ended: `done in 6.2 s`, `failed after 1.0 s: out of memory`, `skipped: search failed`.
pub(super) fn ended(ending: Ending, secs: f64, reason: Option<&str>) -> String {
    let word = ending.word();
    let time = match ending {
        Ending::Done | Ending::Restored => format!(" in {}", wording::seconds(secs)),
        Ending::Failed | Ending::Interrupted => format!(" after {}", wording::seconds(secs)),
        Ending::Cached | Ending::Skipped => String::new(),
    };
    let reason = reason.map_or_else(String::new, |reason| format!(": {}", clean(reason)));
    format!("{word}{time}{reason}")
}

/// `100 of 300 trials`, with the note behind it.
#[must_use]
pub fn advance(unit: &str, done: u64, total: u64, note: &str) -> String {
    let done = wording::thousands(done);
    let total =
        if total > 0 { format!(" of {}", wording::thousands(total)) } else { String::new() };
    let comma = if note.is_empty() { "" } else { ", " };
    format!("{done}{total} {}{comma}{}", clean(unit), clean(note))
}

/// `12.3 trials/s`, `2.1 epochs/min`, by the number of units a second.
#[must_use]
pub fn speed(per_second: f64, unit: &str) -> String {
    let (speed, per) = match per_second {
        0.5.. => (per_second, "s"),
        0.008.. => (per_second * 60.0, "min"),
        _ => (per_second * 3600.0, "h"),
    };
    let unit = clean(unit);
    let digits = usize::from(speed < 100.0);
    format!("{speed:.digits$} {unit}/{per}")
}

/// `pushing to lab: 12 of 4,000 files, 1.5 MiB of 32.0 MiB`.
pub(super) fn transfer(what: &str, done: u64, total: u64, bytes: u64, bytes_total: u64) -> String {
    let (bytes, bytes_total) = (wording::bytes(bytes), wording::bytes(bytes_total));
    let (done, total) = (wording::thousands(done), wording::thousands(total));
    format!("{}: {done} of {total} files, {bytes} of {bytes_total}", clean(what))
}

/// `01: epoch 3 of 12, loss 0.412, accuracy 85.2 %`.
pub(super) fn epoch(
    child: &str,
    epoch: u64,
    epochs: u64,
    loss: f64,
    accuracy: Option<f64>,
) -> String {
    let accuracy = accuracy.map_or_else(String::new, |a| format!(", accuracy {:.1} %", a * 100.0));
    format!("{}: epoch {epoch} of {epochs}, loss {loss:.3}{accuracy}", clean(child))
}

/// How a run ended: `run done in 1 min 21 s`, with the stages that were known.
pub(super) fn run_ended(ok: bool, secs: f64, cached: usize) -> String {
    let word = if ok { "done" } else { "ended without success" };
    let known = match cached {
        0 => String::new(),
        n => format!(", {} cached", wording::count(n, "stage")),
    };
    format!("run {word} in {}{known}", wording::seconds(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_said_in_the_unit_that_makes_it_a_small_number() {
        let said: Vec<String> =
            [31_000.0, 12.34, 0.2, 0.001].map(|speed_of| speed(speed_of, "trials")).into();
        assert_eq!(said, ["31000 trials/s", "12.3 trials/s", "12.0 trials/min", "3.6 trials/h"]);
    }
}
