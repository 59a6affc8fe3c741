//! The planner: turns stages into manifests as their inputs become known.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::digest::Digest;
use crate::manifest::{Fingerprint, Manifest};
use crate::record::{OutputRecord, StageRecord};
use crate::stage::{Continuation, Launch};
use crate::store::Tree;

use super::contents::{self, Facts};
use super::history::Times;
use super::reads::{Seen, Unreadable};
use super::reason::{self, Reason, Upstream};
use super::{Feed, LastRun, LockFile, PlanError, Reads, StageIndex, Study, World};

/// What is known of a stage once all its inputs are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// Everything its result depends on.
    pub manifest: Manifest,
    /// The cache key.
    pub fingerprint: Fingerprint,
    /// Project files by relative path with their digest.
    pub files: BTreeMap<String, Digest>,
    /// The record, when the store has it.
    pub record: Option<StageRecord>,
    /// The remote that the record is at, when the store itself does not have it.
    pub elsewhere: Option<String>,
    /// Whether the last run of this pipeline had this very result (cached) or not (restored).
    pub was_last: bool,
    /// Why it has to run or be restored: `with.budget.trials 200 → 300`; empty when cached.
    pub reason: String,
    /// An earlier result of the stage that it goes on from instead of beginning anew.
    pub earlier: Option<Fingerprint>,
}

/// Turns stages into manifests as their inputs become known.
///
/// [`Planner::resolve`] goes through the stages in an order in which feeds come first, and
/// [`Planner::know`] tells it the outputs of each as soon as they are there.
pub struct Planner<'a> {
    study: &'a Study,
    world: &'a dyn World,
    reads: Reads,
    /// Text of each stage's id.
    ids: Vec<String>,
    last: LastRun,
    lock: LockFile,
    known: Vec<Option<Outputs>>,
    reasons: Vec<Reason>,
    times: Option<Times>,
    has_read_ahead: bool,
}

/// Trees of a stage's outputs by name.
pub(super) type Outputs = BTreeMap<String, Digest>;

impl<'a> Planner<'a> {
    /// Plans `study`, whose project lies at `root`.
    #[must_use]
    pub fn new(
        study: &'a Study,
        root: &Path,
        world: &'a dyn World,
        last: LastRun,
        lock: LockFile,
    ) -> Self {
        let stages = study.stages.len();
        Self {
            study,
            world,
            reads: Reads::new(root),
            ids: study.stages.iter().map(|stage| stage.id.to_string()).collect(),
            last,
            lock,
            known: vec![None; stages],
            reasons: vec![Reason::default(); stages],
            times: None,
            has_read_ahead: false,
        }
    }

    /// What is planned.
    #[must_use]
    pub fn study(&self) -> &'a Study {
        self.study
    }

    /// Resolves a stage. Every stage that feeds it must be known, except for a frozen one.
    pub fn resolve(&mut self, index: StageIndex) -> Result<Resolved, PlanError> {
        if self.study.get(index).settings.frozen {
            return self.resolve_frozen(index);
        }
        self.read_ahead();
        let (manifest, files) = self.manifest(index)?;
        let fingerprint = manifest.fingerprint();
        let record = self.world.record(&fingerprint)?;
        let elsewhere = self.elsewhere(record.as_ref());
        let was_last = self.last_fingerprint(index) == Some(fingerprint);
        let reason = match &elsewhere {
            Some(remote) => {
                Reason { text: format!("`{remote}` has its result"), ..Reason::default() }
            }
            None if record.is_some() && was_last => Reason::default(),
            None => self.reason(index, &manifest, was_last, record.is_some())?,
        };
        let (text, earlier) = (reason.text.clone(), reason.earlier);
        self.reasons[index.0] = reason;
        let reason = text;
        Ok(Resolved { manifest, fingerprint, files, record, elsewhere, was_last, reason, earlier })
    }

    fn elsewhere(&self, record: Option<&StageRecord>) -> Option<String> {
        self.world.elsewhere(&record?.fingerprint).map(str::to_owned)
    }

    /// Tells the outputs of a stage, so that those after it can be resolved.
    pub fn know(&mut self, index: StageIndex, outputs: &BTreeMap<String, OutputRecord>) {
        self.known[index.0] = Some(trees(outputs));
    }

    /// Tells the outputs of a stage by their trees alone, as a lock file has them.
    pub(super) fn know_trees(&mut self, index: StageIndex, outputs: &BTreeMap<String, Digest>) {
        self.known[index.0] = Some(outputs.clone());
    }

    /// The stage's manifest without its inputs, which need not be known.
    pub(super) fn own_manifest(&mut self, index: StageIndex) -> Result<Manifest, PlanError> {
        Ok(self.manifest_with(index, Vec::new())?.0)
    }

    /// The project files that the stage reads, each with its digest.
    pub fn files(&mut self, index: StageIndex) -> Result<BTreeMap<String, Digest>, PlanError> {
        let files = self.read_files(index)?;
        Ok(files.into_iter().map(|(path, file)| (path, file.digest)).collect())
    }

    /// How long the stage will take by what it, its siblings or its kind took before.
    #[must_use]
    pub fn expected(&mut self, index: StageIndex) -> Option<Duration> {
        let times = self.times.take().unwrap_or_else(|| Times::of(self.study, |i| self.secs(i)));
        let expected = times.expected(self.study, index);
        self.times = Some(times);
        expected
    }

    /// Every project file read so far, for the snapshot.
    #[must_use]
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Takes the outputs of the stage's last result for its next ones; whether there were any.
    pub(super) fn guess(&mut self, index: StageIndex) -> Result<bool, PlanError> {
        let id = &self.ids[index.0];
        let last = self.last_fingerprint(index).map(|last| self.world.record(&last)).transpose()?;
        let outputs = match last.flatten() {
            Some(record) => Some(trees(&record.outputs)),
            None => self.lock.stages.get(id).map(|locked| locked.outputs.clone()),
        };
        // Outputs of another version may lack one that is read.
        let names = self.study.get(index).stage.outputs();
        let outputs =
            outputs.filter(|outputs| names.iter().all(|output| outputs.contains_key(&output.name)));
        self.known[index.0] = outputs;
        Ok(self.known[index.0].is_some())
    }

    /// Whether the outputs of everything that feeds the stage are known or guessed.
    pub(super) fn is_resolvable(&self, index: StageIndex) -> bool {
        let stage = self.study.get(index);
        let mut feeds = stage.inputs.iter().flat_map(|(_, feeds)| feeds);
        stage.settings.frozen || feeds.all(|feed| self.known[feed.stage.0].is_some())
    }

    /// The manifest of the stage's last result, when the store still has it.
    pub(super) fn last_manifest(&self, index: StageIndex) -> Result<Option<Manifest>, PlanError> {
        let Some(last) = self.last_fingerprint(index) else { return Ok(None) };
        Ok(self.world.record(&last)?.map(|record| record.manifest))
    }

    /// The locked result, whatever the manifest would say.
    fn resolve_frozen(&mut self, index: StageIndex) -> Result<Resolved, PlanError> {
        let stage = self.ids[index.0].clone();
        let Some(locked) = self.lock.stages.get(&stage) else {
            return Err(PlanError::NeverLocked { stage });
        };
        let fingerprint = locked.fingerprint;
        let Some(record) = self.world.record(&fingerprint)? else {
            return Err(PlanError::FrozenMissing { stage, fingerprint });
        };
        let was_last =
            self.last.stages.get(&stage).is_none_or(|last| last.fingerprint == fingerprint);
        let reason = if was_last { "" } else { "frozen at the locked result" };
        self.reasons[index.0] = Reason { text: reason.to_owned(), ..Reason::default() };
        Ok(Resolved {
            manifest: record.manifest.clone(),
            fingerprint,
            files: BTreeMap::new(),
            elsewhere: self.elsewhere(Some(&record)),
            record: Some(record),
            was_last,
            reason: reason.to_owned(),
            earlier: None,
        })
    }

    /// The stage's manifest and the project files in it.
    fn manifest(
        &mut self,
        index: StageIndex,
    ) -> Result<(Manifest, BTreeMap<String, Digest>), PlanError> {
        let inputs = self.input_trees(index)?;
        self.manifest_with(index, inputs)
    }

    fn manifest_with(
        &mut self,
        index: StageIndex,
        inputs: Vec<Vec<Digest>>,
    ) -> Result<(Manifest, BTreeMap<String, Digest>), PlanError> {
        let stage = self.study.get(index);
        let launch = stage.stage.launch();
        let tools: &[String] = match &launch {
            Launch::Command(command) => &command.tools,
            Launch::Worker => &[],
        };
        let facts =
            Facts { inputs, files: self.read_files(index)?, tools: self.read_tools(index, tools)? };
        let manifest = contents::manifest(self.study, stage, &launch, &facts);
        let files = facts.files.into_iter().map(|(path, file)| (path, file.digest)).collect();
        Ok((manifest, files))
    }

    /// Hashes the project files of all stages in one batch, in parallel and with one write to the stat
    /// cache; stage by stage, that write costs more than the hashing. What cannot be read is told by
    /// the stage that needs it.
    fn read_ahead(&mut self) {
        if std::mem::replace(&mut self.has_read_ahead, true) {
            return;
        }
        let mut paths = Vec::new();
        for stage in self.study.stages.iter().filter(|stage| !stage.settings.frozen) {
            for pattern in stage.stage.files() {
                if let Ok(found) = self.reads.expand(&pattern) {
                    paths.extend(found.iter().cloned());
                }
            }
        }
        paths.sort_unstable();
        paths.dedup();
        let _unreadable_is_told_later = self.reads.files(&paths, self.world);
    }

    fn input_trees(&self, index: StageIndex) -> Result<Vec<Vec<Digest>>, PlanError> {
        let stage = self.study.get(index);
        let tree = |feed: &Feed| {
            let outputs = self.known[feed.stage.0].as_ref();
            let outputs = outputs.expect("BUG: a stage was resolved before those that feed it");
            outputs.get(&feed.output).copied().ok_or_else(|| PlanError::NoOutput {
                stage: self.study.get(feed.stage).id.to_string(),
                output: feed.output.clone(),
            })
        };
        stage.inputs.iter().map(|(_, feeds)| feeds.iter().map(tree).collect()).collect()
    }

    fn read_files(&mut self, index: StageIndex) -> Result<BTreeMap<String, Seen>, PlanError> {
        let stage = self.study.get(index);
        let mut files = BTreeMap::new();
        for pattern in stage.stage.files() {
            let unreadable = |reason: Unreadable| PlanError::Input {
                stage: stage.id.to_string(),
                path: pattern.clone(),
                reason: reason.to_string(),
            };
            let paths = self.reads.expand(&pattern).map_err(unreadable)?;
            let seen = self.reads.files(&paths, self.world).map_err(unreadable)?;
            files.extend(paths.iter().cloned().zip(seen));
        }
        Ok(files)
    }

    fn read_tools(
        &mut self,
        index: StageIndex,
        names: &[String],
    ) -> Result<BTreeMap<String, Digest>, PlanError> {
        let mut tools = BTreeMap::new();
        for tool in names {
            let stage = || self.ids[index.0].clone();
            let digest = self.reads.tool(tool, self.world).map_err(|reason| PlanError::Input {
                stage: stage(),
                path: tool.clone(),
                reason: reason.to_string(),
            })?;
            let digest =
                digest.ok_or_else(|| PlanError::Tool { stage: stage(), tool: tool.clone() })?;
            tools.insert(tool.clone(), digest);
        }
        Ok(tools)
    }

    fn reason(
        &self,
        index: StageIndex,
        manifest: &Manifest,
        was_last: bool,
        is_recorded: bool,
    ) -> Result<Reason, PlanError> {
        let plain = |text: &str| Reason { text: text.to_owned(), ..Reason::default() };
        if was_last {
            return Ok(plain("its result is not in the store any more"));
        }
        Ok(match self.last_fingerprint(index) {
            Some(fingerprint) => match self.world.record(&fingerprint)? {
                Some(last) => {
                    let stage = self.study.get(index);
                    let reason = reason::between(stage, &last.manifest, manifest, self);
                    if is_recorded {
                        return Ok(reason);
                    }
                    match stage.stage.continuation(&manifest.diff(&last.manifest)) {
                        Continuation::Nothing => reason,
                        Continuation::GoesOn(text) => reason.with(&text, Some(fingerprint)),
                        Continuation::StartsOver(text) => reason.with(&text, None),
                    }
                }
                None => {
                    plain("changed since its last run, whose result is not in the store any more")
                }
            },
            None if is_recorded => plain("another run has computed it"),
            None => plain("never run"),
        })
    }

    /// The stage's last result, by the last run or else by the lock file.
    pub(super) fn last_fingerprint(&self, index: StageIndex) -> Option<Fingerprint> {
        let id = &self.ids[index.0];
        let last = self.last.stages.get(id).map(|last| last.fingerprint);
        last.or_else(|| self.lock.stages.get(id).map(|locked| locked.fingerprint))
    }

    fn secs(&self, index: StageIndex) -> Option<f64> {
        let id = &self.ids[index.0];
        if let Some(last) = self.last.stages.get(id) {
            return Some(last.secs);
        }
        // An estimate is not worth an error.
        let locked = self.world.record(&self.lock.stages.get(id)?.fingerprint).ok()??;
        Some(locked.cost.wall_secs)
    }
}

fn trees(outputs: &BTreeMap<String, OutputRecord>) -> Outputs {
    outputs.iter().map(|(name, output)| (name.clone(), output.tree)).collect()
}

impl Upstream for Planner<'_> {
    fn root(&self, stage: StageIndex) -> Option<&str> {
        self.reasons[stage.0].root.as_deref()
    }

    fn trees(&self, before: &str, after: &str) -> Option<(Tree, Tree)> {
        let tree = |text: &str| self.world.tree(&text.parse().ok()?).ok()?;
        Some((tree(before)?, tree(after)?))
    }
}
