//! Progress: observers of events on a terminal, in plain lines and as JSON.
//!
//! One event stream, several forms of it; an observer never fails and never slows a run: what cannot be
//! written is dropped, and bars are redrawn a few times a second however many trials pass. It knows the
//! events and nothing of who emits them.

mod fancy;
mod json;
mod line;
mod pace;
mod plain;
mod speed;
mod summary;
mod tee;
mod terminal;

pub use fancy::{Fancy, Width};
pub use json::Json;
pub use line::{advance, speed as speed_words};
pub use pace::Clock;
pub use plain::{Plain, retold};
pub use speed::Speed;
pub use summary::{SummaryRow, summary};
pub use tee::Tee;
pub use terminal::Terminal;

use std::io;
use std::sync::Arc;

use crate::event::{Emit, Silent};

/// What a person asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Bars on a terminal, lines elsewhere.
    #[default]
    Auto,
    /// Lines.
    Plain,
    /// JSON lines on standard output.
    Json,
    /// Nothing.
    Quiet,
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// [`Plain`].
    Plain,
    /// [`Fancy`].
    Fancy,
    /// [`Json`].
    Json,
    /// Nothing.
    Silent,
}

/// The form for `mode` where output goes to a terminal or not.
#[must_use]
pub fn choose(mode: Mode, is_terminal: bool) -> Form {
    match mode {
        Mode::Auto if is_terminal => Form::Fancy,
        Mode::Auto | Mode::Plain => Form::Plain,
        Mode::Json => Form::Json,
        Mode::Quiet => Form::Silent,
    }
}

/// The observer of a form on this process' own streams: JSON on standard output, all else on standard
/// error, so that a command's output can be piped on.
#[must_use]
pub fn open(form: Form, terminal: &Terminal) -> Arc<dyn Emit> {
    match form {
        Form::Plain => Arc::new(Plain::new(io::stderr(), pace::since_start())),
        Form::Fancy => Arc::new(Fancy::on_stderr(terminal)),
        Form::Json => Arc::new(Json::new(io::stdout(), pace::since_1970())),
        Form::Silent => Arc::new(Silent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_only_for_terminals() {
        assert_eq!(choose(Mode::Auto, true), Form::Fancy);
        assert_eq!(choose(Mode::Auto, false), Form::Plain);
        assert_eq!(choose(Mode::Plain, true), Form::Plain);
        assert_eq!(choose(Mode::Json, true), Form::Json);
        assert_eq!(choose(Mode::Quiet, false), Form::Silent);
    }
}
