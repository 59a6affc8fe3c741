//! Runs of small studies of commands, planned by a stand-in for the planner.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::artifact::{Coordinates, StageId};
use crate::digest::Digest;
use crate::event::{Emit, Ending, Event};
use crate::manifest::Manifest;
use crate::plan::{Feed, PlanError, Request, Resolved, Selection, StageIndex, Study, StudyStage};
use crate::record::OutputRecord;
use crate::spec;
use crate::stage::{Registry, Stage};
use crate::store::{Store, StoreOptions};

/// A study on its way, and the folder it runs in.
pub(super) struct Space {
    folder: tempfile::TempDir,
    stages: Vec<StudyStage>,
    interrupt: Arc<Interrupt>,
    keep_going: bool,
    force: bool,
    jobs: usize,
    pools: Tokens,
    gpus: Vec<String>,
}

/// What a run said and came to.
pub(super) struct Ran {
    pub(super) report: Result<RunReport, RunError>,
    pub(super) events: Vec<Event>,
}

impl Space {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            stages: Vec::new(),
            interrupt: Arc::new(Interrupt::new().unwrap()),
            keep_going: false,
            force: false,
            jobs: 2,
            pools: Tokens::new(),
            gpus: Vec::new(),
        }
    }

    /// Adds a command that writes `out.txt`; inputs are names of earlier stages, each its own port.
    fn stage(self, name: &str, inputs: &[&str], run: &str) -> Self {
        self.command(name, inputs, &json!({ "run": run, "outputs": ["out.txt"] }))
    }

    fn command(self, name: &str, inputs: &[&str], with: &serde_json::Value) -> Self {
        let kind = Registry::standard().get("command").unwrap();
        self.add(name, inputs, kind.revive(with).unwrap())
    }

    /// Adds a stage that runs in a worker.
    pub(super) fn built_in(self, name: &str, stage: Box<dyn Stage>) -> Self {
        self.add(name, &[], stage)
    }

    fn add(mut self, name: &str, inputs: &[&str], stage: Box<dyn Stage>) -> Self {
        let feed = |input: &&str| {
            let stage = self.stages.iter().position(|stage| stage.id.name == **input).unwrap();
            Feed {
                stage: StageIndex(stage),
                output: self.stages[stage].stage.outputs()[0].name.clone(),
                coordinates: Coordinates::default(),
            }
        };
        let inputs: Vec<(String, Vec<Feed>)> =
            inputs.iter().map(|input| ((*input).to_owned(), vec![feed(input)])).collect();
        let before: Vec<StageIndex> =
            inputs.iter().flat_map(|(_, feeds)| feeds).map(|feed| feed.stage).collect();
        for need in &before {
            let index = StageIndex(self.stages.len());
            self.stages[need.0].after.push(index);
            self.stages[need.0].is_final = false;
        }
        self.stages.push(StudyStage {
            id: StageId { name: name.to_owned(), coordinates: Coordinates::default() },
            stage,
            inputs,
            needs: Vec::new(),
            before,
            after: Vec::new(),
            settings: spec::Settings::default(),
            is_final: true,
            written: 0,
        });
        self
    }

    /// Changes the settings of the stage added last.
    fn set(mut self, change: impl FnOnce(&mut spec::Settings)) -> Self {
        change(&mut self.stages.last_mut().unwrap().settings);
        self
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub(super) fn write(&self, relative: &str, text: &str) {
        fs::create_dir_all(self.path(relative).parent().unwrap()).unwrap();
        fs::write(self.path(relative), text).unwrap();
    }

    pub(super) fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap()
    }

    fn store(&self) -> Store {
        Store::open(&self.path(".phytotron"), StoreOptions::default()).unwrap()
    }

    pub(super) fn run(&mut self) -> Ran {
        self.run_watched(&|_| {})
    }

    /// Runs, telling every event to `watch`.
    fn run_watched(&mut self, watch: &(dyn Fn(&Event) + Sync)) -> Ran {
        let study = Study {
            pipeline: spec::Pipeline {
                name: "test".to_owned(),
                description: None,
                seed: 7,
                params: Vec::new(),
                stages: Vec::new(),
                sources: crate::span::Sources::default(),
                files: Vec::new(),
            },
            stages: std::mem::take(&mut self.stages),
        };
        let store = self.store();
        let request = Request {
            root: self.folder.path().to_owned(),
            file: PathBuf::from("test.yaml"),
            params: Vec::new(),
            selection: Selection::default(),
            store: store.root().to_owned(),
        };
        let options = RunOptions {
            program: self.path("worker.sh"),
            cuda_program: self.path("cuda.sh"),
            jobs: Some(self.jobs),
            threads: None,
            pools: self.pools.clone(),
            gpus: self.gpus.clone(),
            keep_going: self.keep_going,
            force: self.force,
            profile: false,
        };
        let heard = Heard { events: Mutex::default(), watch };
        let mut planner = Stand::new(&study, &store, self.folder.path());
        let report = execute(
            &request,
            &study,
            &mut planner,
            (&store).into(),
            &options,
            &self.interrupt,
            &heard,
        );
        let events = heard.events.into_inner().unwrap();
        self.stages = study.stages;
        Ran { report, events }
    }
}

impl Ran {
    /// `a done, b failed`; stages in topological order.
    pub(super) fn endings(&self) -> String {
        let report = self.report.as_ref().unwrap();
        let words: Vec<String> = report
            .stages
            .iter()
            .map(|stage| format!("{} {}", stage.stage, stage.ending.word()))
            .collect();
        words.join(", ")
    }

    pub(super) fn reason(&self, stage: &str) -> String {
        let report = self.report.as_ref().unwrap();
        let found = report.stages.iter().find(|end| end.stage.name == stage).unwrap();
        found.reason.clone().unwrap_or_default()
    }
}

struct Heard<'w> {
    events: Mutex<Vec<Event>>,
    watch: &'w (dyn Fn(&Event) + Sync),
}

impl Emit for Heard<'_> {
    fn emit(&self, event: Event) {
        (self.watch)(&event);
        self.events.lock().unwrap().push(event);
    }
}

/// Stands in for the planner: parameters, input digests and declared files, nothing else.
struct Stand<'a> {
    study: &'a Study,
    store: &'a Store,
    project: &'a Path,
    known: BTreeMap<StageIndex, BTreeMap<String, OutputRecord>>,
}

impl<'a> Stand<'a> {
    fn new(study: &'a Study, store: &'a Store, project: &'a Path) -> Self {
        Self { study, store, project, known: BTreeMap::new() }
    }
}

impl Resolve for Stand<'_> {
    fn resolve(&mut self, index: StageIndex) -> Result<Resolved, PlanError> {
        let stage = self.study.get(index);
        let mut manifest = Manifest::default();
        manifest.line("kind", &stage.stage.kind());
        stage.stage.parameters(&mut manifest);
        manifest.line("launch", &format!("{:?}", stage.stage.launch()));
        for (port, feeds) in &stage.inputs {
            for feed in feeds {
                let tree = self.known[&feed.stage][&feed.output].tree;
                manifest.line(format!("input.{port}"), &tree);
            }
        }
        let mut files = BTreeMap::new();
        for path in stage.stage.files() {
            let digest = Digest::of(&fs::read(self.project.join(&path)).unwrap());
            manifest.line(format!("file.{path}"), &digest);
            files.insert(path, digest);
        }
        let fingerprint = manifest.fingerprint();
        Ok(Resolved {
            earlier: None,
            elsewhere: None,
            manifest,
            fingerprint,
            files,
            record: self.store.record(&fingerprint)?,
            was_last: true,
            reason: String::new(),
        })
    }

    fn know(&mut self, stage: StageIndex, outputs: &BTreeMap<String, OutputRecord>) {
        self.known.insert(stage, outputs.clone());
    }
}

fn two_stages() -> Space {
    Space::new().stage("a", &[], "echo one > out.txt").stage(
        "b",
        &["a"],
        "cat inputs/a/out.txt inputs/a/out.txt > out.txt",
    )
}

#[test]
fn a_second_run_finds_everything_cached() {
    let mut space = two_stages();
    assert_eq!(space.run().endings(), "a done, b done");
    assert_eq!(space.read("out/test/b/out.txt"), "one\none\n");
    let second = space.run();
    assert_eq!(second.endings(), "a cached, b cached");
    assert!(!second.events.iter().any(|event| matches!(event, Event::StageStarted { .. })));
}

#[test]
fn equal_bytes_stop_the_rerun() {
    let mut space = two_stages();
    space.run();
    space.stages.clear();
    let mut space = space.stage("a", &[], "echo one | cat > out.txt").stage(
        "b",
        &["a"],
        "cat inputs/a/out.txt inputs/a/out.txt > out.txt",
    );
    assert_eq!(space.run().endings(), "a done, b cached");
}

#[test]
fn nothing_is_left_of_attempts_that_ended_well() {
    let mut space = two_stages();
    space.run();
    assert_eq!(fs::read_dir(space.path(".phytotron/work")).unwrap().count(), 0);
}

#[test]
fn a_failure_says_how_it_ended_and_what_it_said_last() {
    let mut space = Space::new().stage("a", &[], "echo so far; echo no more >&2; exit 3");
    let ran = space.run();
    assert_eq!(ran.endings(), "a failed");
    let reason = ran.reason("a");
    assert!(reason.starts_with("exit code 3; the end of "), "{reason}");
    assert!(reason.ends_with("logs/a.log:\n  so far\n  no more"), "{reason}");
}

#[test]
fn what_needs_a_failed_stage_is_skipped_and_the_rest_goes_on_when_asked() {
    let sketch = || {
        let mut space = Space::new()
            .stage("a", &[], "exit 1")
            .stage("b", &["a"], "true")
            .stage("c", &[], "echo c > out.txt")
            .stage("d", &["c"], "echo d > out.txt");
        space.jobs = 1;
        space
    };
    let ran = sketch().run();
    assert_eq!(ran.endings(), "a failed, b skipped, c skipped, d skipped");
    assert_eq!(ran.reason("b"), "`a` failed");
    assert_eq!(ran.reason("c"), "not started after `a` failed; `--keep-going` goes on");
    let mut space = sketch();
    space.keep_going = true;
    assert_eq!(space.run().endings(), "a failed, b skipped, c done, d done");
}

#[test]
fn commands_see_a_bare_world() {
    let run = "ls -A > out.txt; test -z \"$(cat -)\"; env | cut -d= -f1 >> out.txt";
    let with = json!({ "run": run, "outputs": ["out.txt"], "env": { "MINE": "1" }, "seed": 3 });
    let mut space = Space::new().command("a", &[], &with);
    assert_eq!(space.run().endings(), "a done");
    let seen = space.read("out/test/a/out.txt");
    let mut lines = seen.lines();
    assert_eq!(lines.next(), Some("out.txt"), "the folder is empty but for what was just made");
    let known = "HOME LANG MINE PATH PHYTOTRON_CHECKPOINT_DIR PHYTOTRON_SEED PWD TMPDIR USER";
    let known: BTreeSet<&str> = known.split(' ').chain(["OLDPWD", "SHLVL", "_"]).collect();
    let odd: Vec<&str> = lines.filter(|name| !known.contains(name)).collect();
    assert!(odd.is_empty(), "{odd:?}");
}

#[test]
fn retries_resume_from_the_checkpoint() {
    let run = "n=$(cat $PHYTOTRON_CHECKPOINT_DIR/n 2>/dev/null || echo 0); \
               echo $((n + 1)) > $PHYTOTRON_CHECKPOINT_DIR/n; test $n = 2; echo $n > out.txt";
    let mut space = Space::new().stage("a", &[], run).set(|settings| settings.retries = 2);
    let ran = space.run();
    assert_eq!(ran.endings(), "a done");
    assert_eq!(space.read("out/test/a/out.txt"), "2\n");
    let attempts = |event: &&Event| matches!(event, Event::StageStarted { .. });
    assert_eq!(ran.events.iter().filter(attempts).count(), 3);
}

#[test]
fn a_timeout_ends_the_whole_group() {
    let mut space = Space::new()
        .stage("a", &[], "sleep 1000 & sleep 1000")
        .set(|settings| settings.timeout = Some(Duration::from_millis(100)));
    let ran = space.run();
    assert_eq!(ran.reason("a"), "timed out after 100 ms; it said nothing");
}

#[test]
fn what_a_command_leaves_running_is_ended_before_its_outputs_are_taken() {
    let run = "(trap '' TERM HUP; while :; do echo x >> out.txt; done) & setsid sleep 1000 & \
               sleep 0.05; echo done";
    let mut space = Space::new().stage("a", &[], run);
    assert_eq!(space.run().endings(), "a done");
    let first = space.read("out/test/a/out.txt");
    assert!(!first.is_empty());
}

/// Runs, and interrupts `times` times once the first stage has written `file` somewhere.
fn interrupted(space: &mut Space, times: usize) -> Ran {
    let interrupt = Arc::clone(&space.interrupt);
    let work = space.path(".phytotron/work");
    let raise = move |event: &Event| {
        if matches!(event, Event::StageStarted { .. }) {
            let (interrupt, work) = (Arc::clone(&interrupt), work.clone());
            std::thread::spawn(move || {
                while !is_anywhere(&work, "started") {
                    std::thread::sleep(Duration::from_millis(2));
                }
                (0..times).for_each(|_| interrupt.raise());
            });
        }
    };
    space.run_watched(&raise)
}

pub(super) fn is_anywhere(folder: &Path, name: &str) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        entry.file_name() == name || entry.path().is_dir() && is_anywhere(&entry.path(), name)
    })
}

#[test]
fn the_first_interrupt_lets_a_command_end_and_starts_nothing_new() {
    let run = "trap 'echo kept > $PHYTOTRON_CHECKPOINT_DIR/state; exit 0' TERM; \
               echo > started; while :; do sleep 0.01; done";
    let mut space = Space::new().stage("a", &[], run).stage("b", &["a"], "true");
    let ran = interrupted(&mut space, 1);
    assert_eq!(ran.endings(), "a interrupted, b interrupted");
    assert!(ran.report.unwrap().interrupted);
    assert!(is_anywhere(&space.path(".phytotron/work"), "state"));
}

#[test]
fn the_second_interrupt_kills() {
    let run = "trap '' TERM; echo > started; while :; do sleep 0.01; done";
    let mut space = Space::new().stage("a", &[], run);
    let started = std::time::Instant::now();
    assert_eq!(interrupted(&mut space, 2).endings(), "a interrupted");
    assert!(started.elapsed() < Duration::from_secs(5), "nobody waited for the grace to end");
}

#[test]
fn a_missing_output_lists_what_is_there() {
    let mut space = Space::new().stage("a", &[], "echo > out.text");
    assert_eq!(
        space.run().reason("a"),
        "output `files` is missing: no `out.txt` was written; there is `out.text`"
    );
}

#[test]
fn a_modified_input_fails_the_stage_and_harms_nobody() {
    let mut space = Space::new().stage("a", &[], "echo one > out.txt").stage(
        "b",
        &["a"],
        "chmod u+w inputs/a/out.txt; echo more >> inputs/a/out.txt; echo b > out.txt",
    );
    let reason = space.run().reason("b");
    assert_eq!(reason, "modified its input `inputs/a/out.txt`; copy what is to be changed");
    space.stages.pop();
    space.stages[0].is_final = true;
    space.stages[0].after.clear();
    space.run();
    assert_eq!(space.read("out/test/a/out.txt"), "one\n");
}

#[test]
fn a_file_that_changes_after_planning_fails_the_stage() {
    let with =
        json!({ "run": "cp data.txt out.txt", "outputs": ["out.txt"], "files": ["data.txt"] });
    let mut space = Space::new().command("a", &[], &with);
    space.write("data.txt", "planned");
    let data = space.path("data.txt");
    let ran = space.run_watched(&|event| {
        if matches!(event, Event::StageStarted { .. }) {
            fs::write(&data, "edited").unwrap();
        }
    });
    let expected = "`data.txt` changed while running: run again to plan with the new content";
    assert_eq!(ran.reason("a"), expected);
    assert_eq!(space.run().endings(), "a done");
    assert_eq!(space.read("out/test/a/out.txt"), "edited");
}

#[test]
fn a_request_above_capacity_is_refused_before_anything_runs() {
    let mut space = Space::new()
        .stage("a", &[], "echo > out.txt")
        .stage("b", &["a"], "echo > out.txt")
        .set(|settings| _ = settings.resources.insert("gpu".to_owned(), 2));
    space.pools.insert("gpu".to_owned(), 1);
    let ran = space.run();
    let error = ran.report.unwrap_err().to_string();
    let expected = "stage `b` asks for 2 of `gpu`, but there are 1: ask for less, or raise it with \
                    `--pool gpu=N`";
    assert_eq!(error, expected);
    assert!(!ran.events.iter().any(|event| matches!(event, Event::StageStarted { .. })));
}

#[test]
fn a_pool_bounds_what_runs_at_once() {
    let mut space = Space::new();
    for name in ["a", "b", "c", "d"] {
        space = space
            .stage(name, &[], &format!("sleep 0.02; echo {name} > out.txt"))
            .set(|settings| _ = settings.resources.insert("gpu".to_owned(), 1));
    }
    space.jobs = 4;
    space.pools.insert("gpu".to_owned(), 1);
    let ran = space.run();
    let mut running = 0;
    for event in &ran.events {
        match event {
            Event::StageStarted { .. } => running += 1,
            Event::StageEnded { .. } => running -= 1,
            _ => {}
        }
        assert!(running <= 1);
    }
    assert!(ran.report.unwrap().ok);
}

#[test]
fn stages_at_once_see_gpus_of_their_own() {
    let mut space = Space::new();
    for (name, gpus) in [("a", 2), ("b", 1), ("c", 0)] {
        let other = if name == "a" { "b" } else { "a" };
        let folder = space.folder.path().display();
        // The first two wait for each other, so that they run at once.
        let run = format!(
            "echo \"${{CUDA_VISIBLE_DEVICES-all}}\" > out.txt; [ {gpus} = 0 ] && exit; \
             touch {folder}/{name}; until [ -e {folder}/{other} ]; do sleep 0.01; done"
        );
        space = space.stage(name, &[], &run).set(|settings| {
            if gpus > 0 {
                settings.resources.insert("gpu".to_owned(), gpus);
            }
        });
    }
    space.gpus = ["3", "5", "7"].map(str::to_owned).to_vec();
    assert_eq!(space.run().endings(), "a done, b done, c done");
    let seen = ["a", "b", "c"].map(|name| space.read(&format!("out/test/{name}/out.txt")));
    assert_eq!(seen, ["3,5\n", "7\n", "all\n"]);
}

#[test]
fn a_damaged_result_is_computed_again_for_whoever_reads_it() {
    let mut space = Space::new().stage("a", &[], "seq 1000 > out.txt");
    space.run();
    space.stages.clear();
    let mut space = space.stage("a", &[], "seq 1000 > out.txt").stage(
        "b",
        &["a"],
        "sort inputs/a/out.txt > out.txt",
    );
    damage_blobs(&space.path(".phytotron/blobs"));
    let ran = space.run();
    assert_eq!(ran.endings(), "a done, b done");
    assert!(ran.events.iter().any(|event| matches!(
        event,
        Event::Warning { text, .. } if text.contains("damaged") && text.contains("again")
    )));
}

#[test]
fn a_damaged_result_is_computed_again_for_out() {
    let mut space = Space::new().stage("a", &[], "seq 1000 > out.txt");
    space.run();
    fs::remove_dir_all(space.path("out")).unwrap();
    damage_blobs(&space.path(".phytotron/blobs"));
    assert_eq!(space.run().endings(), "a done");
    assert!(space.read("out/test/a/out.txt").ends_with("\n1000\n"));
}

fn damage_blobs(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            damage_blobs(&entry.path());
        } else {
            let mut bytes = fs::read(entry.path()).unwrap();
            bytes[0] ^= 1;
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(entry.path(), bytes).unwrap();
        }
    }
}

#[test]
fn a_forced_run_computes_again_and_finds_what_is_not_deterministic() {
    let mut space = Space::new().stage("a", &[], "cat /proc/sys/kernel/random/uuid > out.txt");
    space.run();
    let first = space.read("out/test/a/out.txt");
    space.force = true;
    let ran = space.run();
    assert_eq!(ran.endings(), "a done");
    assert_eq!(ran.report.unwrap().findings[0].output, "files");
    assert_ne!(space.read("out/test/a/out.txt"), first);
}

#[test]
fn runs_at_once_compute_each_stage_once() {
    let shared = tempfile::tempdir().unwrap();
    let runs = shared.path().join("counted");
    fs::create_dir(&runs).unwrap();
    let count = |name: &str| {
        format!(
            "mktemp {}/{name}.XXXXXX > /dev/null; sleep 0.05; echo {name} > out.txt",
            runs.display()
        )
    };
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut space = Space::new()
                    .stage("a", &[], &count("a"))
                    .stage("b", &["a"], &count("b"))
                    .stage("c", &[], &count("c"));
                let own = std::mem::replace(&mut space.folder, tempfile::tempdir().unwrap());
                drop(own);
                std::os::unix::fs::symlink(folder.path(), space.path(".phytotron")).unwrap();
                assert!(space.run().report.unwrap().ok);
            });
        }
    });
    assert_eq!(fs::read_dir(&runs).unwrap().count(), 3);
}

#[test]
fn history_keeps_what_happened() {
    let mut space = two_stages();
    let run = space.run().report.unwrap().run;
    space.run();
    let runs = space.path(".phytotron/runs");
    let names: BTreeSet<_> =
        fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "the second run has a line and no folder: {names:?}");
    assert_eq!(fs::read_to_string(runs.join("index.jsonl")).unwrap().lines().count(), 2);
    let facts: RunFile =
        serde_json::from_slice(&fs::read(runs.join(run).join("run.json")).unwrap()).unwrap();
    let ended = facts.ended.unwrap();
    assert!(ended.ok);
    assert_eq!(
        ended.stages.iter().map(|stage| stage.ending).collect::<Vec<_>>(),
        [Ending::Done; 2]
    );
}
