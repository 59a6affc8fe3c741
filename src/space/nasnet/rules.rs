//! The decisions of a pair of cells: for each block two states, two operations and a combiner, the normal
//! cell first (Zoph et al. 2018, sec. 3.1).

use std::fmt;

use super::cell::INPUTS;
use super::{CellOp, Combiner};
use crate::space::{Rules, Token};

/// Decisions of a block.
pub(super) const DECISIONS: usize = 5;

/// What one decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decision {
    /// Which state a half reads.
    Input(usize),
    /// What a half does with it.
    Op(usize),
    /// What joins the halves.
    Combiner,
}

/// Blocks of each cell and what they choose among.
#[derive(Debug, Clone)]
pub(super) struct CellRules {
    pub(super) blocks: usize,
    pub(super) operations: Vec<CellOp>,
    pub(super) combiners: Vec<Combiner>,
}

impl CellRules {
    /// Decisions of the walk.
    pub(super) fn decisions(&self) -> usize {
        2 * self.blocks * DECISIONS
    }

    /// Block, within its cell, and decision at a place of the walk.
    fn at(&self, place: usize) -> (usize, Decision) {
        let block = place / DECISIONS % self.blocks;
        let decision = match place % DECISIONS {
            half @ (0 | 1) => Decision::Input(half),
            half @ (2 | 3) => Decision::Op(half - 2),
            _ => Decision::Combiner,
        };
        (block, decision)
    }

    /// Tokens: all states, then operations, then combiners.
    fn first_op(&self) -> usize {
        self.blocks - 1 + INPUTS
    }
}

/// The place alone is a state: which choices are legal does not depend on those before.
impl Rules for CellRules {
    type State = usize;
    type Seen = usize;

    fn start(&self) -> usize {
        0
    }

    fn actions(&self, place: &usize) -> Vec<(Token, usize)> {
        if *place == self.decisions() {
            return Vec::new();
        }
        let (block, decision) = self.at(*place);
        let (first, many) = match decision {
            Decision::Input(_) => (0, block + INPUTS),
            Decision::Op(_) => (self.first_op(), self.operations.len()),
            Decision::Combiner => (self.first_op() + self.operations.len(), self.combiners.len()),
        };
        let token = |token| Token(u16::try_from(token).expect("the config's check bounds them"));
        (first..first + many).map(|index| (token(index), place + 1)).collect()
    }

    fn seen(&self, place: &usize) -> usize {
        *place
    }

    fn name(&self, place: &usize) -> String {
        if *place == self.decisions() {
            return "end".to_owned();
        }
        let cell = if *place < self.decisions() / 2 { "normal" } else { "reduction" };
        let (block, decision) = self.at(*place);
        format!("{cell} block {block} {decision}")
    }

    fn vocabulary(&self) -> Vec<String> {
        let states = (0..self.first_op()).map(|state| state.to_string());
        let operations = self.operations.iter().map(|op| op.name().to_owned());
        let combiners = self.combiners.iter().map(|combiner| combiner.name().to_owned());
        states.chain(operations).chain(combiners).collect()
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(half) => write!(f, "state {}", half + 1),
            Self::Op(half) => write!(f, "operation {}", half + 1),
            Self::Combiner => f.write_str("combiner"),
        }
    }
}
