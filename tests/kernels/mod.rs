//! The CUDA kernels, compiled for GPUs; `src/kernel/gpu/tests.rs` runs them on the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::skip;

/// Compute capabilities: the one that a build compiles for, and that of the newest device that was looked at.
const ARCHITECTURES: [&str; 2] = ["80", "90"];

/// Where scripts/test puts NVRTC.
fn nvrtc() -> Option<PathBuf> {
    let named = std::env::var_os("PHYTOTRON_NVRTC").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| root().join("target/nvrtc"));
    folder.join("nvidia").is_dir().then_some(folder)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Names of the kernels in a file.
fn kernels(source: &str) -> Vec<&str> {
    source.split("\nKERNEL(").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

#[test]
fn every_kernel_compiles_for_gpus_and_uses_no_atomics() {
    let Some(nvrtc) = nvrtc() else {
        return skip("no NVRTC in target/nvrtc: scripts/test installs it");
    };
    let folder = root().join("kernels");
    for architecture in ARCHITECTURES {
        let out = tempfile::tempdir().unwrap();
        let compiled = Command::new("python3")
            .arg(root().join("tests/kernels/nvrtc.py"))
            .arg(&nvrtc)
            .arg(architecture)
            .args([&folder, out.path()])
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let mut count = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "cu") {
                continue;
            }
            let name = path.with_extension("ptx");
            let ptx = fs::read_to_string(out.path().join(name.file_name().unwrap())).unwrap();
            assert!(ptx.contains(&format!(".target sm_{architecture}")), "{}", path.display());
            for kernel in kernels(&fs::read_to_string(&path).unwrap()) {
                assert!(ptx.contains(&format!(".entry {kernel}(")), "{kernel} is missing");
                count += 1;
            }
            let atomics = ptx.lines().find(|line| {
                let word = line.trim_start();
                word.starts_with("atom.") || word.starts_with("red.")
            });
            assert_eq!(atomics, None, "{}", path.display());
        }
        assert!(count >= 25, "{count} kernels");
    }
}
