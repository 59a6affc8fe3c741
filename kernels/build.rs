//! Compiles the kernels of `kernels/` to PTX for a build with CUDA; any other build does nothing.
//!
//! One text for all devices: the driver compiles it for the GPU it finds, from compute capability 8.0 on. Without
//! `--fmad=false` the compiler would fuse sums and products as it likes, and its next version otherwise.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=kernels/build.rs");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    println!("cargo::rerun-if-changed=kernels");
    println!("cargo::rerun-if-env-changed=CUDA_HOME");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let files = fs::read_dir("kernels").expect("the kernels are part of the source");
    for file in files.map(|file| file.expect("a folder can be read").path()) {
        if file.extension().is_some_and(|end| end == "cu") {
            compile(&file, &out);
        }
    }
}

fn compile(file: &Path, out: &Path) {
    let name = file.with_extension("ptx");
    let name = name.file_name().expect("a file of kernels has a name");
    let nvcc = env::var_os("CUDA_HOME")
        .map_or_else(|| PathBuf::from("nvcc"), |home| Path::new(&home).join("bin/nvcc"));
    let status = Command::new(&nvcc)
        .args(["--ptx", "-arch=compute_80", "-std=c++17", "--fmad=false", "-o"])
        .arg(out.join(name))
        .arg(file)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("nvcc failed for {} ({status})", file.display()),
        Err(error) => panic!(
            "feature `cuda` needs the CUDA compiler, and `{}` cannot be started ({error}): \
             scripts/check-cuda.sh builds with one from PyPI",
            nvcc.display()
        ),
    }
}
