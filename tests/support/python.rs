//! Python programs that judge what was exported: found where `scripts/test` puts them, or skipped by name.

use std::path::Path;
use std::process::Command;

use super::skip;

/// A Python that imports Debian's `python3-torch`; where there is none, says that the test is skipped.
pub(crate) fn torch() -> Option<Command> {
    // The system's own first: another one on `PATH` does not see Debian's packages.
    let found = ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let mut python = Command::new(python);
        imports(python.arg("-c").arg("import torch, PIL"))
    });
    if found.is_none() {
        skip("no Python here has torch and PIL: apt-get install python3-torch python3-pil");
    }
    found.map(Command::new)
}

/// A Python that imports `onnx` and `onnxruntime`; where there is none, says that the test is skipped.
pub(crate) fn onnx() -> Option<Command> {
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/onnx");
    let python = || {
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", &packages);
        python
    };
    if imports(python().arg("-c").arg("import onnx, onnxruntime")) {
        return Some(python());
    }
    skip("no `onnx` and `onnxruntime` in target/onnx: scripts/test puts them there");
    None
}

fn imports(python: &mut Command) -> bool {
    python.output().is_ok_and(|output| output.status.success())
}

/// Runs a program to its end, which must be a good one; what it said.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{said}");
    said
}
