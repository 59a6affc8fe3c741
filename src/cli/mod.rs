//! The command line: arguments, one file per command, diagnostics and exit codes.
//!
//! The only room that talks to people, besides the progress it shows. Commands return text or an error;
//! this file prints them and ends the program.

mod args;
mod chart;
mod commands;
pub mod diagnostics;
mod error;
mod exit;
mod project;
mod trial_field;
mod view;

pub use exit::Exit;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Global, When};
use error::CliError;

use crate::diagnostic::Diagnostics;
use crate::progress;

/// Parses the arguments, does what they say, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap, but not to the caller.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // A closed pipe on the other end is no reason to fail.
            let _ = error.print();
            return exit.into();
        }
    };
    log_to_stderr();
    let terminal = Terminal::of(&cli.global);
    match commands::dispatch(&cli, &terminal) {
        Ok(exit) => exit.into(),
        Err(error) => {
            terminal.complain(&error);
            error.exit().into()
        }
    }
}

/// Debugging output by `PHYTOTRON_LOG` (`debug`, `phytotron::run=trace`), and none without.
fn log_to_stderr() {
    // Reading the variable first keeps the no-op free of the subscriber's start-up.
    if let Ok(filter) = std::env::var("PHYTOTRON_LOG") {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
            .with_writer(std::io::stderr)
            .init();
    }
}

/// Where answers go, and what may be written there.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// Answers in JSON.
    pub(crate) json: bool,
    /// Colour and bars on standard error.
    pub(crate) color_err: bool,
    /// Whether standard error is a terminal.
    pub(crate) interactive: bool,
}

impl Terminal {
    fn of(global: &Global) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colored = |is_terminal: bool| match global.color {
            When::Auto => is_terminal && !plain,
            When::Always => true,
            When::Never => false,
        };
        let interactive = std::io::stderr().is_terminal();
        Self { json: global.json, color_err: colored(interactive), interactive }
    }

    /// Writes an answer to standard output; a reader that has gone away is no error.
    #[expect(clippy::unused_self, reason = "who has no terminal cannot speak")]
    pub(crate) fn say(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let _ = write!(out, "{text}{newline}");
        let _ = out.flush();
    }

    /// Writes a value as JSON to standard output.
    pub(crate) fn say_json(&self, value: &serde_json::Value) {
        self.say(&format!("{value:#}"));
    }

    /// Writes a note to standard error.
    #[expect(clippy::unused_self, reason = "who has no terminal cannot speak")]
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
    }

    /// The same for whoever shows progress.
    pub(crate) fn progress(&self) -> progress::Terminal {
        progress::Terminal { colour: self.color_err, ..progress::Terminal::stderr() }
    }

    /// Diagnostics as they look on standard error.
    pub(crate) fn draw(&self, diagnostics: &Diagnostics) -> String {
        diagnostics::render(diagnostics, self.color_err, self.progress().width.into())
    }

    fn complain(&self, error: &CliError) {
        if self.json {
            self.say_json(&error.json());
        } else {
            self.note(&error.text(self.color_err, self.progress().width.into()));
        }
    }
}
