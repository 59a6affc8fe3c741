//! Parameters of the layer-by-layer space, with the paper's values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Growth;
use crate::space::{ConfigMistake, Limits, config::repeated};
use crate::wording;

/// Convolutions with free skip connections, layer by layer (Zoph & Le 2017).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LayerwiseConfig {
    /// Convolutions of a network; with `growth`, of the last networks.
    #[schemars(range(min = 1, max = 64))]
    pub layers: usize,
    /// Fewer layers at first, and more as the search goes on, up to `layers`; by default all have `layers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// Rows that a kernel may have.
    #[schemars(length(min = 1, max = 16), inner(range(min = 1, max = 31)))]
    pub heights: Vec<usize>,
    /// Columns that a kernel may have.
    #[schemars(length(min = 1, max = 16), inner(range(min = 1, max = 31)))]
    pub widths: Vec<usize>,
    /// Filters that a layer may have.
    #[schemars(length(min = 1, max = 32), inner(range(min = 1, max = 4096)))]
    pub filters: Vec<usize>,
    /// Strides that a layer may have, for rows and columns each: `[1, 2, 3]` in the paper's second
    /// experiment. A single one is no decision.
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 8)))]
    pub strides: Vec<usize>,
    /// Layers, counted from 1, whose output is halved by a 2x2 max pooling: `[13, 24]` in the paper's
    /// third experiment.
    #[schemars(length(max = 16), inner(range(min = 1, max = 64)))]
    pub pools_after: Vec<usize>,
    /// Whether each layer chooses which earlier layers it reads; else it reads the one before.
    pub skips: bool,
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

impl Default for LayerwiseConfig {
    /// The paper's first experiment on CIFAR-10, at the depth it begins with.
    fn default() -> Self {
        let Limits { parameters_max, multiply_adds_max, memory_max, memory_batch } =
            Limits::default();
        Self {
            layers: 6,
            growth: None,
            heights: vec![1, 3, 5, 7],
            widths: vec![1, 3, 5, 7],
            filters: vec![24, 36, 48, 64],
            strides: vec![1],
            pools_after: Vec::new(),
            skips: true,
            parameters_max,
            multiply_adds_max,
            memory_max,
            memory_batch,
        }
    }
}

impl LayerwiseConfig {
    /// What a schema cannot say of the values.
    #[must_use]
    pub fn check(&self) -> Vec<ConfigMistake> {
        let lists = [
            ("heights", &self.heights),
            ("widths", &self.widths),
            ("filters", &self.filters),
            ("strides", &self.strides),
            ("pools_after", &self.pools_after),
        ];
        let twice = lists.iter().filter_map(|(key, list)| {
            let again = repeated(list)?;
            let message = format!("{again} stands twice in `{key}`");
            Some(ConfigMistake { key, message, help: "list every value once".to_owned() })
        });
        let beyond = self.pools_after.iter().find(|layer| **layer > self.layers);
        let beyond = beyond.map(|layer| ConfigMistake {
            key: "pools_after",
            message: format!("there is no layer {layer} to pool after"),
            help: format!("layers are counted from 1 to {}", self.layers),
        });
        twice.chain(beyond).chain(self.check_growth()).collect()
    }

    /// A growth that cannot begin, or cannot leave its first depth since there are not enough networks.
    fn check_growth(&self) -> Option<ConfigMistake> {
        let Growth { start, every, .. } = self.growth?;
        let layers = self.layers as u64;
        if start > layers {
            return Some(ConfigMistake {
                key: "growth",
                message: format!("networks begin with {start} layers and end with {layers}"),
                help:
                    "`layers` is the depth of the last networks, `growth.start` that of the first"
                        .to_owned(),
            });
        }
        let networks = self.networks(start);
        (start < layers && networks < u128::from(every)).then(|| {
            let layers = wording::count(usize::try_from(start).unwrap_or(usize::MAX), "layer");
            ConfigMistake {
                key: "growth",
                message: format!("there are only {networks} networks of {layers}"),
                help: format!("`every` may be at most {networks}, or `start` higher"),
            }
        })
    }

    /// Networks of `layers` layers, saturating.
    fn networks(&self, layers: u64) -> u128 {
        let strides =
            if self.strides.len() > 1 { self.strides.len() * self.strides.len() } else { 1 };
        let own = self.heights.len() * self.widths.len() * self.filters.len() * strides;
        (0..layers).fold(1, |networks: u128, layer| {
            let reads = if self.skips { layer } else { 0 };
            let reads = u32::try_from(reads).ok().and_then(|reads| 1_u128.checked_shl(reads));
            networks.saturating_mul(own as u128).saturating_mul(reads.unwrap_or(u128::MAX))
        })
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_values_have_no_mistake() {
        assert_eq!(LayerwiseConfig::default().check(), []);
    }

    #[test]
    fn every_mistake_is_found_at_once() {
        let config = LayerwiseConfig {
            heights: vec![3, 3],
            pools_after: vec![7],
            ..LayerwiseConfig::default()
        };
        let messages: Vec<String> = config.check().into_iter().map(|m| m.message).collect();
        assert_eq!(messages, ["3 stands twice in `heights`", "there is no layer 7 to pool after"]);
    }

    #[test]
    fn growth_begins_below_the_last_depth_and_has_networks_enough() {
        let messages = |start, every, layers| -> Vec<String> {
            let growth = Some(Growth { start, plus: 1, every });
            let config = LayerwiseConfig { layers, growth, ..LayerwiseConfig::default() };
            config.check().into_iter().map(|mistake| mistake.message).collect()
        };
        assert_eq!(messages(6, 1600, 20), Vec::<String>::new());
        assert_eq!(messages(6, 1600, 6), Vec::<String>::new());
        assert_eq!(messages(7, 1600, 6), ["networks begin with 7 layers and end with 6"]);
        assert_eq!(messages(1, 64, 6), Vec::<String>::new());
        assert_eq!(messages(1, 65, 6), ["there are only 64 networks of 1 layer"]);
        assert_eq!(messages(2, 8193, 6), ["there are only 8192 networks of 2 layers"]);
    }
}
