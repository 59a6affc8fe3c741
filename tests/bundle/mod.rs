//! Bundles, proof and git: a study leaves one folder and is the same in another.

mod git;
mod handing_over;
mod hostile;
mod verifying;

use std::path::Path;
use std::process::{Command, Output};

use crate::support::PROGRAM;

/// A study with a base, a program, data, a stage that only feeds and one that is final.
pub(crate) const STUDY: &str = "extends: base.yaml\nname: study\nstages:\n  \
    last: { use: command, inputs: { x: first }, with: { run: \"cat inputs/x/o > o; echo 2.5 >> o\", outputs: [o] } }\n";

const BASE: &str = "stages:\n  \
    first: { use: command, with: { run: \"sh bin/count.sh data/words.txt > o\", files: [bin/count.sh, data/words.txt], outputs: [o] } }\n";

pub(crate) fn study() -> crate::support::TestSpace {
    crate::support::TestSpace::new()
        .pipeline(STUDY)
        .file("base.yaml", BASE)
        .file("bin/count.sh", "wc -w < $1\n")
        .file("data/words.txt", "oak fir elm\n")
}

/// Runs the binary in a folder.
pub(crate) fn phytotron(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments.split_whitespace()).current_dir(folder);
    command.env_remove("PHYTOTRON_STORE").output().unwrap()
}

/// What a run of the binary said.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Asserts an exit code and words.
#[track_caller]
pub(crate) fn check(folder: &Path, arguments: &str, code: i32, words: &[&str]) -> String {
    let output = phytotron(folder, arguments);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
    for word in words {
        assert!(said.contains(word), "{arguments}: `{word}` is not in:\n{said}");
    }
    said
}
