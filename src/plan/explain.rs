//! Explanations: a stage's manifest, line by line, with what changed and where each value came from.

use serde_json::json;

use crate::artifact::StageId;
use crate::manifest::{Fingerprint, Line, Manifest};
use crate::wording;

use super::origin::Origins;
use super::table::{Fate, Plan};
use super::{PlanError, Planner, Selected, StageIndex};

/// Most unchanged files that the text lists.
const FILES_MAX: usize = 8;

/// Everything that decides a stage's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Name and cell.
    pub stage: StageId,
    /// What would happen to it.
    pub fate: Fate,
    /// Why.
    pub why: String,
    /// Its cache key; none while its inputs are not known.
    pub fingerprint: Option<Fingerprint>,
    /// Whether a stage before it must run first, so that its inputs are those of the last run.
    pub is_guess: bool,
    /// The manifest.
    pub lines: Vec<ExplainedLine>,
    /// Lines of the last result's manifest that are gone.
    pub removed: Vec<Line>,
}

/// A line of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedLine {
    /// The line.
    pub line: Line,
    /// How it compares with the last result's manifest.
    pub since: Since,
    /// Where its value came from: `pipelines/quickstart.yaml:12`, `default`, `-p`; may be empty.
    pub origin: String,
}

/// What became of a line since the last result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// It was the same, or there is nothing to compare with.
    Same,
    /// It was not there.
    Added,
    /// It had this value.
    Was(String),
}

impl Explanation {
    /// Explains a stage as things stand now.
    pub fn of(planner: &mut Planner<'_>, index: StageIndex) -> Result<Self, PlanError> {
        let study = planner.study();
        let plan = Plan::of(planner, &Selected::all(study), &[])?;
        let planned = &plan.stages[index.0];
        let mut explanation = Self {
            stage: planned.id.clone(),
            fate: planned.fate,
            why: planned.why(),
            fingerprint: None,
            is_guess: planned.fate == Fate::Depends,
            lines: Vec::new(),
            removed: Vec::new(),
        };
        if !planner.is_resolvable(index) {
            return Ok(explanation);
        }
        let resolved = planner.resolve(index)?;
        explanation.fingerprint = Some(resolved.fingerprint);
        let old = planner.last_manifest(index)?;
        explanation.compare(resolved.manifest, old.as_ref(), &Origins::of(planner, index));
        Ok(explanation)
    }

    fn compare(&mut self, manifest: Manifest, old: Option<&Manifest>, origins: &Origins<'_>) {
        let changes = old.map(|old| manifest.diff(old)).unwrap_or_default();
        for change in changes.iter().filter(|change| change.after.is_none()) {
            let value = change.before.clone().unwrap_or_default();
            self.removed.push(Line { key: change.key.clone(), value });
        }
        for line in manifest.into_lines() {
            let change = changes.iter().find(|change| {
                change.key == line.key && change.after.as_ref() == Some(&line.value)
            });
            let since = match change.map(|change| &change.before) {
                None => Since::Same,
                Some(None) => Since::Added,
                Some(Some(before)) => Since::Was(before.clone()),
            };
            let origin = origins.of_line(&line.key);
            self.lines.push(ExplainedLine { line, since, origin });
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}", self.stage, self.fate.word());
        if !self.why.is_empty() {
            text.push_str(", ");
            text.push_str(&self.why);
        }
        text.push('\n');
        let Some(fingerprint) = self.fingerprint else {
            text.push_str(
                "Its inputs are not known yet, and no earlier run tells what they were.\n",
            );
            return text;
        };
        text.push_str("fingerprint ");
        text.push_str(&fingerprint.hex());
        text.push('\n');
        if self.is_guess {
            text.push_str("Its inputs are those of the last run, as a stage before it must run.\n");
        }
        text.push('\n');
        let (shown, folded) = self.shown();
        let width = shown.iter().map(|(words, _)| words.chars().count()).max().unwrap_or_default();
        for (words, origin) in &shown {
            text.push_str(format!("{words:width$}  {origin}").trim_end());
            text.push('\n');
        }
        if folded > 0 {
            text.push_str("  … and ");
            text.push_str(&wording::count(folded, "more file"));
            text.push_str(" unchanged\n");
        }
        text
    }

    /// The lines with their marks, and how many files are left out.
    fn shown(&self) -> (Vec<(String, &str)>, usize) {
        let mut shown: Vec<(String, &str)> = Vec::new();
        let mut files = 0;
        for line in &self.lines {
            if line.since == Since::Same && line.line.key.starts_with("file.") {
                files += 1;
                if files > FILES_MAX {
                    continue;
                }
            }
            shown.push((line.words(), &line.origin));
        }
        shown.extend(self.removed.iter().map(|line| (format!("- {}", short(line)), "")));
        (shown, files.saturating_sub(FILES_MAX))
    }

    /// For machines.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let line = |line: &ExplainedLine| {
            let (since, before) = match &line.since {
                Since::Same => ("same", None),
                Since::Added => ("added", None),
                Since::Was(before) => ("changed", Some(before)),
            };
            json!({
                "key": line.line.key,
                "value": line.line.value,
                "since": since,
                "before": before,
                "origin": line.origin,
            })
        };
        let removed = |line: &Line| json!({ "key": line.key, "value": line.value });
        json!({
            "stage": self.stage.to_string(),
            "plan": self.fate.word(),
            "why": self.why,
            "fingerprint": self.fingerprint,
            "is_guess": self.is_guess,
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
            "removed": self.removed.iter().map(removed).collect::<Vec<_>>(),
        })
    }
}

impl ExplainedLine {
    /// `~ with.budget.trials 300 (was 200)`.
    fn words(&self) -> String {
        let line = short(&self.line);
        match &self.since {
            Since::Same => format!("  {line}"),
            Since::Added => format!("+ {line}"),
            Since::Was(before) => {
                let before = Line { key: String::new(), value: before.clone() };
                format!("~ {line} (was {})", short(&before).trim_start_matches("\"\" "))
            }
        }
    }
}

/// The line with digests shortened.
fn short(line: &Line) -> String {
    let words: Vec<String> = line
        .to_string()
        .split(' ')
        .map(|word| {
            word.parse::<crate::digest::Digest>().map_or_else(|_| word.to_owned(), |d| d.short())
        })
        .collect();
    words.join(" ")
}
