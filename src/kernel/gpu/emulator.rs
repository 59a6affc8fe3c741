//! The kernels as a program for the host, which stops at what a GPU would silently get wrong
//! (`kernels/emulator/machine.h`).

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use candle_core::{Result, bail};

use super::{Launch, Machine, View};
use crate::digest::Hasher;

/// Headers, outside of any namespace; then the kernels' files, each in one of its own.
const HEADERS: [&str; 7] = [
    "emulator/launch.h",
    "device.cuh",
    "columns.cuh",
    "window.cuh",
    "tile.cuh",
    "tile_bf16.cuh",
    "conv.cuh",
];

/// A machine that is a process for each launch.
#[derive(Debug)]
pub(crate) struct Emulator {
    program: PathBuf,
}

impl Emulator {
    /// The one of this test run; nothing where there is no compiler.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Emulator>> = OnceLock::new();
        SHARED.get_or_init(Self::build).as_ref()
    }

    /// Compiles the kernels, unless an earlier run has compiled the same.
    fn build() -> Option<Self> {
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "g++".to_owned());
        if Command::new(&compiler).arg("--version").output().is_err() {
            assert!(
                std::env::var_os("PHYTOTRON_TEST_ALL").is_none(),
                "skipped, but nothing may be: no C++ compiler `{compiler}`"
            );
            let _ = writeln!(std::io::stderr(), "skipped: no C++ compiler `{compiler}`");
            return None;
        }
        let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
        let source = main_file(&kernels);
        let folder = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
        let program = folder.join(format!("emulator-{}", fingerprint(&kernels, &source)));
        if !program.exists() {
            let made = tempfile::tempdir_in(&folder).unwrap();
            let file = made.path().join("main.cpp");
            fs::write(&file, source).unwrap();
            let compiled = Command::new(compiler)
                .args(["-std=c++20", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"])
                .args(["-DEMULATED", "-I"])
                .arg(&kernels)
                .arg("-o")
                .args([made.path().join("program"), file])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&compiled.stderr);
            assert!(compiled.status.success(), "the kernels do not compile:\n{said}");
            fs::rename(made.path().join("program"), &program).unwrap();
        }
        Some(Self { program })
    }

    /// A memory's numbers.
    pub(crate) fn read(memory: &[u8]) -> Vec<f32> {
        memory.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }
}

/// The files of kernels, in order.
pub(super) fn files(kernels: &Path) -> Vec<PathBuf> {
    let found = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "cu")).collect()
    };
    let mut files = found(kernels);
    files.extend(found(&kernels.join("emulator")));
    files.sort();
    files
}

fn main_file(kernels: &Path) -> String {
    let mut main = String::new();
    for header in HEADERS {
        writeln!(main, "#include \"{header}\"").unwrap();
    }
    let mut table = String::new();
    for path in files(kernels) {
        let module = path.file_stem().unwrap().to_str().unwrap();
        let file = path.strip_prefix(kernels).unwrap().display();
        writeln!(main, "namespace {module} {{\n#include \"{file}\"\n}}").unwrap();
        let source = fs::read_to_string(&path).unwrap();
        for name in source.split("\nKERNEL(").skip(1).filter_map(|rest| rest.split(')').next()) {
            writeln!(
                table,
                "    if (!std::strcmp(name, \"{module} {name}\")) \
                 return emulator::launch({module}::{name}, r), emulator::reply(r), 0;"
            )
            .unwrap();
        }
    }
    write!(
        main,
        "int main(int, char** arguments) {{\n    const char* name = arguments[1];\n    \
         emulator::Request r = emulator::request();\n{table}    \
         emulator::fail(\"there is no kernel `%s`\", name);\n}}\n"
    )
    .unwrap();
    main
}

/// Of everything that the program is made of.
fn fingerprint(kernels: &Path, main: &str) -> String {
    let mut hasher = Hasher::new();
    hasher.update(main.as_bytes());
    for folder in [kernels.to_path_buf(), kernels.join("emulator")] {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.is_file()) {
            hasher.update(&fs::read(path).unwrap());
        }
    }
    hasher.digest().to_string()[..16].to_owned()
}

impl Machine for Emulator {
    type Memory = Vec<u8>;

    /// All bits are set: a number that a kernel forgets is NaN.
    fn floats(&self, len: usize) -> Result<Vec<u8>> {
        Ok(vec![0xFF; len * 4])
    }

    fn bytes(&self, len: usize) -> Result<Vec<u8>> {
        Ok(vec![0xFE; len])
    }

    fn words(&self, words: &[u32]) -> Result<Vec<u8>> {
        Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
    }

    fn numbers(&self, numbers: &[f32]) -> Result<Vec<u8>> {
        Ok(numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
    }

    #[expect(clippy::cast_possible_truncation, reason = "test data")]
    fn launch(
        &self,
        launch: &Launch,
        reads: &[View<'_, Vec<u8>>],
        writes: &mut [&mut Vec<u8>],
    ) -> Result<()> {
        let reads: Vec<&[u8]> = reads.iter().map(|read| &read.memory[read.start * 4..]).collect();
        let parameters = launch.parameters.words();
        let mut head: Vec<u32> = launch.grid.into_iter().chain(launch.block).collect();
        head.push((reads.len() + writes.len()) as u32);
        head.extend(reads.iter().flat_map(|read| [0, read.len() as u32]));
        head.extend(writes.iter().flat_map(|write| [1, write.len() as u32]));
        head.push(parameters.len() as u32 * 4);
        let mut request = self.words(&head)?;
        request.extend(reads.iter().copied().flatten());
        request.extend(writes.iter().flat_map(|write| write.iter()));
        request.extend(self.words(parameters)?);

        let kernel = launch.kernel;
        let answer = || {
            let mut process = Command::new(&self.program)
                .arg(format!("{} {}", kernel.module, kernel.name))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            // A process that stops early reads no further; what it says is what counts.
            let _ = process.stdin.take().expect("BUG: stdin is piped").write_all(&request);
            process.wait_with_output()
        };
        let mut output = answer()?;
        // Between its fork and its start a process holds the locks of other tests, some of which kill who does.
        while output.status.signal() == Some(9) {
            output = answer()?;
        }
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            bail!("kernel `{}`: {said} ({})", kernel.name, output.status);
        }
        let mut reply = output.stdout.as_slice();
        for write in writes {
            let (own, rest) = reply.split_at(write.len());
            write.copy_from_slice(own);
            reply = rest;
        }
        Ok(())
    }
}
