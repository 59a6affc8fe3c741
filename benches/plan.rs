//! Planning beside its size: 1,000, 5,000 and 10,000 `command` stages in 10 layers, each with a file
//! of its own. Times per stage that grow with the number of stages would show a loop in a loop.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use phytotron::artifact::ArtifactType;
use phytotron::digest::Digest;
use phytotron::plan::{
    self, Finished, LockFile, LockedStage, Plan, Planner, Request, Selected, Selection, Study,
    lock_path,
};
use phytotron::record::{Cost, OutputRecord, RECORD_FORMAT, StageRecord};
use phytotron::spec::Project;
use phytotron::stage::Registry;
use phytotron::store::{Store, StoreOptions};
use tempfile::TempDir;

const SIZES: [usize; 3] = [1_000, 5_000, 10_000];
const LAYERS: usize = 10;

/// A project in which every stage has a result, as a run leaves it.
struct Site {
    folder: TempDir,
    store: Store,
    request: Request,
}

impl Site {
    fn new(stages: usize) -> Self {
        let folder = TempDir::new().expect("a folder");
        let root = folder.path();
        fs::create_dir(root.join("files")).expect("a folder");
        fs::write(root.join("p.yaml"), pipeline(root, stages)).expect("a file");
        let store = Store::open(&root.join(".phytotron"), StoreOptions::default());
        let request = Request {
            root: root.to_owned(),
            file: PathBuf::from("p.yaml"),
            params: Vec::new(),
            selection: Selection::default(),
            store: root.join(".phytotron"),
        };
        let site = Self { store: store.expect("a store"), folder, request };
        site.run();
        site
    }

    fn study(&self) -> Study {
        let project = Project::open(self.folder.path()).expect("a project");
        let file = self.folder.path().join("p.yaml");
        let loaded = plan::load(&project, &file, &[], &Registry::standard());
        loaded.unwrap_or_else(|mistakes| panic!("{mistakes}")).0
    }

    fn lock_path(&self) -> PathBuf {
        self.folder.path().join(lock_path(&self.request.file))
    }

    fn generation(&self) -> u64 {
        self.store.generation().expect("a generation")
    }

    /// Puts a record for every stage, then lock file and snapshot.
    fn run(&self) {
        let study = self.study();
        let last = self.request.last_run();
        let mut planner =
            Planner::new(&study, self.folder.path(), &self.store, last, LockFile::default());
        let mut stages = Vec::new();
        let mut locked = BTreeMap::new();
        for (index, stage) in study.iter() {
            let resolved = planner.resolve(index).expect("it resolves");
            let tree = Digest::of(resolved.fingerprint.bytes());
            let output = OutputRecord { kind: ArtifactType::Files, tree, files: 1, bytes: 1 };
            let outputs = BTreeMap::from([("files".to_owned(), output)]);
            planner.know(index, &outputs);
            stages.push((index, resolved.fingerprint, 0.01));
            let trees = BTreeMap::from([("files".to_owned(), tree)]);
            let result = LockedStage { fingerprint: resolved.fingerprint, outputs: trees };
            locked.insert(stage.id.to_string(), result);
            let record = StageRecord {
                format: RECORD_FORMAT,
                fingerprint: resolved.fingerprint,
                manifest: resolved.manifest,
                outputs,
                metrics: BTreeMap::new(),
                reproducible: true,
                cost: Cost::default(),
                host: "bench".to_owned(),
                versions: BTreeMap::new(),
                finished_at: 0,
            };
            self.store.put_record(&record, false).expect("it is kept");
        }
        LockFile::default().update(&self.lock_path(), locked, &|_| true).expect("a lock file");
        let finished = Finished {
            study: &study,
            reads: planner.reads(),
            stages,
            complete: true,
            published: Vec::new(),
        };
        self.request.save(self.generation(), &finished).expect("a snapshot");
    }

    /// What a run without snapshot does to find that nothing is to be done.
    fn plan(&self) -> usize {
        let study = self.study();
        let lock = LockFile::read(&self.lock_path()).expect("a lock file");
        let last = self.request.last_run();
        let mut planner = Planner::new(&study, self.folder.path(), &self.store, last, lock);
        let plan = Plan::of(&mut planner, &Selected::all(&study), &[]).expect("a plan");
        assert!(plan.is_idle());
        plan.stages.len()
    }
}

/// Ten layers in which each stage reads two of the layer above.
fn pipeline(root: &Path, stages: usize) -> String {
    let width = stages / LAYERS;
    let mut text = "stages:\n".to_owned();
    for stage in 0..stages {
        let (layer, place) = (stage / width, stage % width);
        fs::write(root.join(format!("files/{stage}.txt")), stage.to_string()).expect("a file");
        writeln!(text, "  s{layer}-{place}:\n    use: command").expect("writing to text");
        if layer > 0 {
            let above = layer - 1;
            let next = (place + 1) % width;
            writeln!(text, "    inputs: {{ a: s{above}-{place}, b: s{above}-{next} }}")
                .expect("writing to text");
        }
        writeln!(
            text,
            "    with: {{ run: cat files/{stage}.txt > out.txt, files: [files/{stage}.txt], \
             outputs: [out.txt] }}"
        )
        .expect("writing to text");
    }
    text
}


fn cpu() -> f64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    let secs = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 * 1e-6;
    secs(usage.user_time()) + secs(usage.system_time())
}
fn main() {
    for n in [1000, 5000, 10000] {
        let site = Site::new(n);
        std::thread::sleep(std::time::Duration::from_secs(3));
        for round in 0..3 {
            let t = cpu();
            let x = site.request.no_op(site.generation()).is_some();
            let t1 = cpu();
            let study = site.study();
            let t2 = cpu();
            let lock = LockFile::read(&site.lock_path()).unwrap();
            let t3 = cpu();
            let last = site.request.last_run();
            let mut planner = Planner::new(&study, site.folder.path(), &site.store, last, lock);
            let plan = Plan::of(&mut planner, &Selected::all(&study), &[]).unwrap();
            let t4 = cpu();
            println!("{n} {round} noop {x} {:.1} load {:.1} lock {:.1} plan {:.1} ms idle {}", (t1-t)*1e3, (t2-t1)*1e3, (t3-t2)*1e3, (t4-t3)*1e3, plan.is_idle());
        }
    }
}
