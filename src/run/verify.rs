//! Verification: computes stages anew where no cache can help, and says of each whether it is what was locked.
//!
//! A share of the stages can stand for all. What the others gave is taken over then, so that each chosen stage
//! reads what it read when its result was locked.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::distance::{Place, first_difference};
use super::execute::{RunOptions, execute};
use super::interrupt::Interrupt;
use super::journal::StageEnd;
use super::{RunError, RunReport};
use crate::digest::Digest;
use crate::event::Emit;
use crate::manifest::{Change, summary};
use crate::plan::{LastRun, LockFile, LockedStage, Planner, Request, Selection, StageIndex, Study};
use crate::seed::Seed;
use crate::store::Store;

/// Which stages are computed anew.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Share of the locked stages, above 0 and at most 1.
    pub share: f64,
    /// Which ones: equal seeds choose equal stages.
    pub seed: u64,
}

impl Sample {
    /// Every stage.
    pub const ALL: Self = Self { share: 1.0, seed: 0 };
}

/// What a stage that was computed anew came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The locked bytes.
    Equal,
    /// Other bytes, or from something else.
    Different {
        /// What differs first, and how far.
        what: String,
    },
    /// Nothing can be said: another version, another device, a budget in seconds.
    NotComparable {
        /// Why.
        why: String,
    },
    /// It failed or was skipped.
    NotComputed {
        /// Why.
        why: String,
    },
}

/// A stage and its verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VerifiedStage {
    /// Name and cell.
    pub stage: String,
    /// What it came to.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What verifying a pipeline came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// The stages that were computed anew, in topological order.
    pub stages: Vec<VerifiedStage>,
    /// Stages of the pipeline in all.
    pub of: usize,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

impl Verification {
    /// How many stages have a verdict that `is` one.
    #[must_use]
    pub fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        self.stages.iter().filter(|stage| is(&stage.verdict)).count()
    }
}

/// A pipeline to be verified.
#[derive(Clone, Copy)]
pub struct Verify<'a> {
    /// The request; its store is `scratch`.
    pub request: &'a Request,
    /// The pipeline.
    pub study: &'a Study,
    /// What is locked.
    pub lock: &'a LockFile,
    /// The store that may still know the locked results.
    pub known: &'a Store,
    /// An empty store to compute in.
    pub scratch: &'a Store,
}

/// Computes the stages that `sample` chooses and compares them with the lock file.
///
/// # Errors
/// When nothing could be run at all.
pub fn verify(
    subject: Verify<'_>,
    sample: Sample,
    options: &RunOptions,
    interrupt: &Interrupt,
    events: &dyn Emit,
) -> Result<Verification, RunError> {
    let Verify { study, lock, scratch, .. } = subject;
    let chosen = chosen(study, lock, sample);
    let mut request = subject.request.clone();
    if chosen.len() < study.stages.len() {
        take_over(subject, &chosen)?;
        let until = chosen.iter().map(|stage| study.get(*stage).id.to_string()).collect();
        request.selection = Selection { until, ..Selection::default() };
    }
    let mut planner = Planner::new(study, &request.root, scratch, LastRun::default(), lock.clone());
    let run = execute(&request, study, &mut planner, scratch.into(), options, interrupt, events)?;
    let ids: BTreeSet<String> =
        chosen.iter().map(|stage| study.get(*stage).id.to_string()).collect();
    let stages =
        Judge { subject, upstream: upstream(study), verdicts: BTreeMap::new() }.all(&run, &ids)?;
    Ok(Verification { stages, of: study.stages.len(), interrupted: run.interrupted })
}

/// The stages to be computed: those whose draws are smallest, so a larger share holds a smaller one.
fn chosen(study: &Study, lock: &LockFile, sample: Sample) -> Vec<StageIndex> {
    if sample.share >= 1.0 {
        return study.iter().map(|(index, _)| index).collect();
    }
    let root = Seed::root(sample.seed).child("verify");
    let locked = study.iter().filter(|(_, stage)| lock.stages.contains_key(&stage.id.to_string()));
    let mut draws: Vec<(u64, StageIndex)> = locked
        .map(|(index, stage)| (root.child(&stage.id.to_string()).stream("sample", 0).bits(), index))
        .collect();
    draws.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "stages are far below 2^53")]
    let wanted = (draws.len() as f64 * sample.share).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the stages"
    )]
    draws.truncate((wanted as usize).max(1));
    let mut chosen: Vec<StageIndex> = draws.into_iter().map(|(_, index)| index).collect();
    chosen.sort_unstable();
    chosen
}

/// Puts the locked results of all other stages into the scratch store, with their content where a chosen stage
/// reads it. A result that is not known is computed, as for any run.
fn take_over(subject: Verify<'_>, chosen: &[StageIndex]) -> Result<(), RunError> {
    let Verify { study, lock, known, scratch, .. } = subject;
    let feeds =
        chosen.iter().flat_map(|stage| &study.get(*stage).inputs).flat_map(|(_, feeds)| feeds);
    let read: BTreeSet<StageIndex> = feeds.map(|feed| feed.stage).collect();
    for (index, stage) in study.iter().filter(|(index, _)| !chosen.contains(index)) {
        let Some(locked) = lock.stages.get(&stage.id.to_string()) else { continue };
        let Some(record) = known.record(&locked.fingerprint)? else { continue };
        // What is damaged or gone over there is computed here.
        let _ = scratch.copy_result(known, &record, read.contains(&index));
    }
    Ok(())
}

/// The stages that feed each stage, by the texts of their ids.
fn upstream(study: &Study) -> BTreeMap<String, Vec<String>> {
    let feeds = |stage: &crate::plan::StudyStage| {
        let feeds = stage.inputs.iter().flat_map(|(_, feeds)| feeds);
        feeds.map(|feed| study.get(feed.stage).id.to_string()).collect()
    };
    study.stages.iter().map(|stage| (stage.id.to_string(), feeds(stage))).collect()
}

/// Gives verdicts, stage by stage in topological order.
struct Judge<'a> {
    subject: Verify<'a>,
    upstream: BTreeMap<String, Vec<String>>,
    verdicts: BTreeMap<String, Verdict>,
}

impl Judge<'_> {
    fn all(
        mut self,
        run: &RunReport,
        ids: &BTreeSet<String>,
    ) -> Result<Vec<VerifiedStage>, RunError> {
        let mut stages = Vec::new();
        for end in &run.stages {
            let stage = end.stage.to_string();
            let verdict = self.verdict(&stage, end)?;
            self.verdicts.insert(stage.clone(), verdict.clone());
            if ids.contains(&stage) {
                stages.push(VerifiedStage { stage, verdict });
            }
        }
        Ok(stages)
    }

    fn verdict(&self, id: &str, end: &StageEnd) -> Result<Verdict, RunError> {
        let Some(fingerprint) = end.fingerprint.filter(|_| end.ending.is_well()) else {
            let why = end.reason.clone().unwrap_or_else(|| "interrupted".to_owned());
            return Ok(Verdict::NotComputed { why });
        };
        let Some(locked) = self.subject.lock.stages.get(id) else {
            return Ok(Verdict::NotComparable { why: "it is not in the lock file".to_owned() });
        };
        if locked.outputs == end.outputs {
            return Ok(Verdict::Equal);
        }
        if locked.fingerprint != fingerprint {
            return self.other_stage(id, locked, end);
        }
        let record = self.subject.scratch.record(&fingerprint)?;
        if record.is_some_and(|record| !record.reproducible) {
            let why = "its budget is in seconds, and no two runs get as far in them".to_owned();
            return Ok(Verdict::NotComparable { why });
        }
        Ok(Verdict::Different { what: self.first_output(locked, end)? })
    }

    /// The verdict on a stage that does not depend on what the locked one depended on.
    fn other_stage(
        &self,
        id: &str,
        locked: &LockedStage,
        end: &StageEnd,
    ) -> Result<Verdict, RunError> {
        let Verify { known, scratch, .. } = self.subject;
        let new =
            end.fingerprint.map(|fingerprint| scratch.record(&fingerprint)).transpose()?.flatten();
        let (Some(old), Some(new)) = (known.record(&locked.fingerprint)?, new) else {
            let what =
                "it depends on something else than the locked result, of which no record is here";
            return Ok(Verdict::Different { what: what.to_owned() });
        };
        let changes = new.manifest.diff(&old.manifest);
        let is_input = |change: &Change| change.key.starts_with("input.");
        let (machine, own): (Vec<Change>, Vec<Change>) =
            changes.into_iter().filter(|change| !is_input(change)).partition(is_of_the_machine);
        if !own.is_empty() {
            return Ok(Verdict::Different {
                what: format!("it depends on something else: {}", summary(&own).join(", ")),
            });
        }
        if !machine.is_empty() {
            return Ok(Verdict::NotComparable {
                why: format!("computed otherwise: {}", summary(&machine).join(", ")),
            });
        }
        let feeds = self.upstream.get(id).into_iter().flatten();
        let different: Vec<&str> = feeds
            .filter(|feed| matches!(self.verdicts.get(*feed), Some(Verdict::Different { .. })))
            .map(String::as_str)
            .collect();
        Ok(if different.is_empty() {
            Verdict::NotComparable { why: "it reads what is not comparable".to_owned() }
        } else {
            Verdict::Different { what: format!("it reads what differs: {}", different.join(", ")) }
        })
    }

    /// The first output that differs, and how.
    fn first_output(&self, locked: &LockedStage, end: &StageEnd) -> Result<String, RunError> {
        let names: BTreeSet<&String> = locked.outputs.keys().chain(end.outputs.keys()).collect();
        let pair =
            |name: &String| (locked.outputs.get(name).copied(), end.outputs.get(name).copied());
        let differing =
            names.into_iter().find(|name| matches!(pair(name), (old, new) if old != new));
        let name = differing.expect("BUG: the outputs differ");
        let what = match pair(name) {
            (Some(old), Some(new)) => self.distance(&old, &new)?,
            (None, _) => "it is new".to_owned(),
            (_, None) => "it is missing".to_owned(),
        };
        Ok(format!("output `{name}`: {what}"))
    }

    fn distance(&self, old: &Digest, new: &Digest) -> Result<String, RunError> {
        let Verify { known, scratch, .. } = self.subject;
        let difference = first_difference(
            Place { store: known, tree: old },
            Place { store: scratch, tree: new },
        )?;
        let digests =
            || format!("{} → {}, and the locked content is not here", old.short(), new.short());
        Ok(difference.unwrap_or_else(digests))
    }
}

/// Whether a line says by which version or on which device a result was computed, and not what it is about.
fn is_of_the_machine(change: &Change) -> bool {
    ["component.", "tool.", "numerics", "manifest"]
        .iter()
        .any(|begin| change.key.starts_with(begin))
}
