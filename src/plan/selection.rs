//! Selection: which stages `--only`, `--from` and `--until` leave.

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};

use crate::artifact::StageId;
use crate::wording;

use super::{PlanError, StageIndex, Study};

/// Patterns of the command line: stage names or globs, with cells as in references:
/// `search`, `re*`, `search[*]`, `search[strategy=random]`, `search[repeat=1*]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Only these stages.
    pub only: Vec<String>,
    /// These stages and everything after them.
    pub from: Vec<String>,
    /// These stages and everything before them.
    pub until: Vec<String>,
}

/// The stages that a selection left. The others may be known, but must not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected(Vec<bool>);

impl Selected {
    /// Every stage of `study`.
    #[must_use]
    pub fn all(study: &Study) -> Self {
        Self(vec![true; study.stages.len()])
    }

    /// Whether the stage may run.
    #[must_use]
    pub fn contains(&self, stage: StageIndex) -> bool {
        self.0[stage.0]
    }

    /// How many stages may run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().filter(|&&selected| selected).count()
    }

    /// Whether nothing may run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Leaves only what `other` has, too.
    fn keep(&mut self, other: &[bool]) {
        for (mine, theirs) in self.0.iter_mut().zip(other) {
            *mine &= theirs;
        }
    }
}

impl Selection {
    /// Whether nothing is left out.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self == &Self::default()
    }

    /// The stages that fit every option given; all of them when none is.
    ///
    /// # Errors
    /// When a pattern fits no stage or cannot be read.
    pub fn of(&self, study: &Study) -> Result<Selected, PlanError> {
        let mut selected = Selected::all(study);
        if !self.only.is_empty() {
            selected.keep(&named(study, &self.only)?);
        }
        if !self.from.is_empty() {
            let mut after = named(study, &self.from)?;
            for (index, stage) in study.iter() {
                after[index.0] |= stage.before.iter().any(|before| after[before.0]);
            }
            selected.keep(&after);
        }
        if !self.until.is_empty() {
            let mut before = named(study, &self.until)?;
            for (index, stage) in study.iter().collect::<Vec<_>>().into_iter().rev() {
                before[index.0] |= stage.after.iter().any(|after| before[after.0]);
            }
            selected.keep(&before);
        }
        Ok(selected)
    }

    /// The stages that one pattern names, for `explain`, `get` and `--force`.
    ///
    /// # Errors
    /// When the pattern fits no stage or cannot be read.
    pub fn matching(study: &Study, pattern: &str) -> Result<Vec<StageIndex>, PlanError> {
        let found = named(study, &[pattern.to_owned()])?;
        Ok(study.iter().map(|(index, _)| index).filter(|index| found[index.0]).collect())
    }
}

/// The stages that any of the patterns fits.
fn named(study: &Study, patterns: &[String]) -> Result<Vec<bool>, PlanError> {
    let mut found = vec![false; study.stages.len()];
    for text in patterns {
        let pattern = Pattern::parse(text)?;
        let mut fits_any = false;
        for (index, stage) in study.iter() {
            if pattern.fits(&stage.id) {
                found[index.0] = true;
                fits_any = true;
            }
        }
        if !fits_any {
            return Err(nothing(study, text));
        }
    }
    Ok(found)
}

fn nothing(study: &Study, pattern: &str) -> PlanError {
    let mut names: Vec<&str> = study.stages.iter().map(|stage| stage.id.name.as_str()).collect();
    names.dedup();
    let name = pattern.split('[').next().unwrap_or(pattern);
    let suggestion = match wording::nearest(name, names.iter().copied()) {
        Some(near) if near == name => ": it has no such cell".to_owned(),
        Some(near) => format!(": did you mean `{near}`?"),
        None => format!(": the stages are {}", wording::list(&names[..names.len().min(20)])),
    };
    PlanError::NothingSelected { pattern: pattern.to_owned(), suggestion }
}

/// A pattern as it was written.
struct Pattern {
    name: GlobMatcher,
    cells: Vec<(String, GlobMatcher)>,
}

impl Pattern {
    /// Brackets are cells, as in references, and never a set of letters: a glob such as `search[*]`
    /// would otherwise mean `search` and a star.
    fn parse(text: &str) -> Result<Self, PlanError> {
        let bad = |reason: String| PlanError::BadSelection { pattern: text.to_owned(), reason };
        let glob = |text: &str| {
            let glob = GlobBuilder::new(text).backslash_escape(true).build();
            glob.map(|glob| glob.compile_matcher()).map_err(|error| bad(error.kind().to_string()))
        };
        let Some((name, cells)) = text.split_once('[') else {
            return Ok(Self { name: glob(text)?, cells: Vec::new() });
        };
        let Some(cells) = cells.strip_suffix(']') else {
            return Err(bad("a `]` is missing at its end".to_owned()));
        };
        let mut pattern = Self { name: glob(name)?, cells: Vec::new() };
        for cell in cells.split(',').map(str::trim).filter(|cell| !matches!(*cell, "" | "*")) {
            let Some((key, value)) = cell.split_once('=') else {
                return Err(bad(format!("`{cell}` is not `key=value`")));
            };
            pattern.cells.push((key.trim().to_owned(), glob(value.trim())?));
        }
        Ok(pattern)
    }

    fn fits(&self, id: &StageId) -> bool {
        let cell = |(key, value): &(String, GlobMatcher)| {
            id.coordinates.0.get(key).is_some_and(|found| value.is_match(found))
        };
        self.name.is_match(&id.name) && self.cells.iter().all(cell)
    }
}
