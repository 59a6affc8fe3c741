//! How deep networks may be, by the number of networks seen (Zoph & Le 2017, sec. 4.1: from 6 layers on,
//! 2 more every 1,600 samples).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A limit on layers that rises during a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Layers at first.
    #[schemars(range(min = 1, max = 1_000))]
    pub start: u64,
    /// Layers added each time.
    #[schemars(range(min = 1, max = 1_000))]
    pub plus: u64,
    /// Networks between two additions.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub every: u64,
}

impl Growth {
    /// The limit for the network with number `sample`, from 0.
    #[must_use]
    pub fn layers(&self, sample: u64) -> u64 {
        self.start.saturating_add(self.plus.saturating_mul(sample / self.every))
    }
}
