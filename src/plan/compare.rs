//! Comparing two pipelines: what their stages depend on, line by line, and which results serve both.
//!
//! Compares what was resolved (presets, `extends`, defaults and parameters put in), so two files that say the same
//! in other words are equal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use crate::manifest::{Change, Manifest, summary};
use crate::wording;

use super::{Fate, Plan, PlanError, Planner, Selected, StageIndex};

/// Where two pipelines differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpecDiff {
    /// Stages of the later pipeline in topological order, then those that only the earlier one has.
    pub stages: Vec<ComparedStage>,
}

/// One stage of two pipelines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedStage {
    /// Name and cell.
    pub stage: String,
    /// How it differs.
    pub standing: Standing,
    /// Lines that differ, as people read them.
    pub changes: Vec<String>,
    /// Whether the later pipeline would compute nothing for it: its result is known.
    pub reused: bool,
}

/// How a stage of one pipeline compares with that of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// All that it depends on is equal.
    Equal,
    /// Something of its own differs.
    Changed,
    /// Only a stage before it differs.
    Below,
    /// Only the later pipeline has it.
    Added,
    /// Only the earlier pipeline has it.
    Removed,
}

impl SpecDiff {
    /// Compares the pipelines of two planners.
    ///
    /// # Errors
    /// When a file that a stage reads cannot be read.
    pub fn of(before: &mut Planner<'_>, after: &mut Planner<'_>) -> Result<Self, PlanError> {
        let old = manifests(before)?;
        let study = after.study();
        let plan = Plan::of(after, &Selected::all(study), &[])?;
        let mut differing = BTreeSet::new();
        let mut stages = Vec::new();
        for (index, stage) in study.iter() {
            let id = stage.id.to_string();
            let manifest = own(after, index)?;
            let changes = old.get(&id).map(|old| manifest.diff(old));
            let is_below = stage
                .inputs
                .iter()
                .flat_map(|(_, feeds)| feeds)
                .any(|f| differing.contains(&f.stage));
            let standing = match &changes {
                None => Standing::Added,
                Some(changes) if !changes.is_empty() => Standing::Changed,
                Some(_) if is_below => Standing::Below,
                Some(_) => Standing::Equal,
            };
            if standing != Standing::Equal {
                differing.insert(index);
            }
            let reused = matches!(plan.stages[index.0].fate, Fate::Cached | Fate::Restore);
            stages.push(compared(id, standing, &changes.unwrap_or_default(), reused));
        }
        let ids: BTreeSet<String> = stages.iter().map(|stage| stage.stage.clone()).collect();
        let gone = old.into_keys().filter(|id| !ids.contains(id));
        stages.extend(gone.map(|id| compared(id, Standing::Removed, &[], false)));
        Ok(Self { stages })
    }

    /// Whether all that results depend on is equal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.iter().all(|stage| stage.standing == Standing::Equal)
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for stage in self.stages.iter().filter(|stage| stage.standing != Standing::Equal) {
            let words = match stage.standing {
                Standing::Equal | Standing::Changed => stage.changes.join("\n    "),
                Standing::Below => "only what it reads differs".to_owned(),
                Standing::Added => "is new".to_owned(),
                Standing::Removed => "is gone".to_owned(),
            };
            let _ = writeln!(text, "{}\n    {words}", stage.stage);
        }
        let equal = self.stages.iter().filter(|stage| stage.standing == Standing::Equal).count();
        let reused: Vec<&str> = self
            .stages
            .iter()
            .filter(|stage| stage.reused)
            .map(|stage| stage.stage.as_str())
            .collect();
        let _ = writeln!(text, "{} equal", wording::count(equal, "stage"));
        let reused = if reused.is_empty() { "none".to_owned() } else { reused.join(", ") };
        let _ = write!(text, "results that would be reused: {reused}");
        text
    }
}

fn compared(stage: String, standing: Standing, changes: &[Change], reused: bool) -> ComparedStage {
    ComparedStage { stage, standing, changes: summary(changes), reused }
}

fn manifests(planner: &mut Planner<'_>) -> Result<BTreeMap<String, Manifest>, PlanError> {
    let stages: Vec<(StageIndex, String)> =
        planner.study().iter().map(|(index, stage)| (index, stage.id.to_string())).collect();
    stages.into_iter().map(|(index, id)| Ok((id, own(planner, index)?))).collect()
}

/// What a stage depends on, with the names of what it reads in place of digests that may not be known.
fn own(planner: &mut Planner<'_>, index: StageIndex) -> Result<Manifest, PlanError> {
    let mut manifest = planner.own_manifest(index)?;
    let study = planner.study();
    for (port, feeds) in &study.get(index).inputs {
        let name = |feed: &super::Feed| format!("{}.{}", study.get(feed.stage).id, feed.output);
        let names: Vec<String> = feeds.iter().map(name).collect();
        manifest.line(format!("inputs.{port}"), &names.join(" "));
    }
    Ok(manifest)
}
