//! Cells of blocks in a fixed stack: the space of `NASNet` (Zoph, Vasudevan, Shlens & Le 2018,
//! arXiv:1707.07012).
//!
//! The released code decides where the paper is silent: how inputs are aligned, where strides apply, what
//! is concatenated. Texts and the walk are in [`text`] and [`rules`].

mod cell;
mod config;
mod drawing;
mod operation;
mod rules;
mod size;
mod stack;
mod table;
mod text;

pub use cell::{Cell, CellBlock, Cells};
pub use config::{NasnetConfig, Stem};
pub use operation::{CellOp, Combiner};
pub use size::Size;

use cell::INPUTS;
use rules::{CellRules, DECISIONS};
use stack::Stack;
use table::{Quick, Table};

use super::{
    ConfigMistake, Features, Genotype, Limits, Parameters, ParseError, Process, Space, SpaceError,
    edit,
};
use crate::net::{Builder, Drawing, Network, Shape};
use crate::seed::Stream;

/// Version of the space: raised when the same config gives other cells, texts or networks.
pub const VERSION: u32 = 1;

/// The NASNet space for images of one shape.
#[derive(Debug)]
pub struct NasnetSpace {
    config: NasnetConfig,
    size: Size,
    image: Shape,
    classes: usize,
    rules: CellRules,
    process: Process,
    table: Table,
}

impl Parameters for NasnetConfig {
    const COMPONENT: (&'static str, u32) = ("space.nasnet", VERSION);

    fn mistakes(&self) -> Vec<ConfigMistake> {
        self.check()
    }

    fn resolved(&self) -> Self {
        self.resolved()
    }

    fn open(&self, image: Shape, classes: usize) -> Result<Box<dyn Space>, SpaceError> {
        Ok(Box::new(NasnetSpace::open(self, image, classes)?))
    }
}

impl NasnetSpace {
    /// The space for images of shape `image` and `classes` classes.
    ///
    /// # Errors
    /// When there is nothing to see or to tell apart.
    pub fn open(config: &NasnetConfig, image: Shape, classes: usize) -> Result<Self, SpaceError> {
        // The large stem's convolution has no padding.
        let least = if config.stem == Stem::Imagenet { 3 } else { 1 };
        super::check_task(image, classes, least)?;
        let rules = CellRules {
            blocks: config.blocks,
            operations: config.operations.clone(),
            combiners: config.combiners.clone(),
        };
        let process = Process::build(&rules)?;
        let (config, size) = (config.clone(), config.size());
        let table = Table::new(&config, size, image);
        Ok(Self { config, size, image, classes, rules, process, table })
    }

    /// The genotype as cells. Two slots may follow the walk: the explicit `concat` of each cell, a bit for
    /// each state, 0 where there is none.
    #[must_use]
    pub fn cells(&self, genotype: &Genotype) -> Cells {
        let (walk, concat) = genotype.0.split_at(self.rules.decisions());
        let (normal, reduction) = walk.split_at(walk.len() / 2);
        let cell = |slots: &[u16], concat: Option<&u16>| Cell {
            blocks: slots.chunks_exact(DECISIONS).map(|slots| self.block(slots)).collect(),
            concat: concat.copied().unwrap_or(0),
        };
        Cells { normal: cell(normal, concat.first()), reduction: cell(reduction, concat.get(1)) }
    }

    fn block(&self, slots: &[u16]) -> CellBlock {
        let at = |i: usize| usize::from(slots[i]);
        CellBlock {
            inputs: [at(0), at(1)],
            ops: [self.rules.operations[at(2)], self.rules.operations[at(3)]],
            combiner: self.rules.combiners[at(4)],
        }
    }

    /// The genotype of a pair of cells with the space's number of blocks.
    ///
    /// # Errors
    /// The first operation or combiner that the space does not have.
    pub fn genotype(&self, cells: &Cells) -> Result<Genotype, Missing> {
        let mut slots = Vec::with_capacity(self.rules.decisions() + 2);
        let slot = |place: usize| u16::try_from(place).expect("a cell has few states");
        for block in cells.normal.blocks.iter().chain(&cells.reduction.blocks) {
            slots.extend(block.inputs.map(slot));
            for op in block.ops {
                let place = self.rules.operations.iter().position(|one| *one == op);
                let missing = Missing { noun: "operation", name: op.name(), key: "operations" };
                let place = place.ok_or(missing)?;
                slots.push(slot(place));
            }
            let place = self.rules.combiners.iter().position(|one| *one == block.combiner);
            let name = block.combiner.name();
            let missing = Missing { noun: "combiner", name, key: "combiners" };
            let place = place.ok_or(missing)?;
            slots.push(slot(place));
        }
        if cells.normal.concat != 0 || cells.reduction.concat != 0 {
            slots.extend([cells.normal.concat, cells.reduction.concat]);
        }
        Ok(Genotype(slots))
    }

    fn stack<'a>(&'a self, cells: &'a Cells) -> Stack<'a> {
        Stack { config: &self.config, size: self.size, cells, classes: self.classes }
    }
}

/// What a cell has and the space does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {noun} `{name}` is not in `{key}` of this space")]
pub struct Missing {
    noun: &'static str,
    /// Its word in a text.
    name: &'static str,
    key: &'static str,
}

impl Space for NasnetSpace {
    fn process(&self) -> &Process {
        &self.process
    }

    fn image(&self) -> Shape {
        self.image
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn write_text(&self, genotype: &Genotype, text: &mut String) {
        text::write(&self.cells(genotype), text);
    }

    fn parse(&self, text: &str) -> Result<Genotype, ParseError> {
        let cells = text::parse(text, self.rules.blocks)?;
        self.genotype(&cells).map_err(|missing| ParseError {
            // The cells of a name have no place of their own.
            column: text::column(text, missing.name).unwrap_or(1),
            reason: missing.to_string(),
        })
    }

    fn network(&self, genotype: &Genotype) -> Network {
        let cells = self.cells(genotype);
        let mut builder = Builder::new(self.image);
        let described = self.stack(&cells).describe(&mut builder, self.config.auxiliary);
        match described.auxiliary {
            Some(auxiliary) => builder.finish_with_auxiliary(auxiliary),
            None => builder.finish(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a few blocks")]
    fn features(&self, genotype: &Genotype) -> Features {
        let cells = self.cells(genotype);
        let mut quick = Quick::new(self.image, &self.table);
        let last = self.stack(&cells).describe(&mut quick, false).last;
        let poolings = cells.normal.poolings() + cells.reduction.poolings();
        Features {
            identity_share: f64::from(u8::from(cells.normal.has_identity_path())),
            pool_share: poolings as f64 / (4 * self.rules.blocks) as f64,
            ..Features::tallied(quick.sizes(), self.image, last)
        }
    }

    fn neighbours(&self, genotype: &Genotype) -> Vec<Genotype> {
        edit::changed_once(&self.process, genotype)
    }

    /// A cell, then with probability 2/5 another input, 2/5 another operation, 1/5 the other combiner of
    /// one of its blocks. The shares are ours: the cells of Real et al. 2019 (sec. 3.2) only add.
    fn mutate(&self, genotype: &Genotype, stream: &mut Stream) -> Option<Genotype> {
        edit::change(&self.process, genotype, stream)
    }

    /// With or without the explicit `concat` of both cells.
    fn has(&self, genotype: &Genotype) -> bool {
        let decisions = self.rules.decisions();
        let Some((walk, concat)) = genotype.0.split_at_checked(decisions) else { return false };
        let states = INPUTS + self.rules.blocks;
        self.process.is_complete(&Genotype(walk.to_vec()))
            && matches!(concat.len(), 0 | 2)
            && concat.iter().all(|&states_read| usize::from(states_read) >> states == 0)
    }

    fn drawing(&self, genotype: &Genotype) -> Drawing {
        drawing::draw(&self.cells(genotype))
    }

    fn limits(&self) -> Limits {
        self.config.limits()
    }
}
