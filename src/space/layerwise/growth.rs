//! How deep networks are, by the number of networks before (Zoph & Le 2017, sec. 4.1: 6 layers at first, 2
//! more every 1,600 samples).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Layers that rise during a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Layers at first: 6 in the paper.
    #[schemars(range(min = 1, max = 64))]
    pub start: u64,
    /// Layers added each time: 2 in the paper.
    #[schemars(range(min = 1, max = 64))]
    pub plus: u64,
    /// Networks between two additions, each counted once: 1,600 in the paper.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub every: u64,
}

impl Growth {
    /// Layers of the network with number `sample`, from 0, where nothing bounds them.
    #[must_use]
    pub fn layers(&self, sample: u64) -> u64 {
        self.start.saturating_add(self.plus.saturating_mul(sample / self.every))
    }

    /// Every number of layers below `most`, in rising order, and `most`.
    pub(super) fn depths(self, most: usize) -> impl Iterator<Item = usize> {
        let below = (0..).map(move |times| self.layers(self.every.saturating_mul(times)));
        let below = below.map(|layers| usize::try_from(layers).unwrap_or(usize::MAX));
        below.take_while(move |layers| *layers < most).chain([most])
    }
}
