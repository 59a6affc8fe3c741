//! The plan as a table: what would happen to each stage, why, and how long it may take.
//!
//! Below a stage that must run the keys are not known; there it guesses that stage's outputs to be what
//! they were, and says so.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::artifact::StageId;
use crate::wording;

use super::{PlanError, Planner, Resolved, Selected, StageIndex};

/// Most stages that a cell of the table names.
const NAMED_MAX: usize = 3;

/// What would happen to a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Its last result still holds.
    Cached,
    /// Another known result would be put back.
    Restore,
    /// It would run.
    Run,
    /// A stage before it must run first; then its key will be known.
    Depends,
    /// It cannot run: the selection leaves out a stage before it whose result nobody knows.
    Blocked,
    /// The selection leaves it out.
    LeftOut,
}

impl Fate {
    /// The word in the table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Cached => "cached",
            Self::Restore => "restore",
            Self::Run => "run",
            Self::Depends => "depends",
            Self::Blocked => "blocked",
            Self::LeftOut => "left out",
        }
    }
}

/// One stage of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStage {
    /// Its place in the study.
    pub index: StageIndex,
    /// Name and cell.
    pub id: StageId,
    /// Its kind.
    pub kind: &'static str,
    /// What would happen to it.
    pub fate: Fate,
    /// Why, or for one that depends, what changed in the stage itself.
    pub reason: String,
    /// The stages that must run before its key is known.
    pub on: Vec<StageId>,
    /// Whether it is cached if those give what they gave before.
    pub cached_if_same: bool,
    /// Whether they should, as nothing they depend on changed.
    pub likely_cached: bool,
    /// How long it may take, when it may run and the past tells.
    pub expected: Option<Duration>,
    /// Presets that it uses, with their files.
    pub presets: Vec<String>,
}

/// What a run would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The pipeline's name.
    pub pipeline: String,
    /// Its stages in topological order.
    pub stages: Vec<PlannedStage>,
}

/// What the table knows of a stage's outputs while it goes down the study.
#[derive(Debug, Clone, Default)]
struct Standing {
    /// Stages that must run before the outputs are known; empty when they are known.
    roots: BTreeSet<StageIndex>,
    /// Whether there are outputs, known or guessed.
    has_outputs: bool,
    /// A stage without a result that the selection leaves out, on the way here.
    missing: Option<StageIndex>,
    /// For a stage that must run: whether nothing that it depends on changed.
    is_lost: bool,
}

impl Plan {
    /// The plan for the stages of `selected`; those in `forced` run whatever is known.
    pub fn of(
        planner: &mut Planner<'_>,
        selected: &Selected,
        forced: &[StageIndex],
    ) -> Result<Self, PlanError> {
        let study = planner.study();
        let mut standings: Vec<Standing> = Vec::with_capacity(study.stages.len());
        let mut stages = Vec::with_capacity(study.stages.len());
        for (index, _) in study.iter() {
            let mut row = Row { planner, selected, forced, standings: &standings, index };
            let (stage, standing) = row.plan()?;
            stages.push(stage);
            standings.push(standing);
        }
        Ok(Self { pipeline: study.pipeline.name.clone(), stages })
    }

    /// How many stages have this fate.
    #[must_use]
    pub fn count(&self, fate: Fate) -> usize {
        self.stages.iter().filter(|stage| stage.fate == fate).count()
    }

    /// Whether nothing would run or be restored.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.stages.iter().all(|stage| matches!(stage.fate, Fate::Cached | Fate::LeftOut))
    }

    /// Expected time of all stages that may run, one after the other, and how many of them have no
    /// known time.
    #[must_use]
    pub fn expected(&self) -> (Duration, usize) {
        let may_run = |stage: &&PlannedStage| match stage.fate {
            Fate::Run => true,
            Fate::Depends => !stage.likely_cached,
            _ => false,
        };
        let running = self.stages.iter().filter(may_run);
        let known: Duration = running.clone().filter_map(|stage| stage.expected).sum();
        (known, running.filter(|stage| stage.expected.is_none()).count())
    }

    /// For machines.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let ids = |ids: &[StageId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let stages: Vec<_> = self
            .stages
            .iter()
            .map(|stage| {
                json!({
                    "stage": stage.id.to_string(),
                    "kind": stage.kind,
                    "plan": stage.fate.word(),
                    "reason": stage.reason,
                    "depends_on": ids(&stage.on),
                    "cached_if_same": stage.cached_if_same,
                    "likely_cached": stage.likely_cached,
                    "expected_secs": stage.expected.map(|time| time.as_secs_f64()),
                    "presets": stage.presets,
                })
            })
            .collect();
        let (time, unknown) = self.expected();
        json!({
            "pipeline": self.pipeline,
            "expected_secs": time.as_secs_f64(),
            "stages_without_estimate": unknown,
            "stages": stages,
        })
    }

    /// For people: a summary, a line for each stage (cells with one fate together), the presets.
    #[must_use]
    pub fn text(&self) -> String {
        let rows: Vec<[String; 4]> = self.groups().iter().map(Group::cells).collect();
        let width = |column: usize| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let (names, fates, times) = (width(0), width(1), width(2));
        let mut text = format!("{}: {}\n", self.pipeline, self.summary());
        for [name, fate, time, why] in &rows {
            let line = format!("  {name:names$}  {fate:fates$}  {time:>times$}  {why}");
            text.push('\n');
            text.push_str(line.trim_end());
        }
        text.push('\n');
        let presets: BTreeSet<String> = self
            .stages
            .iter()
            .filter(|stage| !stage.presets.is_empty())
            .map(|stage| format!("\n{} uses {}", stage.id.name, stage.presets.join(", then ")))
            .collect();
        if !presets.is_empty() {
            text.extend(presets);
            text.push('\n');
        }
        text
    }

    /// `2 to run, 1 to restore, 9 cached; about 3 min 05 s`.
    #[must_use]
    pub fn summary(&self) -> String {
        let fates = [
            (Fate::Run, "to run"),
            (Fate::Depends, "that depend on them"),
            (Fate::Restore, "to restore"),
            (Fate::Blocked, "blocked"),
            (Fate::Cached, "cached"),
            (Fate::LeftOut, "left out"),
        ];
        let counts: Vec<String> = fates
            .into_iter()
            .map(|(fate, words)| (self.count(fate), words))
            .filter(|&(n, _)| n > 0)
            .map(|(n, words)| format!("{} {words}", wording::thousands(n as u64)))
            .collect();
        let time = match self.expected() {
            (Duration::ZERO, _) => String::new(),
            (time, 0) => format!("; about {} of work", wording::duration(time)),
            (time, n) => format!(
                "; about {} of work, and {} of unknown time",
                wording::duration(time),
                wording::count(n, "stage")
            ),
        };
        format!("{}{time}", counts.join(", "))
    }

    /// Neighbours of one name to which the same happens for the same reason.
    fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for stage in &self.stages {
            match groups.iter_mut().rev().find(|group| group.takes(stage)) {
                Some(group) => group.stages.push(stage),
                None => groups.push(Group { stages: vec![stage] }),
            }
        }
        groups
    }
}

/// Stages on one line of the table.
struct Group<'p> {
    stages: Vec<&'p PlannedStage>,
}

impl Group<'_> {
    fn takes(&self, stage: &PlannedStage) -> bool {
        let first = self.stages[0];
        first.id.name == stage.id.name
            && first.fate == stage.fate
            && first.reason == stage.reason
            && first.on == stage.on
            && first.cached_if_same == stage.cached_if_same
    }

    fn cells(&self) -> [String; 4] {
        let first = self.stages[0];
        let name = match self.stages.len() {
            1 => first.id.to_string(),
            n => format!("{} ({})", first.id.name, wording::count(n, "cell")),
        };
        let times: Option<Duration> = self.stages.iter().map(|stage| stage.expected).sum();
        let time = times.map(|time| format!("~{}", wording::duration(time))).unwrap_or_default();
        [name, first.fate.word().to_owned(), time, first.why()]
    }
}

impl PlannedStage {
    /// Everything said about it: `on search, likely cached`, `with.budget.trials 200 → 300`.
    #[must_use]
    pub fn why(&self) -> String {
        if self.fate != Fate::Depends {
            return self.reason.clone();
        }
        let named: Vec<String> =
            self.on.iter().take(NAMED_MAX).map(|id| format!("`{id}`")).collect();
        let more = match self.on.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let mut why = format!("on {}{more}", named.join(", "));
        if self.likely_cached {
            why.push_str("; likely cached");
        } else if self.cached_if_same {
            why.push_str("; cached if that gives the same as before");
        } else if !self.reason.is_empty() {
            why.push_str("; ");
            why.push_str(&self.reason);
        }
        why
    }
}

/// Plans one stage when those before it are planned.
struct Row<'r, 'a> {
    planner: &'r mut Planner<'a>,
    selected: &'r Selected,
    forced: &'r [StageIndex],
    standings: &'r [Standing],
    index: StageIndex,
}

impl Row<'_, '_> {
    fn plan(&mut self) -> Result<(PlannedStage, Standing), PlanError> {
        let inherited = self.inherited();
        let mut stage = self.blank();
        if let Some(missing) = inherited.missing {
            self.block(&mut stage, missing);
            return Ok((stage, inherited));
        }
        if !inherited.has_outputs {
            // The stages before it have never had a result to guess from.
            stage.fate = self.unless_left_out(Fate::Depends);
            stage.on = self.ids(&inherited.roots);
            return Ok((self.timed(stage), self.or_missing(inherited)));
        }
        let resolved = self.planner.resolve(self.index)?;
        let is_forced = self.forced.contains(&self.index) && self.selected.contains(self.index);
        let record = resolved.record.as_ref().filter(|_| !is_forced);
        stage.reason.clone_from(&resolved.reason);
        if inherited.roots.is_empty() && record.is_some() {
            let is_here = resolved.was_last && resolved.elsewhere.is_none();
            stage.fate = if is_here { Fate::Cached } else { Fate::Restore };
            self.know(&resolved);
            return Ok((stage, inherited));
        }
        let mut standing = Standing { has_outputs: true, ..inherited };
        if standing.roots.is_empty() {
            stage.fate = self.unless_left_out(Fate::Run);
            if is_forced {
                "forced".clone_into(&mut stage.reason);
            }
            standing.is_lost = is_forced || resolved.was_last;
            standing.roots.insert(self.index);
        } else {
            stage.fate = self.unless_left_out(Fate::Depends);
            stage.on = self.ids(&standing.roots);
            stage.cached_if_same = record.is_some();
            let is_lost = |root: &StageIndex| self.standings[root.0].is_lost;
            stage.likely_cached = record.is_some() && standing.roots.iter().all(is_lost);
        }
        standing.has_outputs = self.know(&resolved) || self.planner.guess(self.index)?;
        Ok((self.timed(stage), self.or_missing(standing)))
    }

    /// What the stages that feed this one leave of certainty. A frozen stage does not ask them.
    fn inherited(&self) -> Standing {
        let stage = self.planner.study().get(self.index);
        let mut all = Standing { has_outputs: true, ..Standing::default() };
        if stage.settings.frozen {
            return all;
        }
        for feed in stage.inputs.iter().flat_map(|(_, feeds)| feeds) {
            let standing = &self.standings[feed.stage.0];
            all.roots.extend(&standing.roots);
            all.has_outputs &= standing.has_outputs;
            all.missing = all.missing.or(standing.missing);
        }
        all
    }

    fn blank(&self) -> PlannedStage {
        let study = self.planner.study();
        let stage = study.get(self.index);
        PlannedStage {
            index: self.index,
            id: stage.id.clone(),
            kind: stage.stage.kind(),
            fate: Fate::LeftOut,
            reason: String::new(),
            on: Vec::new(),
            cached_if_same: false,
            likely_cached: false,
            expected: None,
            presets: study.written(self.index).presets.clone(),
        }
    }

    fn block(&self, stage: &mut PlannedStage, missing: StageIndex) {
        stage.fate = self.unless_left_out(Fate::Blocked);
        if stage.fate == Fate::Blocked {
            let missing = &self.planner.study().get(missing).id;
            stage.reason =
                format!("the selection leaves out `{missing}`, whose result is not known");
        }
    }

    /// A stage that would have to run but is left out leaves a gap.
    fn or_missing(&self, mut standing: Standing) -> Standing {
        if !self.selected.contains(self.index) {
            standing.missing = Some(self.index);
        }
        standing
    }

    fn unless_left_out(&self, fate: Fate) -> Fate {
        if self.selected.contains(self.index) { fate } else { Fate::LeftOut }
    }

    fn timed(&mut self, mut stage: PlannedStage) -> PlannedStage {
        if matches!(stage.fate, Fate::Run | Fate::Depends) {
            stage.expected = self.planner.expected(self.index);
        }
        stage
    }

    /// Tells the planner a recorded result's outputs; whether there was one.
    fn know(&mut self, resolved: &Resolved) -> bool {
        if let Some(record) = &resolved.record {
            self.planner.know(self.index, &record.outputs);
        }
        resolved.record.is_some()
    }

    fn ids(&self, stages: &BTreeSet<StageIndex>) -> Vec<StageId> {
        stages.iter().map(|&index| self.planner.study().get(index).id.clone()).collect()
    }
}
