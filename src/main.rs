//! The binary: calls `cli` and returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    phytotron::cli::main()
}
