//! The command line: arguments, one file per command, diagnostics and exit codes.

pub mod diagnostics;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::run;
use crate::stage::Registry;

/// Parses the arguments, does what they say, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", job] => {
            run::worker(&PathBuf::from(job), &Registry::standard()).exit_code().into()
        }
        _ => ExitCode::from(2),
    }
}
