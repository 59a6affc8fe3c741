//! Comparing two runs: parameters, artifacts, headline numbers and costs, stage by stage; and the numbers
//! of repeated stages over their repeats.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::RunError;
use super::history::PastRunDetails;
use super::journal::StageEnd;
use crate::artifact::StageId;
use crate::digest::Digest;
use crate::manifest::{Change, Manifest};
use crate::record::Cost;
use crate::seed::Seed;
use crate::statistics::{bootstrap_mean, compare_pairs, holm};
use crate::store::Store;

/// Where two runs differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunDiff {
    /// The earlier run's id.
    pub before: String,
    /// The later run's id.
    pub after: String,
    /// Stages of which something differs, in the order of the later run, then those that are gone.
    pub stages: Vec<StageDiff>,
    /// Stages of which nothing but the cost may differ.
    pub equal: usize,
    /// Headline numbers that differ over the repeats of a setting.
    pub repeated: Vec<RepeatedDiff>,
}

/// How a headline number of one setting differs over the repeats that both runs have, later minus
/// earlier within each repeat.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RepeatedDiff {
    /// The stage's id without its repeat.
    pub stage: String,
    /// The number's name.
    pub metric: String,
    /// Repeats that both runs have, two or more.
    pub pairs: usize,
    /// Mean difference.
    pub difference: f64,
    /// 95 % percentile bootstrap interval of it.
    pub interval: Option<[f64; 2]>,
    /// Exact two-sided p of the paired Wilcoxon test, adjusted by Holm over the settings of one stage;
    /// none under six pairs, which cannot show anything at 5 %.
    pub p: Option<f64>,
}

/// Where two runs differ in one stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageDiff {
    /// The stage's id.
    pub stage: String,
    /// `Some` where only one run has it: whether that is the later one.
    pub only_after: Option<bool>,
    /// Lines of the manifest that differ: key, before, after.
    pub manifest: Vec<Changed<String>>,
    /// Artifacts whose trees differ.
    pub artifacts: Vec<Changed<Digest>>,
    /// Headline numbers that differ.
    pub metrics: Vec<Changed<f64>>,
    /// What computing the results cost, then and now.
    pub cost: (Option<Cost>, Option<Cost>),
}

/// A named thing that differs; missing on the side that does not have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed<T> {
    /// Its name.
    pub name: String,
    /// In the earlier run.
    pub before: Option<T>,
    /// In the later run.
    pub after: Option<T>,
}

/// Compares two runs; `store` still knows the manifests of their results.
///
/// # Errors
/// When the store cannot be read. A result that is gone has no manifest to compare, which is no error.
pub fn compare(
    before: &PastRunDetails,
    after: &PastRunDetails,
    store: &Store,
) -> Result<RunDiff, RunError> {
    let by_id = |details: &PastRunDetails| -> BTreeMap<String, StageEnd> {
        details.stages.iter().map(|end| (end.stage.to_string(), end.clone())).collect()
    };
    let (old, new) = (by_id(before), by_id(after));
    let order = after.stages.iter().chain(&before.stages).map(|end| end.stage.to_string());
    let mut seen = BTreeSet::new();
    let (mut stages, mut equal) = (Vec::new(), 0);
    for id in order.filter(|id| seen.insert(id.clone())) {
        match stage(&id, old.get(&id), new.get(&id), store)? {
            diff if diff.is_empty() => equal += 1,
            diff => stages.push(diff),
        }
    }
    let repeated = repeated(&old, &new);
    let (before, after) = (before.run.run.clone(), after.run.run.clone());
    Ok(RunDiff { before, after, stages, equal, repeated })
}

/// Numbers of the stages with repeats that both runs have.
fn repeated(
    old: &BTreeMap<String, StageEnd>,
    new: &BTreeMap<String, StageEnd>,
) -> Vec<RepeatedDiff> {
    // By stage, number and setting: settings of one number stand together.
    let mut pairs: BTreeMap<_, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for (id, end) in new {
        let (setting, repeat) = end.stage.coordinates.by_repeat();
        let Some(before) = old.get(id).filter(|_| !repeat.0.is_empty()) else { continue };
        for (metric, after) in &end.metrics {
            if let Some(before) = before.metrics.get(metric) {
                let key = (end.stage.name.clone(), metric.clone(), setting.clone());
                let (olds, news) = pairs.entry(key).or_default();
                olds.push(*before);
                news.push(*after);
            }
        }
    }
    let mut rows: Vec<(String, RepeatedDiff)> = Vec::new();
    for ((name, metric, coordinates), (olds, news)) in pairs {
        let differences: Vec<f64> = news.iter().zip(&olds).map(|(new, old)| new - old).collect();
        let differs = differences.iter().any(|difference| *difference != 0.0);
        let Some(paired) = compare_pairs(&news, &olds).filter(|_| differs) else { continue };
        // A seed of its own: equal runs have an equal interval.
        let mut stream = Seed::root(0).child("diff").stream("bootstrap", 0);
        let row = RepeatedDiff {
            stage: StageId { name: name.clone(), coordinates }.to_string(),
            metric,
            pairs: differences.len(),
            difference: paired.difference,
            interval: bootstrap_mean(&differences, |bound| stream.index(bound)),
            p: paired.p,
        };
        rows.push((name, row));
    }
    rows.retain(|(_, row)| row.pairs > 1);
    for settings in rows.chunk_by_mut(|(a, one), (b, other)| a == b && one.metric == other.metric) {
        let ps: Vec<f64> = settings.iter().filter_map(|(_, row)| row.p).collect();
        let tested = settings.iter_mut().filter_map(|(_, row)| row.p.as_mut());
        tested.zip(holm(&ps)).for_each(|(p, adjusted)| *p = adjusted);
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

fn stage(
    id: &str,
    old: Option<&StageEnd>,
    new: Option<&StageEnd>,
    store: &Store,
) -> Result<StageDiff, RunError> {
    let manifest = match (manifest(old, store)?, manifest(new, store)?) {
        (Some(old), Some(new)) => new.diff(&old).into_iter().map(changed_line).collect(),
        _ => Vec::new(),
    };
    let cost = |end: Option<&StageEnd>| end.and_then(|end| end.cost);
    Ok(StageDiff {
        stage: id.to_owned(),
        only_after: (old.is_some() != new.is_some()).then_some(new.is_some()),
        manifest,
        artifacts: changed(old.map(|end| &end.outputs), new.map(|end| &end.outputs)),
        metrics: changed(old.map(|end| &end.metrics), new.map(|end| &end.metrics)),
        cost: (cost(old), cost(new)),
    })
}

fn manifest(end: Option<&StageEnd>, store: &Store) -> Result<Option<Manifest>, RunError> {
    let Some(fingerprint) = end.and_then(|end| end.fingerprint) else { return Ok(None) };
    Ok(store.record(&fingerprint)?.map(|record| record.manifest))
}

fn changed_line(change: Change) -> Changed<String> {
    Changed { name: change.key, before: change.before, after: change.after }
}

/// The entries of two maps that differ.
fn changed<T: Clone + PartialEq>(
    old: Option<&BTreeMap<String, T>>,
    new: Option<&BTreeMap<String, T>>,
) -> Vec<Changed<T>> {
    let get =
        |map: Option<&BTreeMap<String, T>>, name: &String| map.and_then(|m| m.get(name)).cloned();
    let names: BTreeSet<&String> = old.into_iter().chain(new).flat_map(BTreeMap::keys).collect();
    names
        .into_iter()
        .map(|name| Changed { name: name.clone(), before: get(old, name), after: get(new, name) })
        .filter(|changed| changed.before != changed.after)
        .collect()
}

impl StageDiff {
    /// Whether the results are the same; costs always differ.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.only_after.is_none()
            && self.manifest.is_empty()
            && self.artifacts.is_empty()
            && self.metrics.is_empty()
    }
}
