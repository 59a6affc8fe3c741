//! Calibrating: what a run would cost, by a forecast of every stage that would run, in their order.
//!
//! A stage's forecast leaves stand-ins of its outputs, on which later stages time a little of their own work.
//! They lie in a temporary folder and never come near the store.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::calibration::{CalibratedStage, Calibration, Cost};
use super::error::RunError;
use super::pools;
use crate::digest::Digest;
use crate::event::Silent;
use crate::plan::{Feed, Planner, Request, Selected, StageIndex, Study};
use crate::record::OutputRecord;
use crate::stage::{Input, Job, JobFile, Paths, StageError, Stop};
use crate::store::{LinkMode, Store};

/// Forecasts every selected stage that has no result, each with so many `threads`, without a number with all
/// cores; `tell` hears which one is under way.
///
/// # Errors
/// When the plan fails or the temporary folder cannot be written. Why one stage has no forecast is in the
/// answer.
pub fn calibrate(
    request: &Request,
    planner: &mut Planner<'_>,
    store: &Store,
    threads: Option<usize>,
    tell: &dyn Fn(&str),
) -> Result<Calibration, RunError> {
    let study = planner.study();
    let selected = request.selection.of(study)?;
    let folder = tempfile::Builder::new().prefix("phytotron-").tempdir();
    let folder = folder.map_err(RunError::io("cannot make a folder in", &std::env::temp_dir()))?;
    let project =
        std::path::absolute(&request.root).map_err(RunError::io("cannot find", &request.root))?;
    let cores = || usize::try_from(pools::machine()["cpu"]).unwrap_or(usize::MAX);
    let threads = threads.unwrap_or_else(cores);
    let mut walk = Walk {
        planner,
        study,
        store,
        project: &project,
        folder,
        threads,
        tell,
        materials: Vec::with_capacity(study.stages.len()),
        twins: HashMap::new(),
    };
    let mut stages = Vec::new();
    for (index, _) in study.iter() {
        stages.extend(walk.stage(index, &selected)?);
    }
    Ok(Calibration { pipeline: study.pipeline.name.clone(), threads, stages })
}

/// What later stages have of a stage.
#[derive(Debug, Clone)]
enum Material {
    /// Its result.
    Stored(BTreeMap<String, OutputRecord>),
    /// Stand-ins, a folder for each output.
    StandIns(PathBuf),
    /// Nothing.
    Missing,
}

/// Forecasts in topological order.
struct Walk<'w, 'p> {
    planner: &'w mut Planner<'p>,
    study: &'p Study,
    store: &'w Store,
    project: &'w Path,
    folder: TempDir,
    threads: usize,
    tell: &'w dyn Fn(&str),
    /// Of every stage so far.
    materials: Vec<Material>,
    /// Forecasts by what they depend on: cells that differ in their seed alone share one.
    twins: HashMap<String, (Cost, Material)>,
}

impl Walk<'_, '_> {
    /// Forecasts a stage; nothing where it has a result or is not selected.
    fn stage(
        &mut self,
        index: StageIndex,
        selected: &Selected,
    ) -> Result<Option<CalibratedStage>, RunError> {
        let stage = self.study.get(index);
        let is_stored = |feed: &Feed| matches!(self.materials[feed.stage.0], Material::Stored(_));
        let mut feeds = stage.inputs.iter().flat_map(|(_, feeds)| feeds);
        if stage.settings.frozen || feeds.all(is_stored) {
            let resolved = self.planner.resolve(index)?;
            if let Some(record) = resolved.record {
                self.planner.know(index, &record.outputs);
                self.materials.push(Material::Stored(record.outputs));
                return Ok(None);
            }
        }
        if !selected.contains(index) {
            self.materials.push(Material::Missing);
            return Ok(None);
        }
        let (cost, material) = self.cost(index)?;
        self.materials.push(material);
        Ok(Some(CalibratedStage { index, id: stage.id.clone(), cost }))
    }

    fn cost(&mut self, index: StageIndex) -> Result<(Cost, Material), RunError> {
        let twin = self.twin(index);
        if let Some(known) = self.twins.get(&twin) {
            return Ok(known.clone());
        }
        let found = match self.missing(index) {
            Some(missing) => {
                let reason = format!("it reads what `{missing}` is yet to make");
                (self.past(index, reason), Material::Missing)
            }
            None => self.forecast(index)?,
        };
        self.twins.insert(twin, found.clone());
        Ok(found)
    }

    /// Everything that a stage's forecast depends on. The seed is left out.
    fn twin(&self, index: StageIndex) -> String {
        let stage = self.study.get(index);
        let mut config = stage.stage.config();
        if let Some(config) = config.as_object_mut() {
            config.remove("seed");
        }
        let feeds = stage.inputs.iter().flat_map(|(_, feeds)| feeds);
        let reads: Vec<String> = feeds.map(|feed| self.name_of(feed)).collect();
        format!("{} {} {config} {}", stage.id.name, stage.stage.kind(), reads.join(" "))
    }

    fn name_of(&self, feed: &Feed) -> String {
        match &self.materials[feed.stage.0] {
            Material::Stored(outputs) => outputs[&feed.output].tree.to_string(),
            Material::StandIns(folder) => folder.join(&feed.output).display().to_string(),
            Material::Missing => String::new(),
        }
    }

    /// The first stage before this one that leaves nothing to time it on.
    fn missing(&self, index: StageIndex) -> Option<String> {
        let mut feeds = self.study.get(index).inputs.iter().flat_map(|(_, feeds)| feeds);
        let is_missing = |feed: &&Feed| match &self.materials[feed.stage.0] {
            Material::Stored(_) => false,
            Material::StandIns(folder) => is_empty(&folder.join(&feed.output)),
            Material::Missing => true,
        };
        feeds.find(is_missing).map(|feed| self.study.get(feed.stage).id.to_string())
    }

    /// By what it took before, or for this reason not at all.
    fn past(&mut self, index: StageIndex, reason: String) -> Cost {
        self.planner.expected(index).map_or(Cost::Unknown(reason), Cost::Past)
    }

    fn forecast(&mut self, index: StageIndex) -> Result<(Cost, Material), RunError> {
        let stage = self.study.get(index);
        (self.tell)(&format!("calibrating {}", stage.id));
        let file = self.job_file(index)?;
        let outputs = file.paths.outputs.clone();
        let job = Job { file: &file, events: &Silent, stop: Stop::default() };
        Ok(match stage.stage.forecast(&job) {
            Ok(Some(forecast)) => (Cost::Forecast(forecast), Material::StandIns(outputs)),
            Ok(None) => {
                let reason = format!("a `{}` stage is not timed", stage.stage.kind());
                (self.past(index, reason), Material::Missing)
            }
            Err(error) => {
                (Cost::Unknown(StageError::caused_by(&error).to_string()), Material::Missing)
            }
        })
    }

    /// A job in a folder of its own, with its inputs in place.
    fn job_file(&mut self, index: StageIndex) -> Result<JobFile, RunError> {
        let stage = self.study.get(index);
        let folder = self.folder.path().join(index.0.to_string());
        let of = |name: &str| folder.join(name);
        let paths = Paths {
            project: self.project.to_owned(),
            store: self.store.root().to_owned(),
            scratch: of("scratch"),
            outputs: of("outputs"),
            checkpoint: of("checkpoint"),
            earlier: None,
            profile: None,
        };
        for output in stage.stage.outputs() {
            make(&paths.outputs.join(output.name))?;
        }
        make(&paths.scratch)?;
        let mut inputs = BTreeMap::new();
        for (port, feeds) in &stage.inputs {
            let place = |(number, feed)| self.input(feed, &of("inputs").join(port), number);
            let bound =
                feeds.iter().enumerate().map(place).collect::<Result<Vec<_>, RunError>>()?;
            inputs.insert(port.clone(), bound);
        }
        Ok(JobFile {
            stage: stage.id.clone(),
            kind: stage.stage.kind().to_owned(),
            config: stage.stage.config(),
            components: BTreeMap::new(),
            fingerprint: Digest::of(b"a forecast is no result"),
            pipeline_seed: self.study.pipeline.seed,
            inputs,
            files: self.planner.files(index)?,
            paths,
            threads: self.threads,
            shared_trials: None,
        })
    }

    fn input(&self, feed: &Feed, folder: &Path, number: usize) -> Result<Input, RunError> {
        let from = self.study.get(feed.stage);
        let outputs = from.stage.outputs();
        let output = outputs.iter().find(|output| output.name == feed.output);
        let (tree, path) = match &self.materials[feed.stage.0] {
            Material::Stored(outputs) => {
                let (tree, path) = (outputs[&feed.output].tree, folder.join(number.to_string()));
                self.store.place(&tree, &path, LinkMode::Auto)?;
                (tree, path)
            }
            Material::StandIns(stand_ins) => {
                (Digest::of(b"a stand-in is no result"), stand_ins.join(&feed.output))
            }
            Material::Missing => unreachable!("BUG: a forecast without its inputs"),
        };
        Ok(Input {
            stage: from.id.clone(),
            coordinates: feed.coordinates.clone(),
            kind: output.expect("BUG: a study's feeds were checked").kind,
            tree,
            path,
        })
    }
}

fn make(folder: &Path) -> Result<(), RunError> {
    fs::create_dir_all(folder).map_err(RunError::io("cannot make", folder))
}

fn is_empty(folder: &Path) -> bool {
    folder.read_dir().map_or(true, |mut entries| entries.next().is_none())
}
