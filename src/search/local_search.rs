//! Local search: from the best of some random networks to the best of its neighbours, as long as that is
//! strictly better; then from new random networks (White et al. 2020, arXiv:2005.02960; `NASLib`).
//!
//! Neighbours are visited in random order, all of them: the steepest way up. Those that were evaluated
//! before cost nothing, those beyond the space's limits are passed by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::strategy::Parameters;
use super::{Controller, Finished, Progress, Remarks, SearchError};
use crate::seed::{Seed, Stream};
use crate::space::{Genotype, Space};

/// Version of the algorithm: raised when the same seed and rewards give other networks.
const VERSION: u32 = 1;

/// Local search from random starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LocalSearchConfig {
    /// Random networks, the best of which each climb begins at.
    #[schemars(range(min = 1, max = 100_000))]
    pub starts: usize,
}

impl Default for LocalSearchConfig {
    /// `NASLib`'s value.
    fn default() -> Self {
        Self { starts: 10 }
    }
}

/// The strategy's controller.
#[derive(Debug, Clone)]
pub(super) struct LocalSearch {
    config: LocalSearchConfig,
    climb: Climb,
}

/// Where a climb is: the whole of the controller's state, small enough to be saved as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Climb {
    /// Reward of the network whose neighbours are being visited; none among the starts.
    height: Option<f64>,
    /// The best seen since the climb was last here, with its reward.
    best: Option<(Genotype, f64)>,
    /// Random networks to propose before the climb begins.
    starts: usize,
    /// Neighbours to visit, the next one last.
    neighbours: Vec<Genotype>,
}

impl Climb {
    fn begin(starts: usize) -> Self {
        Self { height: None, best: None, starts, neighbours: Vec::new() }
    }

    /// Takes one step up, or begins anew where there is none: to be called when all rewards are known.
    fn advance(&mut self, starts: usize, space: &dyn Space, stream: &mut Stream) {
        match self.best.take() {
            Some((genotype, reward)) if self.height.is_none_or(|height| reward > height) => {
                let mut neighbours = space.neighbours(&genotype);
                stream.shuffle(&mut neighbours);
                *self = Self { height: Some(reward), best: None, starts: 0, neighbours };
            }
            _ => *self = Self::begin(starts),
        }
    }
}

impl Parameters for LocalSearchConfig {
    fn component(&self) -> (&'static str, u32) {
        ("strategy.local_search", VERSION)
    }

    fn controller(
        &self,
        _: &dyn Space,
        _: u64,
        _: Seed,
    ) -> Result<Box<dyn Controller>, SearchError> {
        Ok(Box::new(LocalSearch::new(self)))
    }
}

impl LocalSearch {
    /// At the first of its starts.
    pub(super) fn new(config: &LocalSearchConfig) -> Self {
        Self { config: config.clone(), climb: Climb::begin(config.starts) }
    }
}

impl Controller for LocalSearch {
    fn propose(
        &mut self,
        space: &dyn Space,
        progress: Progress,
        stream: &mut Stream,
        genotype: &mut Genotype,
    ) -> Remarks {
        let is_done = self.climb.starts == 0 && self.climb.neighbours.is_empty();
        if is_done && progress.pending == 0 {
            self.climb.advance(self.config.starts, space, stream);
        }
        if let Some(neighbour) = self.climb.neighbours.pop() {
            *genotype = neighbour;
        } else {
            // Also where the step up waits for rewards and more is asked for at once: another start.
            self.climb.starts = self.climb.starts.saturating_sub(1);
            space.process().draw(stream, genotype);
        }
        Remarks::default()
    }

    fn observe(&mut self, _: &dyn Space, finished: Finished<'_>, _: &mut Stream) {
        let is_better = |best: &(Genotype, f64)| finished.reward > best.1;
        if self.climb.best.as_ref().is_none_or(is_better) {
            self.climb.best = Some((finished.genotype.clone(), finished.reward));
        }
    }

    fn save(&self) -> serde_json::Value {
        serde_json::to_value(&self.climb).expect("numbers serialize")
    }

    fn restore(
        &mut self,
        space: &dyn Space,
        _: &[(Genotype, f64)],
        saved: &serde_json::Value,
    ) -> Result<(), SearchError> {
        let climb =
            Climb::deserialize(saved).map_err(|error| SearchError::Unfit(error.to_string()))?;
        let best = climb.best.iter().map(|(genotype, _)| genotype);
        if !best.chain(&climb.neighbours).all(|genotype| space.has(genotype)) {
            return Err(SearchError::Unfit("a neighbour is not of this space".to_owned()));
        }
        self.climb = climb;
        Ok(())
    }
}
