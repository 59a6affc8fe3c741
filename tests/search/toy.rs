//! A space of independent decisions for tests and benchmarks: nothing has to be built, every reward is
//! known.

use phytotron::net::{Network, Shape};
use phytotron::seed::Stream;
use phytotron::space::{Features, Genotype, Limits, ParseError, Process, Rules, Space, Token};

/// Decisions with fixed numbers of choices, one after another.
#[derive(Debug)]
pub(crate) struct Toy {
    process: Process,
    sizes: Vec<usize>,
}

struct Decisions<'a> {
    sizes: &'a [usize],
    /// Whether a state knows what was decided before.
    remembers: bool,
}

impl Rules for Decisions<'_> {
    /// How many decisions were made, and which, where they are remembered.
    type State = (usize, Vec<u16>);
    type Seen = (usize, Vec<u16>);

    fn start(&self) -> Self::State {
        (0, Vec::new())
    }

    fn actions(&self, (step, past): &Self::State) -> Vec<(Token, Self::State)> {
        let size = self.sizes.get(*step).copied().unwrap_or(0);
        let action = |slot| {
            let slot = u16::try_from(slot).expect("few choices");
            let mut past = past.clone();
            if self.remembers {
                past.push(slot);
            }
            (Token(slot), (step + 1, past))
        };
        (0..size).map(action).collect()
    }

    fn seen(&self, state: &Self::State) -> Self::Seen {
        state.clone()
    }

    fn name(&self, (step, past): &Self::State) -> String {
        format!("decision {step} after {past:?}")
    }

    fn vocabulary(&self) -> Vec<String> {
        (0..self.sizes.iter().max().copied().unwrap_or(0)).map(|slot| slot.to_string()).collect()
    }
}

impl Toy {
    /// One decision for each size.
    pub(crate) fn new(sizes: &[usize]) -> Self {
        Self::with(&Decisions { sizes, remembers: false })
    }

    /// The same, where states know the decisions before: what a table needs to learn from them.
    pub(crate) fn tree(sizes: &[usize]) -> Self {
        Self::with(&Decisions { sizes, remembers: true })
    }

    fn with(decisions: &Decisions<'_>) -> Self {
        let process = Process::build(decisions).expect("small");
        Self { process, sizes: decisions.sizes.to_vec() }
    }

    /// Two cells of five blocks with the sizes of NASNet's controller.
    pub(crate) fn cells() -> Self {
        let cell = (0..5).flat_map(|block| [block + 2, block + 2, 13, 13, 2]);
        let sizes: Vec<usize> = cell.clone().chain(cell).collect();
        Self::new(&sizes)
    }
}

impl Space for Toy {
    fn process(&self) -> &Process {
        &self.process
    }

    fn image(&self) -> Shape {
        Shape { channels: 3, height: 32, width: 32 }
    }

    fn classes(&self) -> usize {
        10
    }

    fn write_text(&self, genotype: &Genotype, text: &mut String) {
        for slot in &genotype.0 {
            text.push(char::from(b'a' + u8::try_from(*slot).expect("few choices")));
        }
    }

    fn parse(&self, text: &str) -> Result<Genotype, ParseError> {
        let genotype = Genotype(text.bytes().map(|letter| u16::from(letter - b'a')).collect());
        assert!(self.process.is_complete(&genotype), "{text} is none of this space");
        Ok(genotype)
    }

    fn network(&self, _: &Genotype) -> Network {
        panic!("a toy has no networks")
    }

    fn features(&self, genotype: &Genotype) -> Features {
        let sum: u64 = genotype.0.iter().map(|slot| u64::from(*slot)).sum();
        Features {
            parameters: 1_000 * (sum + 1),
            multiply_adds: 10_000 * (sum + 1),
            depth: 10,
            identity_share: 0.0,
            halvings: 3.0,
            pool_share: 0.2,
            dense_share: 0.0,
            batch_norm: true,
            activations: 1_000,
        }
    }

    fn neighbours(&self, genotype: &Genotype) -> Vec<Genotype> {
        let mut neighbours = Vec::new();
        for (step, &size) in self.sizes.iter().enumerate() {
            for slot in (0..size).filter(|slot| *slot != usize::from(genotype.0[step])) {
                let mut neighbour = genotype.clone();
                neighbour.0[step] = u16::try_from(slot).expect("few choices");
                neighbours.push(neighbour);
            }
        }
        neighbours
    }

    fn mutate(&self, genotype: &Genotype, stream: &mut Stream) -> Option<Genotype> {
        let mut mutant = genotype.clone();
        let step = stream.index(self.sizes.len());
        let others = self.sizes[step].checked_sub(1).filter(|others| *others > 0)?;
        let other = u16::try_from(stream.index(others)).expect("few choices");
        mutant.0[step] = other + u16::from(other >= genotype.0[step]);
        Some(mutant)
    }

    fn limits(&self) -> Limits {
        Limits {
            parameters_max: u64::MAX,
            multiply_adds_max: u64::MAX,
            memory_max: u64::MAX,
            memory_batch: 1,
        }
    }
}
