//! What people are shown of an architecture when its layers are too many: a few diagrams of blocks.
//!
//! A network of cells has hundreds of nodes and says less than the two cells it is made of. Spaces draw
//! those; the report lays them out. Knows nothing of ink.

use serde::{Deserialize, Serialize};

/// An architecture in diagrams; none means that the network's layers are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawing {
    /// One diagram for each cell that differs.
    pub diagrams: Vec<Diagram>,
}

/// A small directed acyclic graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagram {
    /// What is drawn: `Normal cell`.
    pub title: String,
    /// Its blocks; each stands behind those it reads.
    pub blocks: Vec<Block>,
}

/// A box with a name and a few words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Short name: what other blocks call it.
    pub name: String,
    /// What it computes, line by line.
    pub lines: Vec<String>,
    /// Places of the blocks that it reads, each once.
    pub reads: Vec<usize>,
    /// Its operations, each on one of these blocks, where it puts the results of several together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
}

/// One operation of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Short name: `sep 5x5`.
    pub name: String,
    /// Place of the block that it reads.
    pub reads: usize,
}

impl Diagram {
    /// Row of each block from the top: one below the lowest that it reads.
    #[must_use]
    pub fn rows(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            rows.push(block.reads.iter().map(|&read| rows[read] + 1).max().unwrap_or(0));
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_stands_below_all_that_it_reads() {
        let block = |reads: &[usize]| Block {
            name: String::new(),
            lines: Vec::new(),
            reads: reads.to_vec(),
            operations: Vec::new(),
        };
        let blocks = vec![block(&[]), block(&[]), block(&[0, 1]), block(&[1]), block(&[2, 3])];
        let diagram = Diagram { title: String::new(), blocks };
        assert_eq!(diagram.rows(), [0, 0, 1, 1, 2]);
    }
}
