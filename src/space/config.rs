//! A space as a stage's parameters: `space: { kind: chain }`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::{self, ChainConfig, ChainSpace};
use super::layerwise::{self, LayerwiseConfig, LayerwiseSpace};
use super::nasbench201::{self, Nasbench201Config, Nasbench201Space};
use super::nasnet::{self, NasnetConfig, NasnetSpace};
use super::{Space, SpaceError};
use crate::net::Shape;

/// Name and version of every space, for stages that build networks from genotypes they are given: which
/// space those are of is known only when they run.
pub const COMPONENTS: [(&str, u32); 4] = [
    ("space.chain", chain::VERSION),
    ("space.layerwise", layerwise::VERSION),
    ("space.nasbench201", nasbench201::VERSION),
    ("space.nasnet", nasnet::VERSION),
];

/// The search space and its tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "kind")]
pub enum SpaceConfig {
    /// Chains of layers, as in MetaQNN (Baker et al. 2017).
    Chain(ChainConfig),
    /// Pairs of cells in a fixed stack, as in `NASNet` (Zoph et al. 2018).
    Nasnet(NasnetConfig),
    /// Convolutions with free skip connections, layer by layer (Zoph & Le 2017).
    Layerwise(LayerwiseConfig),
    /// One cell of six edges in a residual skeleton, as in NAS-Bench-201 (Dong & Yang 2020).
    Nasbench201(Nasbench201Config),
}

/// A value that its schema allows and the space does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMistake {
    /// The parameter.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl SpaceConfig {
    /// Name and version of the space as a component of results.
    #[must_use]
    pub fn component(&self) -> (&'static str, u32) {
        match self {
            Self::Chain(_) => ("space.chain", chain::VERSION),
            Self::Nasnet(_) => ("space.nasnet", nasnet::VERSION),
            Self::Layerwise(_) => ("space.layerwise", layerwise::VERSION),
            Self::Nasbench201(_) => ("space.nasbench201", nasbench201::VERSION),
        }
    }

    /// What a schema cannot say of the values.
    #[must_use]
    pub fn check(&self) -> Vec<ConfigMistake> {
        match self {
            Self::Chain(config) => config.check(),
            Self::Nasnet(config) => config.check(),
            Self::Layerwise(config) => config.check(),
            Self::Nasbench201(_) => Vec::new(),
        }
    }

    /// Opens the space for images of shape `image` and `classes` classes.
    ///
    /// # Errors
    /// When the images do not suit it.
    pub fn open(&self, image: Shape, classes: usize) -> Result<Box<dyn Space>, SpaceError> {
        match self {
            Self::Chain(config) => Ok(Box::new(ChainSpace::open(config, image, classes)?)),
            Self::Nasnet(config) => Ok(Box::new(NasnetSpace::open(config, image, classes)?)),
            Self::Layerwise(config) => Ok(Box::new(LayerwiseSpace::open(config, image, classes)?)),
            Self::Nasbench201(config) => {
                Ok(Box::new(Nasbench201Space::open(config, image, classes)?))
            }
        }
    }
}

/// A value that was seen before.
pub(super) fn repeated<T: Ord + Copy>(values: &[T]) -> Option<T> {
    let mut seen = BTreeSet::new();
    values.iter().copied().find(|value| !seen.insert(*value))
}
