//! A search that goes on from the result of one with a smaller budget.

use std::fs;
use std::path::Path;

use super::{STATE_FILE, SearchConfig};
use crate::manifest::Change;
use crate::results::{self, TRIALS_FILE, Trial};
use crate::search::{Knowledge, SavedSearch};
use crate::space::{Genotype, Space};
use crate::stage::{Continuation, rungs, trial_log};

/// Whether the search, changed so, begins as it was before.
pub(super) fn after(config: &SearchConfig, changes: &[Change]) -> Continuation {
    let [change] = changes else { return Continuation::Nothing };
    let before = change.before.as_deref().and_then(|trials| trials.parse::<u64>().ok());
    match before.filter(|_| change.key == "with.budget.trials") {
        Some(before) if before < config.budget.trials => match differs_after(config, before) {
            Some(reason) => Continuation::StartsOver(format!("starts over: {reason}")),
            None => Continuation::GoesOn(format!("goes on after {before} trials")),
        },
        _ => Continuation::Nothing,
    }
}

/// Why this search, with its budget, does not begin as one of `trials` networks did.
fn differs_after(config: &SearchConfig, trials: u64) -> Option<String> {
    if let Some(reason) = config.strategy.depends_on_budget() {
        return Some(reason.to_owned());
    }
    match &config.fidelity {
        Some(fidelity) if !fidelity.brackets().is_empty() => (!rungs::ends_whole(fidelity, trials))
            .then(|| format!("after {trials} networks a bracket was cut short")),
        _ if !trials.is_multiple_of(config.batch as u64) => {
            Some(format!("after {trials} networks a batch of {} was cut short", config.batch))
        }
        _ => None,
    }
}

/// An earlier result that a search goes on from.
pub(super) struct Earlier {
    pub(super) lines: String,
    pub(super) trials: Vec<Trial>,
    pub(super) saved: SavedSearch,
}

impl Earlier {
    /// Reads the outputs below `folder`; the error says why they cannot be used.
    pub(super) fn read(folder: &Path, space: &dyn Space) -> Result<Self, String> {
        let read = |path: &str| {
            let path = folder.join(path);
            fs::read_to_string(&path).map_err(|error| format!("`{}`: {error}", path.display()))
        };
        let state = read(&format!("controller/{STATE_FILE}"))?;
        let knowledge: Knowledge =
            serde_json::from_str(&state).map_err(|error| error.to_string())?;
        let lines = read(&format!("trials/{TRIALS_FILE}"))?;
        let trials = trial_log::parse(&lines)?;
        let networks = networks(&trials, space)?;
        Ok(Self { lines, saved: knowledge.with(networks), trials })
    }
}

/// The networks of `trials` with their rewards, as a search keeps them; the error says which is none.
pub(super) fn networks(
    trials: &[Trial],
    space: &dyn Space,
) -> Result<Vec<(Genotype, f64)>, String> {
    let network = |trial: &Trial| {
        let genotype = space.parse(&trial.genotype);
        let genotype = genotype.map_err(|error| format!("`{}`: {error}", trial.genotype))?;
        Ok((genotype, trial.reward))
    };
    results::finished(trials).map(network).collect()
}
