//! Parameters of the NAS-Bench-201 space; the defaults are the benchmark's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::space::Limits;

/// One cell of six edges in a residual skeleton (NAS-Bench-201, Dong & Yang 2020).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Nasbench201Config {
    /// Cells in each of the three stages.
    #[schemars(range(min = 1, max = 64))]
    pub cells: usize,
    /// Channels of the first stage; they double at each of the two reductions.
    #[schemars(range(min = 1, max = 1024))]
    pub filters: usize,
    /// Networks with more trainable parameters are drawn again, untrained.
    pub parameters_max: u64,
    /// Networks with more multiply-adds for one image are drawn again, untrained.
    pub multiply_adds_max: u64,
    /// Networks whose training step needs more memory by estimate, in MiB, are drawn again, untrained.
    pub memory_max: u64,
    /// Images in the step whose memory is estimated.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub memory_batch: u64,
}

impl Default for Nasbench201Config {
    fn default() -> Self {
        let Limits { parameters_max, multiply_adds_max, memory_max, memory_batch } =
            Limits::default();
        Self { cells: 5, filters: 16, parameters_max, multiply_adds_max, memory_max, memory_batch }
    }
}

impl Nasbench201Config {
    /// What keeps a genotype from being tried.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            parameters_max: self.parameters_max,
            multiply_adds_max: self.multiply_adds_max,
            memory_max: self.memory_max,
            memory_batch: self.memory_batch,
        }
    }
}
