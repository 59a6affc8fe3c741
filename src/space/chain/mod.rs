//! Chains of layers: the space of MetaQNN (Baker et al. 2017, arXiv:1611.02167).
//!
//! The released code decides where paper and code differ: a layer may be added while the depth is below
//! the limit, and kernels are compared with the bin of the side, strictly.

mod config;
mod edit;
mod layer;
mod network;
mod rules;

pub use config::ChainConfig;
pub use layer::{Chain, Layer};

use rules::ChainRules;

use super::{
    ConfigMistake, Features, Genotype, Limits, Parameters, ParseError, Process, Rules, Space,
    SpaceError,
};
use crate::net::{Network, Shape};
use crate::seed::Stream;

/// Version of the space: raised when the same config gives other chains, texts or networks.
pub const VERSION: u32 = 2;

/// The chain space for images of one side.
#[derive(Debug)]
pub struct ChainSpace {
    config: ChainConfig,
    image: Shape,
    classes: usize,
    rules: ChainRules,
    process: Process,
    /// Canonical text of each token.
    texts: Vec<String>,
}

impl Parameters for ChainConfig {
    const COMPONENT: (&'static str, u32) = ("space.chain", VERSION);

    fn mistakes(&self) -> Vec<ConfigMistake> {
        self.check()
    }

    fn open(&self, image: Shape, classes: usize) -> Result<Box<dyn Space>, SpaceError> {
        Ok(Box::new(ChainSpace::open(self, image, classes)?))
    }
}

impl ChainSpace {
    /// The space for images of shape `image` and `classes` classes.
    ///
    /// # Errors
    /// When the images are not square or the tables are too rich.
    pub fn open(config: &ChainConfig, image: Shape, classes: usize) -> Result<Self, SpaceError> {
        if image.height != image.width {
            return Err(SpaceError::NotSquare { image });
        }
        crate::space::check_task(image, classes, 1)?;
        let rules = ChainRules::new(config, image.height, classes);
        let process = Process::build(&rules)?;
        let texts = rules.layers().iter().map(ToString::to_string).collect();
        Ok(Self { config: config.clone(), image, classes, rules, process, texts })
    }

    /// The genotype as layers.
    #[must_use]
    pub fn chain(&self, genotype: &Genotype) -> Chain {
        let layers = self.rules.layers();
        let tokens = self.process.encoding(genotype);
        Chain::new(tokens.map(|token| layers[usize::from(token.0)]).collect())
    }

    /// The genotype of a chain, or the place of the first layer that is not legal, and why.
    fn genotype(&self, chain: &Chain) -> Result<Genotype, (usize, String)> {
        let (mut place, mut state) = (self.rules.start(), self.process.start());
        let mut genotype = Genotype::default();
        for (i, &layer) in chain.layers().iter().enumerate() {
            self.rules.legal(&place, layer).map_err(|why| (i, format!("`{layer}` {why}")))?;
            let actions = self.process.actions(state);
            let means = |token: super::Token| self.rules.layers()[usize::from(token.0)];
            let slot = actions
                .iter()
                .position(|action| means(action.token) == layer)
                .expect("the process was built from the same rules");
            genotype.0.push(u16::try_from(slot).expect("a token for each slot fits 16 bits"));
            state = actions[slot].next;
            place = ChainRules::step(&place, layer);
        }
        Ok(genotype)
    }
}

impl Space for ChainSpace {
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
        text.push('[');
        for (i, token) in self.process.encoding(genotype).enumerate() {
            text.push_str(if i == 0 { "" } else { ", " });
            text.push_str(&self.texts[usize::from(token.0)]);
        }
        text.push(']');
    }

    fn parse(&self, text: &str) -> Result<Genotype, ParseError> {
        let (chain, columns) = Chain::parse_with_columns(text)?;
        self.genotype(&chain)
            .map_err(|(layer, reason)| ParseError { column: columns[layer], reason })
    }

    fn network(&self, genotype: &Genotype) -> Network {
        let chain = self.chain(genotype);
        let chain = if self.config.dropout { chain.with_dropout() } else { chain };
        chain.network(self.image, self.config.batch_norm)
    }

    fn features(&self, genotype: &Genotype) -> Features {
        self.chain(genotype).features(self.image, self.config.batch_norm)
    }

    fn neighbours(&self, genotype: &Genotype) -> Vec<Genotype> {
        self.edited_once(genotype)
    }

    fn mutate(&self, genotype: &Genotype, stream: &mut Stream) -> Option<Genotype> {
        self.edited(genotype, stream)
    }

    fn limits(&self) -> Limits {
        self.config.limits()
    }
}
