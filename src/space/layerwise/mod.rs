//! Convolutions with free skip connections, chosen layer by layer: the space of Zoph & Le 2017
//! (arXiv:1611.01578).

mod config;
mod growth;
mod layer;
mod network;
mod rules;

pub use config::LayerwiseConfig;
pub use growth::Growth;
pub use layer::Layer;

use rules::{Decision, LayerRules};

use super::{
    ConfigMistake, Features, Genotype, Limits, Parameters, ParseError, Process, Space, SpaceError,
    edit,
};
use crate::net::{Block, Builder, Diagram, Drawing, Network, Shape, Tally};
use crate::seed::Stream;

/// Version of the space: raised when the same config gives other layers, texts or networks.
pub const VERSION: u32 = 1;

/// The layer-by-layer space for images of one shape.
#[derive(Debug)]
pub struct LayerwiseSpace {
    config: LayerwiseConfig,
    image: Shape,
    classes: usize,
    rules: LayerRules,
    process: Process,
    /// The space at each depth before the last, where networks grow.
    shallower: Vec<LayerwiseSpace>,
}

impl Parameters for LayerwiseConfig {
    const COMPONENT: (&'static str, u32) = ("space.layerwise", VERSION);

    fn mistakes(&self) -> Vec<ConfigMistake> {
        self.check()
    }

    fn open(&self, image: Shape, classes: usize) -> Result<Box<dyn Space>, SpaceError> {
        Ok(Box::new(LayerwiseSpace::open(self, image, classes)?))
    }
}

impl LayerwiseSpace {
    /// The space for images of shape `image` and `classes` classes.
    ///
    /// # Errors
    /// When there is nothing to see or to tell apart.
    pub fn open(
        config: &LayerwiseConfig,
        image: Shape,
        classes: usize,
    ) -> Result<Self, SpaceError> {
        super::check_task(image, classes, 1)?;
        let rules = LayerRules::new(config);
        let process = Process::build(&rules)?;
        let depths = config.growth.into_iter().flat_map(|growth| growth.depths(config.layers));
        let shallower = depths.filter(|layers| *layers < config.layers).map(|layers| {
            let config = LayerwiseConfig { layers, growth: None, ..config.clone() };
            let rules = LayerRules::new(&config);
            let process = process.cut(rules.places().len());
            Self { config, image, classes, rules, process, shallower: Vec::new() }
        });
        let shallower = shallower.collect();
        Ok(Self { config: config.clone(), image, classes, rules, process, shallower })
    }

    /// The genotype as layers.
    #[must_use]
    pub fn layers(&self, genotype: &Genotype) -> Vec<Layer> {
        let mut layers: Vec<Layer> = Vec::with_capacity(self.config.layers);
        let stride = (self.config.strides.len() > 1).then_some((1, 1));
        for (&(layer, decision), &slot) in self.rules.places().iter().zip(&genotype.0) {
            if layer == layers.len() {
                layers.push(Layer { kernel: (1, 1), filters: 1, stride, reads: Vec::new() });
            }
            let value = self.rules.values(decision)[usize::from(slot)];
            let layer = &mut layers[layer];
            match decision {
                Decision::Height => layer.kernel.0 = value,
                Decision::Width => layer.kernel.1 = value,
                Decision::Filters => layer.filters = value,
                Decision::StrideDown => {
                    layer.stride = layer.stride.map(|(_, right)| (value, right));
                }
                Decision::StrideRight => layer.stride = layer.stride.map(|(down, _)| (down, value)),
                Decision::Anchor(from) if value == 1 => layer.reads.push(from),
                Decision::Anchor(_) => {}
            }
        }
        layers
    }

    /// The slots of one layer, or why it is not legal as the `number`-th.
    fn slots(&self, number: usize, layer: &Layer) -> Result<Vec<u16>, String> {
        let chooses = self.config.strides.len() > 1;
        if layer.stride.is_some() != chooses {
            return Err(if chooses {
                "this space chooses strides: write `/` and both".to_owned()
            } else {
                "this space does not choose strides".to_owned()
            });
        }
        if let Some(from) = layer.reads.iter().find(|from| !self.config.skips || **from >= number) {
            return Err(if self.config.skips {
                format!("layer {number} cannot read layer {from}, only earlier ones")
            } else {
                "layers of this space read the one before, and do not say so".to_owned()
            });
        }
        let (down, right) = layer.stride.unwrap_or((1, 1));
        let own = self.rules.places().iter().filter(|(of, _)| *of == number);
        own.map(|&(_, decision)| {
            let (value, noun) = match decision {
                Decision::Height => (layer.kernel.0, "height"),
                Decision::Width => (layer.kernel.1, "width"),
                Decision::Filters => (layer.filters, "number of filters"),
                Decision::StrideDown => (down, "stride"),
                Decision::StrideRight => (right, "stride"),
                Decision::Anchor(from) => (usize::from(layer.reads.contains(&from)), "anchor"),
            };
            let values = self.rules.values(decision);
            let slot = values.iter().position(|one| *one == value);
            let slot = slot.ok_or_else(|| format!("{value} is no {noun} of this space"))?;
            Ok(u16::try_from(slot).expect("the schema bounds the tables"))
        })
        .collect()
    }
}

impl Space for LayerwiseSpace {
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
        layer::write(&self.layers(genotype), text);
    }

    fn parse(&self, text: &str) -> Result<Genotype, ParseError> {
        let layers = layer::parse(text)?;
        let mut genotype = Genotype::default();
        for (number, (column, layer)) in layers.iter().enumerate() {
            if number == self.config.layers {
                let reason = format!("networks of this space have {number} layers");
                return Err(ParseError { column: *column, reason });
            }
            let slots = self.slots(number, layer);
            genotype.0.extend(slots.map_err(|reason| ParseError { column: *column, reason })?);
        }
        let depths = self.shallower.iter().map(|space| space.config.layers);
        let depths: Vec<usize> = depths.chain([self.config.layers]).collect();
        if !depths.contains(&layers.len()) {
            let (found, wanted) = (layers.len(), alternatives(&depths));
            let reason = format!("{found} layers, and networks of this space have {wanted}");
            return Err(ParseError { column: text.chars().count() + 1, reason });
        }
        Ok(genotype)
    }

    fn network(&self, genotype: &Genotype) -> Network {
        let mut builder = Builder::new(self.image);
        network::describe(&mut builder, &self.config, &self.layers(genotype), self.classes);
        builder.finish()
    }

    fn features(&self, genotype: &Genotype) -> Features {
        let layers = self.layers(genotype);
        let mut tally = Tally::new(self.image);
        let last = network::describe(&mut tally, &self.config, &layers, self.classes);
        // There are no cells, and poolings are not chosen.
        Features::tallied(tally.sizes(), self.image, last)
    }

    fn neighbours(&self, genotype: &Genotype) -> Vec<Genotype> {
        edit::changed_once(&self.process, genotype)
    }

    fn mutate(&self, genotype: &Genotype, stream: &mut Stream) -> Option<Genotype> {
        edit::change(&self.process, genotype, stream)
    }

    fn grown(&self, network: u64) -> Option<&dyn Space> {
        let times = usize::try_from(network / self.config.growth?.every).unwrap_or(usize::MAX);
        self.shallower.get(times).map(|space| space as &dyn Space)
    }

    fn has(&self, genotype: &Genotype) -> bool {
        let whole = [self].into_iter();
        whole.chain(&self.shallower).any(|space| space.process.is_complete(genotype))
    }

    /// The layers as blocks; without skips a chain, which the network's own layers show as well.
    fn drawing(&self, genotype: &Genotype) -> Drawing {
        if !self.config.skips {
            return Drawing::default();
        }
        let layers = self.layers(genotype);
        let image = Block { name: "image".to_owned(), ..Block::default() };
        let mut blocks = vec![image];
        for (number, layer) in layers.iter().enumerate() {
            let (rows, columns) = layer.kernel;
            let stride = layer.stride.map(|(down, right)| format!("stride {down}x{right}"));
            let pool = self.config.pools_after.contains(&(number + 1));
            let lines = [
                Some(format!("conv {rows}x{columns}")),
                Some(format!("{} filters", layer.filters)),
                stride,
                pool.then(|| "max pool".to_owned()),
            ];
            let mut reads: Vec<usize> = layer.reads.iter().map(|from| from + 1).collect();
            if reads.is_empty() {
                reads.push(0);
            }
            let name = number.to_string();
            let lines = lines.into_iter().flatten().collect();
            blocks.push(Block { name, lines, reads, operations: Vec::new() });
        }
        let is_read = |place: &usize| blocks.iter().any(|block| block.reads.contains(place));
        let reads = (1..blocks.len()).filter(|place| !is_read(place)).collect();
        blocks.push(Block { name: "head".to_owned(), reads, ..Block::default() });
        Drawing { diagrams: vec![Diagram { title: "Layers".to_owned(), blocks }] }
    }

    fn limits(&self) -> Limits {
        self.config.limits()
    }
}

/// `6`, `6 or 8`, `6, 8 or 10`.
fn alternatives(numbers: &[usize]) -> String {
    let words: Vec<String> = numbers.iter().map(usize::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}
