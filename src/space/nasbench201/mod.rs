//! The space of NAS-Bench-201 (Dong & Yang 2020, arXiv:2001.00326): 15,625 cells, small enough to know all.

mod cell;
mod config;
mod skeleton;

pub use cell::{Cell, EdgeOp};
pub use config::Nasbench201Config;

use cell::{EDGES, NODES};

use super::{
    Features, Genotype, Limits, Parameters, ParseError, Process, Rules, Space, SpaceError, Token,
    edit,
};
use crate::net::{Block, Builder, Diagram, Drawing, Network, Shape, Tally};
use crate::seed::Stream;

/// Version of the space: raised when the same config gives other cells, texts or networks.
pub const VERSION: u32 = 1;

/// The NAS-Bench-201 space for images of one shape.
#[derive(Debug)]
pub struct Nasbench201Space {
    config: Nasbench201Config,
    image: Shape,
    classes: usize,
    process: Process,
}

impl Parameters for Nasbench201Config {
    const COMPONENT: (&'static str, u32) = ("space.nasbench201", VERSION);

    fn open(&self, image: Shape, classes: usize) -> Result<Box<dyn Space>, SpaceError> {
        Ok(Box::new(Nasbench201Space::open(self, image, classes)?))
    }
}

impl Nasbench201Space {
    /// The space for images of shape `image` and `classes` classes.
    ///
    /// # Errors
    /// When there is nothing to see or to tell apart.
    pub fn open(
        config: &Nasbench201Config,
        image: Shape,
        classes: usize,
    ) -> Result<Self, SpaceError> {
        super::check_task(image, classes, 1)?;
        let process = Process::build(&EdgeRules)?;
        Ok(Self { config: config.clone(), image, classes, process })
    }

    /// The genotype as a cell.
    #[must_use]
    pub fn cell(&self, genotype: &Genotype) -> Cell {
        let mut slots = genotype.0.iter();
        Cell([(); 6].map(|()| {
            let slot = slots.next().expect("BUG: a genotype has a slot for each edge");
            EdgeOp::ALL[usize::from(*slot)]
        }))
    }

    /// The genotype of a cell.
    #[must_use]
    pub fn genotype(&self, cell: Cell) -> Genotype {
        // Operations stand in the order of their list, and each place of the walk allows all.
        Genotype(cell.0.iter().map(|op| *op as u16).collect())
    }
}

/// One decision for each edge, in the order of the text; no choice depends on another.
struct EdgeRules;

impl Rules for EdgeRules {
    type State = usize;
    type Seen = usize;

    fn start(&self) -> usize {
        0
    }

    fn actions(&self, edge: &usize) -> Vec<(Token, usize)> {
        let ops = if *edge < EDGES.len() { EdgeOp::ALL.as_slice() } else { &[] };
        ops.iter().map(|op| (Token(*op as u16), edge + 1)).collect()
    }

    fn seen(&self, edge: &usize) -> usize {
        *edge
    }

    fn name(&self, edge: &usize) -> String {
        EDGES.get(*edge).map_or_else(|| "end".to_owned(), |(i, j)| format!("edge {i}-{j}"))
    }

    fn vocabulary(&self) -> Vec<String> {
        EdgeOp::ALL.map(|op| op.name().to_owned()).to_vec()
    }
}

impl Space for Nasbench201Space {
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
        self.cell(genotype).write(text);
    }

    fn parse(&self, text: &str) -> Result<Genotype, ParseError> {
        Cell::parse(text).map(|cell| self.genotype(cell))
    }

    fn network(&self, genotype: &Genotype) -> Network {
        let mut builder = Builder::new(self.image);
        skeleton::describe(&mut builder, &self.config, self.cell(genotype), self.classes);
        builder.finish()
    }

    #[expect(clippy::cast_precision_loss, reason = "a few edges")]
    fn features(&self, genotype: &Genotype) -> Features {
        let cell = self.cell(genotype);
        let mut tally = Tally::new(self.image);
        let last = skeleton::describe(&mut tally, &self.config, cell, self.classes);
        let features = Features::tallied(tally.sizes(), self.image, last);
        Features {
            // Without a path nothing of the image arrives, whatever the skeleton does with the zeros.
            depth: if cell.is_connected() { features.depth } else { 0 },
            identity_share: f64::from(u8::from(cell.has_identity_path())),
            pool_share: cell.poolings() as f64 / EDGES.len() as f64,
            ..features
        }
    }

    fn neighbours(&self, genotype: &Genotype) -> Vec<Genotype> {
        edit::changed_once(&self.process, genotype)
    }

    fn mutate(&self, genotype: &Genotype, stream: &mut Stream) -> Option<Genotype> {
        edit::change(&self.process, genotype, stream)
    }

    fn drawing(&self, genotype: &Genotype) -> Drawing {
        let cell = self.cell(genotype);
        let node = |node: usize| {
            let edges = || EDGES.into_iter().zip(cell.0).filter(move |((_, to), _)| *to == node);
            let passing = || edges().filter(|(_, op)| *op != EdgeOp::None);
            Block {
                name: node.to_string(),
                lines: match node {
                    0 => vec!["input".to_owned()],
                    _ => edges().map(|((i, _), op)| format!("{} of {i}", op.name())).collect(),
                },
                reads: passing().map(|((i, _), _)| i).collect(),
                ..Block::default()
            }
        };
        let blocks = (0..NODES).map(node).collect();
        Drawing { diagrams: vec![Diagram { title: "Cell".to_owned(), blocks }] }
    }

    fn limits(&self) -> Limits {
        self.config.limits()
    }
}
