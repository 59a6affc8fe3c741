//! A space as a stage's parameters: `space: { kind: chain }`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::{self, ChainConfig, ChainSpace};
use super::{Space, SpaceError};
use crate::net::Shape;

/// Name and version of every space, for stages that build networks from genotypes they are given: which
/// space those are of is known only when they run.
pub const COMPONENTS: [(&str, u32); 1] = [("space.chain", chain::VERSION)];

/// The search space and its tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "kind")]
pub enum SpaceConfig {
    /// Chains of layers, as in MetaQNN (Baker et al. 2017).
    Chain(ChainConfig),
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
        }
    }

    /// What a schema cannot say of the values.
    #[must_use]
    pub fn check(&self) -> Vec<ConfigMistake> {
        match self {
            Self::Chain(config) => config.check(),
        }
    }

    /// Opens the space for images of shape `image` and `classes` classes.
    ///
    /// # Errors
    /// When the images do not suit it.
    pub fn open(&self, image: Shape, classes: usize) -> Result<Box<dyn Space>, SpaceError> {
        match self {
            Self::Chain(config) => Ok(Box::new(ChainSpace::open(config, image, classes)?)),
        }
    }
}
