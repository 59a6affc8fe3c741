//! The command line: arguments, one file per command, diagnostics and exit codes.

pub mod diagnostics;
