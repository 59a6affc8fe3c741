//! `onnx`, `onnxruntime` and `PyTorch` as judges: other programs get the engine's numbers out of what was exported.
//!
//! A logit may differ by 1e-4, absolute below 1 and relative above, and no image may be taken for another class; in
//! batches of 1, 7 and 200.

use std::path::Path;

use super::cases;
use crate::support::python;

fn judge(mut python: std::process::Command, script: &str) {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases::all();
    for case in &cases {
        case.write(folder.path());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export").join(script);
    let said =
        python::run(python.env("PYTHONDONTWRITEBYTECODE", "1").arg(script).arg(folder.path()));
    assert!(said.contains(&format!("{} agree", cases.len())), "{said}");
}

#[test]
fn onnxruntime_gets_the_engines_logits() {
    if let Some(python) = python::onnx() {
        judge(python, "judge_onnx.py");
    }
}

#[test]
fn torch_gets_the_engines_logits() {
    if let Some(python) = python::torch() {
        judge(python, "judge_torch.py");
    }
}
