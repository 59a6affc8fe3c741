//! The snapshot: it says that nothing is to be done only when that is so.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use phytotron::digest::Digest;
use phytotron::plan::{Finished, LockFile, Plan, Planner, Request, Selected, Selection, lock_path};
use proptest::prelude::*;

use super::space::{FILE, TestSpace};

const STUDY: &str = "
params: { images: 1 }
stages:
  a: { use: grow, with: { images: \"${{ params.images }}\", files: [data, \"src/*.py\"] } }
  b: { use: shell, inputs: { x: a.data }, with: { run: [./tool], outputs: { o: o }, tools: [./tool] } }
";

/// A project whose runs leave snapshots, and which publishes one file.
struct Site {
    space: TestSpace,
    pipeline: String,
    request: Request,
    generation: u64,
}

impl Site {
    fn new() -> Self {
        let space = TestSpace::new();
        space.write("data/1.csv", "1");
        space.write("src/a.py", "1");
        space.write("tool", "1");
        let tool = space.root().join("tool");
        fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();
        let request = Request {
            root: space.root().to_owned(),
            file: PathBuf::from(FILE),
            params: Vec::new(),
            selection: Selection::default(),
            store: space.root().join(".phytotron"),
        };
        Self { space, pipeline: STUDY.to_owned(), request, generation: 5 }
    }

    fn params(&self) -> Vec<(&str, &str)> {
        self.request.params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
    }

    /// What a run does: plan, compute, publish, write the lock file, keep the snapshot.
    fn run(&mut self) -> String {
        self.space.last = self.request.last_run();
        let study = self.space.study_with(&self.pipeline, &self.params());
        let mut planner = self.space.planner(&study);
        let (fates, last) = self.space.execute(&study, &mut planner);
        self.space.write("out/p/b/o", "published");
        self.space.write(lock_path(&self.request.file).to_str().unwrap(), "locked");
        let stages = study
            .iter()
            .map(|(index, stage)| (index, last.stages[&stage.id.to_string()].fingerprint, 1.0));
        let finished = Finished {
            study: &study,
            reads: planner.reads(),
            stages: stages.collect(),
            complete: true,
            published: vec![("out/p/b/o".to_owned(), Digest::of(b"published"))],
        };
        self.request.save(self.generation, &finished).unwrap();
        fates
    }

    fn is_no_op(&self) -> bool {
        // What a person edits is on disk, as `load` writes it only for planning.
        self.space.write(FILE, &self.pipeline);
        self.request.no_op(self.generation).is_some()
    }

    /// The same question answered without the snapshot.
    fn is_idle(&self) -> bool {
        let study = self.space.study_with(&self.pipeline, &self.params());
        let last = self.request.last_run();
        let root = self.space.root();
        let mut planner = Planner::new(&study, root, &self.space.world, last, LockFile::default());
        let plan = Plan::of(&mut planner, &Selected::all(&study), &[]);
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        plan.is_ok_and(|plan| plan.is_idle())
            && read("out/p/b/o") == "published"
            && read("p.lock") == "locked"
    }
}

/// Something a person may do between two runs.
#[derive(Debug, Clone)]
enum Deed {
    Write(&'static str, &'static str),
    Remove(&'static str),
    Param(&'static str),
    Seed(u8),
    Collect,
    Run,
}

impl Deed {
    fn on(&self, site: &mut Site) {
        match *self {
            Self::Write(path, text) => site.space.write(path, text),
            Self::Remove(path) => drop(fs::remove_file(site.space.root().join(path))),
            Self::Param(images) => {
                site.request.params = vec![("images".to_owned(), images.to_owned())];
            }
            Self::Seed(seed) => site.pipeline = format!("seed: {seed}{STUDY}"),
            Self::Collect => site.generation += 1,
            Self::Run => drop(site.run()),
        }
    }
}

fn deed() -> impl Strategy<Value = Deed> {
    let path = prop::sample::select(vec![
        "data/1.csv",
        "data/2.csv",
        "src/a.py",
        "src/b.txt",
        "tool",
        "out/p/b/o",
        "p.lock",
        "notes",
    ]);
    let text = prop::sample::select(vec!["1", "2", "published", "locked"]);
    prop_oneof![
        4 => (path.clone(), text).prop_map(|(path, text)| Deed::Write(path, text)),
        1 => path.prop_filter("a run needs them", |path| !["tool", "src/a.py"].contains(path))
            .prop_map(Deed::Remove),
        1 => prop::sample::select(vec!["1", "2"]).prop_map(Deed::Param),
        1 => (0_u8..2).prop_map(Deed::Seed),
        1 => Just(Deed::Collect),
        2 => Just(Deed::Run),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_snapshot_never_says_less_than_the_plan(deeds in prop::collection::vec(deed(), 1..8)) {
        let mut site = Site::new();
        // Files that are declared stay, so that every run can plan.
        site.space.write("data/0.csv", "0");
        site.run();
        for deed in deeds {
            deed.on(&mut site);
            prop_assert!(!site.is_no_op() || site.is_idle(), "after {:?}", deed);
        }
        site.run();
        prop_assert!(site.is_no_op(), "after a run");
    }
}

#[test]
fn a_run_leaves_nothing_to_do() {
    let mut site = Site::new();
    assert!(!site.is_no_op());
    site.run();
    let found = site.request.no_op(site.generation).unwrap();
    assert_eq!((found.pipeline.as_str(), found.stages), ("p", 2));
}

/// Checks that a deed after a run leaves something to do.
fn is_seen(deed: impl FnOnce(&mut Site)) {
    let mut site = Site::new();
    site.run();
    deed(&mut site);
    assert!(!site.is_no_op());
}

#[test]
fn whatever_decides_the_plan_is_seen() {
    is_seen(|site| site.pipeline.push_str("  c: { use: grow }\n"));
    is_seen(|site| site.request.params = vec![("images".to_owned(), "1".to_owned())]);
    is_seen(|site| site.request.selection.only = vec!["a".to_owned()]);
    is_seen(|site| site.generation += 1);
    is_seen(|site| site.space.write("data/1.csv", "2"));
    is_seen(|site| site.space.write("data/2.csv", "2"));
    is_seen(|site| site.space.write("data/deep/3.csv", "2"));
    is_seen(|site| site.space.write("src/b.py", "2"));
    is_seen(|site| fs::remove_file(site.space.root().join("data/1.csv")).unwrap());
    is_seen(|site| site.space.write("tool", "2"));
    is_seen(|site| site.space.write("out/p/b/o", "edited it!"));
    is_seen(|site| fs::remove_file(site.space.root().join("out/p/b/o")).unwrap());
    is_seen(|site| site.space.write("p.lock", "merged"));
    is_seen(|site| fs::remove_file(site.space.root().join("p.lock")).unwrap());
}

#[test]
fn a_torn_snapshot_is_none_and_so_is_its_history() {
    let mut site = Site::new();
    site.run();
    let path = site.request.state_path();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(!site.is_no_op());
    assert!(site.request.last_run().stages.is_empty());
    assert_eq!(site.run(), "a restored, b restored");
}

#[test]
fn an_incomplete_run_is_remembered_but_is_no_reason_to_do_nothing() {
    let mut site = Site::new();
    site.run();
    let study = site.space.study(STUDY);
    let planner = site.space.planner(&study);
    let finished = Finished {
        study: &study,
        reads: planner.reads(),
        stages: Vec::new(),
        complete: false,
        published: Vec::new(),
    };
    site.request.save(site.generation, &finished).unwrap();
    assert!(!site.is_no_op());
    assert_eq!(site.request.last_run().stages.len(), 2, "what was known stays known");
    assert_eq!(site.run(), "a cached, b cached");
}

#[test]
fn an_edited_lock_file_has_to_be_written_anew() {
    let mut site = Site::new();
    site.run();
    assert!(site.is_no_op());
    site.space.write("p.lock", "merged");
    assert!(!site.is_no_op());
}
