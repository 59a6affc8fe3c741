//! Parameters of the NASNet space, with the paper's values where it has them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CellOp, Combiner, Size};
use crate::space::{ConfigMistake, Limits, config::repeated};

/// Pairs of cells, repeated in a fixed stack (`NASNet`, Zoph et al. 2018).
///
/// What is searched is `blocks`, `operations` and `combiners`. The rest is the size of the network that
/// the cells are put in, and may be another one when they are retrained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NasnetConfig {
    /// Cells and channels as the paper writes them, `6 @ 768`: 6 cells in each stack and 768 channels at
    /// the end of NASNet-A, hence 768 / 24 filters. Said instead of `cells` and `filters`.
    #[schemars(regex(pattern = r"^ *[0-9]+ *@ *[0-9]+ *$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Normal cells in each of the three stacks: N. The paper searches with 2.
    #[schemars(range(min = 1, max = 32))]
    pub cells: usize,
    /// Filters of the first cell; they double at each of the two reductions. CIFAR-10 had 32.
    #[schemars(range(min = 1, max = 1024))]
    pub filters: usize,
    /// Blocks of a cell: B. The paper has 5.
    #[schemars(range(min = 1, max = 10))]
    pub blocks: usize,
    /// Operations that a block chooses among; the paper's 13.
    #[schemars(length(min = 1, max = 13))]
    pub operations: Vec<CellOp>,
    /// What joins the halves of a block; the paper's two.
    #[schemars(length(min = 1, max = 2))]
    pub combiners: Vec<Combiner>,
    /// What stands before the first cell.
    pub stem: Stem,
    /// Channels of the stem: times `filters` for `cifar`, times 32 for `imagenet`. The paper has 3 for
    /// CIFAR-10 and its large network, 1 for its mobile one.
    #[schemars(range(min = 1, max = 16))]
    pub stem_multiplier: usize,
    /// Whether the cell behind a reduction reads, beside it, what the reduction's second input was, rather
    /// than its first (the paper's large network).
    pub skip_reduction_input: bool,
    /// Whether a second head after two thirds of the cells helps to train the network; it is no part of it.
    pub auxiliary: bool,
    /// Rate of the dropout before the logits.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
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

/// What stands before the first cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stem {
    /// For small images: a 3x3 convolution that keeps the side.
    Cifar,
    /// For large images: a 3x3 convolution with stride 2 and two reduction cells, an eighth of the side.
    Imagenet,
}

impl Default for NasnetConfig {
    fn default() -> Self {
        let Limits { parameters_max, multiply_adds_max, memory_max, memory_batch } =
            Limits::default();
        Self {
            size: None,
            cells: 2,
            filters: 16,
            blocks: 5,
            operations: CellOp::ALL.to_vec(),
            combiners: Combiner::ALL.to_vec(),
            stem: Stem::Cifar,
            stem_multiplier: 3,
            skip_reduction_input: false,
            auxiliary: false,
            dropout: 0.0,
            parameters_max,
            multiply_adds_max,
            memory_max,
            memory_batch,
        }
    }
}

impl NasnetConfig {
    /// What a schema cannot say of the values.
    #[must_use]
    pub fn check(&self) -> Vec<ConfigMistake> {
        let mut mistakes = Vec::new();
        let mut wrong = |key: &'static str, message: String, help: &str| {
            mistakes.push(ConfigMistake { key, message, help: help.to_owned() });
        };
        if let Some(Err(reason)) = self.size.as_ref().map(|size| size.parse::<Size>()) {
            wrong("size", reason, "or set `cells` and `filters` instead");
        }
        if let Some(op) = repeated(&self.operations.iter().map(|op| op.name()).collect::<Vec<_>>())
        {
            wrong("operations", format!("`{op}` stands twice"), "list every operation once");
        }
        let combiners: Vec<&str> = self.combiners.iter().map(|one| one.name()).collect();
        if let Some(combiner) = repeated(&combiners) {
            wrong("combiners", format!("`{combiner}` stands twice"), "list every combiner once");
        }
        if self.stem == Stem::Imagenet && self.resolved().filters < 8 {
            let message = "the stem's first cell would have less than two filters".to_owned();
            wrong(
                "filters",
                message,
                "the stem `imagenet` needs at least 8: its first cell has a quarter",
            );
        }
        mistakes
    }

    /// The same config with `size` put into `cells` and `filters`, which would not win over it.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let size = self.size();
        Self { size: None, cells: size.cells, filters: size.filters, ..self.clone() }
    }

    /// Cells and filters, by whichever key they were said. A size that is none counts as unsaid.
    #[must_use]
    pub fn size(&self) -> Size {
        let said = self.size.as_ref().and_then(|size| size.parse().ok());
        said.unwrap_or(Size { cells: self.cells, filters: self.filters })
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
        assert_eq!(NasnetConfig::default().check(), []);
    }

    #[test]
    fn every_mistake_is_found_at_once() {
        let config = NasnetConfig {
            size: Some("7 @ 100".to_owned()),
            filters: 2,
            stem: Stem::Imagenet,
            operations: vec![CellOp::Identity, CellOp::Identity],
            combiners: vec![Combiner::Add, Combiner::Add],
            ..NasnetConfig::default()
        };
        let messages: Vec<String> = config.check().into_iter().map(|m| m.message).collect();
        assert_eq!(
            messages,
            [
                "100 channels are no multiple of 24: the nearest are 96 and 120",
                "`id` stands twice",
                "`add` stands twice",
                "the stem's first cell would have less than two filters",
            ]
        );
    }

    #[test]
    fn a_size_is_said_instead_of_cells_and_filters() {
        let config = NasnetConfig { size: Some("4 @ 1056".to_owned()), ..NasnetConfig::default() };
        let resolved = config.resolved();
        assert_eq!((resolved.cells, resolved.filters, resolved.size), (4, 44, None));
    }
}
