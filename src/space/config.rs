//! A space as a stage's parameters: `space: { kind: chain }`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::ChainConfig;
use super::layerwise::LayerwiseConfig;
use super::nasbench201::Nasbench201Config;
use super::nasnet::NasnetConfig;
use super::{Space, SpaceError};
use crate::net::Shape;

/// The parameters of one space; what [`SpaceConfig`] asks of them.
pub trait Parameters: Clone + Default {
    /// Name and version of the space as a component of results: `space.` and its `kind`.
    const COMPONENT: (&'static str, u32);

    /// What a schema cannot say of the values.
    fn mistakes(&self) -> Vec<ConfigMistake> {
        Vec::new()
    }

    /// The same parameters, each said once, so that others can be put over them.
    #[must_use]
    fn resolved(&self) -> Self {
        self.clone()
    }

    /// Opens the space for images of shape `image` and `classes` classes.
    ///
    /// # Errors
    /// When the images do not suit it.
    fn open(&self, image: Shape, classes: usize) -> Result<Box<dyn Space>, SpaceError>;
}

/// Makes the enum of all spaces, and of each of its functions the one that the space in question has.
macro_rules! spaces {
    ($($(#[$doc:meta])* $variant:ident($config:ty);)*) => {
        /// Name and version of every space, for stages that build networks from genotypes they are given:
        /// which space those are of is known only when they run.
        pub const COMPONENTS: &[(&str, u32)] = &[$(<$config>::COMPONENT),*];

        /// The search space and its tables.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[schemars(tag = "kind")]
        pub enum SpaceConfig {
            $($(#[$doc])* $variant($config),)*
        }

        impl SpaceConfig {
            /// Every space with its default parameters.
            #[must_use]
            pub fn all() -> Vec<Self> {
                vec![$(Self::$variant(<$config>::default())),*]
            }

            /// Name and version of the space as a component of results.
            #[must_use]
            pub fn component(&self) -> (&'static str, u32) {
                match self {
                    $(Self::$variant(_) => <$config>::COMPONENT,)*
                }
            }

            /// What a schema cannot say of the values.
            #[must_use]
            pub fn check(&self) -> Vec<ConfigMistake> {
                match self {
                    $(Self::$variant(config) => Parameters::mistakes(config),)*
                }
            }

            fn resolved(&self) -> Self {
                match self {
                    $(Self::$variant(config) => Self::$variant(Parameters::resolved(config)),)*
                }
            }

            /// Opens the space for images of shape `image` and `classes` classes.
            ///
            /// # Errors
            /// When the images do not suit it.
            pub fn open(&self, image: Shape, classes: usize) -> Result<Box<dyn Space>, SpaceError> {
                match self {
                    $(Self::$variant(config) => Parameters::open(config, image, classes),)*
                }
            }
        }
    };
}

spaces! {
    /// Chains of layers, as in MetaQNN (Baker et al. 2017).
    Chain(ChainConfig);
    /// Pairs of cells in a fixed stack, as in `NASNet` (Zoph et al. 2018).
    Nasnet(NasnetConfig);
    /// Convolutions with free skip connections, layer by layer (Zoph & Le 2017).
    Layerwise(LayerwiseConfig);
    /// One cell of six edges in a residual skeleton, as in NAS-Bench-201 (Dong & Yang 2020).
    Nasbench201(Nasbench201Config);
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

/// Values that are put over those of the space that was searched: `space: { cells: 6, filters: 32 }`.
///
/// So the best cells of a small search are trained in a larger network (transfer, Zoph et al. 2018, sec.
/// 4.1). The space itself stays, and what its genotypes are made of must, too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SpaceChanges(pub BTreeMap<String, serde_json::Value>);

impl SpaceChanges {
    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl SpaceConfig {
    /// The words that `kind` may be.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        COMPONENTS.iter().map(|(component, _)| kind(component))
    }

    /// The space of `self` with the values of `changes` put over its own; what else the text of a genotype
    /// names stays as it was.
    ///
    /// # Errors
    /// When a key or value does not fit the space.
    pub fn with(&self, changes: &SpaceChanges) -> Result<Self, SpaceError> {
        let own = self.resolved();
        let refused = |reason: String| SpaceError::Changes { space: own.name(), reason };
        let mut value = serde_json::to_value(&own).expect("configs are numbers and text");
        let fields = value.get_mut(own.name()).and_then(serde_json::Value::as_object_mut);
        let fields = fields.expect("a config is a map under its space's name");
        for (key, change) in &changes.0 {
            if key == "kind" {
                if change != own.name() {
                    return Err(refused(
                        "genotypes of one space say nothing in another".to_owned(),
                    ));
                }
                continue;
            }
            fields.insert(key.clone(), change.clone());
        }
        let changed: Self =
            serde_json::from_value(value).map_err(|error| refused(error.to_string()))?;
        match changed.check().into_iter().next() {
            Some(mistake) => Err(refused(format!("{}: {}", mistake.message, mistake.help))),
            None => Ok(changed),
        }
    }

    /// Its `kind` in a file.
    fn name(&self) -> &'static str {
        kind(self.component().0)
    }
}

/// The `kind` of a component.
fn kind(component: &'static str) -> &'static str {
    component.trim_start_matches("space.")
}

/// A value that was seen before.
pub(super) fn repeated<T: Ord + Copy>(values: &[T]) -> Option<T> {
    let mut seen = BTreeSet::new();
    values.iter().copied().find(|value| !seen.insert(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(text: &str) -> SpaceChanges {
        serde_json::from_str(text).unwrap()
    }

    fn nasnet(config: NasnetConfig) -> SpaceConfig {
        SpaceConfig::Nasnet(config)
    }

    #[test]
    fn changes_win_over_what_was_searched_and_leave_the_rest() {
        let small = NasnetConfig { cells: 1, blocks: 3, ..NasnetConfig::default() };
        let large = nasnet(small.clone()).with(&changes(r#"{"cells": 6, "filters": 32}"#)).unwrap();
        assert_eq!(large, nasnet(NasnetConfig { cells: 6, filters: 32, ..small.clone() }));
        let none = nasnet(small.clone()).with(&SpaceChanges::default()).unwrap();
        assert_eq!(none, nasnet(small));
    }

    #[test]
    fn cells_win_over_a_size_that_was_searched_with() {
        let sized = NasnetConfig { size: Some("2 @ 384".to_owned()), ..NasnetConfig::default() };
        let changed = nasnet(sized).with(&changes(r#"{"cells": 4}"#)).unwrap();
        assert_eq!(
            changed,
            nasnet(NasnetConfig { cells: 4, filters: 16, ..NasnetConfig::default() })
        );
    }

    #[test]
    fn changes_that_do_not_fit_are_refused_with_the_spaces_name() {
        let refused =
            |text| nasnet(NasnetConfig::default()).with(&changes(text)).unwrap_err().to_string();
        let unknown = refused(r#"{"layers": 6}"#);
        assert!(
            unknown.starts_with("`space` does not fit the space `nasnet`: unknown field `layers`"),
            "{unknown}"
        );
        let beyond = refused(r#"{"size": "6 @ 100"}"#);
        assert!(beyond.contains("100 channels are no multiple of 24"), "{beyond}");
        assert!(refused(r#"{"cells": "six"}"#).contains("invalid type"));
        assert!(refused(r#"{"kind": "chain"}"#).contains("say nothing in another"));
        let same = nasnet(NasnetConfig::default()).with(&changes(r#"{"kind": "nasnet"}"#));
        assert_eq!(same, Ok(nasnet(NasnetConfig::default())));
    }

    #[test]
    fn every_name_is_that_of_its_component() {
        for config in SpaceConfig::all() {
            let value = serde_json::to_value(&config).unwrap();
            assert!(value.get(config.name()).is_some(), "{value}");
        }
    }
}
