//! A project in a temporary folder, results in memory, and runs that only pretend to compute.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use phytotron::diagnostic::{Diagnostic, Diagnostics};
use phytotron::digest::Digest;
use phytotron::manifest::{Fingerprint, Manifest};
use phytotron::plan::{
    self, LastRun, LastStage, LockFile, LockedStage, Plan, PlanError, Planner, Selected,
    StageIndex, Study, World,
};
use phytotron::record::{Cost, OutputRecord, RECORD_FORMAT, Repeatability, StageRecord};
use phytotron::spec::Project;
use phytotron::store::{StoreError, Tree};

use super::kinds::registry;

/// The file every test pipeline is in.
pub(super) const FILE: &str = "p.yaml";

/// Records and trees in memory, files on disk.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) records: Mutex<BTreeMap<Fingerprint, StageRecord>>,
    pub(super) trees: Mutex<BTreeMap<Digest, Tree>>,
}

impl World for Memory {
    fn record(&self, fingerprint: &Fingerprint) -> Result<Option<StageRecord>, PlanError> {
        Ok(self.records.lock().unwrap().get(fingerprint).cloned())
    }

    fn tree(&self, tree: &Digest) -> Result<Option<Tree>, PlanError> {
        Ok(self.trees.lock().unwrap().get(tree).cloned())
    }

    fn digests(&self, paths: &[PathBuf]) -> Result<Vec<Digest>, StoreError> {
        Ok(paths.iter().map(|path| Digest::of(&fs::read(path).unwrap())).collect())
    }
}

/// A project with a store that lies in memory.
pub(super) struct TestSpace {
    folder: tempfile::TempDir,
    pub(super) world: Memory,
    pub(super) last: LastRun,
    pub(super) lock: LockFile,
    /// Stages that give equal bytes whatever they depend on.
    pub(super) constant: BTreeSet<String>,
}

impl TestSpace {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            world: Memory::default(),
            last: LastRun::default(),
            lock: LockFile::default(),
            constant: BTreeSet::new(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn load(
        &self,
        pipeline: &str,
        params: &[(&str, &str)],
    ) -> Result<(Study, Vec<Diagnostic>), Diagnostics> {
        self.write(FILE, pipeline);
        let params: Vec<(String, String)> =
            params.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        let project = Project::open(self.root()).unwrap();
        plan::load(&project, &self.root().join(FILE), &params, &registry())
    }

    /// The study of a pipeline without mistakes.
    pub(super) fn study(&self, pipeline: &str) -> Study {
        self.study_with(pipeline, &[])
    }

    pub(super) fn study_with(&self, pipeline: &str, params: &[(&str, &str)]) -> Study {
        self.load(pipeline, params).unwrap_or_else(|mistakes| panic!("{mistakes}")).0
    }

    pub(super) fn planner<'a>(&'a self, study: &'a Study) -> Planner<'a> {
        Planner::new(study, self.root(), &self.world, self.last.clone(), self.lock.clone())
    }

    /// Runs a pipeline and says what became of each stage: `leaves ran, search cached`.
    pub(super) fn run(&mut self, pipeline: &str) -> String {
        self.run_with(pipeline, &[])
    }

    pub(super) fn run_with(&mut self, pipeline: &str, params: &[(&str, &str)]) -> String {
        let study = self.study_with(pipeline, params);
        let (fates, last) = self.execute(&study, &mut self.planner(&study));
        self.last = last;
        fates
    }

    /// Goes through the stages as a run does.
    pub(super) fn execute(&self, study: &Study, planner: &mut Planner<'_>) -> (String, LastRun) {
        let mut fates = Vec::new();
        let mut last = LastRun::default();
        for (index, stage) in study.iter() {
            let resolved = planner.resolve(index).unwrap();
            let fate = match (&resolved.record, resolved.was_last) {
                (Some(_), true) => "cached",
                (Some(_), false) => "restored",
                (None, _) => "ran",
            };
            fates.push(format!("{} {fate}", stage.id));
            let compute = || self.compute(study, index, resolved.manifest);
            let record = resolved.record.unwrap_or_else(compute);
            planner.know(index, &record.outputs);
            let known = LastStage { fingerprint: record.fingerprint, secs: record.cost.wall_secs };
            last.stages.insert(stage.id.to_string(), known);
        }
        (fates.join(", "), last)
    }

    /// A made-up result: other bytes for another manifest, unless the stage is a constant one.
    fn compute(&self, study: &Study, index: StageIndex, manifest: Manifest) -> StageRecord {
        let stage = study.get(index);
        let fingerprint = manifest.fingerprint();
        let outputs = stage.stage.outputs().into_iter().map(|output| {
            let content = if self.constant.contains(&stage.id.name) {
                output.name.clone()
            } else {
                format!("{fingerprint} {}", output.name)
            };
            let tree = Digest::of(content.as_bytes());
            (output.name, OutputRecord { kind: output.kind, tree, files: 1, bytes: 1 })
        });
        let record = StageRecord {
            format: RECORD_FORMAT,
            fingerprint,
            manifest,
            outputs: outputs.collect(),
            metrics: BTreeMap::new(),
            reproducible: true,
            repeatability: Repeatability::Tested,
            cost: Cost { wall_secs: 2.0, ..Cost::default() },
            host: "test".to_owned(),
            versions: BTreeMap::new(),
            finished_at: 0,
        };
        self.world.records.lock().unwrap().insert(fingerprint, record.clone());
        record
    }

    /// The lock file that the last run would leave.
    pub(super) fn locked(&self) -> LockFile {
        let records = self.world.records.lock().unwrap();
        let stage = |(id, last): (&String, &LastStage)| {
            let outputs = &records[&last.fingerprint].outputs;
            let outputs =
                outputs.iter().map(|(name, output)| (name.clone(), output.tree)).collect();
            (id.clone(), LockedStage { fingerprint: last.fingerprint, outputs })
        };
        let stages = self.last.stages.iter().map(stage).collect();
        LockFile { stages, ..LockFile::default() }
    }

    pub(super) fn plan(&self, pipeline: &str) -> Plan {
        let study = self.study(pipeline);
        Plan::of(&mut self.planner(&study), &Selected::all(&study), &[]).unwrap()
    }

    /// The manifests of a pipeline's stages by id, after a run of it.
    pub(super) fn manifests(&mut self, pipeline: &str) -> BTreeMap<String, String> {
        self.run(pipeline);
        let records = self.world.records.lock().unwrap();
        let text = |last: &LastStage| records[&last.fingerprint].manifest.text();
        self.last.stages.iter().map(|(id, last)| (id.clone(), text(last))).collect()
    }
}

/// Every field of every diagnostic; `cli` draws them nicer.
pub(super) fn render(mistakes: &Diagnostics) -> String {
    let mut lines = Vec::new();
    for mistake in &mistakes.list {
        lines.push(format!("{}: {}", mistake.code, mistake.message));
        for label in &mistake.labels {
            let (line, column) = mistakes.sources.position(label.span);
            let words = mistakes.sources.words(label.span);
            lines.push(format!("  {line}:{column} `{words}` {}", label.text));
        }
        lines.extend(mistake.help.iter().map(|help| format!("  help: {help}")));
    }
    lines.join("\n")
}
