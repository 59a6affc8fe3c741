//! Cells as data: blocks that read earlier states, and what a cell concatenates at its end.

use super::{CellOp, Combiner};

/// States that a cell starts with: its input and the cell before that.
pub(super) const INPUTS: usize = 2;

/// Two states, an operation on each, and what joins them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CellBlock {
    /// The states it reads; block `b` may read any of the `b + 2` before it.
    pub inputs: [usize; 2],
    /// What it does with each.
    pub ops: [CellOp; 2],
    /// What joins the two.
    pub combiner: Combiner,
}

/// A cell: blocks in order, and the states that are its output.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cell {
    /// The blocks; block `b` makes state `b + 2`.
    pub blocks: Vec<CellBlock>,
    /// The states that are concatenated, a bit each; 0 for those that no block reads.
    pub concat: u16,
}

/// The two cells that make a network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cells {
    /// Keeps the side of the map.
    pub normal: Cell,
    /// Halves it.
    pub reduction: Cell,
}

impl Cell {
    /// States in all.
    #[must_use]
    pub fn states(&self) -> usize {
        self.blocks.len() + INPUTS
    }

    /// The states that no block reads, a bit each.
    #[must_use]
    pub fn unread(&self) -> u16 {
        let all = (1_u16 << self.states()) - 1;
        self.blocks
            .iter()
            .flat_map(|block| block.inputs)
            .fold(all, |left, read| left & !(1 << read))
    }

    /// The states that are concatenated, a bit each.
    #[must_use]
    pub fn output(&self) -> u16 {
        if self.concat == 0 { self.unread() } else { self.concat }
    }

    /// The places of a set of states.
    pub fn places(set: u16) -> impl Iterator<Item = usize> {
        (0..16).filter(move |place| set >> place & 1 == 1)
    }

    /// The same cell with as little said as possible: a list that says what would be concatenated anyway
    /// is left out, so that equal cells have equal texts.
    #[must_use]
    pub fn canonical(self) -> Self {
        let said = self.concat != self.unread();
        Self { concat: if said { self.concat } else { 0 }, ..self }
    }

    /// Whether a path of identities leads from an input to the output.
    #[must_use]
    pub fn has_identity_path(&self) -> bool {
        let mut reached = (1_u16 << INPUTS) - 1;
        for (b, block) in self.blocks.iter().enumerate() {
            let passes = (0..2).any(|half| {
                block.ops[half] == CellOp::Identity && reached >> block.inputs[half] & 1 == 1
            });
            reached |= u16::from(passes) << (b + INPUTS);
        }
        reached & self.output() != 0
    }

    /// Poolings among its operations.
    #[must_use]
    pub fn poolings(&self) -> usize {
        self.blocks.iter().flat_map(|block| block.ops).filter(|op| op.is_pooling()).count()
    }
}

impl Cells {
    /// NASNet-A (Zoph et al. 2018, fig. 4, as in the released code). Its `concat` lists cannot be derived:
    /// they hold states that blocks read, too.
    #[must_use]
    pub fn nasnet_a() -> Self {
        use CellOp::{
            AvgPool3x3 as Avg, Identity as Id, MaxPool3x3 as Max, Separable3x3 as Sep3,
            Separable5x5 as Sep5, Separable7x7 as Sep7,
        };
        let cell = |blocks: [(usize, CellOp, usize, CellOp); 5], concat| {
            let block = |(i, first, j, second)| CellBlock {
                inputs: [i, j],
                ops: [first, second],
                combiner: Combiner::Add,
            };
            Cell { blocks: blocks.map(block).to_vec(), concat }
        };
        let normal = [
            (0, Sep5, 1, Sep3),
            (1, Sep5, 1, Sep3),
            (0, Avg, 1, Id),
            (1, Avg, 1, Avg),
            (0, Sep3, 0, Id),
        ];
        let reduction = [
            (0, Sep5, 1, Sep7),
            (0, Max, 1, Sep7),
            (0, Avg, 1, Sep5),
            (3, Id, 2, Avg),
            (2, Sep3, 0, Max),
        ];
        Self { normal: cell(normal, 0b111_1110), reduction: cell(reduction, 0b111_1000) }
    }
}
