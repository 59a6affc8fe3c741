//! Which stages of a study have a result now: what `push` sends and `pull` fetches.

use crate::manifest::Fingerprint;

use super::{PlanError, Planner, StageIndex};

/// The results that a study has, by what the planner's world knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownResults {
    /// Stages that have one.
    pub found: Vec<(StageIndex, Fingerprint)>,
    /// Stages that have none, or whose key is not known as something before them has none.
    pub missing: Vec<StageIndex>,
}

impl KnownResults {
    /// Goes through the whole study.
    pub fn of(planner: &mut Planner<'_>) -> Result<Self, PlanError> {
        let study = planner.study();
        let mut known = Self::default();
        for (index, _) in study.iter() {
            let record =
                if planner.is_resolvable(index) { planner.resolve(index)?.record } else { None };
            if let Some(record) = record {
                planner.know(index, &record.outputs);
                known.found.push((index, record.fingerprint));
            } else {
                known.missing.push(index);
            }
        }
        Ok(known)
    }
}
