//! The command line: arguments, one file per command, diagnostics and exit codes.
