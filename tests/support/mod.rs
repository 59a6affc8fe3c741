//! A project in a temporary folder, and the real binary run in it.
//!
//! ```ignore
//! TestSpace::new().pipeline(YAML).run(&[]).success().stages("a done, b done");
//! ```

pub(crate) mod browser;
pub(crate) mod moto;
pub(crate) mod python;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use phytotron::run::RunFile;

/// The binary under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_phytotron");

/// Says that a test does nothing here, and why. Where everything must be tested, that is a failure.
pub(crate) fn skip(reason: &str) {
    assert!(
        std::env::var_os("PHYTOTRON_TEST_ALL").is_none(),
        "skipped, but nothing may be: {reason}"
    );
    // Not `eprintln!`, which the test runner keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// A project of its own.
#[derive(Debug)]
pub(crate) struct TestSpace {
    folder: tempfile::TempDir,
}

/// What a run of the binary came to.
#[derive(Debug)]
pub(crate) struct Ran {
    output: Output,
    store: PathBuf,
}

impl TestSpace {
    /// An empty project.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".phytotron")).unwrap();
        Self { folder }
    }

    /// Writes `pipeline.yaml`.
    pub(crate) fn pipeline(self, yaml: &str) -> Self {
        self.file("pipeline.yaml", yaml)
    }

    /// Writes a file of the project.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A path in the project.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Reads a file of the project.
    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.path(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Every file below a folder of the project, with its content.
    pub(crate) fn files(&self, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path(folder), Path::new(""), &mut files);
        files
    }

    /// The binary with `arguments`, to be run in the project.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.folder.path());
        command.env_remove("PHYTOTRON_STORE").stdin(Stdio::null());
        command
    }

    /// The same with a machine's credentials in the environment, as people have them.
    pub(crate) fn signed_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        moto::sign(&mut command, self.folder.path());
        command
    }

    /// Runs the pipeline.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let mut all = vec!["run", "pipeline.yaml"];
        all.extend(arguments);
        self.ran(self.command(&all).output().unwrap())
    }

    /// Starts running the pipeline.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut all = vec!["run", "pipeline.yaml"];
        all.extend(arguments);
        let mut command = self.command(&all);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits for what [`TestSpace::start`] started.
    pub(crate) fn finish(&self, child: Child) -> Ran {
        self.ran(child.wait_with_output().unwrap())
    }

    /// The binary's output with what it says of this project's last run.
    pub(crate) fn ran(&self, output: Output) -> Ran {
        Ran { output, store: self.path(".phytotron") }
    }

    /// Processes that work inside the project, by their number.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let root = self.folder.path().canonicalize().unwrap();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &i32| {
                let folder = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
                folder.starts_with(&root)
            })
            .collect()
    }

    /// Waits until `file` is somewhere below `folder`.
    pub(crate) fn wait_for(&self, folder: &str, file: &str) {
        for _ in 0..2000 {
            let mut files = BTreeMap::new();
            collect(&self.path(folder), Path::new(""), &mut files);
            if files.keys().any(|path| path.file_name().is_some_and(|name| name == file)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("`{file}` never appeared");
    }

    /// Waits until the files below `folder` hold `words` so many `times`.
    pub(crate) fn wait_for_words(&self, folder: &str, words: &str, times: usize) {
        for _ in 0..6000 {
            let files = self.files(folder);
            let found =
                files.values().map(|text| String::from_utf8_lossy(text).matches(words).count());
            if found.sum::<usize>() >= times {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("`{words}` never stood {times} times below `{folder}`");
    }
}

/// Files that come and go while a run works are passed over.
fn collect(folder: &Path, relative: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let relative = relative.join(entry.file_name());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), &relative, files);
        } else if let Ok(bytes) = fs::read(entry.path()) {
            files.insert(relative, bytes);
        }
    }
}

impl Ran {
    /// Asserts exit code 0.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.code(0)
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.output.status.code(), Some(code), "{}", self.text());
        self
    }

    /// Asserts that the run said `words`.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        let text = self.text();
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
        self
    }

    /// Asserts how the stages ended: `a done, b cached`, or `2 cached` when nothing else happened.
    #[track_caller]
    pub(crate) fn stages(self, expected: &str) -> Self {
        assert_eq!(self.endings(), expected, "{}", self.text());
        self
    }

    /// Asserts how the stages ended, whatever their order; `expected` is sorted.
    #[track_caller]
    pub(crate) fn stages_in_any_order(self, expected: &[&str]) -> Self {
        let endings = self.endings();
        let mut sorted: Vec<&str> = endings.split(", ").collect();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{}", self.text());
        self
    }

    /// What was written to standard output.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// All that was written to the terminal.
    pub(crate) fn text(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        text(&self.output.stdout) + &text(&self.output.stderr)
    }

    /// How the stages of the last run in this store ended.
    fn endings(&self) -> String {
        let index = fs::read_to_string(self.store.join("runs/index.jsonl")).unwrap();
        let last: serde_json::Value = serde_json::from_str(index.lines().last().unwrap()).unwrap();
        if last["folder"] == false {
            return format!("{} cached", last["stages"]["cached"].as_u64().unwrap_or(0));
        }
        let path = self.store.join("runs").join(last["run"].as_str().unwrap()).join("run.json");
        let run: RunFile = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let stages = run.ended.unwrap().stages;
        let words: Vec<String> =
            stages.iter().map(|end| format!("{} {}", end.stage, end.ending.word())).collect();
        words.join(", ")
    }
}
