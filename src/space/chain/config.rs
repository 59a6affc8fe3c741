//! Parameters of the chain space, with the published values as defaults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::space::{ConfigMistake, Limits, config::repeated};

/// Chains of convolutions, poolings and fully connected layers (MetaQNN).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChainConfig {
    /// Channels that a convolution may have.
    #[schemars(length(min = 1, max = 32), inner(range(min = 1, max = 4096)))]
    pub filters: Vec<usize>,
    /// Sides that a convolution's kernel may have: odd numbers.
    #[schemars(length(min = 1, max = 16), inner(range(min = 1, max = 31)))]
    pub kernels: Vec<usize>,
    /// Kernel and stride that a pooling may have: `[[5, 3], [3, 2], [2, 2]]`.
    #[schemars(length(max = 16), inner(inner(range(min = 1, max = 31))))]
    pub pools: Vec<[usize; 2]>,
    /// Units that a fully connected layer may have; those below the number of classes are not used.
    #[schemars(length(max = 16), inner(range(min = 1, max = 65536)))]
    pub fc_sizes: Vec<usize>,
    /// Most fully connected layers, the final one not counted.
    #[schemars(range(max = 16))]
    pub fc_max: usize,
    /// Largest bin of the side at which a fully connected layer may begin.
    pub fc_bin_max: usize,
    /// Most layers, the final one not counted.
    #[schemars(range(min = 1, max = 64))]
    pub layers_max: usize,
    /// Lower bounds of the bins in which a controller sees the side of a feature map; one is 1. Kernels
    /// must be below the bin's bound.
    #[schemars(length(min = 1, max = 16), inner(range(min = 1, max = 4096)))]
    pub bins: Vec<usize>,
    /// Whether each convolution is followed by batch normalisation; it then has no bias.
    pub batch_norm: bool,
    /// Whether children are trained with the paper's dropout.
    pub dropout: bool,
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

impl Default for ChainConfig {
    /// The space for SVHN and CIFAR-10 of the paper's table 1, with the limit of 12 layers.
    fn default() -> Self {
        let Limits { parameters_max, multiply_adds_max, memory_max, memory_batch } =
            Limits::default();
        Self {
            filters: vec![64, 128, 256, 512],
            kernels: vec![1, 3, 5],
            pools: vec![[5, 3], [3, 2], [2, 2]],
            fc_sizes: vec![512, 256, 128],
            fc_max: 2,
            fc_bin_max: 4,
            layers_max: 12,
            bins: vec![8, 4, 1],
            batch_norm: false,
            dropout: true,
            parameters_max,
            multiply_adds_max,
            memory_max,
            memory_batch,
        }
    }
}

impl ChainConfig {
    /// What keeps a genotype from being tried.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            parameters_max: self.parameters_max,
            multiply_adds_max: self.multiply_adds_max,
            memory_max: self.memory_max,
            memory_batch: self.memory_batch,
        }
    }

    /// What a schema cannot say of the values.
    #[must_use]
    pub fn check(&self) -> Vec<ConfigMistake> {
        let mut mistakes = Vec::new();
        let mut wrong = |key: &'static str, message: String, help: &str| {
            mistakes.push(ConfigMistake { key, message, help: help.to_owned() });
        };
        let numbers = [
            ("filters", repeated(&self.filters)),
            ("kernels", repeated(&self.kernels)),
            ("fc_sizes", repeated(&self.fc_sizes)),
            ("bins", repeated(&self.bins)),
        ];
        for (key, again) in numbers {
            if let Some(again) = again {
                wrong(key, format!("{again} stands twice in `{key}`"), "list every value once");
            }
        }
        if let Some([kernel, stride]) = repeated(&self.pools) {
            let message = format!("[{kernel}, {stride}] stands twice in `pools`");
            wrong("pools", message, "list every value once");
        }
        if let Some(kernel) = self.kernels.iter().find(|kernel| **kernel % 2 == 0) {
            let message = format!("kernel {kernel} is even");
            wrong("kernels", message, "a convolution keeps its side with odd kernels only");
        }
        if let Some([kernel, stride]) = self.pools.iter().find(|[kernel, stride]| stride > kernel) {
            let message = format!("the pooling [{kernel}, {stride}] steps over pixels");
            wrong("pools", message, "write kernel and stride, the stride at most the kernel");
        }
        if !self.bins.contains(&1) {
            let message = "no bin holds the smallest sides".to_owned();
            wrong("bins", message, "add a bin that begins at 1");
        }
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_values_have_no_mistake() {
        assert_eq!(ChainConfig::default().check(), []);
    }

    #[test]
    fn every_mistake_is_found_at_once() {
        let config = ChainConfig {
            filters: vec![64, 32, 64],
            kernels: vec![3, 4],
            pools: vec![[2, 3], [2, 2], [2, 2]],
            bins: vec![8],
            ..ChainConfig::default()
        };
        let messages: Vec<String> = config.check().into_iter().map(|m| m.message).collect();
        assert_eq!(
            messages,
            [
                "64 stands twice in `filters`",
                "[2, 2] stands twice in `pools`",
                "kernel 4 is even",
                "the pooling [2, 3] steps over pixels",
                "no bin holds the smallest sides",
            ]
        );
    }
}
