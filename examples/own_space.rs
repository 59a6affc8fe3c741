//! A search space from outside the crate: perceptrons of up to three layers, searched by every strategy.
//!
//! A space is rules (states and legal actions, from which the process is built), a text, a network and edits.
//! Nothing else has to be told about it.
//!
//! `cargo run --release --example own_space`

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use phytotron::net::{Builder, Network, Op, Shape};
use phytotron::search::{
    EvolutionConfig, LocalSearchConfig, MockConfig, MockEvaluator, PpoConfig, QLearningConfig,
    ReinforceConfig, Search, StrategyConfig,
};
use phytotron::seed::{Seed, Stream};
use phytotron::space::{Features, Genotype, Limits, ParseError, Process, Rules, Space, Token};

const WIDTHS: [usize; 4] = [16, 32, 64, 128];
const LAYERS_MAX: usize = 3;
/// The token that ends a network; the others are places in [`WIDTHS`].
const END: Token = Token(4);

/// Layers so far; nothing at the end of a walk.
struct PerceptronRules;

impl Rules for PerceptronRules {
    type State = Option<usize>;
    type Seen = Option<usize>;

    fn start(&self) -> Self::State {
        Some(0)
    }

    fn actions(&self, state: &Self::State) -> Vec<(Token, Self::State)> {
        let Some(layers) = *state else { return Vec::new() };
        let widths = (0..4).filter(|_| layers < LAYERS_MAX);
        widths.map(|place| (Token(place), Some(layers + 1))).chain([(END, None)]).collect()
    }

    fn seen(&self, state: &Self::State) -> Self::Seen {
        *state
    }

    fn name(&self, state: &Self::State) -> String {
        state.map_or("end".to_owned(), |layers| format!("{layers} layers"))
    }

    fn vocabulary(&self) -> Vec<String> {
        WIDTHS.iter().map(usize::to_string).chain(["end".to_owned()]).collect()
    }
}

/// The space for images of one shape.
#[derive(Debug)]
struct Perceptrons {
    process: Process,
    image: Shape,
    classes: usize,
}

impl Perceptrons {
    fn widths(&self, genotype: &Genotype) -> Vec<usize> {
        let tokens = self.process.encoding(genotype).filter(|token| *token != END);
        tokens.map(|token| WIDTHS[usize::from(token.0)]).collect()
    }

    /// The walk with these widths. Slots are places in [`WIDTHS`], and the end is the last slot.
    fn genotype(widths: &[usize]) -> Option<Genotype> {
        let slot = |width| WIDTHS.iter().position(|known| known == width);
        let slots: Option<Vec<usize>> = widths.iter().map(slot).collect();
        let end = if widths.len() < LAYERS_MAX { WIDTHS.len() } else { 0 };
        let slots = slots?.into_iter().chain([end]).map(|slot| u16::try_from(slot).ok());
        slots.collect::<Option<Vec<u16>>>().filter(|_| widths.len() <= LAYERS_MAX).map(Genotype)
    }
}

impl Space for Perceptrons {
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
        let widths = self.widths(genotype);
        *text += &widths.iter().map(usize::to_string).collect::<Vec<_>>().join("-");
    }

    fn parse(&self, text: &str) -> Result<Genotype, ParseError> {
        let words = text.split('-').map(str::trim).filter(|word| !word.is_empty());
        let widths: Result<Vec<usize>, _> = words.map(str::parse).collect();
        let genotype = widths.ok().and_then(|widths| Self::genotype(&widths));
        let reason = format!("up to {LAYERS_MAX} of {WIDTHS:?}, joined by -");
        genotype.ok_or(ParseError { column: 1, reason })
    }

    fn network(&self, genotype: &Genotype) -> Network {
        let mut net = Builder::new(self.image);
        let image = net.image();
        let mut last = net.add("flatten", Op::Flatten, &[image]);
        for (i, units) in self.widths(genotype).into_iter().enumerate() {
            let dense = net.add(format!("dense{i}"), Op::Dense { units }, &[last]);
            last = net.add(format!("dense{i}.relu"), Op::Relu, &[dense]);
        }
        net.add("logits", Op::Dense { units: self.classes }, &[last]);
        net.finish()
    }

    fn features(&self, genotype: &Genotype) -> Features {
        // So small a network may as well be built for counting.
        let network = self.network(genotype);
        Features {
            parameters: network.parameters(),
            multiply_adds: network.multiply_adds(),
            depth: u32::try_from(self.widths(genotype).len() + 1).expect("a few layers"),
            identity_share: 0.0,
            halvings: 0.0,
            pool_share: 0.0,
            dense_share: 1.0,
            batch_norm: false,
            activations: network.activations(),
        }
    }

    fn neighbours(&self, genotype: &Genotype) -> Vec<Genotype> {
        let widths = self.widths(genotype);
        let mut edited = Vec::new();
        for place in 0..widths.len() {
            let (mut without, others) = (widths.clone(), WIDTHS.iter());
            without.remove(place);
            edited.push(without);
            edited.extend(others.filter(|width| **width != widths[place]).map(|&width| {
                let mut with = widths.clone();
                with[place] = width;
                with
            }));
        }
        edited.extend(WIDTHS.map(|width| [widths.as_slice(), &[width]].concat()));
        let mut walks: Vec<Genotype> = edited.iter().filter_map(|w| Self::genotype(w)).collect();
        walks.sort();
        walks.dedup();
        walks
    }

    fn mutate(&self, genotype: &Genotype, stream: &mut Stream) -> Option<Genotype> {
        let mut neighbours = self.neighbours(genotype);
        let place = stream.index(neighbours.len());
        Some(neighbours.swap_remove(place))
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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let image = Shape { channels: 1, height: 28, width: 28 };
    let process = Process::build(&PerceptronRules)?;
    let space = Perceptrons { process, image, classes: 10 };
    println!("{} networks", space.process().count().expect("few"));
    for strategy in [
        StrategyConfig::Random,
        StrategyConfig::QLearning(QLearningConfig::default()),
        StrategyConfig::Reinforce(ReinforceConfig::default()),
        StrategyConfig::Ppo(PpoConfig::default()),
        StrategyConfig::Evolution(EvolutionConfig { population: 10, sample: 3 }),
        StrategyConfig::LocalSearch(LocalSearchConfig { starts: 5 }),
    ] {
        let controller = strategy.open(&space, 60, Seed::root(7))?;
        let mut search = Search::new(&space, controller, Seed::root(7));
        let mut mock = MockEvaluator::new(&MockConfig::default(), 10);
        let mut best = (0.0, String::new());
        for _ in 0..60 {
            let mut scores = Vec::new();
            for proposal in search.propose(1) {
                let text = space.text(&proposal.genotype);
                let score = mock.evaluate(&proposal.features, Seed::root(0), &text).score;
                scores.push(score);
                if score > best.0 {
                    best = (score, text);
                }
            }
            search.observe(&scores);
        }
        println!("{}: best {} with {:.4}", strategy.component().0, best.1, best.0);
    }
    Ok(())
}
