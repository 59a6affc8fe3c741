//! What is known of the terminal that people look at.

use std::env;
use std::io::{self, IsTerminal};

/// Facts about a terminal, or about its absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Whether it can move a cursor.
    pub is_terminal: bool,
    /// Whether colours are wanted.
    pub colour: bool,
    /// Columns; 80 when unknown.
    pub width: u16,
}

impl Terminal {
    /// Standard error as it is now.
    #[must_use]
    pub fn stderr() -> Self {
        let term = env::var("TERM").unwrap_or_default();
        let no_colour = env::var("NO_COLOR").unwrap_or_default();
        let is_terminal = io::stderr().is_terminal();
        Self { width: width(), ..Self::of(is_terminal, &term, &no_colour) }
    }

    /// What `TERM` and `NO_COLOR` (empty when unset) make of a stream.
    #[must_use]
    pub fn of(is_terminal: bool, term: &str, no_colour: &str) -> Self {
        let is_terminal = is_terminal && term != "dumb";
        Self { is_terminal, colour: is_terminal && no_colour.is_empty(), width: 80 }
    }

    /// `text` in a colour, when colours are wanted.
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        if self.colour { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }
}

/// Colours that read on dark and light terminals; each by its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Dim = 2,
}

/// Columns of standard error as it is now; 80 when unknown.
pub(super) fn width() -> u16 {
    let mut table = comfy_table::Table::new();
    table.use_stderr().width().unwrap_or(80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_and_dumb_terminals_are_respected() {
        assert!(Terminal::of(true, "xterm", "").colour);
        assert!(!Terminal::of(true, "xterm", "1").colour);
        assert!(!Terminal::of(true, "dumb", "").is_terminal);
        assert!(!Terminal::of(false, "xterm", "").colour);
    }
}
