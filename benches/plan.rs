//! Planning beside its size: 1,000, 5,000 and 10,000 `command` stages in 10 layers, each with a file
//! of its own. Times per stage that grow with the number of stages would show a loop in a loop.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use phytotron::artifact::ArtifactType;
use phytotron::digest::Digest;
use phytotron::plan::{
    self, Finished, LockFile, LockedStage, Plan, Planner, Request, Selected, Selection, Study,
    lock_path,
};
use phytotron::record::{Cost, OutputRecord, RECORD_FORMAT, Repeatability, StageRecord};
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
                repeatability: Repeatability::Tested,
                cost: Cost::default(),
                host: "bench".to_owned(),
                versions: BTreeMap::new(),
                finished_at: 0,
            };
            self.store.put_record(&record, false).expect("it is kept");
        }
        LockFile::default()
            .update(&self.lock_path(), locked, BTreeMap::new(), &|_| true)
            .expect("a lock file");
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

fn growth(criterion: &mut Criterion) {
    let sites: Vec<(usize, Site)> =
        SIZES.into_iter().map(|stages| (stages, Site::new(stages))).collect();
    let mut measure = |name: &str, work: &dyn Fn(&Site) -> usize| {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        for (stages, site) in &sites {
            group.throughput(Throughput::Elements(*stages as u64));
            group.bench_with_input(BenchmarkId::from_parameter(stages), site, |bencher, site| {
                bencher.iter(|| assert_eq!(work(site), *stages));
            });
        }
        group.finish();
    };
    measure("no-op by snapshot", &|site| {
        site.request.no_op(site.generation()).expect("nothing to do").stages
    });
    measure("load", &|site| site.study().stages.len());
    measure("plan without snapshot", &Site::plan);
}

criterion_group!(benches, growth);
criterion_main!(benches);
